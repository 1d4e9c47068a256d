"""``fit``: the settings that reproduce labels of one's own."""

from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer

from napari_sam_onnx.automatic.taught.fit import FEWEST, fit_settings
from napari_sam_onnx.cli.given import load_labels
from napari_sam_onnx.cli.options import shared as options
from napari_sam_onnx.cli.options.channels import parse_channels
from napari_sam_onnx.cli.options.projected import read_projected
from napari_sam_onnx.models import load_model
from napari_sam_onnx.pictures.picture_file import load_picture


def fit(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The picture, one plane.")],
    labels: Annotated[
        Path, typer.Argument(metavar="LABELS", help="A label image of all objects of a part of it.")
    ],
    inside: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="An image that is not 0 in that part; the whole plane where omitted."),
    ] = None,
    model: options.ListedModel = "pebble",
    axes: options.PlaneAxes = None,
    channels: options.Channels = None,
    project: options.Project = None,
) -> None:
    """Search the scale and the rating that reproduce labels best, and print them as options."""
    picture = read_projected(source, axes, project)
    fitted = fit_settings(
        np.asarray(picture.array),
        load_model(model),
        load_labels(labels),
        None if inside is None else load_picture(inside),
        axes=picture.axes,
        channels=None if channels is None else parse_channels(channels),
    )
    print(f"mean AP at IoU 0.5 and 0.75 on the labels: {fitted.default:.3f} by default", end="")
    if fitted.few:
        print(f"; {fitted.objects} objects are too few to fit to: label {FEWEST} or more.")
        return
    if not fitted.settings:
        print("; no other setting is clearly better.")
        return
    print(f", {fitted.score:.3f} with")
    names = (f"--{name.replace('_', '-')} {value:.4g}" for name, value in fitted.settings.items())
    print(" ".join(names))
