"""YOLO text files: a line per object, boxes or polygons, as fractions of the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.export.label_stack import LabelStack, list_objects
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.masks.outlines import fill_rings, join_rings, trace_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray


def write_yolo_boxes(path: Path, stack: LabelStack) -> None:
    """Write ``class x y w h`` per object: its middle and size.

    Classes are numbered from 0 in their order; what has none is one more, the last.
    """
    height, width = stack.plane_shape
    lines = []
    numbers = _number_classes(stack)
    for label, (y, x), crop in list_objects(_only_plane(stack)):
        h, w = crop.shape
        box = (x + w / 2) / width, (y + h / 2) / height, w / width, h / height
        lines.append(_write_line(stack.classes.get(label, ""), numbers, box))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_yolo_polygons(path: Path, stack: LabelStack) -> None:
    """Write ``class x1 y1 x2 y2 …`` per object; classes as `write_yolo_boxes` has them.

    YOLO knows one polygon per object: holes and further pieces are joined to it by a line there
    and back, so that nothing is lost.
    """
    height, width = stack.plane_shape
    lines = []
    numbers = _number_classes(stack)
    for label, origin, crop in list_objects(_only_plane(stack)):
        line = join_rings(trace_pieces(crop, origin, stack.tolerance))
        corners = (line / (height, width))[:, ::-1].ravel()
        lines.append(_write_line(stack.classes.get(label, ""), numbers, corners))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_yolo(path: Path, shape: tuple[int, int]) -> NDArray[np.uint32]:
    """Read polygons, or boxes, of a plane; the n-th line becomes the label n.

    Raises
    ------
    LabelError
        If a line cannot be read.
    """
    labels = np.zeros(shape, np.uint32)
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            values = np.array([float(value) for value in line.split()[1:]])
        except ValueError as error:
            raise LabelError(f"Line {number} of {path.name} does not hold numbers.") from error
        if len(values) == 4:
            x, y, w, h = values
            ring = np.array([[y - h / 2, x - w / 2], [y - h / 2, x + w / 2]])
            ring = np.concatenate([ring, [[y + h / 2, x + w / 2], [y + h / 2, x - w / 2]]])
        elif len(values) >= 6 and len(values) % 2 == 0:
            ring = values.reshape(-1, 2)[:, ::-1]
        else:
            raise LabelError(f"Line {number} of {path.name} holds neither a box nor a polygon.")
        labels[fill_rings([ring * shape], shape)] = number
    return labels


def _number_classes(stack: LabelStack) -> dict[str, int]:
    return {one.name: number for number, one in enumerate(stack.known_classes)}


def _write_line(name: str, numbers: Mapping[str, int], values: Iterable[float]) -> str:
    number = numbers.get(name, len(numbers))
    return f"{number} " + " ".join(f"{value:.8g}" for value in values)


def _only_plane(stack: LabelStack) -> NDArray[np.integer]:
    if stack.labels.ndim != 2:
        raise LabelError("A YOLO file holds one plane; export the planes of a stack one by one.")
    return stack.labels
