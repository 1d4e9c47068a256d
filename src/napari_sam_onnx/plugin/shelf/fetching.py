"""One download as the interface sees it: how far it has come, and whether it shall stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_sam_onnx.models.store.disk import size_of
from napari_sam_onnx.models.store.download import download
from napari_sam_onnx.models.store.files import find_files
from napari_sam_onnx.models.store.transfer import DownloadCancelled

if TYPE_CHECKING:
    from napari_sam_onnx.models.store.cards import ModelCard
    from napari_sam_onnx.models.store.transfer import Network


@dataclass(slots=True, eq=False)
class Fetching:
    """A download that waits or runs. The worker writes, the interface reads."""

    card: ModelCard
    running: bool = False
    cancelled: bool = False
    present: int = 0
    _files: dict[str, tuple[int, int | None]] = field(default_factory=dict)

    def run(self, network: Network) -> None:
        """Download; called in the worker."""
        if self.cancelled:
            raise DownloadCancelled(f"The download of {self.card.name} was stopped.")
        self.present = sum(size_of(path) for path in find_files(self.card).values())
        self.running = True
        download(self.card, self._report, lambda: self.cancelled, network=network)

    @property
    def done(self) -> int:
        """Bytes that are here."""
        return self.present + sum(done for done, _ in list(self._files.values()))

    @property
    def total(self) -> int | None:
        """Bytes in all, where the card or the server states them."""
        if self.card.size is not None:
            return self.card.size
        totals = [total for _, total in list(self._files.values())]
        sources = {file.url or (file.archive and file.archive.url) for file in self.card.files}
        if self.present or len(totals) < len(sources) or any(n is None for n in totals):
            return None
        return sum(n for n in totals if n is not None)

    @property
    def fraction(self) -> float | None:
        """From 0 to 1; None where nobody knows the whole."""
        total = self.total
        return min(1.0, self.done / total) if total else None

    def _report(self, name: str, done: int, total: int | None) -> None:
        self._files[name] = done, total
