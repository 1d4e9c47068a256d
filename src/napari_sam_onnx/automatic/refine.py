"""Objects that were labelled before, by whatever tool, outlined anew where that is an improvement.

Each object is asked about in two ways: its centre and its mask, with its box and without, since a
box follows a wrong outline; and by its centre alone, which knows nothing of the old outline. The
more certain of the first two answers is compared with the object as it is, by what
the model says of every pixel and by where the picture itself has its edges: a model has a style of
outlining, and to be sure of it does not make another style wrong. An outline is taken where it is
more probable, stable, still the same object, what the centre alone finds too, and where edges run
along it more clearly than along the old one. Numbers stay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.arguments import as_numbers
from napari_sam_onnx.automatic.finders.progress import Progress
from napari_sam_onnx.automatic.generate import load
from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.generators import drive
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.masks.edges import compare_edges
from napari_sam_onnx.masks.mask import Mask, crop_to_object, measure_iou, see_within
from napari_sam_onnx.masks.upscale import low_res_from_mask, mask_from_low_res, upscale_region
from napari_sam_onnx.pictures.image import to_rgb
from napari_sam_onnx.prompts import make_prompts

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding, LowResMask
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pictures.image import Channel
    from napari_sam_onnx.prompts import Prompts

BATCH = 16

LEAST_LOGIT = -6.0
"""Pixels that are less likely than this (p = 0.0025) count for nothing."""

COLUMNS = (
    "label",
    "taken",
    "why",
    "predicted_iou",
    "stability",
    "expected_before",
    "expected_after",
    "area_before",
    "area_after",
    "overlap",
    "edges",
)
"""Of the table of what became of each object."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When another outline is taken.

    Parameters
    ----------
    predicted_iou : float
        The model's own estimate, at least.
    stability : float
        At least.
    gain : float
        By how much the expected IoU has to rise, at least.
    same : float
        IoU of the old and the new outline, at least: beyond it is another object.
    edges : float
        How many times steeper the picture has to be along the new outline, at least.
    alone : float
        IoU of the new outline and what the centre alone finds, at least.
    """

    predicted_iou: float = 0.6
    stability: float = 0.6
    gain: float = 0.1
    same: float = 0.4
    edges: float = 1.3
    alone: float = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """What became of one object.

    Parameters
    ----------
    label : int
    before, after : Mask
        The same where it was left as it is.
    taken : bool
        Whether another outline was taken.
    why : str
        Why it was taken or not, in a few words.
    predicted_iou, stability : float
        Of the model's answer.
    expected_before, expected_after : float
        IoU that the model's probabilities promise the old and the new outline.
    edges : float
        How many times steeper the picture is along the model's outline; 0 where there is none.
    """

    label: int
    before: Mask
    after: Mask
    taken: bool
    why: str
    predicted_iou: float
    stability: float
    expected_before: float
    expected_after: float
    edges: float

    @property
    def row(self) -> tuple[object, ...]:
        """Its row of the table, see `COLUMNS`."""
        numbers = self.predicted_iou, self.stability, self.expected_before, self.expected_after
        areas = self.before.area, self.after.area
        rounded = (round(number, 4) for number in numbers)
        last = round(self.iou, 4), round(self.edges, 3)
        return (self.label, self.taken, self.why, *rounded, *areas, *last)

    @property
    def iou(self) -> float:
        """Overlap of the outlines before and after."""
        return measure_iou(self.before, self.after)


@dataclass(frozen=True, slots=True, eq=False)
class Refinement:
    """What became of the objects of a plane.

    Parameters
    ----------
    shape : (H, W)
    objects : tuple of Refined
        By their numbers.
    """

    shape: tuple[int, int]
    objects: tuple[Refined, ...]

    @property
    def taken(self) -> tuple[Refined, ...]:
        """The objects that have another outline now."""
        return tuple(refined for refined in self.objects if refined.taken)

    def paint(self, labels: NDArray[np.integer]) -> NDArray[np.integer]:
        """Return labels with the new outlines; objects that were left keep every pixel.

        Parameters
        ----------
        labels : (H, W) integer array
            What was refined.
        """
        made = np.array(labels)
        for refined in self.taken:  # all old outlines go first, so that neighbours can exchange
            part = made[refined.before.slices]
            part[refined.before.crop & (part == refined.label)] = 0
        for refined in sorted(self.taken, key=lambda r: -r.expected_after):
            part = made[refined.after.slices]
            part[refined.after.crop & (part == 0)] = refined.label
        return made

    def summarize(self) -> str:
        """Say in one sentence what was changed."""
        return summarize(self.objects)


def summarize(objects: Sequence[Refined]) -> str:
    """Say in one sentence what became of objects."""
    count, taken = len(objects), [refined for refined in objects if refined.taken]
    if not taken:
        return f"None of {count} objects was outlined better; all stay as they were."
    mean = float(np.mean([refined.iou for refined in taken]))
    return (
        f"{len(taken)} of {count} objects outlined anew (mean overlap with before {mean:.2f}); "
        f"{count - len(taken)} stay as they were."
    )


def refine_labels(
    image: Any,
    model: Model | str,
    labels: ArrayLike,
    only: Sequence[int] | None = None,
    limits: Limits | None = None,
    *,
    axes: str | None = None,
    channels: Sequence[Channel] | None = None,
    cache: EmbeddingStore | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Refinement:
    """Outline the labelled objects of a plane anew where that is an improvement.

    Parameters
    ----------
    image, model, axes, channels, cache, progress
        See `napari_sam_onnx.find_masks`.
    labels : (H, W) integer array-like
        Of any tool, or drawn by hand.
    only : sequence of int, optional
        The objects to look at; all where omitted.
    limits : Limits, optional
        When another outline is taken.

    Returns
    -------
    Refinement

    Raises
    ------
    LabelError
        If labels and picture differ in shape, or there is no object.
    """
    rgb = to_rgb(image, axes, channels)
    made = as_numbers(labels, "Labels are whole numbers", LabelError)
    running = load(model)
    steps = iterate_refinement(rgb, running, made, only, limits, cache)
    show = progress or (lambda done, total: None)
    return drive(steps, lambda step: show(step.done, step.total))


def iterate_refinement(
    rgb: NDArray[np.uint8],
    model: Model,
    labels: NDArray[np.integer],
    only: Sequence[int] | None = None,
    limits: Limits | None = None,
    cache: EmbeddingStore | None = None,
) -> Generator[Progress, None, Refinement]:
    """Refine batch by batch; see `refine_labels`. What a closed run has found is dropped."""
    check_labels(labels, (rgb.shape[0], rgb.shape[1]))
    limits = Limits() if limits is None else limits
    objects = list(_take_objects(labels, only))
    yield Progress(0, len(objects), "objects")
    embedding = encode_through(rgb, model, EmbeddingCache() if cache is None else cache)
    refined: list[Refined] = []
    for start in range(0, len(objects), BATCH):
        batch = objects[start : start + BATCH]
        refined += _refine(model, rgb, embedding, batch, limits)
        yield Progress(len(refined), len(objects), "objects")
    return Refinement((rgb.shape[0], rgb.shape[1]), tuple(refined))


def check_labels(labels: NDArray[np.integer], shape: tuple[int, int]) -> None:
    """Refuse labels that are none, or of another plane."""
    if not np.issubdtype(labels.dtype, np.integer):
        raise LabelError("Labels are whole numbers; this is an array of another kind.")
    if labels.shape != shape:
        raise LabelError(
            f"The labels are {_size(labels.shape)} and the plane is {_size(shape)}; they have to "
            "be of one size."
        )


def _take_objects(
    labels: NDArray[np.integer], only: Sequence[int] | None
) -> Iterable[tuple[int, Mask]]:
    """Take each object out of a label image."""
    from scipy import ndimage

    numbers = [int(n) for n in np.unique(labels) if n]
    if only is not None:
        if missing := sorted(set(only) - set(numbers)):
            raise LabelError(f"There is no object {missing[0]} on this plane.")
        numbers = sorted(set(only))
    if not numbers:
        raise LabelError("There is no labelled object on this plane.")
    compact = np.searchsorted(numbers, labels).clip(0, len(numbers) - 1)
    compact = np.where(np.asarray(numbers)[compact] == labels, compact + 1, 0)
    for index, found in enumerate(ndimage.find_objects(compact)):
        crop = compact[found] == index + 1
        mask = Mask((labels.shape[0], labels.shape[1]), (found[0].start, found[1].start), crop)
        yield numbers[index], crop_to_object(mask)


def _refine(
    model: Model,
    rgb: NDArray[np.uint8],
    embedding: Embedding,
    batch: Sequence[tuple[int, Mask]],
    limits: Limits,
) -> list[Refined]:
    asked = [prompts for _, mask in batch for prompts in _ask(mask)]
    answer = model.decode(embedding, asked)
    made = []
    for number, (label, mask) in enumerate(batch):
        ways = (3 * number, 3 * number + 1)
        scores = [float(answer.predicted_iou[way, int(answer.best[way])]) for way in ways]
        way = ways[int(np.argmax(scores))]
        low_res = answer.mask(way, int(answer.best[way]))
        found = mask_from_low_res(low_res, mask.shape, max(scores))
        last = 3 * number + 2
        alone = mask_from_low_res(answer.mask(last, int(answer.best[last])), mask.shape, 0.0)
        edges = compare_edges(rgb, mask, found) if found else 0.0
        agreed = measure_iou(found, alone) if found and alone else 0.0
        made.append(_judge(label, mask, found, low_res, edges, agreed, limits))
    return made


def _ask(mask: Mask) -> tuple[Prompts, Prompts, Prompts]:
    """Ask about an object by its centre and mask, with its box and without; by its centre alone."""
    from scipy import ndimage

    inside = ndimage.distance_transform_edt(np.pad(mask.crop, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(inside)), inside.shape)
    centre = (float(row) + mask.origin[0], float(column) + mask.origin[1])
    y0, x0, y1, x1 = mask.bbox
    box = (y0 - 0.5, x0 - 0.5, y1 - 0.5, x1 - 0.5)
    earlier = low_res_from_mask(mask)
    with_box = make_prompts([centre], box=box, mask=earlier, plane_shape=mask.shape)
    without = replace(with_box, box=None)
    return with_box, without, replace(without, mask=None)


def _judge(
    label: int,
    before: Mask,
    after: Mask,
    low_res: LowResMask,
    edges: float,
    agreed: float,
    limits: Limits,
) -> Refined:
    """Say whether another outline is taken, and why."""
    promised = [_expect(mask, low_res) for mask in (before, after)]
    why = ""
    if not after:
        why = "nothing found"
    elif measure_iou(before, after) < limits.same:
        why = "another object"
    elif not after.predicted_iou >= limits.predicted_iou:
        why = "not certain"
    elif not after.stability >= limits.stability:
        why = "not stable"
    elif promised[1] - promised[0] < limits.gain:
        why = "no better"
    elif agreed < limits.alone:
        why = "not found by its centre"
    elif edges < limits.edges:
        why = "edges no clearer"
    taken = not why
    return Refined(
        label,
        before,
        replace(after, label=label, low_res=None) if taken else before,
        taken,
        why or "better",
        after.predicted_iou,
        after.stability,
        promised[0],
        promised[1],
        edges,
    )


def _expect(mask: Mask, low_res: LowResMask) -> float:
    """IoU of an outline with the object that a model's probabilities describe, as expected.

    Sum of the probabilities inside, over the outline's area and those outside.
    """
    (top, left), logits = upscale_region(low_res, mask.shape, LEAST_LOGIT)
    from scipy.special import expit  # here, so that listing models starts at once

    likely = expit(logits)
    height, width = logits.shape
    there = see_within(mask, (top, left, top + height, left + width))
    inside = float(likely[there].sum())
    total = mask.area + float(likely.sum()) - inside
    return inside / total if total else 0.0


def _size(shape: Sequence[int]) -> str:
    return " × ".join(str(side) for side in shape)
