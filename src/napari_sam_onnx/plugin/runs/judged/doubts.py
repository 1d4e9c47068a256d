"""What a run found, the most doubtful first: looked at one by one, kept or deleted, one or many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.labels import edits
from napari_sam_onnx.plugin.editing.gestures import Gesture
from napari_sam_onnx.plugin.layers.labels import LabelledPlane, TargetError, read_plane
from napari_sam_onnx.plugin.review import Place
from napari_sam_onnx.plugin.session.lanes import do_later

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari.layers import Labels

    from napari_sam_onnx.automatic.finding import Finding
    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.editing.editing import Editor
    from napari_sam_onnx.plugin.editing.gestures import Gestures
    from napari_sam_onnx.plugin.review import Reviewer
    from napari_sam_onnx.plugin.runs.judged.filtering import Filtering

SOURCE = "automatic"
MOST = 500
"""Places that are listed; the next ones follow when these are judged."""

INSIDE = 0.5
"""Part of an object that a lasso must hold for the object to be meant."""

HINTS = {
    "delete": "Lasso: draw around objects; they are deleted.",
    "join": "Lasso: draw around objects; they become one.",
    "keep": "Lasso: draw around objects; they are kept, whatever the limits say.",
}


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Objects that were approved of: an `Action`."""

    layer: Labels
    finding: Finding
    labels: frozenset[int]

    def back(self) -> str:
        """Let them be filtered again."""
        self.finding.kept -= self.labels
        return f"{_count(len(self.labels))} no longer kept."

    def again(self) -> str:
        """Keep them again."""
        self.finding.kept |= self.labels
        return f"{_count(len(self.labels))} kept again."


class Doubts:
    """Fills the review queue with what a run found, and judges objects.

    Parameters
    ----------
    filtering : Filtering
        Says what was found.
    commits : Commits
        Whose history takes the steps.
    reviewer : Reviewer
    gestures : Gestures
        Takes a lasso.
    editor : Editor
        Writes objects.
    """

    def __init__(
        self,
        filtering: Filtering,
        commits: Commits,
        reviewer: Reviewer,
        gestures: Gestures,
        editor: Editor,
    ) -> None:
        self.filtering, self.commits, self.reviewer = filtering, commits, reviewer
        self.gestures, self._editor = gestures, editor
        self._layer: Labels | None = None
        self._asked = self._closed = False
        filtering.changed.connect(self._on_changed)
        commits.changed.connect(self._on_changed)

    def begin(self) -> None:
        """List what was found, and go to the most doubtful."""
        self._layer = self.filtering.layer
        if self._layer is None:
            self.filtering.session.say("Nothing to review: run automatic masks first.", "error")
            return
        self._fill()
        self.reviewer.next()

    def keep(self) -> None:
        """Approve of the object that is looked at, and go on."""
        place = self.reviewer.queue.current
        if place is None or not place.label:
            self.filtering.session.say("Go to a place of the list first (J).")
            return
        if place.layer is self.filtering.layer:
            self._keep({place.label})
        self.reviewer.queue.settle(place.label, place.layer)
        self.reviewer.next()

    def delete(self) -> None:
        """Delete the object that is looked at from its plane, and go on."""
        place = self.reviewer.queue.current
        if place is None or not place.label:
            self.filtering.session.say("Go to a place of the list first (J).")
            return
        self._try(lambda: self._delete(place.layer, place.plane, [place.label]))
        self.reviewer.queue.settle(place.label, place.layer)
        self.reviewer.next()

    def ask(self, what: str) -> None:
        """Let the next lasso say which objects are deleted, joined or kept; see `HINTS`."""

        def take(places: list[tuple[float, float]]) -> bool:
            return self._try(lambda: self._judge(what, places))

        self.gestures.begin(
            Gesture(f"lasso {what}", HINTS[what], lambda place: take([place]), take, closed=True)
        )

    def close(self) -> None:
        """List nothing any more: who shows the list may be gone."""
        self._closed = True

    # Inside

    def _judge(self, what: str, places: list[tuple[float, float]]) -> None:
        layer, plane = self.commits.labels.layer, self.filtering.session.plane
        if layer is None or plane is None:
            raise TargetError("There are no labels yet; run automatic masks first.")
        labels = read_plane(layer, plane)
        meant = find_inside(labels, places)
        if not meant:
            raise TargetError("The lasso holds no object for the most part; draw around some.")
        if what == "delete":
            self._delete(layer, plane, meant)
        elif what == "keep":
            self._keep(set(meant))
        elif len(meant) < 2:
            raise TargetError(f"The lasso holds object {meant[0]} alone; draw around several.")
        else:
            masks = [edits.find_object(labels, label) for label in meant]
            joined = edits.join(masks, LabelledPlane(layer, plane))
            said = f"{len(meant)} objects as one, {meant[0]}"
            self._editor.write((layer, meant[0], plane), tuple(meant), {meant[0]: joined}, said)

    def _delete(self, layer: Labels, plane: Any, labels: list[int]) -> None:
        gone = f"object {labels[0]}" if len(labels) == 1 else f"{len(labels)} objects"
        self._editor.write((layer, labels[0], plane), tuple(labels), {}, f"deleted {gone}")

    def _keep(self, labels: set[int]) -> None:
        layer, finding = self.filtering.layer, self.filtering.finding
        if layer is None or finding is None:
            raise TargetError("What was found is not known any more; run automatic masks again.")
        new = frozenset(labels - finding.kept)
        kept = Kept(layer, finding, new)
        kept.again()
        if new:
            self.commits.take_action(kept)
        self.filtering.session.say(f"{_count(len(labels))} kept, whatever the limits say.", "ready")

    def _try(self, do: Callable[[], None]) -> bool:
        """Do something, or say why it cannot be done."""
        try:
            do()
        except Exception as error:  # a lazy array refuses to be written in its own way
            self.filtering.session.fail(error)
            return False
        return True

    def _on_changed(self) -> None:
        """List anew what is left to be judged, once the interface has time."""
        if self._layer is not None and not self._asked and not self._closed:
            self._asked = True
            do_later(self._fill)

    def _fill(self) -> None:
        self._asked = False
        if self._closed:
            return
        queue = self.reviewer.queue
        if self._layer is None or self._layer is not self.filtering.layer:
            self._layer = None
            queue.clear(SOURCE)
            return
        places = list(self._find(self._layer))
        if places != [place for place in queue.places if place.layer is self._layer]:
            queue.fill(SOURCE, places)

    def _find(self, layer: Labels) -> Iterator[Place]:
        """List the objects of a run that nobody has judged, the most doubtful first."""
        finding, reader = self.filtering.finding, self.filtering.session.reader
        if finding is None or reader is None:
            return
        rows: list[tuple[float, tuple[int, ...], int]] = []
        for index, plane in finding.planes.items():
            chosen = plane.shown
            judged = np.array(sorted(finding.corrected_on(index)), np.uint32)
            chosen = chosen[~np.isin(plane.numbers[chosen], judged) & (plane.numbers[chosen] > 0)]
            doubt = 1 - np.nan_to_num(plane.found.feature("rating")[chosen], nan=0.0)
            order = np.argsort(-doubt, kind="stable")[:MOST]
            rows += [(float(doubt[n]), index, int(chosen[n])) for n in order]
        rows.sort(key=lambda row: -row[0])
        axes = (finding.view[0], finding.view[1])
        for score, index, number in rows[:MOST]:
            kept = finding.planes[index]
            mask, label = kept.found.masks[number], int(kept.numbers[number])
            y0, x0, y1, x1 = mask.bbox
            center = mask.point or ((y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2)
            reason = f"Object {label}: rated {1 - score:.2f}"
            if not np.isnan(mask.stability):
                reason += f", stability {mask.stability:.2f}"
            where = reader.plane_at(axes, index)
            yield Place(layer, where, (float(center[0]), float(center[1])), label, reason, score)


def find_inside(labels: np.ndarray[Any, Any], outline: list[tuple[float, float]]) -> list[int]:
    """List the objects of a plane that lie in an outline for the most part, or under a place.

    Parameters
    ----------
    labels : (H, W) integer
    outline : list of (y, x)
        Corners; fewer than three are places that are meant themselves.

    Returns
    -------
    list of int
        Ascending.
    """
    from skimage.draw import polygon

    corners = np.array(outline, float)
    if len(corners) < 3:
        rows, columns = np.floor(corners + 0.5).astype(int).T
        height, width = labels.shape
        here = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        under = np.unique(labels[rows[here], columns[here]])
        return [int(label) for label in under if label]
    inside = labels[polygon(corners[:, 0], corners[:, 1], labels.shape)]
    meant = []
    for label, count in zip(*np.unique(inside, return_counts=True), strict=True):
        if label and count >= INSIDE * np.count_nonzero(labels == label):
            meant.append(int(label))
    return meant


def _count(number: int) -> str:
    return f"{number} object{'s are' if number != 1 else ' is'}"
