"""Encoded planes: how many lie on the disk, how many may, and whether more are made beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_sam_onnx.cache.disk import DEFAULT_GB, CacheError
from napari_sam_onnx.plugin.panels.parts.hands import ignore_wheel
from napari_sam_onnx.plugin.panels.parts.widgets import FewLines

if TYPE_CHECKING:
    from napari_sam_onnx.cache import DiskCache
    from napari_sam_onnx.plugin.session.ahead import Ahead
    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.plugin.session.settings import Settings


class MemoryPanel(QWidget):
    """The form for embeddings on the disk.

    Parameters
    ----------
    session : Session
    disk : DiskCache
        Found by every dock; written by those whose user wants it.
    ahead : Ahead
    settings : Settings
        Where the choices are kept.
    """

    def __init__(self, session: Session, disk: DiskCache, ahead: Ahead, settings: Settings) -> None:
        super().__init__()
        self.session, self.disk, self.ahead, self.settings = session, disk, ahead, settings
        self.next = QCheckBox("Encode next planes beforehand")
        self.next.setToolTip("While nothing is asked, so that moving through a stack never waits")
        self.keep = QCheckBox("Keep encoded planes on disk")
        self.keep.setToolTip(
            "So that the next session need not encode them again; `napari-sam-onnx embed` does the "
            "same for a folder"
        )
        self.most = QDoubleSpinBox()
        self.most.setRange(0.1, 10_000)
        self.most.setDecimals(1)
        self.most.setPrefix("at most ")
        self.most.setSuffix(" GB")
        self.most.setKeyboardTracking(False)
        self.most.setToolTip("Those used longest ago go first")
        ignore_wheel(self.most)
        self.clear = QPushButton("Clear")
        self.clear.setToolTip("Delete all encoded planes from the disk")
        self.used = FewLines(2)
        row = QHBoxLayout()
        row.addWidget(self.most, 1)
        row.addWidget(self.clear)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 2, 2)
        layout.setSpacing(4)
        layout.addWidget(self.next)
        layout.addWidget(self.keep)
        layout.addLayout(row)
        layout.addWidget(self.used)
        self.disk.read_only = not settings.get("keep_embeddings", False)
        self.disk.max_bytes = int(settings.get("embeddings_gb", DEFAULT_GB) * 1e9)
        self.ahead.on = settings.get("encode_ahead", True)
        self.next.setChecked(self.ahead.on)
        self.keep.setChecked(not self.disk.read_only)
        self.most.setValue(self.disk.max_bytes / 1e9)
        self.next.clicked.connect(self._choose_next)
        self.keep.clicked.connect(self._choose_keep)
        self.most.valueChanged.connect(self._choose_most)
        self.clear.clicked.connect(self._clear)
        self.refresh()

    def showEvent(self, event: object) -> None:
        """Look again at what there is when the section is unfolded."""
        super().showEvent(event)
        self.refresh()

    def refresh(self) -> None:
        """Show what lies on the disk."""
        info = self.disk.info()
        self.used.say(
            f"{info.entries:,} planes, {info.nbytes / 1e9:.2f} GB, in {info.folder}"
            if info.entries
            else "No encoded planes on the disk."
        )
        self.clear.setEnabled(bool(info.entries))

    def _choose_next(self, on: bool) -> None:
        self.ahead.on = on
        self.settings.set("encode_ahead", on)

    def _choose_keep(self, on: bool) -> None:
        self.disk.read_only = not on
        self.settings.set("keep_embeddings", on)

    def _choose_most(self, most: float) -> None:
        self.disk.max_bytes = int(most * 1e9)
        self.settings.set("embeddings_gb", most)
        try:
            self.disk.trim()
        except CacheError as error:
            self.session.fail(error)
        self.refresh()

    def _clear(self) -> None:
        try:
            self.disk.clear()
        except CacheError as error:
            self.session.fail(error)
        self.refresh()
