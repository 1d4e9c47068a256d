"""Prompts and labels, written down while the user works, and offered again after a crash."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam_onnx.labels.classes import ObjectClass
from napari_sam_onnx.plugin.editing.left import (
    describe_work,
    look_for_left,
    open_labels,
    pack_prompts,
    unpack_prompts,
)
from napari_sam_onnx.plugin.layers.classes import (
    keep_list,
    list_of,
    read_layer_classes,
    write_layer_classes,
)
from napari_sam_onnx.plugin.layers.labels import can_be_target, make_target, place_of
from napari_sam_onnx.plugin.layers.prompts import insert_under_prompts
from napari_sam_onnx.plugin.layers.snapshot import is_empty
from napari_sam_onnx.plugin.picture.geometry import role_of
from napari_sam_onnx.plugin.session.lanes import Job
from napari_sam_onnx.records.journal import Journal, JournalError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from napari.layers import Labels

    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.editing.left import Left
    from napari_sam_onnx.plugin.session.lanes import Lane
    from napari_sam_onnx.records.journal_left import Found, KeptLabels

QUICK_PIXELS = 64_000_000
"""Larger label images, and those not in memory, are looked at on the plane that is shown."""

NO_PROMPTS: Mapping[str, Any] = {"points": [], "positive": [], "boxes": []}


class Autosave:
    """Keeps a journal of each picture of a dock, and finds those of docks that died.

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
        Work on the current picture that a crash left: the newest that is not here yet.
    earlier : int
        How many crashes before that left something else, which is offered afterwards.
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
        self.earlier = 0
        self._root, self._lane = root, lane
        self._journals: dict[str, Journal] = {}  # by the picture's layer, used on the lane alone
        self._homes: dict[Labels, str] = {}  # the picture in whose journal labels are
        self._abouts: dict[str, Mapping[str, Any]] = {}
        self._off = self._restored = False
        self._picture: str | None = None
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
        session, plane, home = self.session, self.session.plane, self._picture
        if self._off or session.picture is None or session.prompts is None:
            return
        if home not in self._abouts:  # it is still looked at
            return
        work, later = [], {}
        target = self.commits.labels.layer
        for layer, everywhere in self._dirty.items():
            data = layer.data
            quick = isinstance(data, np.ndarray) and data.size <= QUICK_PIXELS
            within = None
            if not (quick and everywhere):
                if plane is not None and can_be_target(layer, session.picture):
                    placed = plane.over(data.ndim)
                    within = [
                        slice(None) if axis in placed.axes else slice(at, at + 1)
                        for axis, at in enumerate(placed.position)
                    ]
                elif not quick:
                    later[layer] = everywhere
                    continue
            place = place_of(layer)
            write = partial(
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
            work.append((self._homes.setdefault(layer, home), write))
        self._dirty = later
        run = partial(self._write, home, pack_prompts(session.prompts), work)
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
        if self.found is not None:
            self.found.leave()
        for journal in list(self._journals.values()):
            journal.close()

    # What a crash left

    def restore(self) -> None:
        """Put the labels and prompts that were found into the viewer."""
        found, picture = self.found, self.session.picture
        if found is None or picture is None:
            return
        if not found.claim():
            self.session.say("That work was restored elsewhere meanwhile.", "error")
            self._look_again()
            return
        missing = [kept.name for kept in found.labels if not self._put_back(kept)]
        self._restored = True
        self.save()
        waits = found.prompts is not None and not self._put_back_prompts(found.prompts)
        said = describe_work(replace(found, prompts=None) if waits else found)
        said = f"Restored: {said}. " if said else ""
        if missing:
            said += f"The labels on disk of {' and '.join(missing)} are gone. "
        if waits:
            rest = replace(found, labels=())
            said += f"Left for later: {describe_work(rest)}; accept or discard what is open first."
            self._set_found(rest, self.earlier)
        else:
            self._lane.submit(Job(found.discard, lambda _: None, self._give_up, replaceable=False))
            self._look_again()
        self.session.say(said.rstrip(), "ready")

    def discard(self) -> None:
        """Throw away what was found."""
        found = self.found
        if found is not None and found.claim():
            found.discard()
        self._look_again()

    # Inside

    def _put_back(self, kept: KeptLabels) -> bool:
        """Make a Labels layer of labels that were kept; whether they are still there."""
        session, picture = self.session, self.session.picture
        assert picture is not None
        labels = open_labels(kept, picture.shape)
        if labels is None:
            return False
        layer = make_target(picture, kept.name, labels)
        if kept.classes:
            write_layer_classes(layer, kept.classes)
        if kept.class_list:
            keep_list(layer, [ObjectClass(name, color) for name, color in kept.class_list])
        insert_under_prompts(session.viewer, session.layers, layer)
        self._dirty[layer] = True
        target = self.commits.labels
        if not self._restored and (kept.target or target.layer is None):
            target.choose(layer)
        return True

    def _put_back_prompts(self, packed: Mapping[str, Any]) -> bool:
        """Open prompts that were kept, where no others are open."""
        session, picture = self.session, self.session.picture
        assert picture is not None and session.prompts is not None
        kept = unpack_prompts(packed, picture.main.ndim)
        if is_empty(kept):
            return True
        if not is_empty(session.prompts):
            return False
        session.replace_prompts(kept)
        return True

    def _write(
        self,
        home: str,
        prompts: Mapping[str, Any],
        work: Sequence[tuple[str, Callable[[Journal], int]]],
    ) -> None:
        if self._off:
            return
        for picture in dict.fromkeys([*(picture for picture, _ in work), home]):
            open_here = prompts if picture == home else NO_PROMPTS
            if picture not in self._journals:
                begun = any(picture == of for of, _ in work)
                if not begun and not open_here["points"] and not open_here["boxes"]:
                    continue  # nothing to lose yet
                journal = Journal(self._root)
                self._journals[picture] = journal
                journal.begin(self._abouts[picture])
                if self._off:  # the dock was closed meanwhile
                    journal.close()
        for picture, journal in self._journals.items():
            journal.write_prompts(prompts if picture == home else NO_PROMPTS)
        for picture, write in work:
            write(self._journals[picture])

    def _give_up(self, error: Exception) -> None:
        """Say once that work is not kept, and stop keeping it."""
        if self._off:
            return
        self._off = True
        self.session.fail(error if isinstance(error, JournalError) else JournalError(str(error)))

    def _on_picture(self) -> None:
        """Look for what a crash left of this picture, where it is another one."""
        picture = self.session.picture
        now = None if picture is None or self._off else str(picture.main.unique_id)
        if now is not None:
            self._watch()
        if now == self._picture:
            return
        self._picture, self._restored = now, False
        if self.found is not None:
            self.found.leave()
        self._look_again()

    def _look_again(self) -> None:
        """Look for what a crash left that is not here yet."""
        picture = self.session.picture
        self._set_found(None)
        if picture is None or self._off:
            return
        here = [e.data for e in self.commits.labels.fitting() if isinstance(e.data, np.ndarray)]
        look = partial(look_for_left, picture, self._root, here)
        self._lane.submit(Job(look, self._on_looked, lambda _: None, replaceable=False))

    def _on_looked(self, left: Left) -> None:
        layer = str(left.about["layer"])
        if self._off:
            return
        self._abouts.setdefault(layer, left.about)
        if layer == self._picture:
            self._set_found(left.found, left.earlier)
            self._save_calmly()

    def _set_found(self, found: Found | None, earlier: int = 0) -> None:
        if found is not self.found:
            self.found, self.earlier = found, earlier
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
        home = self._homes.pop(layer, None)
        if home is not None:
            forget = partial(self._forget, home, str(layer.unique_id))
            self._lane.submit(Job(forget, lambda _: None, self._give_up, replaceable=False))

    def _forget(self, home: str, key: str) -> None:
        """Forget labels that were removed, and the journal of a picture that has none left."""
        journal = self._journals.get(home)
        if journal is None:
            return
        journal.forget(key)
        if not journal.holds_labels and home != self._picture:
            self._journals.pop(home).close()

    def _leave(self, layer: Labels) -> None:
        slot = self._watched.pop(layer)
        for emitter in (layer.events.labels_update, layer.events.paint, layer.events.data):
            emitter.disconnect(slot)


def _write_labels(journal: Journal, **labels: Any) -> int:
    return journal.write_labels(**labels)
