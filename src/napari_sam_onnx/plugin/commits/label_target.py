"""Which label image objects are written to: a chosen one, or a new one with the first object."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from psygnal import Signal

from napari_sam_onnx.plugin.commits.numbers import Numbers
from napari_sam_onnx.plugin.layers.labels import (
    TargetError,
    can_be_target,
    check_target,
    make_target,
)
from napari_sam_onnx.plugin.layers.prompts import insert_under_prompts
from napari_sam_onnx.plugin.layers.writable import check_writable
from napari_sam_onnx.plugin.picture.geometry import lay_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Labels

    from napari_sam_onnx.plugin.picture.picture import Picture
    from napari_sam_onnx.plugin.session.session import Session


@dataclass(slots=True, eq=False)
class Home:
    """Where objects that are accepted now belong, whatever is chosen when they are painted.

    Parameters
    ----------
    picture : Picture
    layer : napari Labels layer or None
        None until the first of them is painted into a new one.
    """

    picture: Picture
    layer: Labels | None = None


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
        self._home: Home | None = None
        self._numbers: dict[Labels, Numbers] = {}
        self._first = 1
        session.removed.connect(self._on_removed)
        session.detached.connect(self.forget)
        session.picture_changed.connect(self._recall)

    @property
    def layer(self) -> Labels | None:
        """The label image, or None where the next object begins one."""
        return None if self._home is None else self._home.layer

    @property
    def next_label(self) -> int | None:
        """The number of the next object; None while it is being found out."""
        return self._first if self.layer is None else self.numbers_of(self.layer).next

    @next_label.setter
    def next_label(self, label: int) -> None:
        if self.layer is None:
            self._first = int(label)
            self.changed.emit()
        else:
            self.numbers_of(self.layer).choose(int(label))

    def fitting(self) -> list[Labels]:
        """List the label images in the viewer that fit the picture."""
        picture = self.session.picture
        if picture is None:
            return []
        return [layer for layer in self.session.viewer.layers if can_be_target(layer, picture)]

    def choose(self, layer: Labels | None) -> None:
        """Write the next objects into a label image; None: into a new one."""
        picture = self.session.picture
        if layer is self.layer or picture is None:
            return
        if layer is None:
            _last_targets.pop(picture.main, None)
            self.forget()
            return
        try:
            check_target(layer, picture)
            check_writable(layer)
        except TargetError as error:
            self.session.fail(error)
        else:
            self._settle(picture, layer)
            if lay_over(layer, picture):
                self.session.say(
                    f"“{layer.name}” was opened without the scale of “{picture.main.name}” and "
                    "has taken it over."
                )
        self.changed.emit()

    def home(self) -> Home:
        """Return where objects that are accepted now belong.

        Raises
        ------
        TargetError
            If nothing can be written there.
        """
        picture = self.session.picture
        assert picture is not None
        if self._home is None or self._home.picture.main is not picture.main:
            self._home = Home(picture)
        elif self._home.layer is not None:
            check_target(self._home.layer, picture)
            check_writable(self._home.layer)
        return self._home

    def open(self, home: Home) -> Labels:
        """Return the label image of a home; make it with the first object.

        Raises
        ------
        TargetError
            If it is no longer there or no longer fits.
        """
        viewer, picture = self.session.viewer, home.picture
        if home.layer is not None:
            if home.layer not in viewer.layers:
                raise TargetError(
                    f"“{home.layer.name}” was removed before the object was written to it; accept "
                    "it again."
                )
            check_target(home.layer, picture)
            check_writable(home.layer)
            return home.layer
        if picture.main not in viewer.layers:
            raise TargetError(
                f"“{picture.main.name}” was removed before the object accepted on it was written."
            )
        made = home.layer = make_target(picture, f"{picture.main.name} labels")
        insert_under_prompts(viewer, self.session.layers, made)
        _last_targets[picture.main] = ref(made)
        if home is self._home:
            self.numbers_of(made).choose(self._first)
            self._first = 1
        return made

    def numbers_of(self, layer: Labels) -> Numbers:
        """Return the numbers of a label image."""
        if layer not in self._numbers:
            self._numbers[layer] = Numbers(layer, self.session.lane, self.changed.emit)
            self._numbers[layer].search()
        return self._numbers[layer]

    def when_numbered(
        self, home: Home, do: Callable[[], None], failed: Callable[[Exception], None]
    ) -> None:
        """Do something as soon as the next number of a home is known."""
        if home.layer is None:
            do()
        else:
            self.numbers_of(home.layer).when_known(do, failed)

    @contextmanager
    def writing(self, layer: Labels) -> Iterator[Numbers]:
        """Tell our own writing from the user's painting."""
        numbers = self.numbers_of(layer)
        with numbers.writing():
            yield numbers

    def forget(self) -> None:
        """Let the label image go; it stays in the viewer."""
        self._home, self._first = None, 1
        self.changed.emit()

    def _recall(self) -> None:
        """Go on with the label image that this picture's objects went to last."""
        picture = self.session.picture
        if picture is None or self.layer is not None or picture.main not in _last_targets:
            return
        layer = _last_targets[picture.main]()
        if layer in self.session.viewer.layers and can_be_target(layer, picture):
            self.choose(layer)

    def _settle(self, picture: Picture, layer: Labels) -> None:
        """Write the next objects of a picture into a label image."""
        self._home = Home(picture, layer)
        _last_targets[picture.main] = ref(layer)
        self.numbers_of(layer)

    def close(self) -> None:
        """Listen to no label image any more."""
        for numbers in self._numbers.values():
            numbers.close(TargetError("The dock was closed before the object was written."))
        self._numbers.clear()

    def _on_removed(self, layer: Any) -> None:
        numbers = self._numbers.pop(layer, None)
        if numbers is not None:
            numbers.close(
                TargetError(f"“{layer.name}” was removed before the object was written to it.")
            )
        if layer is self.layer:
            self.forget()
            self.session.say("The labels layer was removed; the next object starts a new one.")
