"""A grid of clicks over the plane and over crops of it: SAM's automatic mask generator.

Filters, their order, their comparisons and the order of the masks are those of
``SamAutomaticMaskGenerator`` (Kirillov et al. 2023, appendix B). What differs is only when the
work is done: the predicted IoU is looked at before a mask is upscaled, and a mask is upscaled
inside its own box alone.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from threading import local
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.finders.crops import lay_crops
from napari_sam_onnx.automatic.finders.lanes import cut_pieces, find_lanes, work_ahead
from napari_sam_onnx.automatic.finders.progress import Progress
from napari_sam_onnx.automatic.kept.mask_set import MaskSet
from napari_sam_onnx.cache import encode_through
from napari_sam_onnx.masks.clean import clean_small_regions
from napari_sam_onnx.masks.nms import suppress_overlapping
from napari_sam_onnx.masks.packed import pack, unpack_small
from napari_sam_onnx.masks.regions import cut_region, move_mask
from napari_sam_onnx.masks.resample import Scratch
from napari_sam_onnx.masks.upscale import mask_from_low_res
from napari_sam_onnx.prompts import POSITIVE, Prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.finders.crops import Crop
    from napari_sam_onnx.automatic.finders.decode import Found
    from napari_sam_onnx.automatic.settings.grid_parameters import GridParameters
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding, LowResMasks
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.models import Model

# Boxes this near to the edge of a crop, in pixels, belong to objects that the crop cuts.
EDGE = 20


def build_grid(side: int) -> NDArray[np.float64]:
    """Spread points evenly over a unit square.

    Returns
    -------
    (side * side, 2) float64
        ``(y, x)`` as fractions, row by row.
    """
    offsets = np.linspace(1 / (2 * side), 1 - 1 / (2 * side), side)
    y, x = np.meshgrid(offsets, offsets, indexing="ij")
    return np.stack([y.ravel(), x.ravel()], axis=1)


def place_points(crop: Crop, parameters: GridParameters) -> NDArray[np.float64]:
    """Lay the grid of a crop's layer over the crop.

    Returns
    -------
    (N, 2) float64
        ``(y, x)`` in pixels of the crop. In a crop with fewer pixels than points the last ones
        are moved to its edge.
    """
    if parameters.point_grids is not None:
        grid = np.array(parameters.point_grids[crop.layer], dtype=np.float64).reshape(-1, 2)
    else:
        factor = parameters.crop_n_points_downscale_factor**crop.layer
        grid = build_grid(max(1, int(parameters.points_per_side / factor)))
    size = np.array(crop.shape)
    points: NDArray[np.float64] = np.minimum(grid * size, size - 0.5)
    return points


def iterate_grid(
    rgb: NDArray[np.uint8], model: Model, parameters: GridParameters, cache: EmbeddingStore
) -> Found:
    """Search the plane and its crops; the masks' order is the reference's.

    Yields
    ------
    Progress
        In points, over all crops.

    Returns
    -------
    MaskSet
        What the reference returns: its limits were applied. Masks with ``point`` and
        ``crop_box``; without logits.
    """
    shape = (rgb.shape[0], rgb.shape[1])
    crops = lay_crops(shape, parameters.crop_n_layers, parameters.crop_overlap_ratio)
    grids = [place_points(crop, parameters) for crop in crops]
    total = sum(len(grid) for grid in grids)
    masks: list[Mask] = []
    asked, lanes = find_lanes(model)
    done = 0
    yield Progress(0, total, "points")
    for crop, grid in zip(crops, grids, strict=True):
        found: list[Mask] = []
        embedding = encode_through(cut_region(rgb, crop), model, cache)
        pieces = cut_pieces(len(grid), parameters.points_per_batch, lanes)
        look = partial(_look, asked, embedding, grid, crop.shape, parameters, local())
        for piece, masks_there in zip(pieces, work_ahead(look, pieces, lanes), strict=True):
            found += masks_there
            done += piece.stop - piece.start
            yield Progress(done, total, "points")
        moved = [move_mask(mask, crop, shape) for mask in found]
        inside = [mask for mask in moved if not _ends_at_crop(mask, crop, shape)]
        scores = [mask.predicted_iou for mask in inside]
        kept = suppress_overlapping(_corners(inside), scores, parameters.box_nms_thresh)
        masks += [unpack_small(inside[i]) for i in kept]
    if len(crops) > 1:
        masks = _prefer_small_crops(masks, parameters.crop_nms_thresh)
    if parameters.min_mask_region_area > 0:
        masks = _clean(masks, parameters)
    return MaskSet(rgb, tuple(masks), ordered=True, background=True)


def _click(point: NDArray[np.float64]) -> Prompts:
    return Prompts(point[None], np.array([POSITIVE]))


def _look(
    model: Model,
    embedding: Embedding,
    grid: NDArray[np.float64],
    shape: tuple[int, int],
    parameters: GridParameters,
    own: local,
    piece: slice,
) -> list[Mask]:
    """Click on some points of a crop; `own` keeps memory for each thread."""
    answer = model.decode(embedding, [_click(point) for point in grid[piece]])
    if not hasattr(own, "scratch"):
        own.scratch = Scratch()
    return _filter_answer(answer, grid[piece], shape, parameters, own.scratch)


def _filter_answer(
    answer: LowResMasks,
    points: NDArray[np.float64],
    plane_shape: tuple[int, int],
    parameters: GridParameters,
    scratch: Scratch,
) -> list[Mask]:
    """Keep the candidates that are good and stable, point by point."""
    masks = []
    minimum, stable = parameters.pred_iou_thresh, parameters.stability_score_thresh
    for index, point in enumerate(points):
        for candidate in answer.ambiguity_set:
            iou = answer.predicted_iou[index, candidate]
            if minimum > 0 and not iou > minimum:
                continue
            mask = mask_from_low_res(
                answer.mask(index, candidate),
                plane_shape,
                iou,
                stability_offset=parameters.stability_score_offset,
                scratch=scratch,
            )
            if stable > 0 and not mask.stability >= stable:  # drops NaN too
                continue
            clicked = float(point[0]), float(point[1])
            masks.append(pack(replace(mask, low_res=None, point=clicked, rating=float(iou))))
    return masks


def _corners(masks: Sequence[Mask]) -> NDArray[np.float64]:
    """Boxes as the reference has them: both corners inclusive; empty masks have no area."""
    boxes = []
    for mask in masks:
        y0, x0, y1, x1 = mask.bbox
        if not mask:
            assert mask.crop_box is not None
            y0, x0 = mask.crop_box[:2]
            y1, x1 = y0 + 1, x0 + 1
        boxes.append((y0, x0, y1 - 1, x1 - 1))
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def _ends_at_crop(mask: Mask, crop: Crop, plane_shape: tuple[int, int]) -> bool:
    """Whether a mask ends at an edge of the crop that is not one of the plane."""
    box = _corners([mask])[0]
    near_crop = np.abs(box - crop.box) <= EDGE
    near_plane = np.abs(box - (0, 0, *plane_shape)) <= EDGE
    return bool((near_crop & ~near_plane).any())


def _prefer_small_crops(masks: list[Mask], threshold: float) -> list[Mask]:
    """Of masks that several crops found, keep that of the smallest crop."""
    boxes = [mask.crop_box for mask in masks]
    scores = [1 / ((b[2] - b[0]) * (b[3] - b[1])) for b in boxes if b is not None]
    kept = suppress_overlapping(_corners(masks), scores, threshold)
    return [masks[i] for i in kept]


def _clean(masks: list[Mask], parameters: GridParameters) -> list[Mask]:
    """Fill small holes and remove small islands; of masks that become alike, keep the unchanged."""
    cleaned, scores = [], []
    for mask in masks:
        clean, changed = clean_small_regions(mask, parameters.min_mask_region_area)
        cleaned.append(clean)
        scores.append(0.0 if changed else 1.0)
    # The reference measures these boxes anew, in the plane: an empty mask lies at its corner.
    boxes = _corners([replace(mask, crop_box=(0, 0, 0, 0)) for mask in cleaned])
    threshold = max(parameters.box_nms_thresh, parameters.crop_nms_thresh)
    return [cleaned[i] for i in suppress_overlapping(boxes, scores, threshold)]
