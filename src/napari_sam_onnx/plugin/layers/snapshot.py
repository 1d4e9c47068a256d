"""What the prompts are, and what an action painted, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All open prompts, on every plane.

    Parameters
    ----------
    points : (N, D) float64
        Data coordinates.
    positive : (N,) bool
        Whether each click is on its object.
    boxes : tuple of (V, D) float64
        The vertices of each box, in data coordinates.
    """

    points: NDArray[np.float64]
    positive: NDArray[np.bool_]
    boxes: tuple[NDArray[np.float64], ...] = ()

    def equals(self, other: Snapshot) -> bool:
        """Whether two snapshots hold the same prompts."""
        return (
            np.array_equal(self.points, other.points)
            and np.array_equal(self.positive, other.positive)
            and len(self.boxes) == len(other.boxes)
            and all(map(np.array_equal, self.boxes, other.boxes))
        )


@dataclass(frozen=True, slots=True, eq=False)
class Paint:
    """Pixels of a label image that one action changed.

    Parameters
    ----------
    layer : napari Labels layer
        Whose pixels.
    indices : tuple of (N,) arrays
        One per axis of the layer.
    before, after : (N,) arrays
        The labels.
    """

    layer: Any
    indices: tuple[NDArray[np.intp], ...]
    before: NDArray[np.integer[Any]]
    after: NDArray[np.integer[Any]]
