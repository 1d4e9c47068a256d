"""Shapes of what goes in and out of the graphs of a model with a memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.contracts.detect import Contract
from napari_sam_onnx.models.onnx.contracts.rows import DecoderContract, EncoderContract

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.models.onnx.memory.constants import MemoryConstants
    from napari_sam_onnx.models.onnx.memory.layouts import MemoryLayout
    from napari_sam_onnx.models.onnx.sessions.runtime import Session

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_SAM3 = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
_SAM3_SIDE = 1008


def make_contract(layout: MemoryLayout, constants: MemoryConstants, side: int) -> Contract:
    """Say how planes and prompts go in: squashed to a square of ``side``, corners as points."""
    mean, std = _SAM3 if side == _SAM3_SIDE else _IMAGENET
    mean, std = constants.mean or mean, constants.std or std
    first, second, third = (255.0 * value for value in mean)
    scale1, scale2, scale3 = (255.0 * value for value in std)
    encoder = EncoderContract(
        layout.name,
        layout.summary,
        mean=(first, second, third),
        std=(scale1, scale2, scale3),
        resize="squash",
        size=(side, side),
        exact_resize=True,
        input="pixel_values",
    )
    decoder = DecoderContract(
        layout.name,
        layout.summary,
        points="input_points",
        labels="input_labels",
        leading_axis=True,
        frame="plane",
        prompt_size=side,
    )
    return Contract(encoder, decoder, {})


def read_side(session: Session) -> int:
    """Read the side of the square picture that an encoder takes.

    Raises
    ------
    ModelError
        If it states none.
    """
    shape = session.inputs[0].shape
    if len(shape) != 4 or not shape[3] or shape[2] != shape[3]:
        raise ModelError(f"{session.path.name} takes no square picture; it takes {list(shape)}.")
    return int(shape[3])


def shape_of(session: Session, output: str) -> tuple[int | None, ...]:
    """Read the sides of an output; one open side where the graph states nothing."""
    return next(spec.shape for spec in session.outputs if spec.name == output) or (None,)


def to_rows(features: NDArray[np.generic]) -> NDArray[np.float32]:
    """(1, C, h, w) to (h·w, 1, C)."""
    channels = np.asarray(features, np.float32).reshape(features.shape[1], -1)
    return np.ascontiguousarray(channels.T)[:, None]


def take_one(array: NDArray[np.float32], number: int, kept: int) -> NDArray[np.float32]:
    """Take one candidate of an array whose last axes are one candidate's."""
    candidates = array.reshape(-1, *array.shape[-kept:])
    chosen: NDArray[np.float32] = candidates[number if len(candidates) > 1 else 0]
    return chosen


def fill_sides(shape: tuple[int | None, ...], values: NDArray[np.generic]) -> tuple[int, ...]:
    """Read the shape that an input states; open sides are 1 where there is one value alone."""
    return values.shape if values.size > 1 else tuple(side or 1 for side in shape)
