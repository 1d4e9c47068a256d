"""Measurements of the objects as CSV, in micrometres where the pixel size is known."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.export.volumes import join_planes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam_onnx.export.label_stack import LabelStack

PLANE = (
    "area",
    "centroid",
    "bbox",
    "equivalent_diameter_area",
    "perimeter",
    "solidity",
    "eccentricity",
    "orientation",
    "axis_major_length",
    "axis_minor_length",
)
INTENSITY = ("intensity_mean", "intensity_min", "intensity_max")
# Where scikit-image's names say less than they could.
_NAMES = {"centroid-0": "centroid_y", "centroid-1": "centroid_x"}
_BOX = {"bbox-0": "y0", "bbox-1": "x0", "bbox-2": "y1", "bbox-3": "x1"}


def measure_objects(stack: LabelStack) -> dict[str, list[Any]]:
    """Measure each object of each plane, by `skimage.measure.regionprops_table`.

    Returns
    -------
    dict of list
        ``label``, the plane's place by axis, then measurements. Lengths are in micrometres and
        areas in µm² where the sizes of Y and X are known (``…_um``, ``…_um2``), else in pixels;
        boxes are half-open and in pixels. Intensities are named after the channels where there
        are several. ``class`` comes last where objects have classes.
    """
    from skimage.measure import regionprops_table

    sizes = [stack.pixel_size.get(axis) for axis in "YX"]
    known = all(size is not None for size in sizes)
    spacing = tuple(float(size) for size in sizes if size is not None) if known else (1.0, 1.0)
    columns: dict[str, list[Any]] = {}
    names = [axis for axis in stack.axes if axis not in "YX"]
    unit = "um" if known else "px"
    for where, plane in stack.planes():
        index = tuple(where.values())
        image = None if stack.image is None else stack.image[index]
        wanted = ["label", *PLANE, *(() if image is None else INTENSITY)]
        if known and spacing[0] != spacing[1]:
            wanted.remove("perimeter")  # scikit-image measures it on square pixels alone
        compact, ids = _compact(plane)
        table = regionprops_table(compact, image, properties=wanted, spacing=spacing)
        rows = {"label": ids.tolist()}
        rows |= {axis.lower(): [where[axis]] * len(ids) for axis in names}
        for name, values in table.items():
            if name != "label":
                rows[_rename(name, unit, stack.channel_names)] = np.asarray(values).tolist()
        if "perimeter" in wanted:
            rows["circularity"] = [
                min(1.0, 4 * np.pi * area / length**2) if length else 1.0
                for area, length in zip(
                    rows[f"area_{unit}2"], rows[f"perimeter_{unit}"], strict=True
                )
            ]
        for name, values in rows.items():
            columns.setdefault(name, []).extend(values)
    if stack.classes:
        columns["class"] = [stack.classes.get(label, "") for label in columns["label"]]
    return columns


def write_table(path: Path, stack: LabelStack) -> None:
    """Write what `measure_objects` finds: a row per object of a plane, or per whole object."""
    columns = measure_objects(stack)
    if stack.whole:
        columns = join_planes(columns, stack.axes, stack.pixel_size)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _compact(plane: NDArray[np.integer[Any]]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Give the objects numbers from 1, so that a label of four thousand million costs nothing."""
    ids, compact = np.unique(plane, return_inverse=True)
    compact = compact.reshape(plane.shape) + (0 if ids.size and ids[0] == 0 else 1)
    return compact.astype(np.int32), ids[ids != 0].astype(np.int64)


def _rename(name: str, unit: str, channels: Sequence[str] = ()) -> str:
    """Name a column so that its unit, or its channel, is seen."""
    what, _, number = name.partition("-")
    if what in INTENSITY and number and channels:
        return what if len(channels) == 1 else f"{what}_{channels[int(number)]}"
    if name in _BOX:
        return _BOX[name]
    if name == "area":
        return f"area_{unit}2"
    if name.startswith("centroid"):
        return f"{_NAMES[name]}_{unit}"
    if name in ("equivalent_diameter_area", "perimeter", "axis_major_length", "axis_minor_length"):
        return f"{name.replace('equivalent_diameter_area', 'diameter')}_{unit}"
    return name.replace("-", "_") if name.startswith("intensity") else name
