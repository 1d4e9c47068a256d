"""The planes along z, and their labels, as one volume that is read and written in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.arguments import tell_axes
from napari_sam_onnx.masks.regions import Region
from napari_sam_onnx.pictures.image import BlankError, ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.planes import PlaneSink, PlaneSource

    Block = tuple[slice, slice, slice]


class Volume:
    """A volume of a stack that may have more axes than z.

    Parameters
    ----------
    source : PlaneSource
    sink : PlaneSink
        Labels of the same planes.
    place : tuple of int
        Where the volume lies: a position along each of the source's axes but Z.

    Raises
    ------
    ImageError
        If the source has no axis Z.
    """

    def __init__(self, source: PlaneSource, sink: PlaneSink, place: tuple[int, ...] = ()) -> None:
        if "Z" not in source.axes:
            raise ImageError(
                f"A volume needs an axis Z; the stack runs along {tell_axes(source.axes)}."
            )
        self._source, self._sink, self.place = source, sink, place
        self._axis = source.axes.index("Z")
        height, width = source.plane_shape
        self.shape: tuple[int, int, int] = source.shape[self._axis], height, width

    def index(self, z: int) -> tuple[int, ...]:
        """Return the index of a plane in the source."""
        return (*self.place[: self._axis], z, *self.place[self._axis :])

    def read(self, block: Block) -> NDArray[np.float32]:
        """Read a part as a model sees it: (1, z, y, x) where it is gray, else (3, z, y, x)."""
        depth, rows, columns = block
        region = _region(rows, columns)
        planes = [self._read_plane(z, region) for z in range(depth.start, depth.stop)]
        gray = all((plane[..., :1] == plane).all() for plane in planes)
        kept = 1 if gray else 3
        return np.stack(
            [plane[..., :kept].transpose(2, 0, 1).astype(np.float32) for plane in planes], 1
        )

    def _read_plane(self, z: int, region: Region) -> NDArray[np.uint8]:
        """Read a part of a plane; black where it holds no finite value."""
        try:
            return self._source.read(self.index(z), region)
        except BlankError:
            return np.zeros((*region.shape, 3), np.uint8)

    def read_labels(self, block: Block) -> NDArray[np.uint32]:
        """Read labels, (z, y, x)."""
        depth, rows, columns = block
        region = _region(rows, columns)
        planes = [self._sink.read(self.index(z), region) for z in range(depth.start, depth.stop)]
        return np.stack(planes)

    def write_labels(self, block: Block, labels: NDArray[np.uint32]) -> None:
        """Write labels, (z, y, x)."""
        depth, rows, columns = block
        region = _region(rows, columns)
        for z, plane in zip(range(depth.start, depth.stop), labels, strict=True):
            self._sink.write(self.index(z), plane, region)


def _region(rows: slice, columns: slice) -> Region:
    return Region((rows.start, columns.start, rows.stop, columns.stop))


def measure_thickness(source: PlaneSource) -> float | None:
    """Distance between planes in pixels of a plane, where the picture says it."""
    size = source.pixel_size
    side = size.get("Y") or size.get("X")
    depth = size.get("Z")
    return depth / side if depth and side else None
