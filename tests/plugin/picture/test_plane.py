from __future__ import annotations

import numpy as np
import pytest

from napari_sam_onnx.plugin.picture.plane import (
    Plane,
    box_corners,
    box_vertices,
    find_plane,
    from_plane,
    lie_on_plane,
    pixel_indices,
    plane_shape,
    take_plane,
    to_plane,
)

SHAPE = (4, 5, 60, 70)


@pytest.mark.parametrize(
    ("displayed", "point", "position"),
    [
        ((2, 3), (1, 2, 30, 30), (1, 2, 0, 0)),
        ((2, 3), (1.49, 1.5, 0, 0), (1, 2, 0, 0)),  # a pixel spans ±0.5
        ((2, 3), (0.5, 2.5, 0, 0), (0, 2, 0, 0)),  # halves go to the even one
        ((2, 3), (-0.5, 4.49, 0, 0), (0, 4, 0, 0)),
        ((0, 2), (0, 3, 0, 69), (0, 3, 0, 69)),
        ((3, 0), (0, 3, 7, 0), (0, 3, 7, 0)),
    ],
)
def test_find_plane(
    displayed: tuple[int, int], point: tuple[float, ...], position: tuple[int, ...]
) -> None:
    plane = find_plane(SHAPE, displayed, point)
    assert plane == Plane(displayed, position)
    assert plane_shape(SHAPE, plane) == (SHAPE[displayed[0]], SHAPE[displayed[1]])


@pytest.mark.parametrize(
    ("displayed", "point"),
    [
        ((2, 3), (4, 0, 0, 0)),
        ((2, 3), (3.5, 0, 0, 0)),
        ((2, 3), (-0.6, 0, 0, 0)),
        ((2, 3), (np.nan, 0, 0, 0)),
        ((1, 2, 3), (0, 0, 0, 0)),
        ((-1, 0), (0, 0, 0, 0)),
    ],
)
def test_no_plane(displayed: tuple[int, ...], point: tuple[float, ...]) -> None:
    assert find_plane(SHAPE, displayed, point) is None


@pytest.mark.parametrize("axes", [(2, 3), (3, 2), (0, 3), (2, 1)])
def test_there_and_back(axes: tuple[int, int]) -> None:
    plane = Plane(axes, tuple(0 if a in axes else 2 for a in range(4)))
    flat = np.array([[1.25, 2.5], [0, 3]])
    data = from_plane(flat, plane)
    np.testing.assert_array_equal(to_plane(data, plane), flat)
    assert lie_on_plane(data, plane).all()
    data[0, plane.others[0]] += 0.6
    assert lie_on_plane(data, plane).tolist() == [False, True]
    corners = np.array([1.0, 2.0, 3.0, 5.0])
    np.testing.assert_array_equal(box_corners(box_vertices(corners, plane), plane), corners)


@pytest.mark.parametrize("axes", [(2, 3), (3, 2), (1, 0)])
def test_pixel_indices_address_the_pixels_of_the_plane(axes: tuple[int, int]) -> None:
    plane = Plane(axes, tuple(0 if a in axes else 1 for a in range(4)))
    height, width = plane_shape(SHAPE, plane)
    drawn = np.zeros((height, width), bool)
    drawn[1:3, 2:4] = True
    drawn[0, 2] = True
    array = np.zeros(SHAPE, int)
    array[pixel_indices(*np.nonzero(drawn), plane)] = 1
    np.testing.assert_array_equal(take_plane(array, plane) > 0, drawn)
    assert array.sum() == drawn.sum()
