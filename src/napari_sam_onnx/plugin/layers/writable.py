"""Whether pixels of a Labels layer can be painted: what napari's own brush can, we can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.plugin.layers.labels import TargetError

if TYPE_CHECKING:
    from napari.layers import Labels


def check_writable(layer: Labels) -> None:
    """Refuse a Labels layer that cannot be painted.

    Raises
    ------
    TargetError
        If its array is read-only or computed when it is read.
    """
    data = layer.data
    home = type(data).__module__.partition(".")[0]
    if home == "dask":
        raise TargetError(
            f"“{layer.name}” is computed when it is read (dask) and cannot be painted; compute it "
            "into memory first, or choose a new labels layer."
        )
    locked = isinstance(data, np.ndarray) and not data.flags.writeable
    if locked or getattr(data, "read_only", False) or not hasattr(data, "__setitem__"):
        raise TargetError(
            f"“{layer.name}” is read-only and cannot be painted; duplicate it in memory, or choose "
            "a new labels layer."
        )
