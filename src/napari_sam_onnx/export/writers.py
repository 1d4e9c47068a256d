"""napari's Save for Labels layers: writers in the sense of npe2, one per format.

They know layers only as napari hands them over, as data and a dictionary of attributes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.export.formats import write_objects
from napari_sam_onnx.export.label_stack import LabelStack
from napari_sam_onnx.labels.classes import ObjectClass

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


def stack_of(data: Any, attributes: Mapping[str, Any], axes: str = "") -> LabelStack:
    """Name the axes and the pixel sizes of a layer as well as it tells them.

    ``axes`` says which they are; where it is omitted axis labels that are letters of ``TZYX``
    count, else two axes are YX, three ZYX and four TZYX.
    Sizes count where the units are lengths; they become micrometres. Classes are those of the
    features' columns ``index`` and ``class``, and of the list that is kept with the layer.
    """
    levels = data if isinstance(data, (list, tuple)) else [data]
    labels = np.asarray(levels[0])
    labels = labels.astype(np.uint8) if labels.dtype == bool else labels
    named = "".join(str(name)[:1].upper() for name in attributes.get("axis_labels") or ())
    given = len(named) == labels.ndim and len(set(named)) == len(named) and set(named) <= {*"TZYX"}
    axes = axes or (named if given and named.endswith("YX") else "TZYX"[-labels.ndim :])
    scale = np.asarray(attributes.get("scale", np.ones(labels.ndim)), float)
    units = attributes.get("units") or ()
    sizes = {}
    for axis, size, unit in zip(axes, scale, units, strict=False):
        factor = MICROMETRES.get(str(unit).lower())
        if factor is not None and axis != "T":
            sizes[axis] = float(size) * factor
    classes, listed = classes_of(attributes)
    name = str(attributes.get("name", ""))
    return LabelStack(labels, axes, name, sizes, classes=classes, class_list=listed)


def classes_of(
    attributes: Mapping[str, Any],
) -> tuple[dict[int, str], tuple[ObjectClass, ...]]:
    """Return the classes of a layer's objects, by label, and the list that is kept with it."""
    features = attributes.get("features")
    classes: dict[int, str] = {}
    if features is not None and {"index", "class"} <= set(features):
        pairs = zip(features["index"], features["class"], strict=True)
        classes = {int(label): str(name) for label, name in pairs if isinstance(name, str) and name}
    kept = (attributes.get("metadata") or {}).get(MARK, {})
    listed = kept.get("classes", ()) if isinstance(kept, dict) else ()
    return classes, tuple(ObjectClass(str(name), str(color)) for name, color in listed)


MARK = "napari-sam-onnx"
"""Under this key of its metadata a layer holds what we keep with it."""


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
