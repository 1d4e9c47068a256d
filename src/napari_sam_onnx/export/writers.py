"""napari's Save for Labels layers: writers in the sense of npe2, one per format.

They know layers only as napari hands them over, as data and a dictionary of attributes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.export.formats import write_objects
from napari_sam_onnx.export.label_stack import LabelStack

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_coco_layer(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a Labels layer as COCO instances."""
    return _save(path, data, attributes, "coco")


def write_geojson_layer(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a Labels layer as GeoJSON for QuPath."""
    return _save(path, data, attributes, "geojson")


def write_imagej_layer(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a Labels layer as regions of ImageJ."""
    return _save(path, data, attributes, "imagej")


def write_yolo_layer(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a Labels layer as YOLO polygons."""
    return _save(path, data, attributes, "yolo")


def write_table_layer(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save the measurements of a Labels layer."""
    return _save(path, data, attributes, "csv")


def write_ome_zarr_layer(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a Labels layer as OME-Zarr labels."""
    return _save(path, data, attributes, "ome-zarr")


def stack_of(data: Any, attributes: Mapping[str, Any]) -> LabelStack:
    """Name the axes and the pixel sizes of a layer as well as it tells them.

    Axis labels that are letters of ``TZYX`` count; else two axes are YX, three ZYX and four TZYX.
    Sizes count where the units are lengths; they become micrometres.
    """
    levels = data if isinstance(data, (list, tuple)) else [data]
    labels = np.asarray(levels[0])
    labels = labels.astype(np.uint8) if labels.dtype == bool else labels
    named = "".join(str(name)[:1].upper() for name in attributes.get("axis_labels") or ())
    given = len(named) == labels.ndim and len(set(named)) == len(named) and set(named) <= {*"TZYX"}
    axes = named if given and named.endswith("YX") else "TZYX"[-labels.ndim :]
    scale = np.asarray(attributes.get("scale", np.ones(labels.ndim)), float)
    units = attributes.get("units") or ()
    sizes = {}
    for axis, size, unit in zip(axes, scale, units, strict=False):
        factor = MICROMETRES.get(str(unit).lower())
        if factor is not None and axis != "T":
            sizes[axis] = float(size) * factor
    return LabelStack(labels, axes, str(attributes.get("name", "")), sizes)


MICROMETRES = {
    "um": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "micrometer": 1.0,
    "micron": 1.0,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "mm": 1e3,
    "millimeter": 1e3,
}


def _save(path: str, data: Any, attributes: Mapping[str, Any], name: str) -> list[str]:
    """Save in a format; napari has asked whether a file may be replaced."""
    write_objects(Path(path), stack_of(data, attributes), name, overwrite=True)
    return [path]
