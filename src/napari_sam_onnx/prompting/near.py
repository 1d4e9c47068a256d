"""Prompts on a large plane: the neighbourhood of each is encoded, at a scale that fits its object.

A large plane as a whole takes long to encode, and shows a model its objects too small. A part of it
around the prompts is looked at instead; where the answer is doubtful or cut off by the part's edge,
a part of twice the side is, at half the size, and so on. Tiny objects are looked at enlarged. Parts
begin at multiples of a quarter of their side, so that clicks near each other share one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, log2
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.cache import embedding_key, encode_through
from napari_sam_onnx.masks.regions import Region
from napari_sam_onnx.prompting.looks import SURE
from napari_sam_onnx.prompting.scales import SEEN_DIAMETER, AtScale, FreeModel, Look, find_part
from napari_sam_onnx.prompting.segmenter import answer_prompts
from napari_sam_onnx.prompts import PromptError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.prompts import Prompts

LARGE = 2048
"""Longest side in pixels up to which a plane is encoded as a whole."""

PART = 1024
"""Side in pixels of what is looked at."""

LEVELS = range(-1, 3)
"""Level 0 sees plane pixels as they are, each next level half the size, -1 twice the size."""

TINY = 12.0
"""Diameter in seen pixels below which an object is looked at enlarged."""

ROOM, ROOM_OF_CLICKS = 2.5, 1.5
"""A part is so many times as wide as the box in it, or as the clicks lie apart."""


def is_large(plane_shape: tuple[int, int]) -> bool:
    """Whether prompts on a plane are answered in their neighbourhood."""
    return max(plane_shape) > LARGE


@dataclass(slots=True, eq=False)
class Neighbourhoods:
    """Answers prompts for one model on one large plane.

    Parameters
    ----------
    model : Model
    plane_shape : (H, W)
    read : callable
        Takes a `Region` and returns it as a model sees it, ``(h, w, 3)`` uint8.
    cache : EmbeddingStore
        Where parts are kept that were encoded.
    """

    model: Model
    plane_shape: tuple[int, int]
    read: Callable[[Region], NDArray[np.uint8]]
    cache: EmbeddingStore
    _level: int = 0
    _diameter: float = 0.0
    _keys: dict[tuple[Region, int], str] = field(default_factory=dict)

    def knows(self, prompts: Sequence[Prompts]) -> bool:
        """Whether the first look at prompts was encoded already; never waits."""
        places = [self._place(asked, self._first_level(asked)) for asked in prompts]
        return all(self._find(*place) is not None for place in places)

    def answer(self, prompts: Sequence[Prompts], diameter: float = 0.0) -> list[Mask]:
        """Segment one object per entry; see `napari_sam_onnx.Segmenter.answer`.

        Parameters
        ----------
        prompts : sequence of Prompts
        diameter : float
            Of a typical object in plane pixels, where known: the first look suits it.

        Returns
        -------
        list of Mask
            The first sure answer that the edge of its part does not cut, or else the most certain
            one. Each has the part that was looked at as its ``crop_box``.
        """
        if diameter != self._diameter:
            self._diameter = diameter
            level = round(log2(diameter / SEEN_DIAMETER)) if diameter else 0
            self._level = min(max(level, LEVELS[0]), LEVELS[-1])
        return [self._answer(asked) for asked in prompts]

    def _answer(self, prompts: Prompts) -> Mask:
        level = self._first_level(prompts)
        best: Mask | None = None
        tried: set[int] = set()
        while level in LEVELS and level not in tried:
            tried.add(level)
            region, level = self._place(prompts, level)
            tried.add(level)
            mask = self._ask(prompts, region, level)
            whole = not cut_off(mask, region, self.plane_shape)
            if mask and mask.score >= SURE and whole:
                seen = 2 * np.sqrt(mask.area / np.pi) / 2.0**level
                if seen >= TINY or level <= LEVELS[0]:
                    self._level = level
                    return mask
                best, level = mask, level - 1
                continue
            if best is None or _rate(mask, whole) > _rate(best, True):
                best = mask
            if region.shape == self.plane_shape:
                break
            level += 1
        assert best is not None
        return best

    def _ask(self, prompts: Prompts, region: Region, level: int) -> Mask:
        embedding = self._find(region, level)
        if embedding is None:
            model = self._at(level)
            embedding = encode_through(self.read(region), model, self.cache)
            self._keys[region, level] = embedding_key(embedding.content, model.id)
        return answer_prompts(self.model, embedding, [prompts], region, self.plane_shape)[0]

    def _at(self, level: int) -> Model:
        """Return the model; one of free size enlarges what is looked at enlarged."""
        free = isinstance(self.model, FreeModel) and bool(self.model.largest_input)
        if not free:
            return self.model  # it makes everything as large as its input
        assert isinstance(self.model, FreeModel)
        return AtScale(self.model, 2.0 ** max(0, -level))

    def _find(self, region: Region, level: int) -> Embedding | None:
        key = self._keys.get((region, level))
        return None if key is None else self.cache.get(key)

    def _first_level(self, prompts: Prompts) -> int:
        """Begin where the last object was seen well, with room around what is drawn."""
        low, high = _extent(prompts)
        room = ROOM_OF_CLICKS if prompts.box is None else ROOM
        drawn = float((high - low).max()) * room
        least = ceil(log2(drawn / PART)) if drawn > PART else LEVELS[0]
        if prompts.box is not None:  # a box says how large its object is
            return min(max(least, 0), LEVELS[-1])
        return min(max(least, self._level), LEVELS[-1])

    def _place(self, prompts: Prompts, level: int) -> tuple[Region, int]:
        """Find the part that prompts are answered in, of a level or the next that holds them."""
        for wide in range(level, LEVELS[-1] + 1):
            part = int(PART * 2.0**wide)
            for region, seen in self._keys:
                if seen == wide and _holds(region, prompts, part / 8, self.plane_shape):
                    return region, wide
            try:
                found = find_part(prompts, self.plane_shape, Look(self.model, part))
            except PromptError:
                continue
            return Region(found.box, min(1.0, 2.0**-wide)), wide
        raise PromptError(
            "The prompts for one object lie too far apart on this large plane; give a box and "
            "clicks nearer to each other."
        )


def cut_off(mask: Mask, region: Region, plane_shape: tuple[int, int]) -> bool:
    """Whether a mask reaches an edge of its part that is none of the plane."""
    if not mask:
        return False
    (y0, x0, y1, x1), (top, left, bottom, right) = mask.bbox, region.box
    return (
        (y0 <= top and top > 0)
        or (x0 <= left and left > 0)
        or (y1 >= bottom and bottom < plane_shape[0])
        or (x1 >= right and right < plane_shape[1])
    )


def _holds(region: Region, prompts: Prompts, rim: float, plane_shape: tuple[int, int]) -> bool:
    """Whether a part shows prompts with some room around them, as far as the plane goes."""
    low, high = _extent(prompts)
    top, left, bottom, right = region.box
    height, width = plane_shape
    return bool(
        low[0] >= (top + rim if top else 0)
        and low[1] >= (left + rim if left else 0)
        and high[0] <= (bottom - rim if bottom < height else height)
        and high[1] <= (right - rim if right < width else width)
    )


def _rate(mask: Mask, whole: bool) -> float:
    """Say how much an answer is worth that is not sure, or not whole."""
    return (mask.score if mask else -1.0) - (0.0 if whole else 0.5)


def _extent(prompts: Prompts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    places = prompts.points.reshape(-1, 2)
    if prompts.box is not None:
        places = np.concatenate([places, prompts.box.reshape(2, 2)])
    if not len(places):
        assert prompts.mask is not None
        window = prompts.mask.window.astype(float)
        return window[:2], window[2:]
    return places.min(axis=0), places.max(axis=0)
