"""Teach by a few objects: find similar ones, learn from what was judged, fit settings."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QGridLayout, QPushButton, QWidget

from napari_sam_onnx.plugin.panels.parts.run_row import WorkLine
from napari_sam_onnx.plugin.runs.judged.teaching import HINTS

if TYPE_CHECKING:
    from napari_sam_onnx.plugin.panels.automatic.where_form import WhereForm
    from napari_sam_onnx.plugin.runs.judged.teaching import Teaching


class TeachPanel(QWidget):
    """The section of the dock.

    Parameters
    ----------
    teaching : Teaching
    where : WhereForm
        Says in which region the labels are complete that settings are fitted to.
    """

    def __init__(self, teaching: Teaching, where: WhereForm) -> None:
        super().__init__()
        self.teaching = teaching
        self.examples: dict[str, QPushButton] = {}
        for name in ("like", "unlike"):
            button = self.examples[name] = QPushButton()
            button.setCheckable(True)
            button.setToolTip(HINTS[name] + " Again on the same object takes it back.")
            button.clicked.connect(partial(self._ask, name))
        self.clear = QPushButton("Clear")
        self.clear.setToolTip("Forget the examples")
        self.similar = QPushButton("Find similar")
        self.similar.setToolTip(
            "Rate what automatic masks found by how much it is like the examples, on all planes "
            "that they looked at"
        )
        self.learn = QPushButton("Learn from kept and deleted")
        self.learn.setToolTip(
            "Rate what automatic masks found by what you kept (Y) and deleted (K, Shift+Y), and by "
            "the examples; needs scikit-learn"
        )
        self.again = QCheckBox("Rate next runs too")
        self.again.setToolTip("Let the next runs leave out what was learned not to be wanted")
        self.fit = QPushButton("Fit settings to these labels")
        self.fit.setToolTip(
            "Search scale and rating that reproduce the labels of this plane, in which all objects "
            "are labelled: of the plane, or of what is chosen under Inside"
        )
        self.line = WorkLine(teaching.work)
        grid = QGridLayout(self)
        grid.setContentsMargins(8, 2, 2, 2)
        grid.setSpacing(4)
        grid.addWidget(self.examples["like"], 0, 0)
        grid.addWidget(self.examples["unlike"], 0, 1)
        grid.addWidget(self.clear, 0, 2)
        grid.addWidget(self.similar, 1, 0, 1, 3)
        grid.addWidget(self.learn, 2, 0, 1, 3)
        grid.addWidget(self.again, 3, 0, 1, 3)
        grid.addWidget(self.fit, 4, 0, 1, 3)
        grid.addWidget(self.line, 5, 0, 1, 3)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        self.clear.clicked.connect(teaching.clear)
        self.similar.clicked.connect(teaching.find_similar)
        self.learn.clicked.connect(teaching.learn)
        self.fit.clicked.connect(lambda: teaching.fit(where.region))
        for signal in (
            teaching.changed,
            teaching.work.changed,
            teaching.gestures.changed,
            teaching.filtering.changed,
        ):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the examples, and what can be done."""
        teaching = self.teaching
        current, busy = teaching.gestures.current, teaching.work.busy
        for name, title in (("like", "Like these"), ("unlike", "Unlike")):
            button, count = self.examples[name], teaching.count(name == "like")
            button.setText(f"{title} ({count})" if count else title)
            button.setChecked(current is not None and current.name == name)
            button.setEnabled(teaching.commits.labels.layer is not None and not busy)
        found = teaching.filtering.finding is not None
        self.clear.setEnabled(bool(teaching.count(True) or teaching.count(False)) and not busy)
        self.similar.setEnabled(found and teaching.count(True) > 0 and not busy)
        self.learn.setEnabled(found and not busy)
        self.fit.setEnabled(teaching.commits.labels.layer is not None and not busy)
        self.again.setEnabled(teaching.judge is not None)
        self.line.refresh()

    def _ask(self, name: str, _: bool = False) -> None:
        self.teaching.ask(name)
        self.refresh()
