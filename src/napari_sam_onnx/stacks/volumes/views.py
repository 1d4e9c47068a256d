"""A volume -> where the model sees centres and objects, in up to three orthogonal views.

A plane shows a section of an object, which may be that of two; the same place seen from the side
tells. So the maps of planes across z, y and x are put together: the geometric mean of the centres,
since a centre is one in every view, and the mean of the foregrounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.stacks.volumes.grid import resize

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_sam_onnx.models import Model

    Maps = tuple[NDArray[np.float32], NDArray[np.float32]]

CELL = 2
"""Voxels of the volume along each side of a cell of the maps."""

STEP = 2
"""Cells from plane to plane that the model looks at; between them maps are interpolated."""

_LEAST = 1e-3  # a probability below which no view can veto more


def map_shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Cells of the maps of a volume of this shape."""
    z, y, x = (-(-size // CELL) for size in shape)
    return z, y, x


def iterate_views(
    volume: NDArray[np.float32],
    model: Model,
    views: str = "ZYX",
    early: list[Maps] | None = None,
) -> Generator[tuple[int, int], None, Maps]:
    """Let a model look at a volume, plane by plane in each view.

    Parameters
    ----------
    volume : (C, Z, Y, X) float32
        0 to 255, isotropic; C is 1 (gray) or 3 (RGB).
    model : Model
        One that proposes objects with `Proposals.maps`.
    views : str
        Axes across which planes are taken.
    early : list, optional
        Takes the maps of the first view alone, as soon as there are others to come.

    Yields
    ------
    done, total : int
        Planes.

    Returns
    -------
    centers, foreground : (z, y, x) float32
        The generator's value; a cell for every `CELL` voxels along each axis.
    """
    shape = map_shape(volume.shape[1:])
    logs, foreground = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    counts = {view: -(-shape["ZYX".index(view)] // STEP) for view in views}
    total, done = sum(counts.values()), 0
    for view, count in counts.items():
        axis = "ZYX".index(view)
        planes = np.moveaxis(volume, axis + 1, 0)  # (n, C, h, w)
        flat = tuple(size for other, size in enumerate(shape) if other != axis)
        maps = np.zeros((2, count, *flat), np.float32)
        for place in range(count):
            middle = (place + 0.5) * len(planes) / count
            near = slice(max(0, int(middle - 0.5)), int(middle - 0.5) + CELL)
            maps[:, place] = _see(planes[near].mean(axis=0), model, flat)
            done += 1
            yield done, total
        whole = np.moveaxis(resize(maps, (shape[axis], *flat)), 1, axis + 1)
        logs += np.log(np.maximum(whole[0], _LEAST))
        foreground += whole[1]
        if early is not None and view == views[0] != views[-1]:
            early.append((np.exp(logs), foreground.copy()))
    share = np.float32(1 / len(views))
    return np.exp(logs * share), foreground * share


def _see(plane: NDArray[np.float32], model: Model, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Let the model map one plane, ``(2, h, w)`` cells."""
    rgb = show(plane)
    found = model.propose(model.encode(rgb))
    if found is None or found.maps is None or found.cell is None:
        raise ValueError(f"the model {model.id!r} gives no maps")  # asked before, see `run`
    # The last cell may reach beyond the plane; the grid that is wanted ends with its own.
    rows, columns = (round(CELL * n / size) for n, size in zip(shape, found.cell, strict=True))
    maps = found.maps[:, : max(1, rows), : max(1, columns)]
    return resize(maps[:, None], (1, *shape))[:, 0]


def show(plane: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Turn ``(C, H, W)`` into the ``(H, W, 3)`` uint8 that a model takes."""
    rgb = np.clip(plane + np.float32(0.5), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(np.broadcast_to(rgb, (*rgb.shape[:2], 3)))
