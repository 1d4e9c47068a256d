"""The formats that labels are exported to, and read back from where that makes sense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.export.beside import write_beside, write_folder_beside
from napari_sam_onnx.export.coco import read_coco, read_coco_classes, write_coco
from napari_sam_onnx.export.geojson import read_geojson, read_geojson_classes, write_geojson
from napari_sam_onnx.export.imagej import read_rois, write_rois
from napari_sam_onnx.export.images import write_labels
from napari_sam_onnx.export.label_stack import LabelStack, list_objects
from napari_sam_onnx.export.ome_zarr import read_ome_zarr, write_ome_zarr
from napari_sam_onnx.export.table import write_table
from napari_sam_onnx.export.yolo import read_yolo, write_yolo_boxes, write_yolo_polygons
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.masks.outlines import fill_rings, trace_pieces

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from napari_sam_onnx.labels.classes import ObjectClass


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write labels.

    Parameters
    ----------
    name : str
        What the command line calls it.
    title : str
        What people call it.
    suffixes : tuple of str
        The first is the usual one; where a name has none of them, a format must be named.
    write : callable
        Takes a path and a `LabelStack`.
    polygons : bool
        Whether outlines are simplified by the stack's tolerance.
    folder : bool
        Whether a folder is written, not a file.
    classes : bool
        Whether it says of which class objects are.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    write: Callable[[Path, LabelStack], None]
    polygons: bool = False
    folder: bool = False
    classes: bool = False


def _write_tiff(path: Path, stack: LabelStack) -> None:
    write_labels(path, stack.labels, stack.axes, stack.pixel_size)


FORMATS: dict[str, Format] = {
    made.name: made
    for made in (
        Format("tiff", "Label image", (".tif", ".tiff"), _write_tiff),
        Format("coco", "COCO instances, run-length encoded", (".json",), write_coco, classes=True),
        Format(
            "geojson",
            "GeoJSON for QuPath",
            (".geojson",),
            write_geojson,
            polygons=True,
            classes=True,
        ),
        Format("imagej", "ImageJ regions", (".zip",), write_rois, polygons=True),
        Format(
            "yolo", "YOLO polygons", (".txt",), write_yolo_polygons, polygons=True, classes=True
        ),
        Format("yolo-boxes", "YOLO boxes", (".txt",), write_yolo_boxes, classes=True),
        Format("csv", "Measurements", (".csv",), write_table, classes=True),
        Format("ome-zarr", "OME-Zarr labels", (".zarr",), write_ome_zarr, folder=True),
    )
}


def find_format(path: Path, name: str | None = None) -> Format:
    """Find a format by its name, or by a file's suffix.

    Raises
    ------
    LabelError
        If there is none.
    """
    if name is not None:
        if name not in FORMATS:
            raise LabelError(f"There is no format {name!r}; choose one of {', '.join(FORMATS)}.")
        return FORMATS[name]
    for made in FORMATS.values():
        if path.suffix.lower() in made.suffixes:
            return made
    known = ", ".join(dict.fromkeys(made.suffixes[0] for made in FORMATS.values()))
    raise LabelError(f"The name {path.name!r} tells no format; end it in {known}, or name one.")


def write_objects(
    path: Path, stack: LabelStack, name: str | None = None, *, overwrite: bool = False
) -> None:
    """Write labels in a format: the whole file, or none.

    Parameters
    ----------
    path : Path
    stack : LabelStack
    name : str, optional
        A key of `FORMATS`; by the suffix where omitted.
    overwrite : bool
        Whether a file, or a folder of zarr, may be replaced.

    Raises
    ------
    LabelError
        If there is no such format, or it cannot hold the labels.
    PictureFileError
        If the file exists or cannot be written.
    """
    made = find_format(path, name)
    if not made.folder:
        with write_beside(path, overwrite=overwrite) as part:
            made.write(part, stack)
        return
    with write_folder_beside(path, overwrite=overwrite) as part:
        made.write(part, stack)


def read_objects(path: Path, shape: tuple[int, int] | None = None) -> tuple[NDArray[Any], str]:
    """Read labels from a file of one of the formats, by its suffix.

    Parameters
    ----------
    path : Path
    shape : (H, W), optional
        Of the picture, for formats that do not know it: GeoJSON, ImageJ, YOLO.

    Returns
    -------
    labels : integer array
    axes : str

    Raises
    ------
    LabelError
        If the file cannot be read, or the shape is missing.
    """
    suffix = path.suffix.lower()
    if suffix == ".json":
        return read_coco(path)
    if suffix == ".zarr":
        return read_ome_zarr(path)
    readers = {".geojson": read_geojson, ".zip": read_rois, ".txt": read_yolo}
    if suffix not in readers:
        known = ", ".join((".json", ".zarr", *readers))
        raise LabelError(f"Objects are read from {known}; {path.name!r} ends in none of them.")
    if shape is None:
        raise LabelError(f"{path.name} does not say how large its picture is; give the shape.")
    return readers[suffix](path, shape), "YX"


def read_object_classes(path: Path) -> tuple[dict[int, str], tuple[ObjectClass, ...]]:
    """Read the classes in a file of `read_objects`: by label, and the list of them.

    Both are empty where its format holds none, or holds numbers alone (YOLO).
    """
    readers = {".json": read_coco_classes, ".geojson": read_geojson_classes}
    reader = readers.get(path.suffix.lower())
    return ({}, ()) if reader is None else reader(path)


def measure_loss(stack: LabelStack) -> tuple[float, float, int]:
    """Say what polygons of the stack's tolerance lose: trace, simplify, fill, compare.

    Returns
    -------
    mean, worst : float
        IoU of the objects with what their polygons fill; 1 without any.
    corners : int
        Of all polygons.
    """
    ious, corners = [], 0
    for _, plane in stack.planes():
        for _, _, crop in list_objects(plane):
            pieces = trace_pieces(crop, tolerance=stack.tolerance)
            rings = [ring for piece in pieces for ring in piece.rings]
            corners += sum(map(len, rings))
            filled = fill_rings(rings, (crop.shape[0], crop.shape[1]))
            ious.append((filled & crop).sum() / (filled | crop).sum())
    return float(np.mean(ious or [1.0])), float(min(ious, default=1.0)), corners
