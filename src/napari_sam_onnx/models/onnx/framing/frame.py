"""Where a plane lies in a model's frame: coordinates and windows, there and back.

The plane is ``(y, x)`` with pixel centres at integers; a model's frame is ``(x, y)`` in
pixels of the picture that its decoder believes in. This is where the two are exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import LowResMask
    from napari_sam_onnx.models.onnx.contracts.detect import Contract
    from napari_sam_onnx.models.onnx.contracts.families import EncoderContract

_BACKGROUND = -10.0  # a logit that no model doubts


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The map between a plane and what a decoder works in.

    Parameters
    ----------
    scale : (2,) float64
        Frame pixels per plane pixel, (y, x).
    half_pixel : bool
        Whether pixel centres map to pixel centres, or zero to zero.
    window : (4,) float32
        What the decoder's masks cover, ``(y0, x0, y1, x1)`` in edge coordinates of the
        plane; of no meaning where every mask brings its own.
    """

    scale: NDArray[np.float64]
    half_pixel: bool
    window: NDArray[np.float32]

    def points_to_frame(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) ``(y, x)`` in the plane to (N, 2) ``(x, y)`` in the frame."""
        shift = 0.5 if self.half_pixel else 0.0
        return (((points + shift) * self.scale) - shift)[..., ::-1]

    def points_to_plane(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) ``(x, y)`` in the frame to (N, 2) ``(y, x)`` in the plane."""
        shift = 0.5 if self.half_pixel else 0.0
        return (points[..., ::-1] + shift) / self.scale - shift

    def windows_to_frame(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(…, 4) ``(y0, x0, y1, x1)`` to ``(x0, y0, x1, y1)``, edge coordinates both."""
        scaled = windows * np.tile(self.scale, 2)
        return scaled[..., [1, 0, 3, 2]].astype(np.float32)

    def windows_to_plane(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(…, 4) ``(x0, y0, x1, y1)`` to ``(y0, x0, y1, x1)``, edge coordinates both."""
        return (windows[..., [1, 0, 3, 2]] / np.tile(self.scale, 2)).astype(np.float32)


def longest_side_shape(shape: tuple[int, int], side: int) -> tuple[int, int]:
    """Scale a shape so that its longer side becomes `side`, rounded as SAM does.

    Returns
    -------
    (h, w)
        At least 1 each, however thin the picture.
    """
    scale = side / max(shape)
    height, width = (max(1, int(length * scale + 0.5)) for length in shape)
    return height, width


def resized_shape(encoder: EncoderContract, plane_shape: tuple[int, int]) -> tuple[int, int]:
    """Pixels (h, w) that a plane has when it enters an encoder, without padding."""
    size = encoder.size
    if encoder.resize == "keep" or size is None:
        return plane_shape
    if encoder.resize == "squash":
        return size
    if encoder.resize == "longest":
        return longest_side_shape(plane_shape, max(size))
    longest = max(plane_shape)
    if longest <= encoder.double_below:
        return 2 * plane_shape[0], 2 * plane_shape[1]
    if longest <= max(size):
        return plane_shape
    return longest_side_shape(plane_shape, max(size))


def find_frame(
    contract: Contract, plane_shape: tuple[int, int], input_shape: tuple[int, int]
) -> Frame:
    """Lay a plane into a model's frame.

    Parameters
    ----------
    contract : Contract
        The model's rows.
    plane_shape : (H, W)
        Pixels of the plane.
    input_shape : (h, w)
        Pixels that it had in the encoder's input, padding not included.
    """
    decoder, encoder = contract.decoder, contract.encoder
    side = decoder.prompt_size
    plane = np.asarray(plane_shape, float)
    if decoder.frame == "plane":
        content = np.array([side, side], float)
    elif decoder.frame == "window":
        content = np.asarray(input_shape, float)
    elif encoder.resize == "squash" and encoder.size is not None:
        content = np.asarray(encoder.size, float) * (side / max(encoder.size))
    else:  # the prompts' square may be larger than the encoder's, as for EfficientViT-SAM
        content = np.asarray(longest_side_shape(plane_shape, side), float)
    scale = content / plane
    extent = side / scale if decoder.frame == "padded" else plane
    window = np.array([0, 0, *extent], np.float32)
    return Frame(scale, decoder.half_pixel, window)


def resample_mask(mask: LowResMask, window: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Show a mask in another window.

    Parameters
    ----------
    mask : LowResMask
        Logits in their own window.
    window : (4,) float32
        The window wanted, ``(y0, x0, y1, x1)`` in edge coordinates of the plane.
    side : int
        Samples per side of the answer.

    Returns
    -------
    (side, side) float32
        Bilinear logits; sure background outside of the mask's own window.
    """
    if mask.logits.shape == (side, side) and np.allclose(mask.window, window, atol=1e-3):
        return mask.logits
    rows = _interpolation(window[0::2], side, mask.window[0::2], mask.logits.shape[0])
    columns = _interpolation(window[1::2], side, mask.window[1::2], mask.logits.shape[1])
    background = min(_BACKGROUND, float(mask.logits.min()))
    shown = rows @ (mask.logits - background) @ columns.T + background
    return shown.astype(np.float32)


def _interpolation(
    span: NDArray[np.float32], count: int, source_span: NDArray[np.float32], source_count: int
) -> NDArray[np.float64]:
    """Weights (count, source_count) of linear interpolation between two cuts of an axis."""
    centres = span[0] + (np.arange(count) + 0.5) * (span[1] - span[0]) / count
    position = (centres - source_span[0]) * source_count / (source_span[1] - source_span[0])
    inside = (position >= 0) & (position <= source_count)
    position = np.clip(position - 0.5, 0, source_count - 1)
    lower = np.minimum(position.astype(int), max(source_count - 2, 0))
    upper = np.minimum(lower + 1, source_count - 1)
    weights: NDArray[np.float64] = np.zeros((count, source_count))
    np.add.at(weights, (np.arange(count), lower), 1 - (position - lower))
    np.add.at(weights, (np.arange(count), upper), position - lower)
    weights[~inside] = 0
    return weights
