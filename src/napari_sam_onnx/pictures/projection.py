"""Planes along an axis as one: their maximum, mean, sum or minimum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.pictures.image import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

PROJECTIONS = ("max", "mean")
"""Of a stack along z."""


def project(planes: Iterable[NDArray[np.generic]], mode: str) -> NDArray[np.generic]:
    """Make one plane of several, one after another, so that two are in memory at a time.

    Parameters
    ----------
    planes : iterable of arrays of one shape, at least one
    mode : {"sum", "mean", "max", "min"}

    Returns
    -------
    array
        Float64 for sum and mean, else of their type.
    """
    combine = {"max": np.maximum, "min": np.minimum}.get(mode, np.add)
    result: Any = None
    count = 0
    for plane in planes:
        given = plane.astype(np.float64) if combine is np.add else plane
        result = given if result is None else combine(result, given)
        count += 1
    made: NDArray[np.generic] = result / count if mode == "mean" else result
    return made


def project_depth(array: Any, axes: str, mode: str) -> tuple[NDArray[np.generic], str]:
    """Make one plane of all that lie along Z, for each of the others.

    Parameters
    ----------
    array : array of any dtype
        In memory, mapped, or lazy; read plane by plane.
    axes : str
        One letter for each dimension.
    mode : {"max", "mean"}

    Returns
    -------
    array : array
        Float32 for the mean, else of its type.
    axes : str
        Those that are left.

    Raises
    ------
    ImageError
        If there is no such projection, or no Z.
    """
    if mode not in PROJECTIONS:
        raise ImageError(
            f"There is no projection {mode!r}; choose one of {', '.join(PROJECTIONS)}."
        )
    if "Z" not in axes:
        raise ImageError(f"The picture has the axes {axes} and no Z to project along.")
    at = axes.index("Z")
    planes = (np.asarray(array[(slice(None),) * at + (z,)]) for z in range(array.shape[at]))
    made = project(planes, mode)
    return (made.astype(np.float32) if mode == "mean" else made), axes.replace("Z", "")
