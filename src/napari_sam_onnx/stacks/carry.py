"""One object, from the planes where it is known, through the others of a stack.

Its last mask, moved as it moved before, prompts the next plane: the mask itself, its box and a
point inside. It ends where the answer is hardly the object that was expected, where its size jumps,
where it has faded into what surrounds it, or at a plane that is named. Between two planes where it
is known it comes from both sides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.masks.mask import Mask, crop_to_object, measure_iou, widen
from napari_sam_onnx.masks.upscale import low_res_from_mask
from napari_sam_onnx.pictures.image import BlankError, ImageError
from napari_sam_onnx.prompting.segmenter import answer_prompts
from napari_sam_onnx.prompts import make_prompts
from napari_sam_onnx.stacks.carry_parameters import CarryParameters

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.models import Model

    Read = Callable[[int], NDArray[np.uint8]]

TRUST = 1.0
"""How much the model's own rating of a candidate counts beside its overlap with the expected."""

VISIBLE = 8.0
"""Contrast in gray values (of 255) from which on fading can be told from noise."""

_FASTEST = 0.5  # motion from plane to plane that is believed, in diameters


@dataclass(frozen=True, slots=True, eq=False)
class Carried:
    """What was found on one plane.

    Parameters
    ----------
    plane : int
    mask : Mask or None
        The object there; None where it has ended, also where it had been found before it was
        seen that it had ended.
    reason : str
        Why it ended.
    """

    plane: int
    mask: Mask | None
    reason: str = ""


def iterate_carry(
    read: Read,
    count: int,
    model: Model,
    known: Mapping[int, Mask],
    parameters: CarryParameters | None = None,
    *,
    span: tuple[int, int] | None = None,
    cache: EmbeddingStore | None = None,
) -> Generator[Carried, None, None]:
    """Carry an object from the planes where it is known to the others, plane by plane.

    Parameters
    ----------
    read : callable
        Takes the number of a plane, returns it as a model sees it, (H, W, 3) uint8.
    count : int
        Planes.
    model : Model
    known : mapping of int to Mask
        The object where it is known: these masks stay as they are.
    parameters : CarryParameters, optional
    span : (first, last), optional
        Planes beyond which it is not carried.
    cache : EmbeddingStore, optional

    Yields
    ------
    Carried
        Nearest planes first in each direction; planes that are known are not among them.

    Raises
    ------
    ImageError
        If it is known on no plane, or on one that there is not.
    """
    settings = CarryParameters() if parameters is None else parameters
    first, last = (0, count - 1) if span is None else span
    if not 0 <= first <= last < count:
        raise ImageError(f"The planes {first} to {last} are not among the stack's {count}.")
    places = sorted(known)
    if not places or not all(known.values()):
        raise ImageError("The object is known on no plane; click on it first.")
    if not first <= places[0] <= places[-1] <= last:
        raise ImageError(f"The object is known on planes beyond {first} to {last}.")
    store: EmbeddingStore = EmbeddingCache(max_bytes=0) if cache is None else cache
    carrier = _Carrier(read, model, settings, store, known)
    for start, stop in _plan_ways(places, first, last):
        yield from carrier.go(start, stop)


def _plan_ways(places: Sequence[int], first: int, last: int) -> list[tuple[int, int]]:
    """List from which plane to which the object is carried, both ends included."""
    ways = [(places[-1], last), (places[0], first)]
    for before, after in pairwise(places):
        middle = (before + after) // 2
        ways += [(before, middle), (after, middle + 1)]
    return [(start, stop) for start, stop in ways if start != stop]


class _Carrier:
    """Carries one object; knows what it looks like where it is known."""

    def __init__(
        self,
        read: Read,
        model: Model,
        settings: CarryParameters,
        cache: EmbeddingStore,
        known: Mapping[int, Mask],
    ) -> None:
        self._read, self._model, self._settings, self._cache = read, model, settings, cache
        self._known = known
        self._largest = max(mask.area for mask in known.values())
        rises = [_measure_rise(read(plane), mask) for plane, mask in known.items()]
        self._rise = max(rises, key=abs)

    def go(self, start: int, stop: int) -> Generator[Carried, None, None]:
        """Carry it from a plane where it is known towards another."""
        way = 1 if stop > start else -1
        mask, motion = self._known[start], np.zeros(2)
        profile = _Profile(self._settings.neck, self._height(self._read(start), mask))
        for plane in range(start + way, stop + way, way):
            expected = _move(mask, motion)
            if not expected:
                yield Carried(plane, None, "it leaves the picture")
                return
            try:
                rgb = self._read(plane)
            except BlankError:
                yield Carried(plane, None, "the plane is blank")
                return
            found = self._answer(rgb, expected)
            reason = self._judge(rgb, expected, mask, found)
            if reason:
                yield Carried(plane, None, reason)
                return
            for other in profile.add(plane, self._height(rgb, found)):
                yield Carried(other, None, "another object begins")
            if profile.ended:
                return
            step = _center(found) - _center(mask)
            fastest = _FASTEST * 2 * np.sqrt(found.area / np.pi)
            motion = step * min(1.0, fastest / max(float(np.linalg.norm(step)), 1e-9))
            mask = found
            yield Carried(plane, mask)

    def _height(self, rgb: NDArray[np.uint8], mask: Mask) -> float:
        """Size times contrast, where there is a contrast."""
        if abs(self._rise) < VISIBLE:
            return float(mask.area)
        return mask.area * max(0.0, _measure_rise(rgb, mask) / self._rise)

    def _answer(self, rgb: NDArray[np.uint8], expected: Mask) -> Mask:
        """Ask for the object that is expected; of the candidates, the one most like it."""
        y0, x0, y1, x1 = expected.bbox
        shape = expected.shape
        rim = 0.05 * max(y1 - y0, x1 - x0)
        low = np.maximum((y0 - 0.5 - rim, x0 - 0.5 - rim), -0.5)
        high = np.minimum((y1 - 0.5 + rim, x1 - 0.5 + rim), np.array(shape) - 0.5)
        prompts = make_prompts(
            [_find_inside(expected)],
            [1],
            [*low, *high],
            low_res_from_mask(expected),
            plane_shape=shape,
        )
        embedding = encode_through(rgb, self._model, self._cache)
        best = answer_prompts(self._model, embedding, [prompts])[0]
        candidates = list(best.candidates) or [best]

        def rate(mask: Mask) -> float:
            return measure_iou(mask, expected) + TRUST * float(np.clip(mask.score, 0, 1))

        return max(candidates, key=rate)

    def _judge(self, rgb: NDArray[np.uint8], expected: Mask, before: Mask, found: Mask) -> str:
        """Say why the object has ended; "" where it goes on."""
        settings = self._settings
        if not found or measure_iou(found, expected) < settings.min_iou:
            return "what lies there is another object"
        if found.area < settings.min_size * self._largest:
            return "it is too small"
        change = found.area / before.area
        if max(change, 1 / change) > settings.max_change:
            return "its size jumps"
        if abs(self._rise) >= VISIBLE and settings.min_contrast:
            if _measure_rise(rgb, found) / self._rise < settings.min_contrast:
                return "it has faded"
        return ""


class _Profile:
    """How large and bright an object is, plane by plane, and whether that is one object."""

    def __init__(self, neck: float, height: float) -> None:
        self._neck = neck
        self._most = self._least = height
        self._beyond: list[int] = []
        self.ended = False

    def add(self, plane: int, height: float) -> list[int]:
        """Add a plane; return those that turn out to be of another object, this one included."""
        self._most = max(self._most, height) if not self._beyond else self._most
        if height <= self._least:
            self._least, self._beyond = height, []
            return []
        self._beyond.append(plane)
        deep = self._least < self._neck * self._most
        if self._neck and deep and self._least < self._neck * height:
            self.ended = True
            return self._beyond
        return []


def _move(mask: Mask, motion: NDArray[np.float64]) -> Mask:
    """Move a mask by whole pixels; what leaves the plane is cut."""
    dy, dx = (round(float(step)) for step in motion)
    if not (dy or dx):
        return mask
    (y0, x0), (h, w) = (mask.origin[0] + dy, mask.origin[1] + dx), mask.pixels.shape
    top, left = max(0, -y0), max(0, -x0)
    bottom, right = min(h, mask.shape[0] - y0), min(w, mask.shape[1] - x0)
    if top >= bottom or left >= right:
        return replace(mask, origin=(0, 0), pixels=np.zeros((0, 0), bool))
    moved = replace(mask, origin=(y0 + top, x0 + left), pixels=mask.crop[top:bottom, left:right])
    return crop_to_object(moved)


def _center(mask: Mask) -> NDArray[np.float64]:
    rows, columns = np.nonzero(mask.crop)
    return np.array([rows.mean() + mask.origin[0], columns.mean() + mask.origin[1]])


def _find_inside(mask: Mask) -> tuple[float, float]:
    """Return the pixel that lies deepest in a mask."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(np.pad(mask.crop, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return float(mask.origin[0] + row), float(mask.origin[1] + column)


def _measure_rise(rgb: NDArray[np.uint8], mask: Mask) -> float:
    """How much brighter an object is than a ring around it, as wide as half its radius."""
    from scipy import ndimage

    width = max(2, round(0.5 * np.sqrt(mask.area / np.pi)))
    framed = widen(mask, width)
    part, inside = rgb[framed.slices].mean(axis=2), framed.crop
    ring = ndimage.binary_dilation(inside, iterations=width) & ~inside
    if not ring.any():
        return 0.0
    return float(part[inside].mean() - np.median(part[ring]))
