"""Shapes that a user drew -> the pixels of a picture's planes that lie in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Shapes

from napari_sam_onnx.plugin.picture.geometry import role_of
from napari_sam_onnx.plugin.picture.plane import Plane, lie_on_plane, plane_shape, to_plane

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.picture.picture import Picture

ARC = 64
"""Corners that an ellipse is drawn with."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnRegion:
    """Closed outlines over a picture, as they were when it was made.

    Parameters
    ----------
    name : str
        Of the layer.
    shape : tuple of int
        Of the picture.
    outlines : tuple of (V, D) float64
        In the picture's data coordinates; NaN along axes that the layer does not have.
    """

    name: str
    shape: tuple[int, ...]
    outlines: tuple[NDArray[np.float64], ...]

    def mask(self, plane: Plane) -> NDArray[np.bool_]:
        """Return the pixels of a plane that are in the region, ``(H, W)``.

        Shapes that all lie on one plane hold for every plane; else each holds for its own.
        """
        from skimage.draw import polygon

        inside = np.zeros(plane_shape(self.shape, plane), bool)
        here = self.outlines
        if not self._on_one_plane(plane):
            here = tuple(line for line in here if _lies_on(line, plane))
        for outline in here:
            inside[polygon(*to_plane(outline, plane).T, inside.shape)] = True
        return inside

    def _on_one_plane(self, plane: Plane) -> bool:
        places = {
            tuple(np.round(line[:, plane.others]).mean(axis=0))
            for line in self.outlines
            if not np.isnan(line[:, plane.others]).any()
        }
        return len(places) <= 1


def read_region(layer: Shapes, picture: Picture) -> DrawnRegion:
    """Take what is drawn in a layer, wherever that layer lies in the world.

    Raises
    ------
    ValueError
        If nothing closed is drawn in it.
    """
    lines = [
        _close(np.asarray(vertices, float), kind)
        for vertices, kind in zip(layer.data, layer.shape_type, strict=True)
        if kind not in ("line", "path") and len(vertices) > 2
    ]
    if not lines:
        raise ValueError(
            f"Nothing is drawn in “{layer.name}”; draw a rectangle, an ellipse or a polygon there."
        )
    outlines = tuple(_to_picture(line, layer, picture) for line in lines)
    return DrawnRegion(layer.name, picture.shape, outlines)


def _close(vertices: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """Return the outline of a shape; an ellipse is known by the corners of its box."""
    if kind != "ellipse":
        return vertices
    center = vertices.mean(axis=0)
    turn = np.linspace(0, 2 * np.pi, ARC, endpoint=False)[:, None]
    wide, high = (vertices[1] - vertices[0]) / 2, (vertices[3] - vertices[0]) / 2
    outline: NDArray[np.float64] = center + np.cos(turn) * wide + np.sin(turn) * high
    return outline


def _to_picture(
    vertices: NDArray[np.float64], layer: Shapes, picture: Picture
) -> NDArray[np.float64]:
    """Turn data coordinates of a layer into those of the picture; axes count from the last."""
    world = np.array([layer.data_to_world(vertex) for vertex in vertices])
    main = picture.main
    missing = main.ndim - world.shape[1]
    full = np.zeros((len(world), main.ndim))
    full[:, max(0, missing) :] = world[:, max(0, -missing) :]
    data = np.array([main.world_to_data(point) for point in full])
    data[:, : max(0, missing)] = np.nan
    if picture.channel_axis is not None:
        data[:, picture.channel_axis] = 0  # our layers span all channels
    return data


def _lies_on(outline: NDArray[np.float64], plane: Plane) -> bool:
    """Whether an outline lies on a plane, as far as it lies anywhere."""
    placed = outline.copy()
    unknown = np.isnan(placed)
    placed[unknown] = np.broadcast_to(np.array(plane.position, float), placed.shape)[unknown]
    return bool(lie_on_plane(placed, plane).all())


def regions_of(layers: Iterable[Any]) -> list[Shapes]:
    """List the layers that a region can be drawn in."""
    return [layer for layer in layers if isinstance(layer, Shapes) and role_of(layer) is None]
