"""``export``: labels -> the formats of other programs."""

from collections import Counter
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import typer
from numpy.typing import NDArray

from napari_sam_onnx.cli.given import read_labels
from napari_sam_onnx.export.formats import (
    FORMATS,
    find_format,
    measure_loss,
    read_object_classes,
    read_objects,
    write_objects,
)
from napari_sam_onnx.export.label_stack import LabelStack
from napari_sam_onnx.labels.classes import ClassError, ObjectClass, read_class_table, read_classes
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.pictures.image import ImageError, check_axes, infer_axes
from napari_sam_onnx.pictures.picture_file import SUFFIXES, PictureFile, read_picture

FormatName = Enum("FormatName", {name: name for name in FORMATS}, type=str)  # type: ignore[misc]


def export(
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS",
            help="A label image; or COCO (.json), OME-Zarr (.zarr), and with --shape GeoJSON "
            "(.geojson), ImageJ regions (.zip) or YOLO (.txt).",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="OUT", help="What to write; its suffix counts.")
    ],
    format: Annotated[
        Optional[FormatName],  # noqa: UP045
        typer.Option(help="The format, where the suffix does not tell it (yolo-boxes)."),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(min=0.0, help="Pixels by which polygons may leave the true outline."),
    ] = 0.5,
    image: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="The picture, for intensities in a table."),
    ] = None,
    axes: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The labels' axes, one letter of TZYX per dimension."),
    ] = None,
    shape: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Rows and columns of the picture, such as 1024x1344."),
    ] = None,
    name: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The picture's file name, for formats that refer to it."),
    ] = None,
    classes: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="Which object is of which class: a table (.csv) with the columns label and class, "
            "as measurements are saved."
        ),
    ] = None,
    class_list: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="All classes, in the order of their numbers, with colours (.yaml)."),
    ] = None,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole", help="In a table of a volume: a row per object, not one per plane of it."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what exists.")] = False,
) -> None:
    """Write labels as COCO, YOLO, GeoJSON, ImageJ regions, OME-Zarr, TIFF or a table."""
    made = find_format(out, None if format is None else format.value)
    picture = _read_labels(labels, shape)
    array = np.asarray(picture.array)
    try:
        named = check_axes(axes or picture.axes or infer_axes(array.shape), array.ndim)
    except ImageError as error:
        raise ImageError(f"{str(error).rstrip('.')}: --axes.") from error
    if "C" in named:
        raise LabelError(f"Labels have no channels; the axes of {labels.name} are {named}.")
    order = sorted(range(array.ndim), key=lambda i: "TZYX".index(named[i]))
    named_classes, listed = _read_classes(labels, classes, class_list)
    if classes is not None and not made.classes:
        able = ", ".join(name for name, one in FORMATS.items() if one.classes)
        raise ClassError(f"The format {made.name} holds no classes; {able} do.")
    if whole and (made.name != "csv" or "Z" not in named):
        raise LabelError("--whole is about tables (.csv) of volumes, with the axis Z.")
    stack = LabelStack(
        array.transpose(order),
        "".join(named[i] for i in order),
        name or (image or labels).name,
        picture.pixel_size,
        None if image is None else _read_intensities(image, "".join(named[i] for i in order)),
        tolerance,
        named_classes,
        listed,
        whole=whole,
    )
    write_objects(out, stack, made.name, overwrite=force)
    objects = np.count_nonzero(np.unique(stack.labels))
    print(f"{labels.name}: {objects} objects -> {out}")
    if made.classes and stack.known_classes:
        first = 0 if made.name.startswith("yolo") else 1
        counted = _count_classes(stack)
        numbered = enumerate(stack.known_classes, start=first)
        print(", ".join(f"{n} {one.name}: {counted.get(one.name, 0)}" for n, one in numbered))
    if made.polygons:
        mean, worst, corners = measure_loss(stack)
        print(
            f"polygons with {corners} corners; filled again: mean IoU {mean:.4f}, worst {worst:.4f}"
        )


def _read_labels(path: Path, shape: str | None) -> PictureFile:
    """Read a label image, or the objects of another format."""
    if path.suffix.lower() in SUFFIXES:
        return read_labels(path)
    size = None
    if shape is not None:
        sides = shape.lower().split("x")
        if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides):
            raise LabelError(f"The shape {shape!r} cannot be read; write rows x columns, 512x640.")
        size = int(sides[0]), int(sides[1])
    if not path.exists():
        raise LabelError(f"There is no file {path}.")
    array, axes = read_objects(path, size)
    return PictureFile(array, axes)


def _read_classes(
    labels: Path, table: Path | None, listed: Path | None
) -> tuple[dict[int, str], tuple[ObjectClass, ...]]:
    """Read the classes: from a table, else from the file of the objects where it holds some."""
    named, known = read_object_classes(labels) if table is None else (read_class_table(table), ())
    return named, known if listed is None else read_classes(listed)


def _count_classes(stack: LabelStack) -> dict[str, int]:
    """Count the objects of each class."""
    there = np.unique(stack.labels).tolist()
    return dict(Counter(stack.classes[label] for label in there if label in stack.classes))


def _read_intensities(path: Path, axes: str) -> NDArray[Any]:
    """Read the picture in the labels' order of axes, channels last."""
    picture = read_picture(path)
    array = np.asarray(picture.array)
    named = picture.axes or (axes if array.ndim == len(axes) else axes + "C")
    wanted = axes + ("C" if "C" in named else "")
    if sorted(named) != sorted(wanted):
        raise LabelError(f"The picture has the axes {named} and the labels {axes}.")
    return array.transpose([named.index(axis) for axis in wanted])
