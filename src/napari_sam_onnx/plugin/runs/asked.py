"""What a run of automatic masks is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.automatic import MODES
from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.plugin.picture.reader import name_axes

if TYPE_CHECKING:
    from napari.layers import Labels, Shapes

    from napari_sam_onnx.automatic.settings.modes import Parameters
    from napari_sam_onnx.automatic.taught.learn import Judge
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.picture.reader import Reader


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a run is asked to do.

    Parameters
    ----------
    mode : str or None
        A key of `MODES`; None: what suits the model.
    parameters : mapping of str to value
        Settings of the mode.
    whole : bool
        All planes, or the one that is shown.
    link : int or None
        The axis of the picture along which an object keeps its label.
    region : napari Shapes layer or None
        Where objects are looked for; None: everywhere.
    fill : napari Labels layer or None
        Whose gaps are filled; None: a new label image.
    keep : bool
        Whether the last result stays beside this one; else this one takes its place.
    judge : Judge or None
        What was learned from judged objects, and rates these too.
    """

    mode: str | None
    parameters: dict[str, Any]
    whole: bool = False
    link: int | None = None
    region: Shapes | None = None
    fill: Labels | None = None
    keep: bool = False
    judge: Judge | None = None


def name_link(reader: Reader, plane: Plane, link: int | None) -> str | None:
    """Name the axis along which an object keeps its label as the engine knows it.

    Parameters
    ----------
    reader : Reader
    plane : Plane
    link : int or None
        The axis of the picture.

    Raises
    ------
    ImageError
        If there is one plane along it, or it lies in the plane.
    """
    if link is None:
        return None
    if link not in plane.others or reader.shape[link] == 1:
        raise ImageError("The picture has one plane along the axis to link; choose another.")
    return name_axes(len(reader.shape), plane.axes, reader.channel_axis)[link].lower()


def least_rating(settings: Parameters | None) -> float:
    """Return what a mask must be rated for a run to show it, 0 where that is not known yet."""
    inner = getattr(settings, "inner_parameters", None) or settings
    return float(getattr(inner, "min_rating", getattr(inner, "pred_iou_thresh", 0.0)))


def modes() -> tuple[str, ...]:
    """Name the modes that need nothing but a picture and a model that answers clicks."""
    return tuple(mode for mode in MODES if mode not in ("boxes", "flows"))
