"""``segment --suggest``: which channels, stains and views the model sees most in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic import automask
from napari_sam_onnx.automatic.suggest import suggest_views
from napari_sam_onnx.export.beside import write_beside
from napari_sam_onnx.export.images import write_png
from napari_sam_onnx.pictures.image import ImageError, check_axes, infer_axes
from napari_sam_onnx.pictures.overlay import arrange_montage, draw_overlay
from napari_sam_onnx.pictures.picture_file import PictureFileError, read_picture
from napari_sam_onnx.pictures.projection import project_depth

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam_onnx.models import Model

SHOWN = 9
"""Ways that are drawn, the best first."""


def write_suggestions(
    source: Path, out: Path, model: Model, axes: str | None, project: str = "", *, force: bool
) -> None:
    """Try the ways to show the middle plane of a picture, print their rank and draw the best.

    Parameters
    ----------
    source : Path
        A picture or a stack.
    out : Path
        The sheet of small pictures with outlines, ``.png``.
    model : Model
    axes : str or None
        Of the picture, where its file does not name them.
    project : str
        Planes along z are made one: "max" or "mean"; "" where they are not.
    force : bool
        Whether the sheet may be replaced.

    Raises
    ------
    ImageError, PictureFileError
        If the picture cannot be read or shown, or the sheet cannot be written.
    """
    if out.suffix.lower() != ".png":
        raise PictureFileError(
            f"Suggestions are drawn on a sheet that is saved as .png, not {out}."
        )
    picture = read_picture(source)
    array, shape = picture.array, picture.array.shape
    try:
        named = check_axes(axes or picture.axes or infer_axes(shape), len(shape))
    except ImageError as error:
        raise ImageError(f"{str(error).rstrip('.')}: --axes.") from error
    if project:
        array, named = project_depth(array, named, project)
    middle = tuple(
        slice(None) if axis in "YXC" else size // 2
        for axis, size in zip(named, array.shape, strict=True)
    )
    plane_axes = "".join(axis for axis in named if axis in "YXC")
    with write_beside(out, overwrite=force) as part:
        ways = suggest_views(np.asarray(array[middle]), model, plane_axes)
        sheet = [draw_overlay(way.rgb, automask(way.rgb, model)) for way in ways[:SHOWN]]
        write_png(part, arrange_montage(sheet))
    print(f"{'rank':>4}  {'certainty':>9}  {'objects':>7}  {'diameter':>8}  what to show")
    for rank, tried in enumerate(ways, start=1):
        sight = tried.sight
        size = f"{sight.diameter:.0f} px" if sight.count else "–"
        print(
            f"{rank:4}  {sight.worth:9.1f}  {sight.count:7.0f}  {size:>8}  "
            f"{tried.way.name}: {tried.way.options}"
        )
