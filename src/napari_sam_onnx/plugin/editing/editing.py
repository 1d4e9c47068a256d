"""Objects that exist, edited on the plane that is shown; each edit is one step to undo."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.labels import edits
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.masks.upscale import low_res_from_mask
from napari_sam_onnx.plugin.commits.history import Step
from napari_sam_onnx.plugin.commits.picking import pick_at
from napari_sam_onnx.plugin.editing.gestures import Gesture
from napari_sam_onnx.plugin.layers.labels import (
    LabelledPlane,
    NoObjectError,
    TargetError,
    read_plane,
    rewrite_objects,
)
from napari_sam_onnx.plugin.layers.snapshot import Correction
from napari_sam_onnx.plugin.layers.writable import check_writable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.layers import Labels

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.editing.gestures import Gestures, Place
    from napari_sam_onnx.plugin.picture.plane import Plane

    Found = tuple[Labels, int, Plane]

HINTS = {
    "join": "Join: drag from one object to another, or click both; the first keeps its number.",
    "split": "Split: draw a stroke across an object, or click a point in each of two parts.",
    "grow": "Grow: click an object; it takes the free pixels next to it.",
    "shrink": "Shrink: click an object; it loses its outermost pixels.",
    "fill": "Fill holes: click an object.",
    "largest": "Largest piece: click an object; its other pieces go.",
    "smooth": "Smooth: click an object; corners and notches go.",
}
SMOOTHING = 2.0
"""Width in pixels of what is rounded at once."""


class Editor:
    """Joins, divides and changes labelled objects.

    Parameters
    ----------
    commits : Commits
        Whose history takes the steps.
    gestures : Gestures
    """

    def __init__(self, commits: Commits, gestures: Gestures) -> None:
        self.commits, self.gestures, self.session = commits, gestures, commits.session
        self._first: tuple[Found, Place] | None = None

    def ask(self, name: str) -> None:
        """Let the next click or stroke say which objects are edited; see `HINTS`."""
        self._first = None
        click: Callable[[Place], bool] = partial(self._change_at, name)
        stroke: Callable[[list[Place]], bool] = self._change_along(name)
        if name == "join":
            click, stroke = self._join_at, self._join_along
        elif name == "split":
            click, stroke = self._split_at, self._split_along
        self.gestures.begin(Gesture(name, HINTS[name], click, stroke))

    def change_under(self, name: str, world: Any) -> None:
        """Change the object under a position in world coordinates."""
        place = self.session.to_plane(world)
        if place is None:
            self.session.fail(TargetError("There is no picture under the cursor."))
        else:
            self._change_at(name, place)

    # One object

    def _change_along(self, name: str) -> Callable[[list[Place]], bool]:
        return lambda places: self._change_at(name, places[0])

    def _change_at(self, name: str, place: Place) -> bool:
        return self._try(lambda: self._change(name, self._pick(place)))

    def _change(self, name: str, found: Found) -> None:
        layer, label, plane = found
        mask, around = (
            edits.find_object(read_plane(layer, plane), label),
            LabelledPlane(layer, plane),
        )
        if name == "grow":
            changed = edits.grow(mask, around)
        elif name == "shrink":
            changed = edits.shrink(mask)
        elif name == "fill":
            changed = edits.fill_holes(mask, around)
        elif name == "largest":
            changed = edits.keep_largest(mask)
        else:
            changed = edits.smooth(mask, SMOOTHING, around)
        gained = changed.area - mask.area
        if not edits.differ(changed, mask):
            raise LabelError(_NOTHING[name].format(label))
        size = f"{abs(gained):,} pixels {'more' if gained >= 0 else 'fewer'}"
        self.write(found, (label,), {label: changed}, f"object {label} with {size}")

    # Two objects

    def _join_at(self, place: Place) -> bool:
        def join() -> bool:
            found = self._pick(place)
            if self._first is None:
                self._first = found, place
                self.session.say(f"Click the object that object {found[1]} is joined with.")
                return False
            self._join(self._first[0], found)
            return True

        return self._try(join)

    def _join_along(self, places: list[Place]) -> bool:
        return self._try(lambda: self._join(self._pick(places[0]), self._pick(places[-1])))

    def _join(self, first: Found, second: Found) -> None:
        (layer, kept, plane), (other_layer, other, other_plane) = first, second
        if layer is not other_layer or plane != other_plane:
            raise TargetError("Both objects have to be on one plane of one labels layer.")
        if kept == other:
            raise LabelError(f"Both places are on object {kept}; end on another object.")
        labels = read_plane(layer, plane)
        masks = [edits.find_object(labels, label) for label in (kept, other)]
        joined = edits.join(masks, LabelledPlane(layer, plane))
        self.write(first, (kept, other), {kept: joined}, f"objects {kept} and {other} as one")

    # Parts of one object

    def _split_at(self, place: Place) -> bool:
        def split() -> bool:
            found = self._pick(place)
            first, self._first = self._first, None
            if first is None or first[0] != found:
                self._first = found, place
                self.session.draft.show_cross(place)
                self.session.say(f"Click another part of object {found[1]}.")
                return False
            mask = edits.find_object(read_plane(found[0], found[2]), found[1])
            self._divide(found, edits.split_by_points(mask, [first[1], place]))
            return True

        return self._try(split)

    def _split_along(self, places: list[Place]) -> bool:
        def split() -> None:
            found = self._pick_crossed(places)
            mask = edits.find_object(read_plane(found[0], found[2]), found[1])
            self._divide(found, edits.split_by_stroke(mask, places))

        return self._try(split)

    def _divide(self, found: Found, parts: list[Mask]) -> None:
        layer, label, plane = found
        numbers = self.commits.labels.numbers_of(layer)

        def write() -> None:
            first = numbers.find_free(plane)
            made = {label: parts[0], **{first + n: part for n, part in enumerate(parts[1:])}}
            names = " and ".join(str(number) for number in made)
            self.write(found, (label,), made, f"object {label} divided into {names}")

        def write_or_say() -> None:
            self._try(write)

        numbers.when_known(write_or_say, self.session.fail)

    # What they share

    def _try(self, do: Callable[[], object]) -> bool:
        """Do something; where it cannot be done, say why and go on waiting for another try."""
        try:
            return do() is not False
        except Exception as error:  # a lazy array refuses to be written in its own way
            self.session.fail(error)
            return False

    def _layers(self) -> list[Labels]:
        labels = self.commits.labels
        layers = [layer for layer in reversed(labels.fitting()) if layer.visible]
        return sorted(layers, key=lambda layer: layer is not labels.layer)

    def _pick(self, place: Place) -> Found:
        return pick_at(self.session, self._layers(), place)

    def _pick_crossed(self, places: list[Place]) -> Found:
        """Find the object that most of a stroke lies on."""
        counts: dict[tuple[int, int], tuple[int, Found]] = {}
        for (y0, x0), (y1, x1) in pairwise(places):
            steps = max(1, round(max(abs(y1 - y0), abs(x1 - x0))))
            for step in range(steps):
                part = step / steps
                place = y0 + (y1 - y0) * part, x0 + (x1 - x0) * part
                try:
                    found = self._pick(place)
                except TargetError:
                    continue
                key = id(found[0]), found[1]
                counts[key] = counts.get(key, (0, found))[0] + 1, found
        if not counts:
            raise NoObjectError("The stroke crosses no labelled object.")
        return max(counts.values(), key=lambda entry: entry[0])[1]

    def write(self, found: Found, old: tuple[int, ...], new: Mapping[int, Mask], what: str) -> None:
        """Write objects instead of others, as a step; an object that is open follows."""
        layer, _, plane = found
        session, before = self.session, self.session.prompts
        if before is None:
            raise TargetError("There is no picture.")
        after, correction = before, before.correction_on(plane)
        if correction is not None and correction.layer is layer and correction.label in old:
            if session.request is not None and any(len(p.points) for p in session.request.prompts):
                raise LabelError(
                    f"Object {correction.label} is open and corrected by clicks: accept it (N) or "
                    "leave it (Esc) first."
                )
            others = tuple(c for c in before.corrections if c is not correction)
            if correction.label in new:
                mask = new[correction.label]
                opened = replace(mask, low_res=low_res_from_mask(mask))
                others = (*others, Correction(plane, layer, correction.label, opened))
            after = replace(before, corrections=others)
        check_writable(layer)
        with self.commits.labels.writing(layer) as numbers:
            paint = rewrite_objects(layer, plane, old, new)
            numbers.take((paint,))
        self.commits.record(Step(plane, before, after, paints=(paint,), what=what))
        if after is not before:
            session.replace_prompts(after)
        session.dialogue.fit_again()
        session.say(f"{what[0].upper()}{what[1:]}; Ctrl+Z undoes it.", "ready")


_NOTHING = {
    "grow": "There is no free pixel next to object {}.",
    "shrink": "Object {} cannot be shrunk.",
    "fill": "Object {} has no holes that are free.",
    "largest": "Object {} is one piece already.",
    "smooth": "Object {} is smooth already.",
}
