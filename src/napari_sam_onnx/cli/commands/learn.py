"""``learn``: labels that were corrected -> which objects are wanted, for later runs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import typer

from napari_sam_onnx.automatic import MODES, ParameterError
from napari_sam_onnx.automatic.taught.learn import Judge
from napari_sam_onnx.cli.commands.segment_picture import settle_axes
from napari_sam_onnx.cli.label_planes import PlaneFile, SegmentOptions
from napari_sam_onnx.cli.options import shared as options
from napari_sam_onnx.cli.options.channels import parse_channels
from napari_sam_onnx.export.beside import write_beside
from napari_sam_onnx.models import load_model
from napari_sam_onnx.pictures.image import BlankError
from napari_sam_onnx.pictures.picture_file import read_picture
from napari_sam_onnx.planes import ArrayPlanes

FORMAT = 1


def learn(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A picture, or a stack of planes.")],
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS",
            help="What `segment` makes of it, after the objects that are not wanted were deleted.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="OUT", help="What is learned, .json."),
    ],
    inside: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="An image that is not 0 where objects were judged; everywhere where omitted."
        ),
    ] = None,
    mode: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Where prompts come from, as in `segment`; the model's best if omitted."),
    ] = None,
    diameter: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0.0, help="Diameter of a typical object in pixels, as in `segment`."),
    ] = None,
    model: options.ListedModel = "pebble",
    axes: options.PictureAxes = None,
    channels: options.Channels = None,
    project: options.Project = None,
    force: options.ForceFile = False,
) -> None:
    """Learn from objects that were kept and deleted; `segment --learned OUT` leaves out the rest.

    Needs scikit-learn (extra learn); what is learned is applied without it.
    """
    from napari_sam_onnx.automatic.taught.teach import learn_from_labels

    if mode is not None and mode not in MODES:
        raise ParameterError(f"There is no mode {mode!r}; choose one of {', '.join(MODES)}.")
    shown = None if channels is None else parse_channels(channels)
    planes = settle_axes(
        read_picture(source),
        SegmentOptions(axes=axes, channels=shown, project=options.name_of(project)),
    )
    kept = PlaneFile.open(labels, planes, "label image")
    region = None if inside is None else PlaneFile.open(inside, planes, "region")
    opened = load_model(model)
    values: dict[str, Any] = {} if diameter is None else {"diameter": diameter}
    with write_beside(out, overwrite=force) as part:
        lesson = learn_from_labels(_read(planes, kept, region), opened, mode, values)
        words = {"format": FORMAT, "learned": lesson.judge.to_dict()}
        part.write_text(json.dumps(words) + "\n", encoding="utf-8")
    print(f"learned from {lesson.wanted} objects that were kept and {lesson.unwanted} deleted")


def read_judge(path: Path) -> Judge:
    """Read what `learn` has written, or what a recipe of the dock holds.

    Raises
    ------
    ParameterError
        If there is nothing of the kind.
    """
    try:
        words = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ParameterError(f"There is no file {path}.") from error
    except (OSError, ValueError) as error:
        raise ParameterError(
            f"{path} cannot be read; is it a file that `learn` has written?"
        ) from error
    found = words.get("learned", words.get("judge")) if isinstance(words, dict) else None
    if not isinstance(found, dict):
        raise ParameterError(f"{path.name} holds nothing that was learned from objects.")
    return Judge.from_dict(found)


def _read(
    planes: ArrayPlanes,
    kept: PlaneFile,
    region: Optional[PlaneFile],  # noqa: UP045
) -> Iterator[tuple[Any, Any, Any]]:
    """Read the planes that hold labels, one after another."""
    for index in np.ndindex(*planes.shape):
        labels = kept.read(index)
        if not labels.any():
            continue  # nobody has looked at it, as far as can be told
        try:
            yield planes.read(index), labels, None if region is None else region.read(index)
        except BlankError:
            continue
