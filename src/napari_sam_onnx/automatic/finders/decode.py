"""Prompts -> masks, batch by batch: what the seeded modes have in common."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from napari_sam_onnx.automatic.finders.lanes import cut_pieces, find_lanes, work_ahead
from napari_sam_onnx.automatic.finders.progress import Progress
from napari_sam_onnx.automatic.kept.mask_set import MaskSet
from napari_sam_onnx.automatic.settings.selection import Selection
from napari_sam_onnx.masks.upscale import mask_from_low_res

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.settings.parameters import BlobsParameters, ObjectsParameters
    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.prompts import Prompts

MaskSteps = Generator[Progress, None, "list[Mask]"]
"""Yields progress and returns masks."""

Found = Generator[Progress, None, MaskSet]
"""Yields progress and returns what a run found."""

PATIENCE = 32
"""So many prompts in a row, the most certain first, without a mask that passes end a search."""

DOUBTFUL = 0.2
"""Rating below which a mask is not even kept for who wants to see the doubtful ones."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which answers are kept.

    Parameters
    ----------
    min_iou : float
        Of the predicted IoU, raw; 0 keeps all.
    min_stability : float
        0 keeps all.
    min_area, max_area : int
        In pixels; 0 for no upper limit.
    """

    min_iou: float = 0.0
    min_stability: float = 0.0
    min_area: int = 1
    max_area: int = 0

    def accepts(self, mask: Mask) -> bool:
        """Whether a mask passes; an empty one never does."""
        area = mask.area
        return (
            area >= max(1, self.min_area)
            and not (self.max_area and area > self.max_area)
            and not (self.min_stability > 0 and not mask.stability >= self.min_stability)
        )


def iterate_prompts(
    model: Model,
    embedding: Embedding,
    prompts: Sequence[Prompts],
    batch: int,
    accept: Filter,
    numbers: NDArray[np.int64] | None = None,
    passes: Callable[[Mask], bool] | None = None,
) -> MaskSteps:
    """Decode one object per prompt and keep the answers that pass.

    Parameters
    ----------
    model : Model
    embedding : Embedding
        Of the plane.
    prompts : sequence of Prompts
    batch : int
        Prompts decoded at once.
    accept : Filter
        The predicted IoU is looked at first, so that only answers that can stay are upscaled.
    numbers : (N,) int64, optional
        The label that each prompt's object has already.
    passes : callable, optional
        Says which masks are wanted, where the prompts that promise most come first: after
        `PATIENCE` of them in a row without such a mask the others are not decoded.

    Yields
    ------
    Progress
        In objects, before the first batch and after each.

    Returns
    -------
    list of Mask
        In the order of the prompts, the best candidate of each. They do not hold their logits:
        those of a SAM decoder take 256 kB per mask.
    """
    masks: list[Mask] = []
    yield Progress(0, len(prompts), "objects")
    asked, lanes = find_lanes(model)
    pieces = cut_pieces(len(prompts), batch, lanes)
    look = partial(_look, asked, embedding, prompts, accept, numbers)
    last = -1  # the last prompt that gave a mask which passes
    with closing(work_ahead(look, pieces, lanes)) as answers:
        for piece, answer in zip(pieces, answers, strict=True):
            found = []
            for number, mask in answer:
                if passes is not None:
                    if number - last > PATIENCE:
                        break
                    last = number if passes(mask) else last
                found.append(mask)
            masks += found
            over = passes is not None and piece.stop - 1 - last >= PATIENCE
            done = len(prompts) if over else piece.stop
            yield Progress(done, len(prompts), "objects", tuple(found))
            if over:
                break
    return masks


def _look(
    model: Model,
    embedding: Embedding,
    prompts: Sequence[Prompts],
    accept: Filter,
    numbers: NDArray[np.int64] | None,
    piece: slice,
) -> list[tuple[int, Mask]]:
    """Decode some prompts and keep the answers that pass, with the number of each prompt."""
    masks = []
    answer = model.decode(embedding, prompts[piece])
    for index, prompt in enumerate(prompts[piece]):
        best = int(answer.best[index])
        iou = answer.predicted_iou[index, best]
        if accept.min_iou > 0 and not iou >= accept.min_iou:
            continue
        mask = mask_from_low_res(answer.mask(index, best), embedding.plane_shape, float(iou))
        if accept.accepts(mask):
            point = tuple(prompt.points[0].tolist()) if len(prompt.points) else None
            number = piece.start + index
            label = 0 if numbers is None else int(numbers[number])
            mask = replace(mask, low_res=None, point=point, rating=float(iou), label=label)
            masks.append((number, mask))
    return masks


def iterate_seeds(
    rgb: NDArray[np.uint8],
    model: Model,
    embedding: Embedding,
    prompts: Sequence[Prompts],
    parameters: ObjectsParameters | BlobsParameters,
    least: float,
    rate: Callable[[Mask], float] = lambda mask: mask.predicted_iou,
    doubtful: bool = False,
    sorted_seeds: bool = False,
) -> Found:
    """Decode one object per seed, and choose one mask per object.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
    model : Model
    embedding : Embedding
    prompts : sequence of Prompts
    parameters : ObjectsParameters or BlobsParameters
    least : float
        What a mask must be rated to be chosen; 0 chooses all.
    rate : callable
        Rates a mask, at most with its predicted IoU, so that only masks that can stay are upscaled.
    doubtful : bool
        Whether masks are kept too that the limits leave out, so that the limits can be loosened.
    sorted_seeds : bool
        Whether the most certain come first: then the search ends where they lead to nothing any
        more, unless the doubtful are kept; see `PATIENCE`.

    Returns
    -------
    MaskSet
    """
    accept = Filter(
        least,
        parameters.stability_score_thresh,
        parameters.min_area,
        parameters.max_area,
    )
    if doubtful:
        accept = Filter(min(least, DOUBTFUL))
    batch = parameters.points_per_batch

    def passes(mask: Mask) -> bool:
        return rate(mask) >= least

    ends = sorted_seeds and not doubtful
    masks = yield from iterate_prompts(
        model, embedding, prompts, batch, accept, passes=passes if ends else None
    )
    rated = tuple(replace(mask, rating=rate(mask)) for mask in masks)
    selection = Selection(
        min_rating=least,
        min_stability=parameters.stability_score_thresh,
        min_area=parameters.min_area,
        max_area=parameters.max_area,
        max_overlap=parameters.max_overlap,
    )
    return MaskSet(rgb, rated, selection)
