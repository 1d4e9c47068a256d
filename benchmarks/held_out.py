"""Pictures that the embedded model was not trained on, and how their objects are asked for."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from napari_sam_onnx.prompts import make_prompts

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from data import read_real

if TYPE_CHECKING:
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.prompts import Prompts

WAYS = ("click", "box")


def read_held_out(data: Path, most: int) -> list[Any]:
    """Read pictures of ``training/data.py`` of the split "final", at most so many of a kind."""
    kinds = defaultdict(list)
    for picture in read_real(data, "final"):
        if picture.held and picture.labels.any():
            kinds[picture.kind].append(picture)
    return [
        picture for some in kinds.values() for picture in some[:: max(1, len(some) // most)][:most]
    ]


def ask(truth: Mask, way: str) -> Prompts:
    """Ask for an object by a click on the point farthest from its border, or by its box."""
    if way == "box":
        return make_prompts(box=np.subtract(truth.bbox, 0.5), plane_shape=truth.shape)
    inside = distance_transform_edt(np.pad(truth.crop, 1))[1:-1, 1:-1]
    spot = np.unravel_index(int(inside.argmax()), inside.shape)
    return make_prompts([tuple(np.add(spot, truth.origin))], plane_shape=truth.shape)
