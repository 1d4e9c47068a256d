"""napari's Open for exported objects: a reader in the sense of npe2.

A COCO file knows the size of its picture, so it is read again as labels, with their classes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.export.formats import read_object_classes, read_objects
from napari_sam_onnx.export.writers import MARK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LayerData = tuple[Any, dict[str, Any], str]


def find_reader(path: str | Sequence[str]) -> Callable[[str], list[LayerData]] | None:
    """Return what reads a file of objects, or None where it is no such file."""
    single = isinstance(path, str) and Path(path).is_file()
    return read_layer if single and _is_coco(Path(str(path))) else None


def read_layer(path: str) -> list[LayerData]:
    """Read objects as a Labels layer, whose features say of which class each is.

    Raises
    ------
    LabelError, ClassError
        If the file cannot be read; see `read_objects`.
    """
    file = Path(path)
    labels, _ = read_objects(file)
    classes, listed = read_object_classes(file)
    attributes: dict[str, Any] = {"name": file.stem}
    if classes:
        index = [int(label) for label in np.unique(labels) if label]
        named = [classes.get(label, "") for label in index]
        attributes["features"] = {"index": index, "class": named}
        attributes["metadata"] = {MARK: {"classes": [(one.name, one.color) for one in listed]}}
    return [(labels, attributes, "labels")]


def _is_coco(path: Path) -> bool:
    """Whether a file looks like COCO, without reading all of it."""
    with path.open("rb") as file:
        begin, size = file.read(PEEK), file.seek(0, 2)
        file.seek(max(0, size - PEEK))
        ends = begin + file.read()
    return begin.lstrip().startswith(b"{") and b'"images"' in ends and b'"height"' in ends


PEEK = 100_000
"""So many bytes at the beginning and at the end say whether a file is of COCO."""
