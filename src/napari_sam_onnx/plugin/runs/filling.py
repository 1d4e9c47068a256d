"""What a run adds to labels that exist: written between them, taken back and put again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.automatic.finding import Finding
from napari_sam_onnx.automatic.where import make_place

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.where import Place
    from napari_sam_onnx.planes import ArrayLabels
    from napari_sam_onnx.plugin.commits.label_target import LabelTarget
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.picture.region import DrawnRegion
    from napari_sam_onnx.stacks import StackUpdate

Index = tuple[int, ...]


class Filling:
    """A run into the gaps of a label image, as one step.

    Parameters
    ----------
    layer : napari Labels layer
    labels : ArrayLabels
        Its planes.
    view : tuple of int
        The axes of the picture that are a plane's Y and X.
    target : LabelTarget
        Gives numbers that are free.
    findings : mapping of napari Labels layer to Finding
        Holds what was found in the layer last, and from now on this.
    keep : bool
        Whether what filled the gaps last stays; else this takes its place.
    """

    def __init__(
        self,
        layer: Labels,
        labels: ArrayLabels,
        view: tuple[int, int],
        target: LabelTarget,
        findings: MutableMapping[Labels, Finding],
        keep: bool,
    ) -> None:
        self.layer = layer
        self.indices: list[Index] = []
        self._labels, self._target, self._findings = labels, target, findings
        self._before = findings.get(layer)
        last = self._before
        filled = last is not None and last.among and last.view == view
        self._last = last if filled and not keep else None
        self._finding = Finding(labels, view, self._last, among=True)
        self._renamed: dict[int, int] = {0: 0}

    def read_ground(self, index: Index) -> NDArray[np.uint32]:
        """Return what a plane holds without the last result, of which corrected objects stay."""
        if self._last is not None:
            return self._last.without(index)
        return np.array(self._labels.read(index))

    def write(self, update: StackUpdate) -> int:
        """Write the new objects of a plane where it is free; return how many there are so far.

        Raises
        ------
        LabelError
            If the numbers run out, or the layer's type cannot hold one.
        """
        assert update.labels is not None
        if update.found is None or update.numbers is None:  # nothing was free there, or seen
            return len(self._renamed) - 1
        earlier = np.array(self._labels.read(update.index))
        ground = self.read_ground(update.index)
        shown = np.where(ground == 0, update.labels, 0)
        numbers = self._target.numbers_of(self.layer)
        following = numbers.next
        assert following is not None  # the run waited for it
        ids = np.unique(shown)
        for run_number in ids[ids > 0].tolist():
            if run_number not in self._renamed:
                self._renamed[run_number] = following
                following += 1
        table = np.zeros(int(update.labels.max(initial=0)) + 1, np.uint32)
        for run_number, number in self._renamed.items():
            if run_number < len(table):
                table[run_number] = number
        wanted = np.where(shown > 0, table[shown], ground)
        with self._target.writing(self.layer):
            self._labels.write(update.index, wanted)
        numbers.choose(following)
        self._finding.add(
            update.index, update.found, table[update.numbers], wanted, ground, earlier
        )
        self.indices.append(update.index)
        self._findings[self.layer] = self._finding
        return len(self._renamed) - 1

    def back(self) -> str:
        """Take the new objects out again; what to say about it."""
        done = self._finding.take_back(self.indices)
        if self._before is None:
            self._findings.pop(self.layer, None)
        else:
            self._findings[self.layer] = self._before
        self._settle()
        if not done:
            return "Those labels were changed by hand since; they stay."
        return f"Took the new objects out of “{self.layer.name}”; Ctrl+Shift+Z brings them back."

    def again(self) -> str:
        """Write the new objects again; what to say about it."""
        self._finding.put_again(self.indices)
        self._findings[self.layer] = self._finding
        self._settle()
        return f"The new objects are in “{self.layer.name}” again."

    def _settle(self) -> None:
        self.layer.refresh()
        self._target.numbers_of(self.layer).search()


def find_places(
    plane_at: Callable[[Index], Plane],
    region: DrawnRegion | None,
    read_ground: Callable[[Index], Any] | None,
) -> Callable[[Index], Place | None] | None:
    """Say where on each plane a run looks for objects; None: everywhere.

    Parameters
    ----------
    plane_at : callable
        Returns the plane that has an index.
    region : DrawnRegion or None
    read_ground : callable or None
        Returns the labels of a plane that stay.
    """
    if region is None and read_ground is None:
        return None

    def place_on(index: Index) -> Place | None:
        inside = None if region is None else region.mask(plane_at(index))
        existing = None if read_ground is None else read_ground(index)
        height, width = np.asarray(existing if inside is None else inside).shape
        return make_place((height, width), inside, existing)

    return place_on
