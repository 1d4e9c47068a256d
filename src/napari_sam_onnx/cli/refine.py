"""``refine``: labels of any tool -> the same labels, outlined anew where that is better."""

import csv
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer

from napari_sam_onnx.automatic.refine import COLUMNS, Limits, refine_labels
from napari_sam_onnx.cli import options
from napari_sam_onnx.cli.channels import parse_channels
from napari_sam_onnx.cli.output import say
from napari_sam_onnx.export.beside import write_beside
from napari_sam_onnx.export.images import check_label_path, write_labels
from napari_sam_onnx.models import load_model
from napari_sam_onnx.picture_file import read_picture

USUAL = Limits()


def refine(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The picture, one plane.")],
    labels: Annotated[
        Path, typer.Argument(metavar="LABELS", help="A label image of any tool, or drawn by hand.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="OUT", help="The label image with new outlines.")
    ],
    table: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A CSV file of what became of each object."),
    ] = None,
    gain: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="How much better an outline is at least (IoU)."),
    ] = USUAL.gain,
    min_iou: Annotated[
        float, typer.Option(help="The model's own estimate, at least.")
    ] = USUAL.predicted_iou,
    min_stability: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Stability of an outline, at least.")
    ] = USUAL.stability,
    model: options.ListedModel = "pebble",
    axes: options.PlaneAxes = None,
    channels: options.Channels = None,
    force: options.ForceFiles = False,
) -> None:
    """Outline labelled objects anew where that is an improvement; numbers stay.

    Meant for labels that are coarse, shifted, or of another tool: of those that are right already
    some would be made a little worse.
    """
    check_label_path(out, "YX")
    picture = read_picture(source)
    before = np.asarray(read_picture(labels).array)
    with write_beside(out, overwrite=force) as part:
        result = refine_labels(
            np.asarray(picture.array),
            load_model(model),
            before,
            limits=Limits(min_iou, min_stability, gain),
            axes=axes or picture.axes,
            channels=None if channels is None else parse_channels(channels),
        )
        write_labels(part, result.paint(before), "YX", picture.pixel_size)
    if table is not None:
        with (
            write_beside(table, overwrite=force) as part,
            open(part, "w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(refined.row for refined in result.objects)
    say(f"{source.name}: {result.summarize()} -> {out}")
