"""The dock widget: puts the panels together and wires them to one session."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari.utils.notifications import show_warning
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from napari_sam_onnx.cache import DiskCache, EmbeddingCache, TieredCache
from napari_sam_onnx.models.store.places import cache_dir, config_dir, journals_dir
from napari_sam_onnx.plugin.commits.commits import Commits
from napari_sam_onnx.plugin.editing.autosave import Autosave
from napari_sam_onnx.plugin.editing.classes import Classes
from napari_sam_onnx.plugin.editing.drawings import Drawings
from napari_sam_onnx.plugin.editing.editing import Editor
from napari_sam_onnx.plugin.editing.gestures import Gestures
from napari_sam_onnx.plugin.editing.scale_advice import ScaleAdviser
from napari_sam_onnx.plugin.editing.sizes import Sizes
from napari_sam_onnx.plugin.editing.styles import Styles
from napari_sam_onnx.plugin.editing.waking import Waker
from napari_sam_onnx.plugin.keys import BINDINGS, bind
from napari_sam_onnx.plugin.panels.automatic.automatic_panel import AutomaticPanel
from napari_sam_onnx.plugin.panels.automatic.compare_panel import ComparePanel
from napari_sam_onnx.plugin.panels.automatic.find_panel import FindPanel
from napari_sam_onnx.plugin.panels.automatic.measure_panel import MeasurePanel
from napari_sam_onnx.plugin.panels.automatic.teach_panel import TeachPanel
from napari_sam_onnx.plugin.panels.left_work import LeftWork
from napari_sam_onnx.plugin.panels.models.memory_panel import MemoryPanel
from napari_sam_onnx.plugin.panels.models.model_panel import ModelPanel
from napari_sam_onnx.plugin.panels.parts.hands import Hands
from napari_sam_onnx.plugin.panels.parts.widgets import FewLines, Section
from napari_sam_onnx.plugin.panels.picture.image_panel import ImagePanel
from napari_sam_onnx.plugin.panels.picture.suggest_window import SuggestWindow
from napari_sam_onnx.plugin.panels.prompts.class_panel import ClassPanel
from napari_sam_onnx.plugin.panels.prompts.key_panel import KeyPanel
from napari_sam_onnx.plugin.panels.prompts.outline_panel import OutlinePanel
from napari_sam_onnx.plugin.panels.prompts.prompt_panel import PromptPanel
from napari_sam_onnx.plugin.panels.prompts.scale_bar import ScaleBar
from napari_sam_onnx.plugin.panels.prompts.score_tip import ScoreTip
from napari_sam_onnx.plugin.panels.review.doubt_panel import DoubtPanel
from napari_sam_onnx.plugin.panels.review.edit_panel import EditPanel
from napari_sam_onnx.plugin.panels.review.review_panel import ReviewPanel
from napari_sam_onnx.plugin.panels.review.stack_panel import StackPanel
from napari_sam_onnx.plugin.picture.geometry import first_picture
from napari_sam_onnx.plugin.review import Reviewer, ReviewQueue, StackEdits
from napari_sam_onnx.plugin.runs.advising import Advising
from napari_sam_onnx.plugin.runs.automatic import Automatic
from napari_sam_onnx.plugin.runs.comparison import Comparison
from napari_sam_onnx.plugin.runs.finder import Finder
from napari_sam_onnx.plugin.runs.inside import Inside
from napari_sam_onnx.plugin.runs.judged.doubts import Doubts
from napari_sam_onnx.plugin.runs.judged.filtering import Filtering
from napari_sam_onnx.plugin.runs.judged.measuring import Measuring
from napari_sam_onnx.plugin.runs.judged.teaching import Teaching
from napari_sam_onnx.plugin.runs.propagation import Propagation
from napari_sam_onnx.plugin.runs.refining import Refiner
from napari_sam_onnx.plugin.runs.stack import StackRuns
from napari_sam_onnx.plugin.session.ahead import Ahead
from napari_sam_onnx.plugin.session.engine import Engine
from napari_sam_onnx.plugin.session.hover import Hover
from napari_sam_onnx.plugin.session.key_map import KeyMap
from napari_sam_onnx.plugin.session.lanes import Calm, Rest, ThreadLane, do_later
from napari_sam_onnx.plugin.session.session import Session
from napari_sam_onnx.plugin.session.settings import Settings
from napari_sam_onnx.plugin.session.sight import Sight
from napari_sam_onnx.plugin.session.stack_axes import StackAxes
from napari_sam_onnx.plugin.shelf.shelf import ModelShelf

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari

    from napari_sam_onnx.automatic.taught.learn import Judge
    from napari_sam_onnx.plugin.layers.prompts import PromptLayers

STATUS_LINES = 3
COLORS = {"info": "#8a8d91", "busy": "#3d8bfd", "ready": "#2fa866", "error": "#e5484d"}


class SamDock(QWidget):
    """Segment Anything in a dock.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        Given by napari.
    engine : Engine, optional
        Another source of models.
    """

    def __init__(self, napari_viewer: napari.Viewer, engine: Engine | None = None) -> None:
        super().__init__()
        # napari hands out a proxy, behind which no layer is the same object twice
        viewer: napari.Viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        disk = DiskCache(cache_dir(), read_only=True)
        if engine is None:
            engine = Engine(cache=TieredCache(EmbeddingCache(), disk))
        self._make_parts(viewer, engine)
        self._bound_to: PromptLayers | None = None
        self._release: Callable[[], None] = lambda: None
        self._closed = self._reviewing = False
        self._make_panels(disk)
        self._lay_out()
        self._connect()
        self.waker = Waker(self.session, self.gestures)
        self.session.choose_layer(first_picture(viewer))
        self._bind()
        self._show_stack()
        self._show_status()
        self.shelf.reload()

    def _make_parts(self, viewer: napari.Viewer, engine: Engine) -> None:
        """Make what does the work: the session, and what stands on it."""
        self.session = Session(viewer, engine, calm=Calm)
        self.settings = Settings(config_dir() / "settings.json")
        self.ahead = Ahead(self.session, ThreadLane(), Calm)
        self.commits = Commits(self.session)
        self.axes = StackAxes(self.session)
        self.gestures = Gestures(self.session)
        self.editor = Editor(self.commits, self.gestures)
        self.classes = Classes(self.commits, self.gestures, Calm)
        self.styles = Styles(self.commits)
        self.adviser = ScaleAdviser(self.commits, self.styles)
        self.hover = Hover(self.session, Rest)
        ours = [key for binding in BINDINGS for key in binding.keys]
        self.keys = KeyMap(self.settings, ours, viewer)
        self.drawings = Drawings(self.commits, self.keys)
        self.automatic = Automatic(self.session, labels=self.commits.labels)
        self.filtering = Filtering(self.session, self.commits.labels, self.automatic.findings)
        self.refiner = Refiner(self.commits)
        self.autosave = Autosave(self.commits, journals_dir(), ThreadLane(), Calm)
        self.stacks = StackRuns(self.session, self.axes, self.automatic.work)
        self.sight = Sight(self.session, ThreadLane(), Calm)
        self.shelf = ModelShelf(self.session.engine)
        self.comparison = Comparison(self.session)
        self.finder = Finder(self.session, self.axes)
        self.advising = Advising(self.session)
        queue = ReviewQueue()
        self.reviewer = Reviewer(self.session, queue)
        self.propagation = Propagation(self.session, self.commits, self.axes, self.automatic.work)
        self.edits = StackEdits(self.session, self.commits, self.axes, queue)
        # One thing at a time waits for another click or key, and not while something else is done.
        self.commits.recorded.connect(self.gestures.interrupt)
        self.gestures.begun.connect(self.edits.leave)
        self.edits.begun.connect(self.gestures.end)
        self.doubts = Doubts(
            self.filtering, self.commits, self.reviewer, self.gestures, self.editor
        )
        self.inside = Inside(self.commits, self.gestures, self.automatic.work)
        self.measuring = Measuring(self.session, self.commits.labels, self.reviewer, self.axes)
        self.teaching = Teaching(self.filtering, self.commits, self.gestures)

    def _make_panels(self, disk: DiskCache) -> None:
        """Make what shows the work and takes clicks."""
        self.status = FewLines(STATUS_LINES, padding=12)
        self.status.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.image_panel = ImagePanel(self.session, self.axes, self.sight)
        self.suggestions = SuggestWindow(self.advising, self)
        self.image_panel.suggest.clicked.connect(self.suggestions.ask)
        self.model_panel = ModelPanel(self.session, self.shelf)
        self.prompt_panel = PromptPanel(self.session, self.commits, self.inside)
        self.automatic_panel = AutomaticPanel(
            self.session,
            self.automatic,
            self.stacks,
            self.filtering,
            Sizes(self.gestures, self.commits.labels),
            self.styles,
        )
        self.score_tip = ScoreTip(self.session, self)
        self.outline_panel = OutlinePanel(
            self.commits, self.styles, self.hover, self.score_tip, self.settings
        )
        self.class_panel = ClassPanel(self.classes)
        self.key_panel = KeyPanel(self.keys, self._rebind)
        self.memory_panel = MemoryPanel(self.session, disk, self.ahead, self.settings)
        self.edit_panel = EditPanel(
            self.session, self.gestures, self.editor, self.refiner, self.axes
        )
        self.compare_panel = ComparePanel(self.session, self.shelf, self.comparison)
        self.find_panel = FindPanel(self.session, self.shelf, self.finder, self.stacks)
        self.stack_panel = StackPanel(self.edits, self.propagation)
        self.doubt_panel = DoubtPanel(self.doubts)
        self.measure_panel = MeasurePanel(self.measuring)
        self.teach_panel = TeachPanel(self.teaching, self.automatic_panel.where)
        self.automatic_panel.judge = self._judge_next
        self.review_panel = ReviewPanel(self.reviewer, self.doubt_panel)

    def _lay_out(self) -> None:
        """Put the panels into one column that scrolls, below what is said."""
        column = QWidget()
        stacked = QVBoxLayout(column)
        stacked.setContentsMargins(4, 4, 4, 4)
        stacked.setSpacing(2)
        self.sections: list[Section] = []
        for title, panel, folded in (
            ("Image", self.image_panel, False),
            ("Model", self.model_panel, False),
            ("Prompts and labels", self.prompt_panel, False),
            ("Automatic masks", self.automatic_panel, False),
            ("Whole objects of stacks", self.stack_panel, True),
            ("Edit objects", self.edit_panel, True),
            ("Review", self.review_panel, True),
            ("Classes", self.class_panel, True),
            ("Measure", self.measure_panel, True),
            ("Teach by examples", self.teach_panel, True),
            ("Outlines", self.outline_panel, True),
            ("Mouse and keys", self.key_panel, True),
            ("Find", self.find_panel, True),
            ("Compare models", self.compare_panel, True),
            ("Encoded planes", self.memory_panel, True),
        ):
            tools = self.image_panel.tools if panel is self.image_panel else ()
            self.sections.append(Section(title, panel, folded=folded, tools=tools))
            self.sections[-1].header.clicked.connect(partial(self._reveal, self.sections[-1]))
            stacked.addWidget(self.sections[-1])
        stacked.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(column)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.left_work = LeftWork(self.autosave)
        layout.addWidget(self.status)
        layout.addWidget(self.left_work)
        self.scale_bar = ScaleBar(self.adviser, self.automatic_panel.use_diameter)
        layout.addWidget(self.scale_bar)
        layout.addWidget(scroll, 1)
        self._column, self.scroll = column, scroll
        column.installEventFilter(self)
        self.hands = Hands(self, self._is_awake)

    def _connect(self) -> None:
        """Tell parts and panels of each other."""
        self.session.picture_changed.connect(self._bind)
        self.axes.changed.connect(self._show_stack)
        self.session.status_changed.connect(self._show_status)
        self.automatic.made.connect(self.commits.take_made)
        self.automatic.filled.connect(self.commits.take_action)
        self.automatic.filled.connect(lambda _: self.filtering.list_objects())
        self.commits.changed.connect(self.filtering.list_objects)
        self.teaching.fitted.connect(self.automatic_panel.take_fitted)
        self.stacks.made.connect(self.commits.take_made)
        self.finder.made.connect(self.commits.take_made)
        self.reviewer.queue.changed.connect(self._unfold_review)
        # By then the widgets are gone; only what runs must still be stopped.
        running = (
            self.automatic.work,
            self.comparison,
            self.finder,
            self.advising,
            self.shelf,
            self.session.lane,
            self.refiner.work,
            self.teaching.work,
            self.edits.lane,
            self.ahead,
            self.autosave,
        )
        self.destroyed.connect(partial(_stop, running))

    def event(self, event: QEvent) -> bool:
        """Leave the viewer when napari takes the widget out of its dock."""
        kind = event.type()
        if kind == QEvent.Type.ParentChange and self.parent() is None:
            self.shut()
        elif kind == QEvent.Type.Show:
            self.hands.find_canvas()
            self.score_tip.follow(self.hands.canvas)
        elif kind == QEvent.Type.WindowActivate:
            self.shelf.reload_where_old()  # files may come or go while another window is used
        return bool(super().event(event))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay as wide as the panels need, whatever appears in them."""
        if event.type() == QEvent.Type.LayoutRequest:
            bar = self.scroll.verticalScrollBar().sizeHint().width() + 4
            self.setMinimumWidth(self._column.minimumSizeHint().width() + bar)
        return bool(super().eventFilter(watched, event))

    def _is_awake(self) -> bool:
        """Whether clicks and keys on the canvas are ours."""
        return self.session.layers is not None and self.session.layers.active

    def shut(self, *_: Any) -> None:
        """Leave the viewer as it was, labels apart; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self.hands.release()
        self.score_tip.shut()
        self._release()
        self.waker.close()
        self.automatic.close()
        self.stacks.close()
        self.comparison.close()
        self.finder.close()
        self.advising.close()
        self.suggestions.close()
        self.teaching.close()
        self.doubts.close()
        self.model_panel.shut()
        self.stack_panel.shut()
        self.edits.close()
        self.ahead.close()
        self.autosave.close()
        self.refiner.close()
        self.classes.close()
        self.sight.close()
        self.drawings.close()
        lost = self.commits.painter.pending
        self.commits.close()
        self.session.close()
        if lost:
            show_warning(
                f"{lost} accepted object{'s' * (lost != 1)} had no answer yet when the dock was "
                "closed, and were not written."
            )

    def _rebind(self) -> None:
        """Give the keys to the prompt layers anew: some are others."""
        self._bound_to = None
        self._bind()
        self.drawings.bind()

    def _bind(self) -> None:
        """Give mouse and keys to the prompt layers that there are now."""
        layers = self.session.layers
        if not self._closed and layers is not self._bound_to:
            self._release()
            made = bind(
                self.session,
                self.commits,
                self.reviewer,
                self.edits,
                self.gestures,
                self.editor,
                self.hover,
                self.keys,
                self.classes,
                self.propagation.start,
                {
                    "Y": self.doubts.keep,
                    "Shift-Y": self.doubts.delete,
                    "Shift-L": self.inside.ask,
                },
            )
            self._release, self._bound_to = made, layers

    def _reveal(self, section: Section, unfolded: bool) -> None:
        """Bring a section that the user unfolds into view, its title first."""
        if unfolded:  # once there is room for what appears
            for widget in (section, section.header):
                do_later(partial(self.scroll.ensureWidgetVisible, widget, 0, 4))

    def _show_status(self) -> None:
        if self._closed:
            return
        status = self.session.status
        self.status.say(status.text)
        self.status.setStyleSheet(
            f"QLabel {{ padding: 5px 8px; border-left: 4px solid {COLORS[status.kind]}; }}"
        )
        if status.kind == "error":
            show_warning(status.text)

    def _show_stack(self) -> None:
        """Offer what is for stacks where there is one."""
        if not self._closed:
            section = next(s for s in self.sections if s.body is self.stack_panel)
            section.setVisible(bool(self.axes.long))

    def _judge_next(self) -> Judge | None:
        """Return what was learned, where the next runs are to be rated by it."""
        return self.teaching.judge if self.teach_panel.again.isChecked() else None

    def _unfold_review(self) -> None:
        """Show the list where there is the first thing to review."""
        places = bool(self.reviewer.queue.places)
        if places and not self._reviewing and not self._closed:
            next(s for s in self.sections if s.body is self.review_panel).header.setChecked(True)
        self._reviewing = places


def _stop(running: tuple[Any, ...], *_: Any) -> None:
    for part in running:
        part.close()
