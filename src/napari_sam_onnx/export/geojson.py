"""GeoJSON as QuPath reads it: polygons in pixels, with holes, pieces and measurements."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.export.label_stack import LabelStack, list_objects
from napari_sam_onnx.labels.classes import WITHIN, ClassError, ObjectClass, check_classes
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.masks.outlines import fill_rings, trace_pieces

_DERIVED = ": "

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def write_geojson(path: Path, stack: LabelStack) -> None:
    """Write a FeatureCollection, one annotation per object of a plane.

    Corners are ``[x, y]`` in pixels, the picture's upper left corner being 0, 0; the plane of a
    stack stands in the geometry, as QuPath keeps it. A class within a class is named as QuPath's
    derived classes are: ``cell: mitotic``.
    """
    features = []
    known = {one.name: one for one in stack.known_classes}
    for where, plane in stack.planes():
        for label, origin, crop in list_objects(plane):
            pieces = trace_pieces(crop, origin, stack.tolerance)
            polygons = [[_close(ring) for ring in piece.rings] for piece in pieces]
            geometry: dict[str, Any] = (
                {"type": "Polygon", "coordinates": polygons[0]}
                if len(polygons) == 1
                else {"type": "MultiPolygon", "coordinates": polygons}
            )
            if where:
                geometry["plane"] = {"c": -1, "z": where.get("Z", 0), "t": where.get("T", 0)}
            properties: dict[str, Any] = {
                "objectType": "annotation",
                "name": str(label),
                "measurements": {"Label": label, "Area px^2": int(crop.sum())},
            }
            if (own := known.get(stack.classes.get(label, ""))) is not None:
                properties["classification"] = {
                    "name": _DERIVED.join(own.parts),
                    "color": list(own.rgb),
                }
            features.append(
                {
                    "type": "Feature",
                    "id": str(uuid.uuid4()),
                    "geometry": geometry,
                    "properties": properties,
                }
            )
    document = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(document), encoding="utf-8")


def read_geojson(path: Path, shape: tuple[int, int]) -> NDArray[np.uint32]:
    """Read the objects of a plane.

    Parameters
    ----------
    path : Path
    shape : (H, W)
        Of the picture, which the file does not know.

    Returns
    -------
    (H, W) uint32
        The measurement ``Label`` where it is there, else numbers in the file's order.

    Raises
    ------
    LabelError
        If the file is no GeoJSON, or holds several planes.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        features = document["features"] if isinstance(document, dict) else document
        read = [_read_feature(feature) for feature in features]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise LabelError(f"{path.name} is no GeoJSON of polygons.") from error
    if len({plane for _, _, plane in read}) > 1:
        raise LabelError(f"{path.name} holds several planes; export them one by one.")
    labels = np.zeros(shape, np.uint32)
    for number, (label, pieces, _) in enumerate(read, start=1):
        for rings in pieces:
            labels[fill_rings(rings, shape)] = number if label is None else label
    return labels


def read_geojson_classes(path: Path) -> tuple[dict[int, str], tuple[ObjectClass, ...]]:
    """Read the classes of a file that `read_geojson` reads.

    Returns
    -------
    classes : dict of int to str
        By label; objects without one are left out.
    class_list : tuple of ObjectClass
        In the order in which they are met.

    Raises
    ------
    LabelError
        If they cannot be read.
    ClassError
        If one of them is no name.
    """
    classes: dict[int, str] = {}
    listed: dict[str, ObjectClass] = {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        features = document["features"] if isinstance(document, dict) else document
        for number, feature in enumerate(features, start=1):
            own = feature.get("properties", {}).get("classification")
            if not own:
                continue
            parts = own["names"] if "names" in own else str(own["name"]).split(_DERIVED)
            red, green, blue = own.get("color") or (0, 0, 0)
            color = f"#{red:02x}{green:02x}{blue:02x}" if own.get("color") else ""
            made = ObjectClass(WITHIN.join(parts), color)
            label, *_ = _read_feature(feature)
            classes[number if label is None else label] = made.name
            listed.setdefault(made.name, made)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        if isinstance(error, ClassError):
            raise
        raise LabelError(f"The classes of {path.name} cannot be read.") from error
    return classes, check_classes(listed.values())


def _read_feature(
    feature: dict[str, Any],
) -> tuple[int | None, list[list[NDArray[np.float64]]], tuple[int, int]]:
    geometry = feature["geometry"]
    polygons = {"Polygon": [geometry["coordinates"]], "MultiPolygon": geometry["coordinates"]}
    pieces = [
        [np.array(ring, np.float64)[:-1, ::-1] for ring in polygon]
        for polygon in polygons[geometry["type"]]
    ]
    measurements = feature.get("properties", {}).get("measurements", {})
    label = measurements.get("Label") if isinstance(measurements, dict) else None
    plane = geometry.get("plane", {})
    return None if label is None else int(label), pieces, (plane.get("z", 0), plane.get("t", 0))


def _close(ring: NDArray[np.float64]) -> list[list[float]]:
    closed = np.concatenate([ring, ring[:1]])[:, ::-1]
    corners: list[list[float]] = closed.tolist()
    return corners
