"""What the prompts are, and what an action painted, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.plugin.layers.plane import Plane
    from napari_sam_onnx.prompts import Prompts


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """An object that exists and is open to be corrected.

    Parameters
    ----------
    plane : Plane
        Where it is corrected.
    layer : napari Labels layer
        Whose object it is.
    label : int
        Its number, which it keeps.
    mask : Mask
        Its pixels when it was opened; their ``low_res`` is what the model is given.
    """

    plane: Plane
    layer: Any
    label: int
    mask: Mask

    def is_asked(self, prompts: Prompts) -> bool:
        """Whether prompts are those about this object."""
        return prompts.mask is not None and prompts.mask is self.mask.low_res


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
    corrections : tuple of Correction
        Objects that exist and are being corrected, one per plane at most.
    """

    points: NDArray[np.float64]
    positive: NDArray[np.bool_]
    boxes: tuple[NDArray[np.float64], ...] = ()
    corrections: tuple[Correction, ...] = ()

    def correction_on(self, plane: Plane) -> Correction | None:
        """Return the object of a plane that is being corrected, or None."""
        return next((c for c in self.corrections if c.plane == plane), None)

    def equals(self, other: Snapshot) -> bool:
        """Whether two snapshots hold the same prompts."""
        return (
            np.array_equal(self.points, other.points)
            and np.array_equal(self.positive, other.positive)
            and len(self.boxes) == len(other.boxes)
            and all(map(np.array_equal, self.boxes, other.boxes))
            and self.corrections == other.corrections
        )


@dataclass(frozen=True, slots=True, eq=False)
class Paint:
    """Pixels of a label image that one object, made, changed or removed, changed.

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


@dataclass(frozen=True, slots=True, eq=False)
class Naming:
    """Classes of a label image's objects that an action changed.

    Parameters
    ----------
    layer : napari Labels layer
    before, after : mapping of int to str
        By label; "" for none.
    """

    layer: Any
    before: Mapping[int, str]
    after: Mapping[int, str]


@dataclass(frozen=True, slots=True, eq=False)
class Lineage:
    """Divisions of a label image's tracks that an action changed.

    Parameters
    ----------
    layer : napari Labels layer
    before, after : mapping of int to int
        The track that each daughter came of.
    """

    layer: Any
    before: Mapping[int, int]
    after: Mapping[int, int]
