"""Measurements of whole objects of volumes, put together from those of their planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.labels.label_image import LabelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def join_planes(
    columns: Mapping[str, Sequence[Any]], axes: str, pixel_size: Mapping[str, float]
) -> dict[str, list[Any]]:
    """Make the rows of an object's planes one row.

    Parameters
    ----------
    columns : mapping of str to sequence
        See `napari_sam_onnx.export.table.measure_objects`.
    axes : str
        Of the labels; Z among them.
    pixel_size : mapping of str to float
        Micrometres by axis.

    Returns
    -------
    dict of list
        ``label``, the frame where there is time, and ``z``, the plane of the largest section;
        ``volume_um3`` where the sizes of Z, Y and X are known, else ``volume_voxels``; how many
        planes, the diameter of a ball of this volume, the centre, the box (half-open, in pixels),
        the largest section, intensities, and what is known of the object by name, such as its
        class.

    Raises
    ------
    LabelError
        If the labels have no depth.
    """
    if "Z" not in axes:
        raise LabelError("Whole objects are measured in volumes; these labels have no axis Z.")
    unit = "um" if "area_um2" in columns else "px"
    known = unit == "um" and "Z" in pixel_size
    depth = float(pixel_size["Z"]) if known else 1.0
    label, z = np.asarray(columns["label"], np.int64), np.asarray(columns["z"], np.int64)
    frame = np.asarray(columns.get("t", np.zeros(label.shape)), np.int64)
    order = np.lexsort((z, label, frame))
    new = (np.diff(label[order]) != 0) | (np.diff(frame[order]) != 0)
    starts = np.flatnonzero(np.r_[True, new]) if len(order) else np.zeros(0, np.intp)
    counts = np.diff(np.r_[starts, len(order)])

    def take(name: str) -> Any:
        return np.asarray(columns[name], float)[order]

    def total(values: Any) -> Any:
        return np.add.reduceat(values, starts) if len(starts) else np.zeros(0)

    area = take(f"area_{unit}2")
    whole = total(area)
    ends = starts + counts
    top = [a + int(area[a:b].argmax()) for a, b in zip(starts, ends, strict=True)]
    rows: dict[str, list[Any]] = {"label": label[order][starts].tolist()}
    if "t" in columns:
        rows["t"] = frame[order][starts].tolist()
    rows["z"] = z[order][top].tolist()
    voxel = 1.0
    if unit == "um" and not known:  # planes have sizes, but nobody knows how far they are apart
        voxel = float(pixel_size["Y"]) * float(pixel_size["X"])
    volume = whole * depth / voxel
    rows["volume_um3" if known else "volume_voxels"] = volume.tolist()
    rows["planes"] = counts.tolist()
    if known:
        rows["diameter_um"] = np.cbrt(6 * volume / np.pi).tolist()
    rows["centroid_z" + ("_um" if known else "")] = (
        total(area * z[order]) / whole * depth
    ).tolist()
    for name in (f"centroid_y_{unit}", f"centroid_x_{unit}"):
        rows[name] = (total(area * take(name)) / whole).tolist()
    rows["z0"] = z[order][starts].tolist()
    rows["z1"] = (z[order][ends - 1] + 1).tolist() if len(starts) else []
    least = {"y0": np.minimum, "x0": np.minimum, "y1": np.maximum, "x1": np.maximum}
    for name, way in least.items():
        values = take(name)
        rows[name] = way.reduceat(values, starts).astype(int).tolist() if len(starts) else []
    rows[f"largest_section_{unit}2"] = area[top].tolist()
    first = order[starts]
    for name, kept in columns.items():
        if name.startswith("intensity_mean"):
            rows[name] = (total(area * take(name)) / whole).tolist()
        elif name.startswith(("intensity_min", "intensity_max")):
            way = np.minimum if name.startswith("intensity_min") else np.maximum
            rows[name] = way.reduceat(take(name), starts).tolist() if len(starts) else []
        elif name in KEPT:
            rows[name] = [kept[row] for row in first]
    return rows


KEPT = ("rating", "predicted_iou", "stability", "similarity", "learned", "judged", "class", "flags")
"""What is known of an object as a whole."""
