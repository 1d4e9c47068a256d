"""Which labelled object lies under the cursor, and opening it to be corrected."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.masks.upscale import low_res_from_mask
from napari_sam_onnx.plugin.layers.labels import NoObjectError, label_at, read_plane
from napari_sam_onnx.plugin.layers.snapshot import Correction
from napari_sam_onnx.plugin.picture.plane import round_half_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels

    from napari_sam_onnx.plugin.commits.label_target import LabelTarget
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.session.session import Session


def pick(
    session: Session, layers: Sequence[Labels | None], world: Any
) -> tuple[Labels, int, Plane]:
    """Find the labelled object under a position.

    Parameters
    ----------
    session : Session
    layers : sequence of napari Labels layer
        Where to look, one after another.
    world : (D,) array-like
        The position in world coordinates.

    Returns
    -------
    layer, label, plane

    Raises
    ------
    NoObjectError
        If there is none.
    """
    pixel = session.to_plane(world)
    if pixel is None:
        raise NoObjectError("There is no picture under the cursor.")
    return pick_at(session, layers, pixel)


def pick_at(
    session: Session, layers: Sequence[Labels | None], place: tuple[float, float]
) -> tuple[Labels, int, Plane]:
    """Find the labelled object at a place ``(y, x)`` of the plane that is shown; see `pick`."""
    if session.plane is None or session.prompts is None:
        raise NoObjectError("There is no picture under the cursor.")
    y, x = (round_half_up(value) for value in place)
    for layer in layers:
        if layer is None:
            raise NoObjectError("There are no labels yet; accept an object first.")
        label = label_at(layer, session.plane, (y, x))
        if label:
            return layer, label, session.plane
    raise NoObjectError("There is no labelled object under the cursor.")


def open_object(
    session: Session, labels: LabelTarget, layer: Labels, label: int, plane: Plane
) -> None:
    """Open an object, and write into its label image from now on."""
    labels.choose(layer)
    if labels.layer is not layer:  # it cannot be painted, and that was said
        return
    mask = Mask.from_array(read_plane(layer, plane) == label)
    opened = replace(mask, low_res=low_res_from_mask(mask))
    session.correct(Correction(plane, layer, label, opened))
