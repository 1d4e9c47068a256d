"""What is exported: a label image with the names of its axes, object by object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.labels.classes import complete_classes
from napari_sam_onnx.labels.label_image import LabelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from napari_sam_onnx.export.intensities import Intensities
    from napari_sam_onnx.labels.classes import ObjectClass


@dataclass(frozen=True, slots=True, eq=False)
class LabelStack:
    """Labels of a plane or a stack, and what is known about them.

    Parameters
    ----------
    labels : integer array
        0 is background.
    axes : str
        One letter of ``TZYX`` per dimension, Y and X last.
    name : str
        Of the picture that they belong to, as other programs are to find it.
    pixel_size : mapping of str to float
        Micrometres by axis, as far as known.
    image : Intensities, optional
        Of the labels' shape, or with a further last axis of channels.
    tolerance : float
        Pixels by which polygons may leave the true outline.
    classes : mapping of int to str
        The class of each object that has one, by its name.
    class_list : tuple of ObjectClass
        All classes there are, in the order of their numbers; those that are used and not in it
        come after them.
    channel_names : tuple of str
        Of the image's last axis; numbers where omitted.
    whole : bool
        Whether objects of volumes are measured as a whole, not plane by plane.
    """

    labels: NDArray[np.integer[Any]]
    axes: str
    name: str = ""
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    image: Intensities | None = None
    tolerance: float = 0.5
    classes: Mapping[int, str] = field(default_factory=dict)
    class_list: tuple[ObjectClass, ...] = ()
    channel_names: tuple[str, ...] = ()
    whole: bool = False

    def __post_init__(self) -> None:
        if len(self.axes) != self.labels.ndim or not self.axes.endswith("YX"):
            raise LabelError(
                f"Labels are exported with the axes Y and X last; got {self.axes!r} for "
                f"{self.labels.ndim} dimensions."
            )
        if self.labels.dtype.kind not in "ui":
            raise LabelError(f"Labels are whole numbers; got type {self.labels.dtype}.")
        if self.labels.size and self.labels.min() < 0:
            raise LabelError("Labels are not negative; 0 is the background.")
        if self.image is not None and self.image.shape[: self.labels.ndim] != self.labels.shape:
            raise LabelError(
                f"The picture has shape {self.image.shape} and the labels {self.labels.shape}; "
                "they must be of one size."
            )

    @property
    def plane_shape(self) -> tuple[int, int]:
        """``(H, W)``."""
        return self.labels.shape[-2], self.labels.shape[-1]

    @property
    def known_classes(self) -> tuple[ObjectClass, ...]:
        """All classes, see `class_list`."""
        return complete_classes(self.class_list, self.classes.values())

    def planes(self) -> Iterator[tuple[dict[str, int], NDArray[np.integer[Any]]]]:
        """Yield where each plane lies, by axis, and its labels."""
        for index in np.ndindex(self.labels.shape[:-2]):
            where = dict(zip(self.axes, index, strict=False))
            yield where, self.labels[index]

    def plane_name(self, where: Mapping[str, int]) -> str:
        """Name a plane: the picture's name, and its place in the stack."""
        return self.name + "".join(f"_{axis.lower()}{n:03d}" for axis, n in where.items())


def list_objects(
    plane: NDArray[np.integer[Any]],
) -> Iterator[tuple[int, tuple[int, int], NDArray[np.bool_]]]:
    """Yield label, origin and crop of each object of a plane, by ascending label."""
    from scipy import ndimage

    ids, compact = np.unique(plane, return_inverse=True)
    compact = compact.reshape(plane.shape) + (0 if ids.size and ids[0] == 0 else 1)
    numbers = ids[ids != 0]
    for number, where in enumerate(ndimage.find_objects(compact), start=1):
        origin = where[0].start, where[1].start
        yield int(numbers[number - 1]), origin, compact[where] == number
