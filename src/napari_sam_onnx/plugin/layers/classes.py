"""Classes of the objects of a Labels layer: in its features, as colours, and as text.

The features' column ``class`` holds names; the list of them, with colours, is kept under our mark.
"""

from __future__ import annotations

from colorsys import hls_to_rgb, rgb_to_hls
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Points
from napari.utils.colormaps import DirectLabelColormap

from napari_sam_onnx.export.writers import classes_of
from napari_sam_onnx.labels.classes import WITHIN, ObjectClass, complete_classes
from napari_sam_onnx.plugin.layers.colors import as_color
from napari_sam_onnx.plugin.picture.geometry import MARK, transform_of
from napari_sam_onnx.plugin.picture.plane import from_plane, take_plane

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.layers.colors import Color
    from napari_sam_onnx.plugin.picture.plane import Plane

COLUMN = "class"
UNCLASSED_COLOR = (0.62, 0.62, 0.62, 1.0)
SHADES = (0.0, 0.12, -0.12, 0.2, -0.05)
"""Objects of one class that touch are told apart by these steps of lightness."""

QUICK_PIXELS = 64_000_000
"""Objects of larger label images, and of those not in memory, are counted as they were named."""

MOST_TEXTS = 500
TEXT_SIZE = 10

_own_colors: WeakKeyDictionary[Labels, Any] = WeakKeyDictionary()


def read_layer_classes(layer: Labels) -> dict[int, str]:
    """Return the class of each object that has one."""
    return classes_of({"features": layer.features})[0]


def write_layer_classes(layer: Labels, named: Mapping[int, str]) -> None:
    """Set the classes of some objects; "" takes an object's away. Other columns stay."""
    features = layer.features
    index = [int(label) for label in features["index"]] if "index" in features else []
    columns: dict[str, list[Any]] = {"index": index}
    columns |= {str(name): list(features[name]) for name in features if index and name != "index"}
    known = [value if isinstance(value, str) else "" for value in columns.get(COLUMN, ())]
    columns[COLUMN] = known or [""] * len(index)
    rows = {label: row for row, label in enumerate(index)}
    for label, name in named.items():
        if label in rows:
            columns[COLUMN][rows[label]] = name
        elif name:
            for column, values in columns.items():
                values.append({"index": label, COLUMN: name}.get(column, _nothing(values)))
    layer.features = columns


def replace_columns(layer: Labels, columns: Mapping[str, Sequence[Any]]) -> None:
    """Set all columns but the classes, which stay with their objects."""
    named = read_layer_classes(layer)
    layer.features = dict(columns)
    if named:
        write_layer_classes(layer, named)


def list_of(layer: Labels) -> tuple[ObjectClass, ...]:
    """Return the classes that a layer knows: its list, then those that are used beside it."""
    classes, listed = classes_of({"features": layer.features, "metadata": layer.metadata})
    return complete_classes(listed, classes.values())


def keep_list(layer: Labels, classes: Sequence[ObjectClass]) -> None:
    """Keep a list of classes with a layer."""
    mark = layer.metadata.setdefault(MARK, {})
    mark["classes"] = [(one.name, one.color) for one in classes]


def color_classes(layer: Labels, classes: Sequence[ObjectClass]) -> None:
    """Show objects in the colours of their classes, and those without one in gray."""
    colors: dict[int | None, Any] = {None: UNCLASSED_COLOR, 0: (0.0, 0.0, 0.0, 0.0)}
    shades = {one.name: _shade(one) for one in classes}
    for label, name in read_layer_classes(layer).items():
        if name in shades:
            colors[label] = shades[name][label % len(SHADES)]
    if layer not in _own_colors:
        _own_colors[layer] = layer.colormap
    layer.colormap = DirectLabelColormap(color_dict=colors)


def color_in_class(one: ObjectClass | None, label: int) -> Color:
    """Return the colour that an object of a class gets by its number; None: of no class."""
    return as_color(UNCLASSED_COLOR if one is None else _shade(one)[label % len(SHADES)])


def uncolor(layer: Labels) -> None:
    """Show a layer's objects in their own colours again."""
    if layer in _own_colors:
        layer.colormap = _own_colors.pop(layer)


class ClassTexts:
    """The names of the classes, written on the objects of a plane, in a layer of their own.

    Parameters
    ----------
    labels : napari Labels layer
        Whose objects.
    """

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self.layer = Points(
            ndim=labels.ndim,
            name="SAM classes",
            size=1,
            opacity=1.0,
            face_color="transparent",
            border_color="transparent",
            metadata={MARK: {"role": "classes"}},
            **transform_of(labels),
        )
        self.layer.editable = False

    def show(self, plane: Plane, classes: Sequence[ObjectClass]) -> int:
        """Write the names on a plane; how many were left out because they are too many."""
        here = plane.over(self.labels.ndim)
        named = read_layer_classes(self.labels)
        at = find_middles(np.asarray(take_plane(self.labels.data, here)), named)
        shown = list(at)[:MOST_TEXTS]
        colors = {one.name: one.color for one in classes}
        self.layer.data = np.zeros((0, self.labels.ndim))
        if shown:
            self.layer.data = from_plane([at[label] for label in shown], here)
            self.layer.text = {
                "string": [named[label].split(WITHIN)[-1] for label in shown],
                "color": [colors.get(named[label], "#ffffff") for label in shown],
                "size": TEXT_SIZE,
                "anchor": "center",
            }
        return len(at) - len(shown)


def find_middles(
    labels: NDArray[np.integer[Any]], named: Mapping[int, str]
) -> dict[int, tuple[float, float]]:
    """Return a place inside each object of a plane that has a class, by its label."""
    from scipy import ndimage

    inside = np.isin(labels, list(named))
    ids, compact = np.unique(np.where(inside, labels, 0), return_inverse=True)
    compact = compact.reshape(labels.shape) + (0 if ids.size and ids[0] == 0 else 1)
    found = {}
    for number, where in enumerate(ndimage.find_objects(compact), start=1):
        rows, columns = np.nonzero(compact[where] == number)
        middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
        label = int(ids[ids != 0][number - 1])
        found[label] = (
            float(rows[middle] + where[0].start),
            float(columns[middle] + where[1].start),
        )
    return found


def count_classes(data: Any, named: Mapping[int, str]) -> dict[str, int]:
    """Count the objects of each class that are there."""
    counts: dict[str, int] = {}
    there = known_labels(data)
    for name in named.values() if there is None else (named.get(label, "") for label in there):
        counts[name] = counts.get(name, 0) + 1
    return counts


def known_labels(data: Any) -> list[int] | None:
    """List the labels of an array; None where that takes long."""
    if not isinstance(data, np.ndarray) or data.size > QUICK_PIXELS:
        return None
    return _list_labels(data)


def _list_labels(data: Any) -> list[int]:
    """List the labels of an array, without sorting its pixels where they are small."""
    top = int(data.max(initial=0))
    if top > data.size:
        return [int(label) for label in np.unique(data) if label]
    there = np.zeros(top + 1, bool)
    there[data.ravel()] = True
    there[0] = False
    return [int(label) for label in np.flatnonzero(there)]


def _shade(one: ObjectClass) -> list[tuple[float, float, float, float]]:
    """List the shades of a class."""
    red, green, blue = (value / 255 for value in one.rgb)
    hue, light, saturation = rgb_to_hls(red, green, blue)
    return [
        (*hls_to_rgb(hue, min(0.9, max(0.1, light + step)), saturation), 1.0) for step in SHADES
    ]


def _nothing(values: Sequence[Any]) -> Any:
    """Return what stands for an unknown value in a column."""
    return "" if any(isinstance(value, str) for value in values) else float("nan")
