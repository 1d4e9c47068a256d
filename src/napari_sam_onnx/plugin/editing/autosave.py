"""Prompts and labels, written down while the user works, and offered again after a crash."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam_onnx.labels.classes import ObjectClass
from napari_sam_onnx.plugin.layers.classes import (
    keep_list,
    list_of,
    read_layer_classes,
    write_layer_classes,
)
from napari_sam_onnx.plugin.layers.labels import can_be_target, make_target, place_of
from napari_sam_onnx.plugin.layers.prompts import insert_under_prompts
from napari_sam_onnx.plugin.layers.snapshot import Snapshot
from napari_sam_onnx.plugin.picture.geometry import role_of
from napari_sam_onnx.plugin.picture.shown import layer_array
from napari_sam_onnx.plugin.session.lanes import Job
from napari_sam_onnx.records.journal import Journal, JournalError
from napari_sam_onnx.records.journal_left import find_left

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from napari.layers import Labels

    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.picture.picture import Picture
    from napari_sam_onnx.plugin.session.lanes import Lane
    from napari_sam_onnx.records.journal_left import Found

QUICK_PIXELS = 64_000_000
"""Larger label images, and those not in memory, are looked at on the plane that is shown."""

SAMPLE = 64
"""Side of the part of a picture by which it is known again."""


class Autosave:
    """Keeps a journal of one dock's work, and finds those of docks that died.

    Parameters
    ----------
    commits : Commits
    root : Path
        Where journals are.
    lane : Lane
        Where they are written and read: one of its own.
    calm : callable
        See `napari_sam_onnx.plugin.session.session.Session`.

    Attributes
    ----------
    found : Found or None
        Work on the current picture that a crash left.
    changed : Signal
        `found` is another.
    """

    changed = Signal()

    def __init__(
        self,
        commits: Commits,
        root: Path,
        lane: Lane,
        calm: Callable[[Callable[[], None]], Callable[[], None]] = lambda do: do,
    ) -> None:
        self.commits, self.session = commits, commits.session
        self.found: Found | None = None
        self._root, self._lane = root, lane
        self._journal: Journal | None = None
        self._off = False
        self._about: dict[str, Any] | None = None
        self._dirty: dict[Labels, bool] = {}  # whether it may have changed on all planes
        self._watched: dict[Labels, Callable[..., None]] = {}
        self._save_calmly = calm(self.save)
        session = self.session
        session.picture_changed.connect(self._on_picture)
        session.layers_changed.connect(self._watch)
        session.prompts_changed.connect(self._save_calmly)
        session.removed.connect(self._on_removed)
        commits.changed.connect(self._on_commit)
        self._on_picture()

    # Writing

    def save(self) -> None:
        """Write down what has changed, away from the interface."""
        session, plane = self.session, self.session.plane
        if self._off or session.picture is None or session.prompts is None or self._about is None:
            return
        work = []
        target = self.commits.labels.layer
        for layer, everywhere in self._dirty.items():
            data = layer.data
            quick = isinstance(data, np.ndarray) and data.size <= QUICK_PIXELS
            within = None
            if not (quick and everywhere):
                if plane is None:
                    continue
                within = [
                    slice(None) if axis in plane.axes else slice(at, at + 1)
                    for axis, at in enumerate(plane.position)
                ]
            place = place_of(layer)
            work.append(
                partial(
                    _write_labels,
                    key=str(layer.unique_id),
                    name=layer.name,
                    labels=data,
                    place="" if place is None else str(place),
                    target=layer is target,
                    within=within,
                    classes=read_layer_classes(layer),
                    class_list=[(one.name, one.color) for one in list_of(layer)],
                )
            )
        self._dirty.clear()
        prompts = pack_prompts(session.prompts)
        run = partial(self._write, dict(self._about), prompts, work)
        self._lane.submit(Job(run, lambda _: None, self._give_up, replaceable=False))

    def close(self) -> None:
        """End without a crash: nothing is left to be offered."""
        session = self.session
        self._off = True
        for signal, slot in (
            (session.picture_changed, self._on_picture),
            (session.layers_changed, self._watch),
            (session.prompts_changed, self._save_calmly),
            (session.removed, self._on_removed),
            (self.commits.changed, self._on_commit),
        ):
            signal.disconnect(slot)
        for layer in list(self._watched):
            self._leave(layer)
        self._lane.close()
        if self._journal is not None:
            self._journal.close()

    # What a crash left

    def restore(self) -> None:
        """Put the labels and prompts that were found into the viewer."""
        found, picture = self.found, self.session.picture
        self.found = None
        self.changed.emit()
        if found is None or picture is None:
            return
        if not found.claim():
            self.session.say("That work was restored elsewhere meanwhile.", "error")
            return
        target = None
        for kept in found.labels:
            labels = _open_place(kept.place) if kept.labels is None else kept.labels
            if labels is None or tuple(labels.shape) != picture.shape:
                continue
            layer = make_target(picture, kept.name, labels)
            if kept.classes:
                write_layer_classes(layer, kept.classes)
            if kept.class_list:
                keep_list(layer, [ObjectClass(name, color) for name, color in kept.class_list])
            insert_under_prompts(self.session.viewer, self.session.layers, layer)
            self._dirty[layer] = True
            target = layer if kept.target or target is None else target
        if target is not None:
            self.commits.labels.choose(target)
        if found.prompts is not None:
            self.session.replace_prompts(unpack_prompts(found.prompts, picture.main.ndim))
        self.save()
        self._lane.submit(Job(found.discard, lambda _: None, self._give_up, replaceable=False))
        self.session.say(f"Restored: {describe_work(found)}.", "ready")

    def discard(self) -> None:
        """Throw away what was found."""
        found, self.found = self.found, None
        if found is not None and found.claim():
            found.discard()
        self.changed.emit()

    # Inside

    def _write(
        self,
        about: Mapping[str, Any],
        prompts: Mapping[str, Any],
        work: Sequence[Callable[[Journal], int]],
    ) -> None:
        if self._off:
            return
        if self._journal is None:
            if not work and not prompts["points"] and not prompts["boxes"]:
                return  # nothing to lose yet
            self._journal = Journal(self._root)
            self._journal.begin(about)
        elif self._journal.about != about:
            self._journal.begin(about)
        self._journal.write_prompts(prompts)
        for write in work:
            write(self._journal)

    def _give_up(self, error: Exception) -> None:
        """Say once that work is not kept, and stop keeping it."""
        if self._off:
            return
        self._off = True
        self.session.fail(error if isinstance(error, JournalError) else JournalError(str(error)))

    def _on_picture(self) -> None:
        """Look for what a crash left of this picture, where it is another one."""
        picture = self.session.picture
        if picture is None or self._off:
            self._about = None
            self._set_found(None)
            return
        self._watch()
        if self._about is not None and self._about["layer"] == str(picture.main.unique_id):
            return
        self._about = None
        self._set_found(None)
        look = partial(_look, picture, self._root)
        self._lane.submit(Job(look, self._on_looked, lambda _: None, replaceable=False))

    def _on_looked(self, result: tuple[dict[str, Any], Found | None]) -> None:
        about, found = result
        picture = self.session.picture
        if picture is None or self._off or about["layer"] != str(picture.main.unique_id):
            return
        self._about = about
        self._set_found(found)
        self._save_calmly()

    def _set_found(self, found: Found | None) -> None:
        if found is not self.found:
            self.found = found
            self.changed.emit()

    def _watch(self) -> None:
        """Follow what happens to the label images that fit the picture."""
        picture = self.session.picture
        for layer in self.session.viewer.layers:
            if layer in self._watched or picture is None or not can_be_target(layer, picture):
                continue
            slot = partial(self._on_labels, layer)
            self._watched[layer] = slot
            for emitter in (layer.events.labels_update, layer.events.paint, layer.events.data):
                emitter.connect(slot)
            if role_of(layer) == "labels":
                self._dirty[layer] = True
                self._save_calmly()

    def _on_labels(self, layer: Labels, event: Any) -> None:
        everywhere = str(event.type) == "data"
        self._dirty[layer] = self._dirty.get(layer, False) or everywhere
        self._save_calmly()

    def _on_commit(self) -> None:
        """Take into account that a step may have changed labels on any plane."""
        layer = self.commits.labels.layer
        if layer is not None:
            self._dirty[layer] = True
        self._save_calmly()

    def _on_removed(self, layer: Any) -> None:
        if layer not in self._watched:
            return
        self._leave(layer)
        self._dirty.pop(layer, None)
        journal = self._journal
        if journal is not None:
            forget = partial(journal.forget, str(layer.unique_id))
            self._lane.submit(Job(forget, lambda _: None, self._give_up, replaceable=False))

    def _leave(self, layer: Labels) -> None:
        slot = self._watched.pop(layer)
        for emitter in (layer.events.labels_update, layer.events.paint, layer.events.data):
            emitter.disconnect(slot)


def pack_prompts(prompts: Snapshot) -> dict[str, Any]:
    """Write prompts as values that JSON knows; objects open for correction are labels anyway."""
    return {
        "points": prompts.points.tolist(),
        "positive": prompts.positive.tolist(),
        "boxes": [box.tolist() for box in prompts.boxes],
    }


def unpack_prompts(values: Mapping[str, Any], ndim: int) -> Snapshot:
    """Read what `pack_prompts` wrote."""
    return Snapshot(
        np.array(values["points"], float).reshape(-1, ndim),
        np.array(values["positive"], bool),
        tuple(np.array(box, float).reshape(-1, ndim) for box in values["boxes"]),
    )


def describe_work(found: Found) -> str:
    """Say what was found, in a few words."""
    prompts = found.prompts or {"points": [], "boxes": []}
    counts = (
        (found.objects, "object"),
        (len(prompts["points"]), "point"),
        (len(prompts["boxes"]), "box"),
    )
    said = [f"{count:,} {_plural(name, count)}" for count, name in counts if count]
    said += [f"“{kept.name}”" for kept in found.labels if kept.labels is None]
    return ", ".join(said)


def _plural(name: str, count: int) -> str:
    return name if count == 1 else f"{name}es" if name.endswith("x") else f"{name}s"


def _write_labels(journal: Journal, **labels: Any) -> int:
    return journal.write_labels(**labels)


def _look(picture: Picture, root: Path) -> tuple[dict[str, Any], Found | None]:
    """Say by what a picture is known, and find the newest work on it that a crash left."""
    about = describe_picture(picture)
    known = {name: value for name, value in about.items() if name != "layer"}
    for found in find_left(root):
        same = {name: value for name, value in found.about.items() if name != "layer"}
        if same == known and describe_work(found):
            return about, found
    return about, None


def describe_picture(picture: Picture) -> dict[str, Any]:
    """Say by what a picture is known again: its shape, and some of its pixels."""
    from zlib import crc32

    array = layer_array(picture.main)
    middle = [slice(None)] * len(array.shape)
    for axis, side in enumerate(array.shape):
        start = max(0, (side - SAMPLE) // 2)
        whole = axis >= len(array.shape) - 3
        middle[axis] = slice(start, start + SAMPLE) if whole else slice(side // 2, side // 2 + 1)
    sample = np.ascontiguousarray(array[tuple(middle)])
    return {
        "layer": str(picture.main.unique_id),
        "name": picture.main.name,
        "shape": [int(side) for side in array.shape],
        "pixels": crc32(sample.view(np.uint8).reshape(-1).data),
    }


def _open_place(place: str) -> Any:
    """Open labels that are kept on disk; None where they are gone."""
    from pathlib import Path

    if not Path(place).is_dir():
        return None
    import zarr

    return zarr.open(place, mode="r+")
