"""Classes of objects: which there are, which the next object gets, which objects have them.

What is given is a step that can be undone, and an act that is kept with the label image.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam_onnx.export.formats import read_object_classes
from napari_sam_onnx.labels.classes import (
    ClassError,
    ObjectClass,
    check_classes,
    complete_classes,
    read_class_table,
    read_classes,
    write_classes,
)
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.plugin.commits.history import Step
from napari_sam_onnx.plugin.commits.naming import apply_naming, make_naming
from napari_sam_onnx.plugin.commits.picking import pick_at
from napari_sam_onnx.plugin.editing.class_view import ClassView
from napari_sam_onnx.plugin.editing.gestures import Gesture
from napari_sam_onnx.plugin.layers.classes import (
    color_in_class,
    count_classes,
    keep_list,
    known_labels,
    list_of,
    read_layer_classes,
)
from napari_sam_onnx.plugin.layers.labels import TargetError
from napari_sam_onnx.plugin.session.lanes import Job
from napari_sam_onnx.writing import explain_write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from napari.layers import Labels

    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.editing.class_view import Shown
    from napari_sam_onnx.plugin.editing.gestures import Gestures, Place
    from napari_sam_onnx.plugin.layers.colors import Color
    from napari_sam_onnx.plugin.picture.plane import Plane

KEYED = 9
"""So many classes have keys."""

TABLES = (".csv", ".json", ".geojson")
"""Files that say which object is of which class: tables, and exports."""

_NONE = "There are no classes yet; add some, or load a list, under Classes."


class Classes:
    """The classes of one dock.

    Parameters
    ----------
    commits : Commits
        Whose history takes the steps.
    gestures : Gestures
    calm : callable
        See `napari_sam_onnx.plugin.session.session.Session`.

    Attributes
    ----------
    changed : Signal
        `listed`, `current`, `counts` or `shown` are others.
    listed : tuple of ObjectClass
    current : str
        The class of the next objects, by its name; "" for none.
    counts : mapping of str to int
        Objects of each class in the label image that is written to; "" counts those without.
    shown : str
        How classes are shown in the label image.
    """

    changed = Signal()

    def __init__(
        self,
        commits: Commits,
        gestures: Gestures,
        calm: Callable[[Callable[[], None]], Callable[[], None]] = lambda do: do,
    ) -> None:
        self.commits, self.gestures, self.session = commits, gestures, commits.session
        self.listed: tuple[ObjectClass, ...] = ()
        self.current = ""
        self.counts: Mapping[str, int] = {}
        self.shown: Shown = "colors"
        self._view = ClassView(self.session)
        self._closed = False
        self._refresh_calmly = calm(self._refresh)
        commits.painter.class_of_next = self._class_of_next
        commits.tints.of_class = self._color_of_next
        commits.labels.changed.connect(self._on_target)
        commits.changed.connect(self._refresh_soon)
        self.session.picture_changed.connect(self._refresh_soon)

    # The list

    def add(self, name: str, color: str = "") -> None:
        """Add a class at the end."""
        self._try(lambda: self._set_list((*self.listed, ObjectClass(name.strip(), color))))

    def change(self, name: str, color: str) -> None:
        """Give a class another colour."""
        listed = [replace(one, color=color) if one.name == name else one for one in self.listed]
        self._try(lambda: self._set_list(listed))

    def remove(self, name: str) -> None:
        """Take a class off the list; refused where objects have it."""
        layer = self.commits.labels.layer
        if layer is not None and name in read_layer_classes(layer).values():
            self.session.say(f"Objects are “{name}”; give them another class first.", "error")
            return
        self._set_list([one for one in self.listed if one.name != name])

    def load(self, path: Path) -> None:
        """Take the list of a file, or which objects are of which class; see `TABLES`.

        Classes that objects have stay on the list.
        """

        def take() -> None:
            if path.suffix.lower() in TABLES:
                self._load_objects(path)
                return
            layer = self.commits.labels.layer
            used = () if layer is None else read_layer_classes(layer).values()
            self._set_list(complete_classes(read_classes(path), used))
            count = len(self.listed)
            self.session.say(f"{count} class{'es' * (count != 1)} from {path.name}.", "ready")

        self._try(take)

    def save(self, path: Path) -> None:
        """Write the list to a file."""
        try:
            write_classes(path, self.listed)
        except OSError as error:
            self.session.say(f"The classes were not saved: {explain_write(error)}.", "error")
        else:
            self.session.say(f"Saved the classes as {path.name}.", "ready")

    def choose(self, name: str) -> None:
        """Give the next objects a class; "" for none."""
        if name != self.current:
            self.current = name
            self.session.dialogue.draw_again()
            self.changed.emit()

    def choose_shown(self, shown: Shown) -> None:
        """Show classes another way."""
        self.shown = shown
        self._refresh()

    # Objects

    def press(self, number: int, world: Any) -> None:
        """Take the key of a class; 0 is the key of none.

        An open object is accepted as one of it; else the object under the cursor becomes one;
        else the next objects do.
        """
        if not self.listed:
            self.session.say(_NONE, "error")
            return
        if number > len(self.listed):
            self.session.say(f"There is no class {number}.", "error")
            return
        name = self.listed[number - 1].name if number else ""
        request = self.session.request
        if request is not None and request.answerable:
            self.commits.accept(named=name)
            return
        place = self.session.to_plane(world)
        try:
            if place is None:
                raise TargetError("There is no picture under the cursor.")
            layer, label, _ = self._pick(place)
        except TargetError:
            self.choose(name)
            self.session.say(f"The next objects are {_call(name)}.")
        else:
            self.give(layer, [label], name)

    def give(self, layer: Labels, labels: Sequence[int], name: str) -> None:
        """Give objects a class, as one step; "" takes theirs away."""
        what = f"object{'s' * (len(labels) > 1)} {', '.join(map(str, labels))} as {_call(name)}"
        self._give(layer, dict.fromkeys(labels, name), what)

    def _give(self, layer: Labels, wanted: Mapping[int, str], what: str) -> None:
        session = self.session
        naming = make_naming(layer, wanted)
        if naming is None:
            session.say(f"{what[0].upper()}{what[1:]}: so it was already.")
            return
        if session.plane is None or session.prompts is None:
            return
        self.commits.labels.choose(layer)
        keep_list(layer, self.listed)
        apply_naming(naming)
        prompts = session.prompts
        self.commits.record(Step(session.plane, prompts, prompts, naming=naming, what=what))
        session.say(f"{what[0].upper()}{what[1:]}; Ctrl+Z undoes it.", "ready")

    def brush(self) -> None:
        """Let clicks and strokes give the current class to objects; ask again to end it."""
        if not self.listed:
            self.session.say(_NONE, "error")
            return
        hint = (
            f"Class brush: click objects, or draw across them; they become {_call(self.current)}. "
            "C or Esc ends it."
        )
        brush = Gesture("class", hint, self._brush_at, self._brush_along, lasting=True)
        self.gestures.begin(brush)

    def close(self) -> None:
        """Take what was written on the objects away; their colours stay."""
        self._closed = True
        self._view.close()

    # Inside

    def _load_objects(self, path: Path) -> None:
        """Give the objects of the label image the classes that a file says, by their numbers."""
        layer = self.commits.labels.layer
        if layer is None:
            raise ClassError("Choose first, under Labels, the labels whose objects these are.")
        table = path.suffix.lower() == ".csv"
        named, listed = (read_class_table(path), ()) if table else read_object_classes(path)
        there = known_labels(layer.data)
        named = {n: name for n, name in named.items() if there is None or n in there}
        if not named:
            raise ClassError(f"{path.name} holds no class of an object of “{layer.name}”.")
        more = [one for one in listed if one.name not in _names(self.listed)]
        self._set_list(complete_classes((*self.listed, *more), named.values()))
        count = len(named)
        self._give(layer, named, f"classes of {count:,} object{'s' * (count > 1)} from {path.name}")

    def _class_of_next(self) -> str | None:
        return self.current if self.listed else None

    def _color_of_next(self, label: int) -> Color | None:
        """Return the colour that a new object gets by its class, or None where it gets none."""
        layer = self.commits.labels.layer
        if not self.listed or self.shown not in ("colors", "both"):
            return None
        if not self.current and not (layer is not None and read_layer_classes(layer)):
            return None
        one = next((one for one in self.listed if one.name == self.current), None)
        return color_in_class(one, label)

    def _set_list(self, classes: Sequence[ObjectClass]) -> None:
        self.listed = check_classes(classes)
        if self.current not in [one.name for one in self.listed]:
            self.current = ""
        layer = self.commits.labels.layer
        if layer is not None:
            keep_list(layer, self.listed)
        self._refresh()

    def _try(self, do: Callable[[], None]) -> None:
        try:
            do()
        except (ClassError, LabelError) as error:
            self.session.fail(error)

    def _pick(self, place: Place) -> tuple[Labels, int, Plane]:
        labels = self.commits.labels
        layers = [layer for layer in reversed(labels.fitting()) if layer.visible]
        return pick_at(
            self.session, sorted(layers, key=lambda layer: layer is not labels.layer), place
        )

    def _brush_at(self, place: Place) -> bool:
        try:
            layer, label, _ = self._pick(place)
        except TargetError as error:
            self.session.fail(error)
        else:
            self.give(layer, [label], self.current)
        return False

    def _brush_along(self, places: list[Place]) -> bool:
        """Give the class to all objects that a stroke crosses, in one step."""
        found: dict[Labels, dict[int, None]] = {}
        path = np.array(places, float)
        steps = np.maximum(1, np.ceil(np.abs(np.diff(path, axis=0)).max(axis=1))).astype(int)
        for start, stop, count in zip(path[:-1], path[1:], steps, strict=True):
            for y, x in np.linspace(start, stop, count + 1):
                try:
                    layer, label, _ = self._pick((float(y), float(x)))
                except TargetError:
                    continue
                found.setdefault(layer, {})[label] = None
        if not found:
            self.session.say("There is no labelled object under the stroke.")
        for layer, crossed in found.items():
            self.give(layer, list(crossed), self.current)
        return False

    def _on_target(self) -> None:
        """Take over the classes of another label image."""
        layer = self.commits.labels.layer
        known = () if layer is None else list_of(layer)
        names = [one.name for one in self.listed]
        if any(one.name not in names for one in known):
            self._set_list((*known, *(o for o in self.listed if o.name not in _names(known))))
        self._refresh_soon()

    def _refresh_soon(self) -> None:
        if self.listed and not self._closed:
            self._refresh_calmly()

    def _refresh(self) -> None:
        """Show the classes as they are now, and count them."""
        if self._closed:
            return
        self.session.dialogue.draw_again()
        layer = self.commits.labels.layer
        named = {} if layer is None else read_layer_classes(layer)
        self._view.show(layer, named, self.listed, self.shown)
        if layer is None or not self.listed:
            self._take_counts({})
            return
        run = partial(count_classes, layer.data, named)
        self.session.lane.submit(Job(run, self._take_counts, self.session.fail, replaceable=False))
        self.changed.emit()

    def _take_counts(self, counts: Mapping[str, int]) -> None:
        if not self._closed:
            self.counts = counts
            self.changed.emit()


def _names(classes: Sequence[ObjectClass]) -> list[str]:
    return [one.name for one in classes]


def _call(name: str) -> str:
    return f"“{name}”" if name else "of no class"
