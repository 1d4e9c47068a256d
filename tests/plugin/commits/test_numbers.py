"""Whether a number is free."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam_onnx.plugin.commits.numbers import STRIP_PIXELS, holds


@pytest.mark.parametrize("shape", [(1, 1), (1000, 700), (3, 900, 400), (1, 600_000), (0, 5)])
def test_each_pixel_is_looked_at(shape: tuple[int, ...]) -> None:
    labels = np.zeros(shape, np.uint32)
    assert not holds(labels, 7)
    if not labels.size:
        return
    for at in {0, labels.size - 1, labels.size // 2, min(STRIP_PIXELS, labels.size - 1)}:
        labels.flat[at] = 7
        assert holds(labels, 7) and holds(labels.T, 7) and not holds(labels, 8)
        labels.flat[at] = 0
