"""Which label image objects are written to, and the number of the next one."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from psygnal import Signal

from napari_sam_onnx.plugin.layers.labels import (
    TargetError,
    can_be_target,
    check_target,
    free_label,
    make_target,
)
from napari_sam_onnx.plugin.session.lanes import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari.layers import Labels

    from napari_sam_onnx.plugin.layers.snapshot import Paint
    from napari_sam_onnx.plugin.session.session import Session

# Larger label images are searched for their highest number in a worker.
QUICK_PIXELS = 4_000_000


# Per picture, so that a dock that is opened again goes on where the last one ended.
_last_targets: WeakKeyDictionary[Any, ref[Labels]] = WeakKeyDictionary()


class LabelTarget:
    """The chosen label image, or a new one with the first object.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    changed : Signal
        The label image or the next number is another.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        self.session = session
        self.layer: Labels | None = None
        self._next: int | None = 1
        self._writes = False
        self._waiting: list[Callable[[], None]] = []
        session.removed.connect(self._on_removed)
        session.detached.connect(self.forget)
        session.picture_changed.connect(self._recall)

    @property
    def next_label(self) -> int | None:
        """The number of the next object; None while it is being found out."""
        return self._next

    @next_label.setter
    def next_label(self, label: int) -> None:
        self._next = int(label)
        self.changed.emit()

    def fitting(self) -> list[Labels]:
        """List the label images in the viewer that fit the picture."""
        picture = self.session.picture
        if picture is None:
            return []
        return [layer for layer in self.session.viewer.layers if can_be_target(layer, picture)]

    def choose(self, layer: Labels | None) -> None:
        """Write the next objects into a label image; None: into a new one."""
        if layer is self.layer:
            return
        self.forget()
        try:
            if layer is not None and self.session.picture is not None:
                check_target(layer, self.session.picture)
        except TargetError as error:
            self.session.fail(error)
            return
        if layer is not None:
            self._watch(layer)
            self._find_next()
        elif self.session.picture is not None:
            _last_targets.pop(self.session.picture.main, None)
        self.changed.emit()

    def ensure(self) -> Labels:
        """Return the chosen label image; make one where none is chosen.

        Raises
        ------
        TargetError
            If it no longer fits the picture.
        """
        session = self.session
        assert session.picture is not None and session.layers is not None
        if self.layer is not None:
            check_target(self.layer, session.picture)
            return self.layer
        layers = session.viewer.layers
        active = layers.selection.active
        made = make_target(session.picture, f"{session.picture.main.name} labels")
        layers.insert(layers.index(session.layers.all[0]), made)
        layers.selection.active = active
        self._watch(made)
        return made

    def when_numbered(self, do: Callable[[], None]) -> None:
        """Do something as soon as the next number is known."""
        if self._next is not None:
            do()
        else:
            self._waiting.append(do)

    def count(self, paints: Sequence[Paint], *, again: bool = True) -> None:
        """Take numbers with their objects, or give them back, so that there are no gaps."""
        for paint in paints:
            label = int(paint.after[0])
            if paint.layer is not self.layer or not label or self._next is None:
                continue
            if again:
                self._next = max(self._next, label + 1)
            elif self._next == label + 1:
                self._next = label
        if paints:
            self.changed.emit()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Tell our own writing from the user's painting."""
        self._writes = True
        try:
            yield
        finally:
            self._writes = False

    def forget(self) -> None:
        """Let the label image go; it stays in the viewer."""
        layer, self.layer, self._next = self.layer, None, 1
        self._waiting.clear()
        if layer is not None:
            layer.events.data.disconnect(self._find_next)
            layer.events.paint.disconnect(self._on_painted)
        self.changed.emit()

    def _recall(self) -> None:
        """Go on with the label image that this picture's objects went to last."""
        picture = self.session.picture
        if picture is None or self.layer is not None or picture.main not in _last_targets:
            return
        layer = _last_targets[picture.main]()
        if layer in self.session.viewer.layers and can_be_target(layer, picture):
            self.choose(layer)

    def _watch(self, layer: Labels) -> None:
        self.layer = layer
        if self.session.picture is not None:
            _last_targets[self.session.picture.main] = ref(layer)
        layer.events.data.connect(self._find_next)
        layer.events.paint.connect(self._on_painted)
        self.changed.emit()

    def _find_next(self, *_: Any) -> None:
        """Find the next free number, in a worker where the label image is large."""
        layer = self.layer
        if layer is None:
            return
        if layer.data.size <= QUICK_PIXELS:
            self._take_next(layer, free_label(layer))
            return
        self._next = None
        run, done = partial(free_label, layer), partial(self._take_next, layer)
        self.session.lane.submit(Job(run, done, self.session.fail, replaceable=False))

    def _take_next(self, layer: Labels, label: int) -> None:
        if layer is not self.layer:
            return
        self._next = label
        waiting, self._waiting = self._waiting, []
        for do in waiting:
            do()
        self.changed.emit()

    def _on_painted(self, *_: Any) -> None:
        """Keep the next number above what the user paints by hand."""
        if self.layer is not None and self._next is not None and not self._writes:
            self._next = max(self._next, int(self.layer.selected_label) + 1)
            self.changed.emit()

    def _on_removed(self, layer: Any) -> None:
        if layer is self.layer:
            self.forget()
            self.session.say("The labels layer was removed; the next object starts a new one.")
