"""The frames or planes of a label image, read by number, and the doubtful places among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.plugin.picture.plane import Plane
from napari_sam_onnx.plugin.review.places import Place
from napari_sam_onnx.plugin.session.stack_axes import DEPTH, TIME
from napari_sam_onnx.stacks.suspicious import find_suspicious

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class FrameReader:
    """Labels along time, planes or volumes, or along depth.

    Parameters
    ----------
    data : array of integers
        In memory or lazy.
    axis : int
        Of time, or of depth where there is none.
    deep : int or None
        Of depth inside a frame.
    position : tuple of int
        Which of the other axes' planes are read.
    time : bool
        Whether they are frames.
    """

    data: Any
    axis: int
    deep: int | None
    position: tuple[int, ...]
    time: bool

    @classmethod
    def of(cls, data: Any, roles: Mapping[int, str], position: Sequence[int]) -> FrameReader | None:
        """Make one for a label image, or None where no axis is time or depth."""
        long = {role: axis for axis, role in roles.items() if role and data.shape[axis] > 1}
        time, depth = long.get(TIME), long.get(DEPTH)
        axis = depth if time is None else time
        if axis is None:
            return None
        return cls(data, axis, None if time is None else depth, tuple(position), time is not None)

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.data.shape[self.axis])

    @property
    def plane_axes(self) -> tuple[int, int]:
        """The axes of a plane."""
        return self.data.ndim - 2, self.data.ndim - 1

    def read(self, number: int) -> NDArray[np.integer]:
        """Read one, (H, W) or (Z, H, W)."""
        inside = {*self.plane_axes, self.deep}
        at: list[Any] = [slice(None) if a in inside else p for a, p in enumerate(self.position)]
        at[self.axis] = number
        return np.asarray(self.data[tuple(at)])

    def plane_of(self, number: int, depth: float = 0.0) -> Plane:
        """Return the plane of a frame, at a depth where it is a volume."""
        position = [0 if axis in self.plane_axes else p for axis, p in enumerate(self.position)]
        position[self.axis] = number
        if self.deep is not None:
            position[self.deep] = round(depth)
        return Plane(self.plane_axes, tuple(position))


def find_places(reader: FrameReader, layer: Any, parents: Mapping[int, int]) -> list[Place]:
    """List what deserves a look among the objects of a label image over its planes.

    Parameters
    ----------
    reader : FrameReader
    layer : napari Labels layer
        Whose labels they are.
    parents : mapping of int to int
        Divisions.
    """
    found = find_suspicious(reader.read, reader.count, time=reader.time, parents=parents)
    return [
        Place(
            layer,
            reader.plane_of(odd.plane, odd.center[0] if len(odd.center) == 3 else 0.0),
            (odd.center[-2], odd.center[-1]),
            odd.label,
            odd.sentence,
            odd.doubt,
        )
        for odd in found
    ]
