"""``refine``: labels of any tool -> the same labels, outlined anew where that is better."""

import csv
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer

from napari_sam_onnx.automatic.refine import COLUMNS, Limits
from napari_sam_onnx.automatic.refine_planes import iterate_planes
from napari_sam_onnx.cli.given import read_labels
from napari_sam_onnx.cli.options import shared as options
from napari_sam_onnx.cli.options.channels import parse_channels
from napari_sam_onnx.cli.options.projected import read_projected
from napari_sam_onnx.cli.output import say
from napari_sam_onnx.export.beside import write_beside
from napari_sam_onnx.export.images import check_label_path, write_labels
from napari_sam_onnx.generators import drive
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.models import load_model
from napari_sam_onnx.pictures.image import infer_axes
from napari_sam_onnx.planes import ArrayLabels, ArrayPlanes

USUAL = Limits()


def refine(
    source: Annotated[Path, typer.Argument(metavar="IN", help="The picture, a plane or a stack.")],
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
    edges: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="How many times steeper the picture is along a new outline, at least; 0 leaves "
            "the decision to the model.",
        ),
    ] = USUAL.edges,
    model: options.ListedModel = "pebble",
    axes: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The picture's axes, one letter of TZCYX per dimension."),
    ] = None,
    channels: options.Channels = None,
    project: options.Project = None,
    force: options.ForceFiles = False,
) -> None:
    """Outline labelled objects anew where that is an improvement; numbers stay.

    Meant for labels that are coarse, shifted, or of another tool; those that are right already are
    left alone but for a few.
    """
    picture = read_projected(source, axes, project)
    named = picture.axes or infer_axes(picture.array.shape)
    shown = None if channels is None else parse_channels(channels)
    planes = ArrayPlanes(picture.array, named, shown)
    check_label_path(out, planes.label_axes)
    before = np.asarray(read_labels(labels).array)
    if before.shape != planes.label_shape:
        raise LabelError(
            f"The labels have the shape {before.shape} and the picture {planes.label_shape}; they "
            "have to be of one size."
        )
    sink = ArrayLabels(before, planes.label_axes, any_type=True)
    with write_beside(out, overwrite=force) as part:
        steps = iterate_planes(
            planes.read,
            sink.read,
            list(np.ndindex(planes.shape)),
            load_model(model),
            Limits(min_iou, min_stability, gain, edges=edges),
        )
        result = drive(steps)
        made = before.copy()
        written = ArrayLabels(made, planes.label_axes, any_type=True)
        for index, found in result.planes:
            written.write(index, found.paint(sink.read(index)).astype(np.uint32, copy=False))
        write_labels(part, made, planes.label_axes, picture.pixel_size)
    if table is not None:
        with (
            write_beside(table, overwrite=force) as part,
            open(part, "w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file)
            writer.writerow((*planes.axes.lower(), *COLUMNS))
            for index, found in result.planes:
                writer.writerows((*index, *refined.row) for refined in found.objects)
    said = result if planes.axes else result.planes[0][1]
    say(f"{source.name}: {said.summarize()} -> {out}")
