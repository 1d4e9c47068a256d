"""Planes along z as one."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.pictures.projection import project_depth


class Lazy:
    """An array that remembers what was read of it."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.shape, self.read = data, data.shape, []

    def __getitem__(self, key: tuple) -> np.ndarray:
        made = self.data[key]
        self.read.append(made.size)
        return made


@pytest.mark.parametrize("axes", ["ZYX", "TZYX", "TCZYX", "YXZ"])
def test_z_goes_and_the_others_stay(axes: str) -> None:
    sizes = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}
    data = np.random.default_rng(0).integers(0, 60_000, [sizes[a] for a in axes], np.uint16)
    at = axes.index("Z")
    for mode, expected in (("max", data.max(at)), ("mean", data.mean(at))):
        lazy = Lazy(data)
        made, left = project_depth(lazy, axes, mode)
        assert left == axes.replace("Z", "") and made.shape == expected.shape
        np.testing.assert_allclose(made, expected, rtol=1e-6)
        assert lazy.read == [data.size // 4] * 4  # plane by plane
        assert made.dtype == (np.uint16 if mode == "max" else np.float32)


def test_what_cannot_be_projected_is_said() -> None:
    with pytest.raises(ImageError, match="TYX and no Z"):
        project_depth(np.zeros((2, 3, 4)), "TYX", "max")
    with pytest.raises(ImageError, match="'median'"):
        project_depth(np.zeros((2, 3, 4)), "ZYX", "median")
