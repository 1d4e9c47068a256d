"""Which models there are, and what is being done to them: get, remove, add, measure.

No widget: the manager shows what the shelf has and asks it. Files are touched in worker
threads alone; downloads wait in a line of their own, so that they delay nothing else.
"""

from __future__ import annotations

import re
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam_onnx.errors import explain
from napari_sam_onnx.models.add import add_detector, add_local
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store.catalog import read_catalogue
from napari_sam_onnx.models.store.fetch import DEFAULT_NETWORK
from napari_sam_onnx.models.store.files import bytes_on_disk, is_downloaded, remove
from napari_sam_onnx.models.store.shared_files import read_shared
from napari_sam_onnx.models.store.speed import Speed, measure_speed, read_speeds, remember_speed
from napari_sam_onnx.models.store.transfer import DownloadCancelled
from napari_sam_onnx.plugin.session.lanes import Job, ThreadLane
from napari_sam_onnx.plugin.shelf.available import answers_clicks
from napari_sam_onnx.plugin.shelf.entry import ShelfEntry
from napari_sam_onnx.plugin.shelf.fetching import Fetching
from napari_sam_onnx.plugin.shelf.hints import read_told, remember_told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from napari_sam_onnx.models.store.cards import ModelCard
    from napari_sam_onnx.models.store.transfer import Network
    from napari_sam_onnx.plugin.session.engine import Engine

FRESH_S = 5.0


class ModelShelf:
    """The models of the catalogue and the user's own.

    Parameters
    ----------
    engine : Engine
        Lends models to be measured.
    network : Network, optional
        How patient downloads are.

    Attributes
    ----------
    changed : Signal
        Something that the manager shows has changed.
    listed : Signal
        It is known anew which models are on this computer.
    added : Signal
        The card of a model that was added from files.
    """

    changed = Signal()
    listed = Signal()
    added = Signal(object)

    def __init__(
        self,
        engine: Engine,
        network: Network = DEFAULT_NETWORK,
    ) -> None:
        self.engine = engine
        self.entries: tuple[ShelfEntry, ...] | None = None
        self.problems: tuple[str, ...] = ()
        self.told: frozenset[str] = frozenset()  # purposes of which a hint was given
        self.fetching: dict[str, Fetching] = {}
        self.failures: dict[str, str] = {}
        self.measuring: set[str] = set()
        self.text, self.failed = "", False
        self._lane = ThreadLane()
        self._downloads = ThreadLane()
        self._network = network
        self._busy = 0
        self._looked = 0.0
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether anything is under way that the manager should follow."""
        return bool(self.fetching) or self._busy > 0

    def entry(self, model_id: str) -> ShelfEntry | None:
        """Find a model by its id."""
        return next((e for e in self.entries or () if e.card.id == model_id), None)

    def reload_where_old(self) -> None:
        """Look again, unless that was done a moment ago or is being done."""
        if not self.busy and monotonic() - self._looked > FRESH_S:
            self.reload()

    def reload(self) -> None:
        """Look again at what is on this computer."""
        self._looked = monotonic()
        self._submit(_look, self._take_list)

    def fetch(self, model_id: str) -> None:
        """Download a model, after those that were asked for before."""
        entry = self.entry(model_id)
        if entry is None or entry.here or model_id in self.fetching:
            return
        self.failures.pop(model_id, None)
        fetching = self.fetching[model_id] = Fetching(entry.card)
        job = Job(
            partial(fetching.run, self._network),
            partial(self._on_fetched, fetching, None),
            partial(self._on_fetched, fetching),
            replaceable=False,
        )
        self._say(f"Getting {entry.card.name} …")
        self._downloads.submit(job)

    def cancel(self, model_id: str) -> None:
        """Stop a download; what has arrived is kept and continued by the next one."""
        fetching = self.fetching.get(model_id)
        if fetching is None:
            return
        fetching.cancelled = True
        if fetching.running:
            self._say(f"Stopping the download of {fetching.card.name} …")
        else:  # its turn may be long in coming
            del self.fetching[model_id]
            self._say(f"{fetching.card.name} waits no longer.")

    def remove(self, model_id: str) -> None:
        """Delete a model's files; an added model leaves the list."""
        entry = self.entry(model_id)
        if entry is None or model_id in self.fetching:
            return
        self.failures.pop(model_id, None)

        def take_away() -> int:
            freed = remove(entry.card)
            remember_speed(model_id, None)
            return freed

        self._say(f"Removing {entry.card.name} …")
        self._submit(take_away, lambda freed: self._after(f"{entry.card.name} is removed."))

    def add(
        self,
        paths: Sequence[Path],
        model_id: str = "",
        name: str = "",
        licence: str = "",
        *,
        copy: bool = True,
    ) -> None:
        """Make a model of an encoder and a decoder, of one file that is both, or a detector.

        Parameters
        ----------
        paths : sequence of Path
            In any order; checked by opening them.
        model_id : str, optional
            One that is free is made of the file's name where omitted.
        name, licence : str, optional
            See `add_local`.
        copy : bool
            Whether the files go into the data folder.
        """
        graphs = sorted(
            (path for path in paths if path.suffix.lower() == ".onnx"),
            key=lambda path: "decoder" in path.stem.lower(),
        )
        if len(graphs) not in (1, 2):
            self._say(
                "A model is two .onnx files, an encoder and a decoder, or one that is both; "
                f"got {len(graphs)}.",
                failed=True,
            )
            return

        def take_in() -> ModelCard:
            decoder = graphs[1] if len(graphs) == 2 else None
            cards = read_catalogue().cards
            chosen = model_id or make_id(graphs, (card.id for card in cards))
            title = name or find_common_name(graphs)
            try:
                return add_local(graphs[0], decoder, chosen, name=title, licence=licence, copy=copy)
            except ModelError as error:
                if decoder is not None:
                    raise
                try:
                    return add_detector(graphs[0], chosen, name=title, licence=licence)
                except ModelError:
                    raise error from None

        self._say(f"Opening {' and '.join(path.name for path in graphs)} …")
        self._submit(take_in, self._on_added)

    def measure(self, model_id: str) -> None:
        """Time a model that is on this computer, and remember it."""
        entry = self.entry(model_id)
        if entry is None or not entry.here or model_id in self.measuring:
            return
        self.failures.pop(model_id, None)
        self.measuring.add(model_id)

        def take_time() -> Speed:
            with self.engine.borrow(model_id) as model:
                speed = measure_speed(model)
            remember_speed(model_id, speed)
            return speed

        def finish(outcome: Any) -> None:
            self.measuring.discard(model_id)
            if isinstance(outcome, Exception):
                self.failures[model_id] = explain(outcome)
                self._say(self.failures[model_id], failed=True)
            else:
                self._after(f"{entry.card.name} is measured.")

        self._say(f"Measuring {entry.card.name} …")
        self._submit(take_time, finish, finish)

    def tell(self, purpose: str) -> None:
        """Remember that a hint for a kind of models was given."""
        self.told |= {purpose}
        self._submit(partial(remember_told, purpose), lambda _: None)

    def close(self) -> None:
        """Stop downloads, keeping their parts, and drop what waits."""
        self._closed = True
        for fetching in self.fetching.values():
            fetching.cancelled = True
        self._lane.close()
        self._downloads.close()

    # Inside

    def _submit(
        self,
        run: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None] | None = None,
    ) -> None:
        def end(then: Callable[[Any], None], outcome: Any) -> None:
            self._busy -= 1
            then(outcome)
            self.changed.emit()

        self._busy += 1
        self._lane.submit(
            Job(
                run,
                partial(end, done),
                partial(end, failed or (lambda error: self._say(explain(error), failed=True))),
                replaceable=False,
            )
        )

    def _take_list(
        self, found: tuple[tuple[ShelfEntry, ...], tuple[str, ...], frozenset[str]]
    ) -> None:
        self.entries, self.problems, told = found
        self.told |= told
        self.listed.emit()

    def _on_fetched(self, fetching: Fetching, error: Exception | None, *_: Any) -> None:
        card = fetching.card
        if self.fetching.get(card.id) is not fetching:
            return  # given up while it waited
        del self.fetching[card.id]
        if error is None:
            self._after(f"{card.name} is here.")
        elif isinstance(error, DownloadCancelled):
            self._after(f"Stopped; what there is of {card.name} is kept and continued next time.")
        else:
            self.failures[card.id] = explain(error)
            self._after(self.failures[card.id], failed=True)

    def _on_added(self, card: ModelCard) -> None:
        use = "answers clicks" if answers_clicks(card) else "finds objects: see “Find”"
        self._after(f"{card.name} is added as “{card.id}”; it {use}.")
        self.added.emit(card)

    def _after(self, text: str, *, failed: bool = False) -> None:
        """Say how something ended, and look again."""
        self._say(text, failed=failed)
        self.reload()

    def _say(self, text: str, *, failed: bool = False) -> None:
        self.text, self.failed = text, failed
        self.changed.emit()


def find_common_name(graphs: Sequence[Path]) -> str:
    """Find what the names of files have in common, such as ``vit_t`` of ``vit_t_encoder``."""
    stems = [path.stem for path in graphs]
    shortest = min(stems, key=len)
    same = next((i for i, c in enumerate(shortest) if any(s[i] != c for s in stems)), len(shortest))
    common = shortest[:same].strip(" ._-")
    return common if len(common) > 2 else " + ".join(stems)


def make_id(graphs: Sequence[Path], taken: Iterable[str]) -> str:
    """Make an id, such as ``vit-t``, of the names of files; none that is taken."""
    name = find_common_name(graphs).lower()
    stem = re.sub(r"[^a-z0-9.]+", "-", name)[:56].strip("-.") or "model"
    chosen, number, others = stem, 2, set(taken)
    while chosen in others:
        chosen, number = f"{stem}-{number}", number + 1
    return chosen


def _look() -> tuple[tuple[ShelfEntry, ...], tuple[str, ...], frozenset[str]]:
    """Read the catalogue, look for the files and for what was said; called in a worker."""
    catalogue, speeds, shared = read_catalogue(), read_speeds(), read_shared()
    entries = tuple(
        ShelfEntry(
            card,
            card.origin == "embedded" or is_downloaded(card, shared),
            bytes_on_disk(card, shared),
            speeds.get(card.id),
        )
        for card in catalogue.cards
    )
    return entries, catalogue.problems, read_told()
