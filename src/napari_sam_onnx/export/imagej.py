"""ImageJ's and Fiji's ROI files, by `roifile`: one region per object, composite where needed."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.export.label_stack import LabelStack, list_objects
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.masks.outlines import fill_rings, trace_pieces

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.outlines import Piece

# ImageJ's path segments of a composite region.
_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0


def write_rois(path: Path, stack: LabelStack) -> None:
    """Write a ``.zip`` of regions for ImageJ's ROI Manager; slices and frames are kept."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for where, plane in stack.planes():
            for label, origin, crop in list_objects(plane):
                name = stack_name(label, where)
                pieces = trace_pieces(crop, origin, stack.tolerance)
                archive.writestr(f"{name}.roi", _make_roi(pieces, name, where).tobytes())


def read_rois(path: Path, shape: tuple[int, int]) -> NDArray[np.uint32]:
    """Read the regions of a plane; the number at the end of a name is its label, if all have one.

    Raises
    ------
    LabelError
        If the file holds no regions, or regions of several planes.
    """
    import roifile

    try:
        found = roifile.roiread(path)
    except (ValueError, zipfile.BadZipFile) as error:
        raise LabelError(f"{path.name} holds no regions of ImageJ.") from error
    rois = found if isinstance(found, list) else [found]
    if len({(roi.z_position, roi.t_position, roi.position) for roi in rois}) > 1:
        raise LabelError(f"{path.name} holds several planes; export them one by one.")
    names = [roi.name.rsplit("-", 1)[-1] for roi in rois]
    own = all(name.isdecimal() and int(name) > 0 for name in names)
    labels = np.zeros(shape, np.uint32)
    for number, (roi, name) in enumerate(zip(rois, names, strict=True), start=1):
        lines = roi.coordinates(multi=True)
        rings = [np.asarray(line, np.float64)[:, ::-1] for line in lines]
        labels[fill_rings(rings, shape)] = int(name) if own else number
    return labels


def stack_name(label: int, where: dict[str, int]) -> str:
    """Name a region so that the plane and the label are told, counted from 1 as ImageJ does."""
    return "-".join([*(f"{axis.lower()}{n + 1}" for axis, n in where.items()), str(label)])


def _make_roi(pieces: list[Piece], name: str, where: dict[str, int]) -> Any:
    import roifile

    rings = [ring[:, ::-1] for piece in pieces for ring in piece.rings]
    roi = roifile.ImagejRoi.frompoints(rings[0], name=name)
    roi.roitype = roifile.ROI_TYPE.POLYGON
    if len(rings) > 1:
        path: list[float] = []
        for ring in rings:
            for segment, (x, y) in enumerate(ring.tolist()):
                path += [_LINE if segment else _MOVE, x, y]
            path.append(_CLOSE)
        corners = np.concatenate(rings)
        roi = roifile.ImagejRoi(
            roitype=roifile.ROI_TYPE.RECT,
            name=name,
            left=int(corners[:, 0].min()),
            top=int(corners[:, 1].min()),
            right=int(np.ceil(corners[:, 0].max())),
            bottom=int(np.ceil(corners[:, 1].max())),
            shape_roi_size=len(path),
            multi_coordinates=np.array(path, np.float32),
        )
        roi.version = 227
        roi.byteorder = ">"
    if where:
        roi.z_position, roi.t_position = where.get("Z", 0) + 1, where.get("T", 0) + 1
        roi.c_position = 1
    return roi
