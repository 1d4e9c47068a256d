"""From a plane to an encoder's input: resize, normalise, order the axes, pad.

Pictures are resized with Pillow's antialiased bilinear filter, which SAM's own code uses
for SAM 1 and which PyTorch's antialiased resize equals for SAM 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.framing.frame import resized_shape

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from napari_sam_onnx.models.onnx.contracts.families import EncoderContract


def check_plane(image: NDArray[np.uint8]) -> None:
    """Refuse what is no plane of (H, W, 3) uint8.

    Raises
    ------
    ModelError
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ModelError(
            f"A model takes pictures of (H, W, 3) uint8; got {image.shape} {image.dtype}."
        )


def prepare_plane(
    image: NDArray[np.uint8], encoder: EncoderContract, shape: tuple[int, int] | None = None
) -> tuple[NDArray[Any], tuple[int, int]]:
    """Turn a plane into the tensor that an encoder takes.

    Parameters
    ----------
    image : (H, W, 3) uint8
        RGB, 0…255.
    encoder : EncoderContract
        What the encoder expects.
    shape : (h, w), optional
        Pixels to give the plane; by the encoder's own rule where omitted.

    Returns
    -------
    tensor : (h, w, 3), (1, h, w, 3), (3, h, w) or (1, 3, h, w)
        uint8 where nothing is normalised or padded, else float32.
    shape : (h, w)
        Pixels of the plane in the tensor, padding not included.

    Raises
    ------
    ModelError
        If the picture has another shape or type.
    """
    check_plane(image)
    if shape is None:
        shape = resized_shape(encoder, (image.shape[0], image.shape[1]))
    picture = resize_bilinear(image, shape, exact=encoder.exact_resize)
    if encoder.channels == "BGR":
        picture = picture[..., ::-1]
    if any(encoder.mean) or encoder.std != (1.0, 1.0, 1.0):
        mean, std = np.array(encoder.mean, np.float32), np.array(encoder.std, np.float32)
        picture = (picture.astype(np.float32) - mean) / std
    if encoder.zero_pad and encoder.size is not None:
        missing = [(0, whole - side) for whole, side in zip(encoder.size, shape, strict=True)]
        picture = np.pad(picture.astype(np.float32, copy=False), [*missing, (0, 0)])
    if encoder.layout == "CHW":
        picture = picture.transpose(2, 0, 1)
    return (picture[None] if encoder.batched else picture), shape


def resize_bilinear(
    image: NDArray[np.uint8], shape: tuple[int, int], *, exact: bool = False
) -> NDArray[Any]:
    """Resize with an antialiased bilinear filter.

    Parameters
    ----------
    image : (H, W, 3) uint8
    shape : (h, w)
        Pixels wanted.
    exact : bool
        Whether fractions are kept: float32 instead of uint8, still 0…255.

    Returns
    -------
    (h, w, 3) uint8 or float32
    """
    from PIL import Image

    if image.shape[:2] == shape:
        return image.astype(np.float32) if exact else image
    size = (shape[1], shape[0])
    bilinear = Image.Resampling.BILINEAR
    if not exact:
        return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(size, bilinear))
    channels = [
        np.asarray(Image.fromarray(image[..., channel].astype(np.float32)).resize(size, bilinear))
        for channel in range(3)
    ]
    return np.stack(channels, axis=-1)
