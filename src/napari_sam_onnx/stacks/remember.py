"""One object through a stack with a model that remembers it, in the shape of `iterate_carry`.

Where a model has a memory, the memory decides where the object is: it may be hidden and come
back, and nothing is said of sizes or overlaps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.prompting.propagate import propagate
from napari_sam_onnx.prompts import Prompts, make_prompts
from napari_sam_onnx.stacks.carry import Carried

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.masks.regions import Region
    from napari_sam_onnx.models.model import MemorisingModel
    from napari_sam_onnx.pictures.image import Channel
    from napari_sam_onnx.stacks.carry import Read

MOST_SHOWN = 8
"""Planes on which the object is known that are shown to the model; evenly chosen of more."""


def iterate_remembered(
    read: Read,
    count: int,
    model: MemorisingModel,
    known: Mapping[int, Mask | Prompts],
    *,
    span: tuple[int, int] | None = None,
    cache: EmbeddingStore | None = None,
) -> Generator[Carried, None, None]:
    """Find an object on all planes, from those where it is known.

    Parameters
    ----------
    read : callable
        Takes the number of a plane, returns it as a model sees it, (H, W, 3) uint8.
    count : int
        Planes.
    model : MemorisingModel
    known : mapping of int to Mask or Prompts
        Prompts are answered, and their planes are yielded. A mask stays as it is: the model is
        told its box, and its plane is not yielded.
    span : (first, last), optional
        Planes beyond which nobody looks.
    cache : EmbeddingStore, optional

    Yields
    ------
    Carried
        From the first known plane to the last plane, then to the first; and for each run of planes
        on which the object is not there, one without a mask.

    Raises
    ------
    ImageError
        If it is known on no plane, or on one that there is not.
    PromptError, ModelError
        See `propagate`.
    """
    first, last = span or (0, count - 1)
    first, last = max(0, first), min(count - 1, last)
    if not known or not all(isinstance(one, Prompts) or one for one in known.values()):
        raise ImageError("The object is known on no plane; click on it first.")
    if not all(first <= plane <= last for plane in known):
        raise ImageError(f"The object is known on planes beyond {first} to {last}.")
    planes = _Line(read, first, last, min(known))
    shown = sorted(known)
    if len(shown) > MOST_SHOWN:
        chosen = np.linspace(0, len(shown) - 1, MOST_SHOWN).round().astype(int)
        shown = [shown[place] for place in chosen]
    asked = {plane - first: _as_prompts(known[plane]) for plane in shown}
    hidden: list[int] = []
    for found in propagate(model, planes, {1: asked}, cache=cache):
        plane = first + found.index[0]
        if isinstance(known.get(plane), Mask):
            continue
        if found.mask:
            yield Carried(plane, found.mask)
        else:
            hidden.append(plane)
    for start, number in _find_runs(sorted(hidden)):
        yield Carried(start, None, f"not seen on {number} plane{'s' * (number > 1)}")


def _as_prompts(known: Mask | Prompts) -> Prompts:
    """Say what an object is, by clicks and a box alone: no published memory takes masks."""
    if isinstance(known, Prompts):
        return replace(known, mask=None)
    return make_prompts(box=known.bbox, plane_shape=known.shape)


def _find_runs(planes: list[int]) -> list[tuple[int, int]]:
    """Find where runs of successive numbers start, and how long they are."""
    runs: list[tuple[int, int]] = []
    for plane in planes:
        if runs and plane == sum(runs[-1]):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((plane, 1))
    return runs


class _Line:
    """Some of the planes that a function reads, as a source of planes."""

    axes = "Z"

    def __init__(self, read: Read, first: int, last: int, known: int) -> None:
        self._read, self._first = read, first
        self.shape = (last - first + 1,)
        height, width = read(known).shape[:2]
        self.plane_shape = (height, width)
        self.pixel_size: dict[str, float] = {}
        self.channels: tuple[Channel, ...] = ()

    def read(self, index: tuple[int, ...], region: Region | None = None) -> NDArray[np.uint8]:
        """See `PlaneSource.read`; the region is always the whole plane."""
        return self._read(self._first + index[0])
