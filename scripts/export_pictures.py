"""The picture of exports in docs/cli.md: opened by the formats' own libraries, drawn over nuclei.

    python scripts/export_pictures.py

The sample nuclei are labelled by the embedded model and exported. What is drawn comes from
the files alone: COCO through pycocotools, GeoJSON through shapely, ImageJ's ROIs through roifile.
Prints how many objects each library sees, and how well they fit the labels.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw
from pycocotools.coco import COCO
from roifile import roiread
from shapely import contains_xy
from shapely.geometry import Polygon, shape
from skimage.measure import find_contours

from napari_sam_onnx import automask, to_rgb
from napari_sam_onnx.evaluation.evaluate import evaluate_labels
from napari_sam_onnx.export.formats import write_objects
from napari_sam_onnx.export.label_stack import LabelStack
from napari_sam_onnx.pictures.overlay import label_colors
from napari_sam_onnx.pictures.picture_file import load_picture
from napari_sam_onnx.samples import sample_path

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Outline = list[NDArray[np.float64]]

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SIDE, ZOOM, GAP, HEAD = 160, 2, 6, 22
"""Pixels of the picture that are shown, times they are drawn larger, a gap, a title's height."""


def open_coco(path: Path) -> list[Outline]:
    """Trace the masks that pycocotools decodes; (x, y) from the corner of the first pixel."""
    coco = COCO(str(path))
    masks = [np.pad(coco.annToMask(one), 1) for one in coco.loadAnns(coco.getAnnIds())]
    return [[line[:, ::-1] - 0.5 for line in find_contours(mask, 0.5)] for mask in masks]


def open_geojson(path: Path) -> list[Outline]:
    """Take the rings of the polygons that shapely makes."""
    made = []
    for feature in json.loads(path.read_text(encoding="utf-8"))["features"]:
        geometry = shape(feature["geometry"])
        parts = getattr(geometry, "geoms", [geometry])
        rings = [ring for part in parts for ring in (part.exterior, *part.interiors)]
        made.append([np.array(ring.coords)[:, :2] for ring in rings])
    return made


def open_rois(path: Path) -> list[Outline]:
    """Take the coordinates that roifile reads."""
    return [list(roi.coordinates(multi=True)) for roi in roiread(path)]


LIBRARIES = {
    "COCO, by pycocotools": ("nuclei.json", open_coco),
    "GeoJSON, by shapely": ("nuclei.geojson", open_geojson),
    "ROI zip, by roifile": ("nuclei.zip", open_rois),
}


def fill(outlines: list[Outline], plane_shape: tuple[int, int]) -> NDArray[np.uint32]:
    """Fill outlines with numbers: the pixels whose middles lie inside."""
    labels = np.zeros(plane_shape, np.uint32)
    x, y = np.meshgrid(*(np.arange(size) + 0.5 for size in plane_shape[::-1]))
    for number, lines in enumerate(outlines, start=1):
        for line in lines:
            left, top = np.maximum(0, np.floor(line.min(axis=0)).astype(int))
            right, bottom = np.ceil(line.max(axis=0)).astype(int)
            part = slice(top, bottom), slice(left, right)
            labels[part][contains_xy(Polygon(line), x[part], y[part])] = number
    return labels


def find_crowd(labels: NDArray[Any]) -> tuple[int, int]:
    """Find the part of a picture that has most objects: its upper left corner."""
    places = [
        (top, left)
        for top in range(0, labels.shape[0] - SIDE, SIDE // 8)
        for left in range(0, labels.shape[1] - SIDE, SIDE // 8)
    ]
    return max(places, key=lambda at: len(np.unique(labels[cut(at)])))


def cut(at: tuple[int, int]) -> tuple[slice, slice]:
    """Return where the part lies that is shown."""
    return slice(at[0], at[0] + SIDE), slice(at[1], at[1] + SIDE)


def draw(
    rgb: NDArray[np.uint8], outlines: list[Outline], at: tuple[int, int], title: str
) -> Image.Image:
    """Draw outlines over a part of a picture."""
    crop = Image.fromarray(rgb[cut(at)]).resize((SIDE * ZOOM, SIDE * ZOOM))
    canvas = ImageDraw.Draw(crop)
    colors = label_colors(np.arange(1, len(outlines) + 1))
    for color, lines in zip(colors.tolist(), outlines, strict=True):
        for line in lines:
            points = [tuple(point) for point in (ZOOM * (line - at[::-1])).tolist()]
            canvas.line(points + points[:1], fill=tuple(color), width=2)
    sheet = Image.new("RGB", (SIDE * ZOOM, SIDE * ZOOM + HEAD), "white")
    sheet.paste(crop, (0, HEAD))
    ImageDraw.Draw(sheet).text((4, 3), title, fill="black", font_size=14)
    return sheet


def main() -> None:
    """Export, open again and draw."""
    picture: Any = load_picture(sample_path("nuclei"))
    rgb = to_rgb(picture)
    labels = automask(rgb, "pebble")
    sheets = []
    with tempfile.TemporaryDirectory() as folder:
        for title, (name, open_file) in LIBRARIES.items():
            path = Path(folder) / name
            write_objects(path, LabelStack(labels, "YX", "nuclei"))
            outlines = open_file(path)
            fit = evaluate_labels(fill(outlines, labels.shape), labels, (0.9,)).at(0.9)
            print(f"{title}: {len(outlines)} objects, {len(fit.iou)} of {fit.expected} at IoU 0.9")
            sheets.append(
                draw(rgb, outlines, find_crowd(labels), f"{title}: {len(outlines)} objects")
            )
    width, height = sheets[0].size
    sheet = Image.new("RGB", (len(sheets) * (width + GAP) - GAP, height), "white")
    for number, one in enumerate(sheets):
        sheet.paste(one, (number * (width + GAP), 0))
    sheet.quantize(256).save(IMAGES / "exports.png", optimize=True)


if __name__ == "__main__":
    main()
