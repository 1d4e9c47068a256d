"""Which plane of the picture the viewer shows, whole or as part of a slab; moving it there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.plugin.picture.plane import find_plane
from napari_sam_onnx.plugin.picture.slab import find_slab

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_sam_onnx.plugin.picture.picture import Picture
    from napari_sam_onnx.plugin.picture.plane import Plane


def move_sliders(viewer: ViewerModel, picture: Picture, plane: Plane) -> None:
    """Show a plane of a picture."""
    layer = picture.main
    world = layer.data_to_world(np.array(plane.position, dtype=float))
    offset = viewer.dims.ndim - layer.ndim
    for axis in plane.others:
        if axis != picture.channel_axis and axis + offset in viewer.dims.not_displayed:
            viewer.dims.set_point(axis + offset, float(world[axis]))


def project_along(viewer: ViewerModel, picture: Picture, axis: int, mode: str) -> None:
    """Let viewer and model see all planes along an axis as one, or one plane again.

    Parameters
    ----------
    viewer : napari ViewerModel
    picture : Picture
    axis : int
        Of the picture.
    mode : {"max", "mean", ""}
        Empty: one plane.
    """
    shown = axis + viewer.dims.ndim - picture.main.ndim
    start, stop, step = viewer.dims.range[shown]
    reach = stop - start + step if mode else 0.0
    for layer in picture.layers:
        layer.projection_mode = mode or "none"
    for name in ("margin_left", "margin_right"):
        margins = list(getattr(viewer.dims, name))
        margins[shown] = reach
        setattr(viewer.dims, name, tuple(margins))


def projection_along(viewer: ViewerModel, picture: Picture, axis: int) -> str:
    """Say how planes along an axis are seen as one; "" where they are not."""
    shown = axis + viewer.dims.ndim - picture.main.ndim
    thick = viewer.dims.margin_left[shown] > 0 or viewer.dims.margin_right[shown] > 0
    mode = str(picture.main.projection_mode)
    return mode if thick and mode != "none" else ""


def find_shown_plane(viewer: ViewerModel, picture: Picture | None) -> Plane | None:
    """Find the plane of a picture that a viewer shows; None where it shows none."""
    if picture is None or viewer.dims.ndisplay != 2:
        return None
    layer, dims = picture.main, viewer.dims
    offset = dims.ndim - layer.ndim
    displayed = [axis - offset for axis in dims.displayed]
    point = np.array(layer.world_to_data(dims.point), dtype=float)
    if picture.channel_axis is not None:
        if picture.channel_axis in displayed:
            return None
        point[picture.channel_axis] = 0  # our layers span all channels
    plane = find_plane(picture.shape, displayed, point)
    if plane is None or not picture.projected or not any(dims.thickness):
        return plane
    left, right = (
        np.abs(point - np.array(layer.world_to_data(np.array(dims.point) + shift), dtype=float))
        for shift in (-np.array(dims.margin_left), np.array(dims.margin_right))
    )
    if picture.channel_axis is not None:
        left[picture.channel_axis] = right[picture.channel_axis] = 0
    return replace(plane, slab=find_slab(picture.shape, displayed, point, left, right))


def explain_no_plane(viewer: ViewerModel) -> str:
    """Say why no plane is found."""
    if viewer.dims.ndisplay != 2:
        return "Prompts need the 2D view; switch off 3D to go on."
    return "The picture has no plane at this position; move the slider back to it."
