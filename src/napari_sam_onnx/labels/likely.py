"""Whether whole numbers are labels or a picture, by how they lie beside one another.

A label image and a picture are both arrays of whole numbers, and one is easily given for the other.
Labels are pieces: neighbours have the same number, and a number lies in one place. Objects of two
by two pixels that fill a plane still pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.labels.label_image import LabelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 1024
"""Pixels along a side of the part that is looked at, in the middle of a plane."""

FEWEST_PAIRS = 200
"""Neighbours of which neither is background, below which nothing can be said."""

ALIKE = 0.8
"""Part of these neighbours that have the same number. Label images of nuclei, cells, axons and
tissue have 0.95 to 1; pictures of 8 and 16 bits 0.03 to 0.6."""

UNLIKE = 0.25
"""Part of them below which nothing else is looked at: objects have more than one pixel."""

FEWEST_OBJECTS = 3

PIECES = 10.0
"""Pieces for each number. Label images have 1 to 1.3, pictures 150 to 900."""


def refuse_picture(array: Any, name: str) -> None:
    """Refuse what was given as labels and is a picture.

    Parameters
    ----------
    array : (…, H, W) array
        Any, also a lazy one: the middle planes alone are read.
    name : str
        What it is called in the sentence.

    Raises
    ------
    LabelError
    """
    planes = _middle_planes(array)
    if planes and all(is_picture(plane) for plane in planes):
        raise LabelError(
            f"{name} looks like a picture and not like labels: few neighbouring pixels have the "
            "same number. Give the label image."
        )


def look_like_labels(array: Any) -> bool:
    """Whether an array in memory that was opened as a picture is a label image, as it seems.

    It holds whole numbers, of three objects or more, each in about one piece; a mask of one value
    and flat pictures are none.
    """
    if not isinstance(array, np.ndarray):
        return False
    planes = [plane for plane in _middle_planes(array) if plane.any()]
    return bool(planes) and all(is_numbered(plane) for plane in planes)


def is_numbered(plane: NDArray[Any]) -> bool:
    """Whether a plane (H, W) holds objects that are numbered; False where that is not certain."""
    if plane.dtype.kind == "f" and not (np.isfinite(plane).all() and (plane % 1 == 0).all()):
        return False
    pairs, alike = _compare_neighbours(plane)
    if pairs < FEWEST_PAIRS or alike < ALIKE * pairs or not (plane == 0).any():
        return False
    from skimage.measure import label

    numbers, dense = np.unique(plane, return_inverse=True)
    pieces = int(label(dense.reshape(plane.shape), connectivity=1, background=0).max())
    return numbers[0] == 0 and len(numbers) > FEWEST_OBJECTS and pieces < 2 * len(numbers)


def _compare_neighbours(plane: NDArray[Any]) -> tuple[int, int]:
    """Count neighbours of which neither is background, and those that have the same number."""
    pairs = alike = 0
    for one, other in ((plane[1:], plane[:-1]), (plane[:, 1:], plane[:, :-1])):
        inside = (one != 0) & (other != 0)
        pairs += int(np.count_nonzero(inside))
        alike += int(np.count_nonzero(inside & (one == other)))
    return pairs, alike


def is_picture(plane: NDArray[Any]) -> bool:
    """Whether whole numbers of a plane (H, W) are intensities; False where that is not certain."""
    pairs, alike = _compare_neighbours(plane)
    if pairs < FEWEST_PAIRS or alike >= ALIKE * pairs:
        return False
    if alike < UNLIKE * pairs:
        return True
    from skimage.measure import label

    numbers, dense = np.unique(plane, return_inverse=True)
    pieces = int(label(dense.reshape(plane.shape) + 1, connectivity=1, background=0).max())
    return pieces >= PIECES * len(numbers)


def _middle_planes(array: Any) -> list[NDArray[Any]]:
    """Read the middle of a plane, or of two planes of a stack."""
    shape = tuple(int(n) for n in getattr(array, "shape", ()))
    if len(shape) < 2 or np.dtype(array.dtype).kind not in "uif":
        return []
    part = tuple(slice(max(0, n // 2 - SIDE // 2), n // 2 + SIDE // 2) for n in shape[-2:])
    places = {tuple(n * third // 3 for n in shape[:-2]) for third in (1, 2)}
    return [np.asarray(array[(*place, *part)]) for place in sorted(places)]
