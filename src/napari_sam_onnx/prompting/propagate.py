"""Objects that somebody pointed at on one plane -> the same objects on the planes before and after.

For models that remember (`MemorisingModel`): each plane is encoded once for all objects, and each
object has a memory of its own. Planes are followed along one axis, z or time, both ways.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import exp
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.masks.regions import move_mask, move_prompts_in, whole_region
from napari_sam_onnx.masks.upscale import mask_from_low_res
from napari_sam_onnx.models.model import MemorisingModel, ModelError
from napari_sam_onnx.pictures.image import BlankError
from napari_sam_onnx.prompts import PromptError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding, Sighting
    from napari_sam_onnx.masks.regions import Region
    from napari_sam_onnx.models.model import Model, ObjectTrack
    from napari_sam_onnx.planes import PlaneSource
    from napari_sam_onnx.prompts import Prompts

Direction = Literal["both", "forwards", "backwards"]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """An object on one plane.

    Parameters
    ----------
    number : int
        Which object.
    index : tuple of int
        Which plane, see `PlaneSource`.
    mask : Mask
        Where it is; empty where it is not.
    score : float
        How certain the model is that the object is on the plane, 0 to 1.
    pointed : bool
        Whether prompts were answered there.
    """

    number: int
    index: tuple[int, ...]
    mask: Mask
    score: float
    pointed: bool = False


@dataclass(slots=True, eq=False)
class _Followed:
    """One object while it is followed."""

    number: int
    track: ObjectTrack
    prompts: Mapping[int, Prompts]
    corrections: Mapping[int, Prompts]
    seen: dict[int, Found] = field(default_factory=dict)
    missing: int = 0

    @property
    def start(self) -> int:
        return min(self.prompts)


def propagate(
    model: Model,
    planes: PlaneSource,
    prompts: Mapping[int, Mapping[int, Prompts]],
    *,
    axis: str | None = None,
    at: tuple[int, ...] | None = None,
    direction: Direction = "both",
    corrections: Mapping[int, Mapping[int, Prompts]] | None = None,
    patience: int = 0,
    region: Region | None = None,
    cache: EmbeddingStore | None = None,
) -> Generator[Found, None, None]:
    """Follow objects through planes.

    Each object starts on the first plane where it was pointed at, and is followed from there to
    the last plane, and then to the first. What is closed on the way stops at once.

    Parameters
    ----------
    model : MemorisingModel
        Such as ``load_model("sam2.1-tiny-video")``.
    planes : PlaneSource
    prompts : mapping of int to mapping of int to Prompts
        For each object, by its number, the planes on which somebody said what it is, and how.
    axis : str, optional
        The letter of the axis to follow; the only one where omitted.
    at : tuple of int, optional
        Where the planes lie along the other axes, one index per axis of the source, that of
        ``axis`` left aside; at 0 where omitted.
    direction : {"both", "forwards", "backwards"}
    corrections : mapping of int to mapping of int to Prompts, optional
        Prompts that correct an object on planes that it is followed to: answered with what is
        remembered until then, and remembered from then on.
    patience : int
        An object that is absent on so many planes in a row is followed no further in that
        direction; 0: to the end.
    region : Region, optional
        The part of the planes to look at, at its scale; prompts and masks stay in pixels of the
        plane.
    cache : EmbeddingStore, optional
        Where embeddings are kept; in memory where omitted.

    Yields
    ------
    Found
        Plane by plane, on each in the order of the numbers.

    Raises
    ------
    ModelError
        If the model does not remember, or fails.
    PromptError
        If nothing is asked, or prompts lie on no plane or outside of it.
    """
    if not isinstance(model, MemorisingModel):
        raise ModelError(
            f"{model.name} does not remember objects from plane to plane; take one that does, such "
            "as sam2.1-tiny-video (`models list --for time`), or carry one object (`carry`)."
        )
    if direction not in get_args(Direction):
        raise PromptError(f"A direction is {', '.join(get_args(Direction))}; got {direction!r}.")
    walk = _Walk(model, planes, axis, at, region, cache)
    objects = walk.begin(prompts, corrections or {})
    return _follow(walk, objects, direction, patience)


def _follow(
    walk: _Walk, objects: list[_Followed], direction: Direction, patience: int
) -> Generator[Found, None, None]:
    first, last = min(one.start for one in objects), max(one.start for one in objects)
    for one in objects:
        walk.point(one)
    ways = []
    if direction != "backwards":
        ways.append((range(first, walk.count), False))
    if direction != "forwards":
        ways.append((range(last, -1, -1), True))
    told: set[tuple[int, int]] = set()
    for way, reverse in ways:
        for one in objects:
            one.missing = 0
        for position in way:
            for one in objects:
                begun = position <= one.start if reverse else position >= one.start
                if not begun or (one.number, position) in told:
                    continue
                if patience and one.missing >= patience:
                    continue
                found = walk.find(one, position, reverse)
                one.missing = 0 if found.mask else one.missing + 1
                told.add((one.number, position))
                yield found


class _Walk:
    """A model that walks along one axis of planes."""

    def __init__(
        self,
        model: MemorisingModel,
        planes: PlaneSource,
        axis: str | None,
        at: tuple[int, ...] | None,
        region: Region | None,
        cache: EmbeddingStore | None,
    ) -> None:
        self._model = model
        self._planes = planes
        self._axis = _find_axis(planes, axis)
        self._at = at or (0,) * len(planes.axes)
        if len(self._at) != len(planes.axes):
            raise PromptError(
                f"The planes have the axes {planes.axes}; give one index for each of them."
            )
        self.count = planes.shape[self._axis]
        self._region = (region or whole_region(planes.plane_shape)).clip(planes.plane_shape)
        self._cache = EmbeddingCache() if cache is None else cache

    def begin(
        self,
        prompts: Mapping[int, Mapping[int, Prompts]],
        corrections: Mapping[int, Mapping[int, Prompts]],
    ) -> list[_Followed]:
        """Check what is asked, and make a memory for each object."""
        if not any(prompts.values()):
            raise PromptError("Point at an object on one plane; there is nothing to follow.")
        for given in (*prompts.values(), *corrections.values()):
            for position in given:
                if not 0 <= position < self.count:
                    raise PromptError(
                        f"There is no plane {position} along {self._planes.axes[self._axis]}; "
                        f"planes are numbered 0 to {self.count - 1}."
                    )
        unknown = sorted(set(corrections) - {number for number, given in prompts.items() if given})
        if unknown:
            raise PromptError(f"Object {unknown[0]} is corrected but nobody said what it is.")
        return [
            _Followed(
                number,
                self._model.start_track(self.count),
                {place: move_prompts_in(asked, self._region) for place, asked in given.items()},
                {
                    place: move_prompts_in(asked, self._region)
                    for place, asked in corrections.get(number, {}).items()
                },
            )
            for number, given in sorted(prompts.items())
            if given
        ]

    def point(self, one: _Followed) -> None:
        """Answer the prompts of an object on all planes that have some."""
        for position, asked in sorted(one.prompts.items()):
            embedding = self._encode(position)
            if embedding is None:
                raise PromptError(f"Plane {position} is empty; there is nothing to point at.")
            seen = one.track.point(position, embedding, asked)
            one.seen[position] = self._show(one, position, seen, pointed=True)

    def find(self, one: _Followed, position: int, reverse: bool) -> Found:
        """Find an object on a plane, corrected where it is."""
        if position in one.seen:
            return one.seen.pop(position)
        embedding = self._encode(position)
        if embedding is None:  # nothing to see, and nothing to remember
            return Found(one.number, self._index(position), _nothing(self._planes.plane_shape), 0.0)
        seen = one.track.follow(position, embedding, reverse=reverse)
        asked = one.corrections.get(position)
        if asked is not None:
            seen = one.track.point(position, embedding, asked, reverse=reverse)
        return self._show(one, position, seen, pointed=asked is not None)

    def _index(self, position: int) -> tuple[int, ...]:
        return (*self._at[: self._axis], position, *self._at[self._axis + 1 :])

    def _encode(self, position: int) -> Embedding | None:
        """Encode a plane; None where it is blank."""
        try:
            rgb = self._planes.read(self._index(position), self._region)
        except BlankError:
            return None
        return encode_through(rgb, self._model, self._cache)

    def _show(self, one: _Followed, position: int, seen: Sighting, *, pointed: bool) -> Found:
        """Draw what was found on the plane."""
        score = 1 / (1 + exp(-min(max(seen.presence, -50.0), 50.0)))
        region, shape = self._region, self._planes.plane_shape
        if not seen.present:
            return Found(one.number, self._index(position), _nothing(shape), score, pointed)
        ratio = np.tile(np.array(region.shape) / np.array(region.seen_shape), 2)
        low_res = replace(seen.low_res, window=(seen.low_res.window * ratio).astype(np.float32))
        mask = mask_from_low_res(low_res, region.shape, seen.predicted_iou)
        mask = move_mask(mask, region, shape)
        return Found(one.number, self._index(position), mask, score, pointed)


def _find_axis(planes: PlaneSource, axis: str | None) -> int:
    """Which axis of the planes is followed."""
    axes = planes.axes
    if not axes:
        raise PromptError("There is a single plane; objects are followed through several.")
    if axis is None:
        longer = [number for number, count in enumerate(planes.shape) if count > 1]
        if len(axes) > 1 and len(longer) != 1:
            raise PromptError(f"Say along which axis objects are followed: one of {axes}.")
        return longer[0] if longer else 0
    if axis.upper() not in axes or len(axis) != 1:
        raise PromptError(f"There is no axis {axis!r} to follow; the planes have {axes}.")
    return axes.index(axis.upper())


def _nothing(shape: tuple[int, int]) -> Mask:
    return Mask(shape, (0, 0), np.zeros((0, 0), bool))
