"""Importing the package is cheap: nothing heavy comes with it, in a process of its own."""

import subprocess
import sys

import pytest

import napari_sam_onnx

HEAVY = ("PyQt5", "PyQt6", "PySide6", "qtpy", "napari", "onnxruntime", "skimage", "scipy", "dask")


def modules_loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return {name.partition(".")[0] for name in run.stdout.split()}


def test_importing_the_package_loads_nothing_heavy():
    loaded = modules_loaded_by("import napari_sam_onnx")
    assert "napari_sam_onnx" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("name", napari_sam_onnx.__all__)
def test_every_public_name_exists(name):
    assert getattr(napari_sam_onnx, name) is not None
    assert name in dir(napari_sam_onnx)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'segment_everything'"):
        _ = napari_sam_onnx.segment_everything
