"""The sample pictures, as napari opens them under File > Open Sample.

Ours are simulated (``sample_data/make.py``) and part of the package; the others come with
scikit-image. All work offline. The functions return napari's layer tuples and import no napari.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.pictures.picture_file import read_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

LayerData = tuple[Any, dict[str, Any], str]

NAMES = ("nuclei", "blobs", "stack", "series")


def sample_folder() -> Path:
    """Where the sample pictures lie: inside an installed package, or in the source tree."""
    packaged = Path(__file__).with_name("sample_data")
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "sample_data"


def sample_path(name: str) -> Path:
    """Path of a sample picture, or with ``_truth`` at the end of its name, of its truth."""
    return sample_folder() / f"{name}.tif"


def open_nuclei() -> list[LayerData]:
    """Fluorescence nuclei, YX."""
    return [_layer("nuclei", "Nuclei")]


def open_blobs() -> list[LayerData]:
    """Yeast in brightfield and YFP: two layers, YX each."""
    data, options, kind = _layer("blobs", "Yeast")
    brightfield = {**options, "name": "Yeast brightfield"}
    yfp = {**options, "name": "Yeast YFP", "colormap": "yellow", "blending": "additive"}
    return [(data[0], brightfield, kind), (data[1], yfp, kind)]


def open_stack() -> list[LayerData]:
    """Nuclei in a ball, ZYX."""
    return [_layer("stack", "Nuclei stack")]


def open_series() -> list[LayerData]:
    """Nuclei that move and divide, TYX."""
    return [_layer("series", "Nuclei series")]


def open_cell() -> list[LayerData]:
    """Scikit-image's single cell, quantitative phase, YX."""
    return [_borrow("cell", "Cell")]


def open_coins() -> list[LayerData]:
    """Scikit-image's Greek coins, YX."""
    return [_borrow("coins", "Coins")]


def open_immunohistochemistry() -> list[LayerData]:
    """Scikit-image's stained colonic glands, RGB."""
    data, options, kind = _borrow("immunohistochemistry", "Immunohistochemistry")
    return [(data, {**options, "rgb": True}, kind)]


def _layer(name: str, title: str) -> LayerData:
    picture = read_picture(sample_path(name))
    axes = (picture.axes or "").replace("C", "")
    options = {
        "name": title,
        "scale": [picture.pixel_size.get(axis, 1.0) for axis in axes],
        "units": ["µm" if axis in picture.pixel_size else "pixel" for axis in axes],
        "axis_labels": _lower(axes),
    }
    return picture.array, options, "image"


def _lower(axes: str) -> Sequence[str]:
    return [axis.lower() for axis in axes]


def _borrow(function: str, title: str) -> LayerData:
    """One of the pictures that are part of scikit-image's own package."""
    from skimage import data

    return getattr(data, function)(), {"name": title}, "image"
