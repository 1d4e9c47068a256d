"""``similar``: what looks like a few labelled objects -> a label image."""

from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer

from napari_sam_onnx.automatic import ParameterError
from napari_sam_onnx.automatic.taught.similar import find_similar
from napari_sam_onnx.cli.given import load_labels
from napari_sam_onnx.cli.options import shared as options
from napari_sam_onnx.cli.options.channels import parse_channels
from napari_sam_onnx.cli.options.projected import read_projected
from napari_sam_onnx.cli.output import say
from napari_sam_onnx.export.beside import write_beside
from napari_sam_onnx.export.images import check_label_path, write_labels
from napari_sam_onnx.models import load_model
from napari_sam_onnx.pictures.picture_file import load_picture


def similar(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="The picture that the examples are on, one plane.")
    ],
    labels: Annotated[
        Path, typer.Argument(metavar="LABELS", help="A label image that holds the examples.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="OUT", help="The label image of what is found.")
    ],
    like: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Labels of what is looked for, such as 1,5,9; all where omitted."),
    ] = None,
    unlike: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Labels of what is not looked for."),
    ] = None,
    similarity: Annotated[
        float, typer.Option(min=-1.0, max=1.0, help="How similar objects are at least.")
    ] = 0.5,
    search: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Another picture to search, of the same channels and pixel size."),
    ] = None,
    model: options.ListedModel = "pebble",
    axes: options.PlaneAxes = None,
    channels: options.Channels = None,
    project: options.Project = None,
    force: options.ForceFiles = False,
) -> None:
    """Find the objects that look like examples; the most similar has the label 1."""
    check_label_path(out, "YX")
    picture = read_projected(source, axes, project)
    examples = load_labels(labels)
    with write_beside(out, overwrite=force) as part:
        result = find_similar(
            np.asarray(picture.array),
            load_model(model),
            examples,
            None if like is None else _read_numbers(like),
            () if unlike is None else _read_numbers(unlike),
            axes=picture.axes,
            channels=None if channels is None else parse_channels(channels),
            others=None if search is None else load_picture(search),
        )
        found = result.paint(similarity)
        write_labels(part, found, "YX", picture.pixel_size)
    say(f"{(search or source).name}: {len(np.unique(found)) - 1} similar objects -> {out}")


def _read_numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ParameterError(f"The labels {text!r} cannot be read; write 1,5,9.") from error
