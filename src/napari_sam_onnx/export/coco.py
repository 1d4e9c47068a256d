"""COCO instances as JSON: run-length encoded, so that holes and separate pieces are kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.export.label_stack import LabelStack, list_objects
from napari_sam_onnx.labels.classes import UNCLASSED, WITHIN, ClassError, ObjectClass, check_classes
from napari_sam_onnx.labels.label_image import LabelError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def write_coco(path: Path, stack: LabelStack) -> None:
    """Write one image per plane and one annotation per object of a plane.

    The segmentation is COCO's uncompressed run-length encoding, which `pycocotools` reads;
    ``label`` and the plane's place are kept beside COCO's own entries. Classes are the categories,
    in their order; objects that have none are one more, the last.
    """
    height, width = stack.plane_shape
    images: list[dict[str, Any]] = []
    known = stack.known_classes
    numbers = {one.name: place for place, one in enumerate(known, start=1)}
    categories = [_describe(one, numbers[one.name]) for one in known]
    without = len(known) + 1
    unclassed = not known
    annotations: list[dict[str, Any]] = []
    for where, plane in stack.planes():
        number = len(images) + 1
        named = stack.plane_name(where)
        images.append(
            {"id": number, "file_name": named, "width": width, "height": height, "plane": where}
        )
        for label, (y, x), crop in list_objects(plane):
            category = numbers.get(stack.classes.get(label, ""), without)
            unclassed = unclassed or category == without
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": category,
                    "segmentation": {
                        "size": [height, width],
                        "counts": encode_runs(crop, (y, x), (height, width)),
                    },
                    "bbox": [x, y, crop.shape[1], crop.shape[0]],
                    "area": int(crop.sum()),
                    "iscrowd": 0,
                    "label": label,
                }
            )
    if unclassed:
        categories.append({"id": without, "name": UNCLASSED, "supercategory": UNCLASSED})
    document = {
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    path.write_text(json.dumps(document), encoding="utf-8")


def read_coco(path: Path) -> tuple[NDArray[np.uint32], str]:
    """Read the objects of a COCO file that this module, or another program, wrote.

    Returns
    -------
    labels : (H, W) or (N, H, W) uint32
        One plane per image; ``label`` where it is there, else the annotation's number.
    axes : str
        ``YX``, or ``ZYX`` for several images.

    Raises
    ------
    LabelError
        If the file is no COCO file, its images differ in size, or an annotation holds polygons
        of less than three corners.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        images, annotations = document["images"], document["annotations"]
        shapes = {(int(image["height"]), int(image["width"])) for image in images}
        position = {image["id"]: n for n, image in enumerate(images)}
    except (ValueError, KeyError, TypeError) as error:
        raise LabelError(f"{path.name} is no COCO file with images and annotations.") from error
    if len(shapes) != 1:
        raise LabelError(f"The images of {path.name} differ in size; export them one by one.")
    (shape,) = shapes
    labels = np.zeros((len(images), *shape), np.uint32)
    for annotation in annotations:
        inside = _decode(annotation.get("segmentation"), shape, path.name)
        number = int(annotation.get("label", annotation["id"]))
        labels[position[annotation["image_id"]]][inside] = number
    return (labels[0], "YX") if len(images) == 1 else (labels, "ZYX")


def read_coco_classes(path: Path) -> tuple[dict[int, str], tuple[ObjectClass, ...]]:
    """Read the classes of a file that `read_coco` reads.

    Returns
    -------
    classes : dict of int to str
        By label; objects without one are left out.
    class_list : tuple of ObjectClass

    Raises
    ------
    LabelError
        If its categories cannot be read.
    ClassError
        If one of them is no name.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        listed = document.get("categories", [])
        names = {one["id"]: str(one["name"]) for one in listed}
        made = {
            int(one.get("label", one["id"])): names[one["category_id"]]
            for one in document["annotations"]
        }
        classes = [
            ObjectClass(str(one["name"]), _read_color(one.get("color")))
            for one in listed
            if one["name"] != UNCLASSED
        ]
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, ClassError):
            raise
        raise LabelError(f"The categories of {path.name} cannot be read.") from error
    return {n: name for n, name in made.items() if name != UNCLASSED}, check_classes(classes)


def _describe(one: ObjectClass, number: int) -> dict[str, Any]:
    above = WITHIN.join(one.parts[:-1]) or UNCLASSED
    return {"id": number, "name": one.name, "supercategory": above, "color": list(one.rgb)}


def _read_color(rgb: Any) -> str:
    return "" if rgb is None else "#" + "".join(f"{int(value):02x}" for value in rgb)


def encode_runs(
    crop: NDArray[np.bool_], origin: tuple[int, int], shape: tuple[int, int]
) -> list[int]:
    """Encode a mask of a plane: lengths of runs down the columns, background first."""
    (y, x), (height, width) = origin, shape
    columns = np.zeros((crop.shape[1], height), bool)
    columns[:, y : y + crop.shape[0]] = crop.T
    flat = np.pad(columns.ravel(), 1)  # an object may begin in a corner, or end in one
    edges = np.flatnonzero(np.diff(flat)) + x * height
    ends = np.concatenate([[0], edges, [height * width]])
    counts = [int(length) for length in np.diff(ends)]
    return counts if counts[-1] else counts[:-1]


def decode_runs(counts: list[int], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Undo `encode_runs`."""
    values = np.arange(len(counts)) % 2 == 1
    flat = np.repeat(values, counts)
    return flat.reshape(shape[1], shape[0]).T


def _decode(segmentation: Any, shape: tuple[int, int], name: str) -> NDArray[np.bool_]:
    from napari_sam_onnx.masks.outlines import fill_rings

    if isinstance(segmentation, dict) and isinstance(segmentation.get("counts"), list):
        if sum(segmentation["counts"]) != shape[0] * shape[1]:
            raise LabelError(f"A mask of {name} does not have the size of its image.")
        return decode_runs(segmentation["counts"], shape)
    if isinstance(segmentation, list) and all(len(p) >= 6 for p in segmentation):
        rings = [np.array(p, np.float64).reshape(-1, 2)[:, ::-1] for p in segmentation]
        filled = [fill_rings([ring], shape) for ring in rings]
        joined: NDArray[np.bool_] = np.logical_or.reduce(filled)
        return joined
    raise LabelError(
        f"A mask of {name} is neither uncompressed run lengths nor polygons; write it so."
    )
