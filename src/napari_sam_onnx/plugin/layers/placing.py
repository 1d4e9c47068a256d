"""Where prompts lie: inside the picture, on which plane; and the sliders that show it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.plugin.layers.plane import find_plane, lie_on_plane
from napari_sam_onnx.plugin.layers.slab import find_slab
from napari_sam_onnx.plugin.layers.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.layers.picture import Picture
    from napari_sam_onnx.plugin.layers.plane import Plane
    from napari_sam_onnx.plugin.layers.prompts import PromptLayers


def keep_inside(prompts: Snapshot, shape: Sequence[int]) -> Snapshot:
    """Return the prompts that touch a picture: points inside it, boxes that overlap it."""
    edge = np.array(shape, dtype=float) - 0.5
    inside = ((prompts.points >= -0.5) & (prompts.points < edge)).all(axis=1)
    boxes = tuple(box for box in prompts.boxes if _overlaps(box, edge))
    return Snapshot(prompts.points[inside], prompts.positive[inside], boxes, prompts.corrections)


def drop_boxes(prompts: Snapshot, boxes: Sequence[NDArray[np.float64]]) -> Snapshot:
    """Return the prompts without some of their boxes."""
    kept = tuple(box for box in prompts.boxes if not any(box is dropped for dropped in boxes))
    return replace(prompts, boxes=kept)


def without_plane(prompts: Snapshot, plane: Plane) -> Snapshot:
    """Return the prompts of all other planes."""
    away = ~lie_on_plane(prompts.points, plane)
    boxes = tuple(box for box in prompts.boxes if not lie_on_plane(box, plane).all())
    corrections = tuple(c for c in prompts.corrections if c.plane != plane)
    return Snapshot(prompts.points[away], prompts.positive[away], boxes, corrections)


def on_plane(prompts: Snapshot, plane: Plane) -> Snapshot:
    """Return the prompts of one plane."""
    here = lie_on_plane(prompts.points, plane)
    boxes = tuple(box for box in prompts.boxes if lie_on_plane(box, plane).all())
    corrections = tuple(c for c in prompts.corrections if c.plane == plane)
    return Snapshot(prompts.points[here], prompts.positive[here], boxes, corrections)


def join(first: Snapshot, second: Snapshot) -> Snapshot:
    """Return the prompts of both."""
    return Snapshot(
        np.concatenate([first.points, second.points]),
        np.concatenate([first.positive, second.positive]),
        (*first.boxes, *second.boxes),
        (*first.corrections, *second.corrections),
    )


def is_empty(prompts: Snapshot) -> bool:
    """Whether there are no prompts at all."""
    return not (len(prompts.points) or prompts.boxes or prompts.corrections)


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


def _overlaps(box: NDArray[np.float64], edge: NDArray[np.float64]) -> bool:
    low, high = box.min(axis=0), box.max(axis=0)
    flat = low == high  # the axes that the box does not extend along
    along = (high > -0.5) & (low < edge)
    return bool(np.where(flat, (low >= -0.5) & (low < edge), along).all())


def insert_under_prompts(viewer: ViewerModel, prompts: PromptLayers | None, layer: Layer) -> None:
    """Put a layer under the prompts and leave the user's selection as it is."""
    active = viewer.layers.selection.active
    # napari draws a new layer again with each change of the selection; a large one takes long
    visible, layer.visible = layer.visible, False
    if prompts is not None and prompts.preview.layer in viewer.layers:
        viewer.layers.insert(viewer.layers.index(prompts.preview.layer), layer)
    else:
        viewer.add_layer(layer)
    if active is not None:
        viewer.layers.selection.active = active
    layer.visible = visible
