"""Taught by a few objects: what is like them, what was kept and deleted, settings that fit.

What was found is looked at again through the model's embeddings, and can then be chosen by what
was learned. Examples are objects of the label image that is written to.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam_onnx.automatic.taught.compare import rate_similar
from napari_sam_onnx.automatic.taught.fit import FEWEST, fit_settings
from napari_sam_onnx.automatic.taught.learn import LEARNED, LEAST, describe_objects, learn_judge
from napari_sam_onnx.automatic.taught.looks import Looks, look_at
from napari_sam_onnx.automatic.taught.similar import loosen_rating
from napari_sam_onnx.cache import encode_through
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.plugin.commits.history import Step
from napari_sam_onnx.plugin.editing.gestures import Gesture
from napari_sam_onnx.plugin.layers.colors import LIKE, UNLIKE
from napari_sam_onnx.plugin.layers.labels import NoObjectError, TargetError, read_plane
from napari_sam_onnx.plugin.layers.preview import Shown
from napari_sam_onnx.plugin.layers.ring import draw_ring
from napari_sam_onnx.plugin.picture.region import read_region
from napari_sam_onnx.plugin.runs.judged.doubts import find_inside
from napari_sam_onnx.plugin.runs.judged.lesson import Chosen, Lesson, judge_of
from napari_sam_onnx.plugin.runs.work import Work

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari.layers import Labels, Shapes
    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.finding import Finding
    from napari_sam_onnx.automatic.settings.selection import Selection
    from napari_sam_onnx.automatic.taught.fit import Fitted
    from napari_sam_onnx.automatic.taught.learn import Judge
    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.editing.gestures import Gestures
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.runs.judged.filtering import Filtering

SIMILARITY = "similarity"
SIMILAR = 0.5
"""Similarity from which on an object is shown to begin with."""

HINTS = {
    "like": "Click an object that you look for, or draw around several.",
    "unlike": "Click an object that you do not look for, or draw around several.",
}

Index = tuple[int, ...]


class Teaching:
    """Collects examples, and learns from them and from what was judged.

    Parameters
    ----------
    filtering : Filtering
        Says what was found, and shows what is chosen.
    commits : Commits
    gestures : Gestures
        Says which objects are examples.

    Attributes
    ----------
    work : Work
        The learning itself: whether and how far it goes on.
    changed : Signal
        There are other examples, or something else was learned.
    fitted : Signal
        Settings were fitted: a `Fitted`.
    judge : Judge or None
        What was learned from objects that were kept and deleted.
    """

    changed = Signal()
    fitted = Signal(object)

    def __init__(
        self,
        filtering: Filtering,
        commits: Commits,
        gestures: Gestures,
    ) -> None:
        self.filtering, self.commits, self.gestures = filtering, commits, gestures
        self.session = filtering.session
        self.work = Work()
        self.judge: Judge | None = None
        self._layer: Labels | None = None
        self._examples: dict[tuple[Index, int], bool] = {}
        self._masks: dict[tuple[Index, int], Mask] = {}
        self._result: Any = None
        self._least: dict[str, float] = {}
        self.session.detached.connect(self.clear)
        self.session.prompts_changed.connect(self._follow)

    def count(self, wanted: bool) -> int:
        """Count the examples, or the counter-examples."""
        return sum(kind is wanted for kind in self._examples.values())

    def ask(self, kind: str) -> None:
        """Let the next clicks say which objects are examples: "like", or "unlike"."""

        def take(places: list[tuple[float, float]]) -> bool:
            try:
                self._add(kind == "like", places)
            except ValueError as error:
                self.session.fail(error)
            return False  # until it is asked for again, or Esc

        self.gestures.begin(
            Gesture(kind, HINTS[kind], lambda at: take([at]), take, closed=True, lasting=True)
        )

    def clear(self) -> None:
        """Forget the examples."""
        marked = bool(self._examples)
        self._examples.clear()
        self._masks.clear()
        if marked:
            self.session.dialogue.mark(None)
        self.changed.emit()

    def find_similar(self) -> None:
        """Rate what was found by how much it is like the examples."""
        if not self.count(True):
            self.session.say("Say first which objects you look for: press “Like these”.", "error")
            return
        self._start(self._compare, "Finding similar objects", {SIMILARITY: SIMILAR})

    def learn(self) -> None:
        """Rate what was found by what was kept and deleted, and by the examples."""
        self._start(self._learn, "Learning from judged objects", {LEARNED: LEAST})

    def fit(self, region: Shapes | None) -> None:
        """Search settings that reproduce the labels of this plane.

        Parameters
        ----------
        region : napari Shapes layer or None
            The part of the plane in which all objects are labelled; None: all of it.
        """
        session, layer = self.session, self.commits.labels.layer
        picture, plane, reader = session.picture, session.plane, session.reader
        if self.work.busy:
            return
        if layer is None or picture is None or plane is None or reader is None:
            session.say("Choose the labels to fit to under Labels first.", "error")
            return
        try:
            inside = None if region is None else read_region(region, picture).mask(plane)
        except ValueError as error:
            session.fail(error)
            return
        labels = np.array(read_plane(layer, plane))
        steps = self._fit(reader.as_shown(plane), reader.index_of(plane), labels, inside)
        self._result = None
        self.work.start(steps, "Fitting settings", "Fitting …", self.work.tell, self._on_fitted)

    def close(self) -> None:
        """Stop, and tell nobody."""
        self.work.close()

    # In the worker

    def _compare(self, finding: Finding, read: Any) -> Generator[str, None, None]:
        """Note for each mask how much it is like the examples."""
        engine = self.session.engine
        looks: dict[bool, list[Looks]] = {True: [], False: []}
        with engine.use(self.session.source) as model:
            for index in sorted({place for place, _ in self._examples}):
                rgb = read(index)
                embedding = encode_through(rgb, model, engine.cache)
                for key, wanted in self._examples.items():
                    if key[0] == index:
                        looks[wanted].append(look_at(embedding, rgb, [self._masks[key]]))
                yield "Looking at the examples …"
            like = Looks.join(looks[True])
            unlike = Looks.join(looks[False]) if looks[False] else like.take([])
            for number, (index, plane) in enumerate(list(finding.planes.items())):
                yield f"Plane {number + 1} of {len(finding.planes)} …"
                if not len(plane.found):
                    continue
                rgb = read(index)
                embedding = encode_through(rgb, model, engine.cache)
                seen = look_at(embedding, rgb, plane.found.masks)
                chosen = plane.found.indices(plane.found.selection)
                plane.found.note(SIMILARITY, rate_similar(seen, like, unlike, chosen))

    def _learn(self, finding: Finding, read: Any) -> Generator[str, None, None]:
        """Learn from what was judged, and rate everything."""
        engine = self.session.engine
        rows: dict[Index, NDArray[np.float64]] = {}
        judged: list[tuple[NDArray[np.float64], bool]] = []
        others: list[NDArray[np.float64]] = []
        with engine.use(self.session.source) as model:
            for number, (index, plane) in enumerate(list(finding.planes.items())):
                yield f"Plane {number + 1} of {len(finding.planes)} …"
                if not len(plane.found):
                    continue
                rgb = read(index)
                embedding = encode_through(rgb, model, engine.cache)
                rows[index] = describe_objects(plane.found, embedding, rgb)
                labels, shown = np.unique(finding.labels.read(index)), set(plane.shown.tolist())
                for mask, label in enumerate(plane.numbers.tolist()):
                    said = self._judgement(finding, index, label, set(labels.tolist()))
                    if said is not None:
                        judged.append((rows[index][mask], said))
                    elif mask in shown:
                        others.append(rows[index][mask])
            if not judged:
                raise TargetError("Nothing was judged yet: keep a few objects and delete a few.")
            features, wanted = np.array([row for row, _ in judged]), [each for _, each in judged]
            rest = np.array(others).reshape(-1, features.shape[1])
            made = learn_judge(features, wanted, model.id, rest)
            for index, seen in rows.items():
                finding.planes[index].found.note(LEARNED, made.rate(seen))
            going = int(np.count_nonzero(made.rate(rest) < LEAST))
            self._result = Lesson(made, sum(wanted), len(wanted) - sum(wanted), going, len(rest))

    def _judgement(
        self, finding: Finding, index: Index, label: int, there: set[int]
    ) -> bool | None:
        """Say whether an object is wanted, where somebody has said so."""
        if not label:
            return None
        example = self._examples.get((index, label))
        if example is not None:
            return example
        if label in finding.kept:
            return True
        gone = label not in there and label in finding.corrected_on(index)
        return False if gone else None

    def _fit(
        self, source: Any, index: Index, labels: NDArray[Any], inside: NDArray[np.bool_] | None
    ) -> Generator[str, None, None]:
        engine = self.session.engine
        yield "Trying scales and ratings …"
        with engine.use(self.session.source) as model:
            self._result = fit_settings(
                source.read(index), model, labels, inside, cache=engine.cache
            )

    # In the interface

    def _add(self, wanted: bool, places: list[tuple[float, float]]) -> None:
        """Make the objects at some places examples; those that are already are none any more."""
        session, layer = self.session, self.commits.labels.layer
        plane, reader = session.plane, session.reader
        if layer is None or plane is None or reader is None:
            raise TargetError("There are no labels yet; accept objects or run automatic masks.")
        if layer is not self._layer:
            self._layer = layer
            self._examples.clear()
            self._masks.clear()
        labels = read_plane(layer, plane)
        meant = find_inside(labels, places)
        if not meant:
            raise NoObjectError("There is no labelled object there.")
        index = reader.index_of(plane)
        for label in meant:
            key = index, label
            if self._examples.get(key) is wanted and len(meant) == 1:
                del self._examples[key], self._masks[key]
                continue
            self._examples[key] = wanted
            self._masks[key] = Mask.from_array(labels == label)
        like, unlike = self.count(True), self.count(False)
        session.say(f"{like} like these, {unlike} unlike; Esc ends choosing.")
        session.dialogue.mark(self._find_examples)
        self.changed.emit()

    def _find_examples(self) -> tuple[list[Shown], Plane] | None:
        """Draw rings around the examples of the plane that is shown."""
        plane, reader, layer = self.session.plane, self.session.reader, self._layer
        if plane is None or reader is None or layer not in self.session.viewer.layers:
            return None
        index = reader.index_of(plane)
        rings = [
            Shown(draw_ring(self._masks[key]), tint=LIKE if wanted else UNLIKE)
            for key, wanted in self._examples.items()
            if key[0] == index
        ]
        return (rings, plane) if rings else None

    def _follow(self) -> None:
        """Mark the examples of another plane."""
        if self._examples:
            self.session.dialogue.fit_again()

    def _start(self, steps: Any, title: str, least: dict[str, float]) -> None:
        session, finding, plane = self.session, self.filtering.finding, self.session.plane
        if self.work.busy:
            return
        if finding is None or plane is None or session.reader is None:
            session.say(
                "Nothing was found that could be rated: run automatic masks first.", "error"
            )
            return
        if plane.axes != finding.view:
            session.say("Show the planes that automatic masks looked at first.", "error")
            return
        self.gestures.end()
        self._result, self._least = None, least
        read = session.reader.as_shown(plane).read
        done = partial(self._on_done, finding)
        self.work.start(steps(finding, read), title, f"{title} …", self.work.tell, done)

    @staticmethod
    def _asked_for(finding: Finding) -> float:
        """Return the least rating that the run asked for."""
        return next(iter(finding.planes.values())).found.selection.min_rating

    def _on_done(self, finding: Finding, error: Exception | None) -> None:
        if error is not None:
            self.session.fail(error)
        elif self.work.stopped:
            self.session.say("Cancelled.")
        elif finding is self.filtering.finding:
            lesson: Lesson | None = self._result
            least, limits = self._least, self.filtering.selection
            if lesson is not None and lesson.hasty:
                least = dict.fromkeys(least, 0.0)
            elif lesson is not None:
                self.judge = lesson.judge
            if SIMILARITY in least and limits.min_rating == self._asked_for(finding):
                limits = loosen_rating(limits)
            self._choose(limits, least, None if lesson is None or lesson.hasty else lesson.judge)
            shown = self.filtering.count()
            if lesson is not None:
                self.session.say(lesson.describe(), "info" if lesson.hasty else "ready")
            elif shown is not None:
                self.session.say(
                    f"{shown[0]} of {shown[1]} objects on this plane; the slider under “Filter "
                    "what was found” shows more or fewer, Ctrl+Z all of before.",
                    "ready",
                )
        self.changed.emit()

    def _choose(self, limits: Selection, least: dict[str, float], judge: Judge | None) -> None:
        """Show what was learned to be wanted, as a step that can be undone."""
        session, filtering, layer = self.session, self.filtering, self.filtering.layer
        if layer is None:
            return
        known = judge_of(layer)
        before = filtering.selection, filtering.least
        after = limits, {**before[1], **least}
        filtering.apply(*after, judge)
        plane, prompts = session.plane, session.prompts
        if plane is not None and prompts is not None:
            deed = Chosen(layer, filtering, before, after, (known, judge_of(layer)))
            self.commits.record(Step(plane, prompts, prompts, deed=deed))

    def _on_fitted(self, error: Exception | None) -> None:
        fitted: Fitted | None = self._result
        if error is not None:
            self.session.fail(error)
        elif fitted is not None and not self.work.stopped:
            figures = f"mean AP on these labels: {fitted.default:.2f} by default"
            if fitted.settings:
                self.session.say(f"Fitted; {figures}, {fitted.score:.2f} now.", "ready")
            elif fitted.few:
                self.session.say(
                    f"{fitted.objects} objects are too few to fit to: label {FEWEST} or more; "
                    f"{figures}.",
                    "error",
                )
            else:
                self.session.say(f"The default is as good as anything tried; {figures}.", "ready")
            self.fitted.emit(fitted)
        self.changed.emit()
