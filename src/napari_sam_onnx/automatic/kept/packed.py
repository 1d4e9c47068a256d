"""Masks of a plane in a few arrays, as they are kept on disk or sent to another process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.masks.mask import Mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray


def pack_masks(masks: Sequence[Mask]) -> dict[str, NDArray[Any]]:
    """Pack masks of one plane into arrays, without their logits and candidates."""
    bits = [np.packbits(mask.crop) for mask in masks]
    nowhere = (np.nan, np.nan)
    scores = [(m.predicted_iou, m.stability, m.rating) for m in masks]
    boxes = [(-1, -1, -1, -1) if m.crop_box is None else m.crop_box for m in masks]
    return {
        "shape": np.array(masks[0].shape if masks else (0, 0), np.int64),
        "boxes": np.array([m.bbox for m in masks], np.int64).reshape(-1, 4),
        "bits": np.concatenate([np.zeros(0, np.uint8), *bits]),
        "scores": np.array(scores, np.float64).reshape(-1, 3),
        "points": np.array([m.point or nowhere for m in masks], np.float64).reshape(-1, 2),
        "crop_boxes": np.array(boxes, np.int64).reshape(-1, 4),
        "labels": np.array([m.label for m in masks], np.int64),
    }


def unpack_masks(parts: Mapping[str, NDArray[Any]]) -> Iterator[Mask]:
    """Read what `pack_masks` gives."""
    shape = (int(parts["shape"][0]), int(parts["shape"][1]))
    start = 0
    names = ("boxes", "scores", "points", "crop_boxes", "labels")
    for box, scores, point, crop_box, label in zip(
        *(parts[name].tolist() for name in names), strict=True
    ):
        y0, x0, y1, x1 = box
        area = (y1 - y0) * (x1 - x0)
        stop = start + -(-area // 8)
        crop = np.unpackbits(parts["bits"][start:stop], count=area).view(bool)
        start = stop
        yield Mask(
            shape,
            (y0, x0),
            crop.reshape(y1 - y0, x1 - x0),
            scores[0],
            scores[1],
            point=None if np.isnan(point[0]) else (point[0], point[1]),
            crop_box=None if crop_box[0] < 0 else tuple(crop_box),
            rating=scores[2],
            label=label,
        )
