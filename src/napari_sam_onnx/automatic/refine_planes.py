"""Labels of a whole stack outlined anew, plane by plane, where that is an improvement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_onnx.automatic.finders.progress import Progress
from napari_sam_onnx.automatic.refine import Refined, Refinement, iterate_refinement, summarize
from napari_sam_onnx.labels.label_image import LabelError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.refine import Limits
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.models import Model

    Index = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class StackRefinement:
    """What became of the objects of many planes; an object counts once on each plane.

    Parameters
    ----------
    planes : tuple of (index, Refinement)
        Of the planes that hold objects.
    """

    planes: tuple[tuple[Index, Refinement], ...]

    @property
    def objects(self) -> tuple[Refined, ...]:
        """The objects of all planes."""
        return tuple(refined for _, found in self.planes for refined in found.objects)

    @property
    def taken(self) -> tuple[Refined, ...]:
        """The objects that have another outline now."""
        return tuple(refined for refined in self.objects if refined.taken)

    def summarize(self) -> str:
        """Say in one sentence what was changed."""
        return f"{len(self.planes)} planes: {summarize(self.objects)}"


def iterate_planes(
    read: Callable[[Index], NDArray[np.uint8]],
    read_labels: Callable[[Index], NDArray[np.integer]],
    indices: Sequence[Index],
    model: Model,
    limits: Limits | None = None,
    cache: EmbeddingStore | None = None,
) -> Generator[Progress, None, StackRefinement]:
    """Refine the labels of many planes.

    Parameters
    ----------
    read, read_labels : callable
        Take the index of a plane and return it as the model sees it, ``(H, W, 3)`` uint8, and its
        labels ``(H, W)``.
    indices : sequence of tuple of int
        The planes; those without objects are not looked at.
    model, limits, cache
        See `napari_sam_onnx.automatic.refine.refine_labels`.

    Yields
    ------
    Progress
        Planes that are done, also within a plane, so that a run can end there; objects of a
        single plane.

    Returns
    -------
    StackRefinement
        The generator's value.

    Raises
    ------
    LabelError
        If no plane holds an object, or labels and picture differ in shape.
    """
    made: list[tuple[Index, Refinement]] = []
    for done, index in enumerate(indices):
        if len(indices) > 1:
            yield Progress(done, len(indices), "planes")
        labels = read_labels(index)
        if not labels.any():
            continue
        steps = iterate_refinement(read(index), model, labels, None, limits, cache)
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                made.append((index, end.value))
                break
            yield step if len(indices) == 1 else Progress(done, len(indices), "planes")
    if not made:
        raise LabelError("There is no labelled object on any plane.")
    return StackRefinement(tuple(made))
