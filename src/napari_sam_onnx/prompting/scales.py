"""At what size a model looks at a plane, for objects of a known diameter.

A model of free size is given the whole plane at the scale wanted; one of a fixed size a part of
the plane, so that the part fills it. Prompts, masks and what is proposed stay in pixels of the
plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from napari_sam_onnx.models.model import Model, SplittingModel
from napari_sam_onnx.prompts import PromptError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Embedding, LowResMasks, Proposals
    from napari_sam_onnx.masks.regions import Region
    from napari_sam_onnx.prompts import Prompts

SEEN_DIAMETER = 50.0
"""Diameter in pixels of the encoder's input at which objects are to be seen."""

SEEN_AS_IS = 40.0, 100.0
"""Diameters between which a model's own scale stays: nothing is gained by resizing once more."""

SEEN_PART = 1024
"""Longest side in pixels at which a part of a plane is seen that is too large as a whole."""

SEEN_OVERLAP = 128
"""Pixels of the encoder's input by which such parts overlap at least."""

SMALLEST_PART = 64
"""Side in plane pixels below which no part of a plane is cut."""


@runtime_checkable
class FreeModel(Model, Protocol):
    """A model whose encoder may take planes of any size."""

    @property
    def largest_input(self) -> int:
        """Longest side in pixels that its encoder takes; 0 where it has one size alone."""

    def encode(self, image: NDArray[np.uint8], scale: float | None = None) -> Embedding:
        """Encode a plane at a scale, in encoder pixels per plane pixel; None: by its own rule."""


@dataclass(frozen=True, slots=True, eq=False)
class AtScale:
    """A model of free size that looks at every plane at one scale.

    Parameters
    ----------
    model : FreeModel
    scale : float
        Encoder pixels per plane pixel.
    """

    model: FreeModel
    scale: float

    @property
    def id(self) -> str:
        """Identifies the weights and the scale."""
        return f"{self.model.id}@{self.scale:.6g}"

    @property
    def name(self) -> str:
        """What people call it."""
        return self.model.name

    @property
    def takes_points(self) -> bool:
        """Whether it answers clicks."""
        return self.model.takes_points

    @property
    def gives_maps(self) -> bool:
        """Whether its proposals come with maps."""
        return self.model.gives_maps

    @property
    def runs_on(self) -> str:
        """Where it runs now."""
        return self.model.runs_on

    @property
    def description(self) -> str:
        """What it is, and in which scale it looks."""
        return f"{self.model.description}; looks {self.scale:.3g} times as large"

    def encode(self, image: NDArray[np.uint8]) -> Embedding:
        """Encode a plane, ``(H, W, 3)`` uint8 RGB."""
        return self.model.encode(image, self.scale)

    def decode(self, embedding: Embedding, prompts: Sequence[Prompts]) -> LowResMasks:
        """Answer B prompts."""
        return self.model.decode(embedding, prompts)

    def propose(self, embedding: Embedding) -> Proposals | None:
        """Objects that the encoder saw."""
        return self.model.propose(embedding)

    def split(self) -> tuple[Model, int]:
        """Give what answers many prompts soonest, and how many threads may ask it at once."""
        return self.model.split() if isinstance(self.model, SplittingModel) else (self, 1)

    def close(self) -> None:
        """Free the model's memory."""
        self.model.close()


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """How a model looks at a plane.

    Parameters
    ----------
    model : Model
        At the scale wanted.
    part : int
        Side in plane pixels of the parts in which the plane is looked at; 0 for the whole.
    overlap : int
        Plane pixels that neighbouring parts share at least.
    """

    model: Model
    part: int = 0
    overlap: int = 0


def plan_look(model: Model, plane_shape: tuple[int, int], diameter: float, own: float) -> Look:
    """Say how a model is to look at a plane of objects of a diameter.

    Parameters
    ----------
    model : Model
    plane_shape : (H, W)
    diameter : float
        Of a typical object, in plane pixels.
    own : float
        Encoder pixels per plane pixel at which the model sees the plane by its own rule.

    Returns
    -------
    Look
        Objects are seen at `SEEN_DIAMETER`, or as the model sees them by itself where that is
        within `SEEN_AS_IS`. A model of one size cannot see them smaller than it does on the whole
        plane.
    """
    if SEEN_AS_IS[0] <= diameter * own <= SEEN_AS_IS[1]:
        return Look(model)
    scale = SEEN_DIAMETER / diameter
    longest = max(plane_shape)
    seen_part = round(longest * own)
    if isinstance(model, FreeModel) and model.largest_input:
        looking: Model = AtScale(model, scale)
        if longest * scale <= model.largest_input:
            return Look(looking)
        seen_part = min(SEEN_PART, model.largest_input)
    else:
        looking = model
    part = max(SMALLEST_PART, ceil(seen_part / scale))
    if part >= longest:
        return Look(looking)
    return Look(looking, part, min(part // 2, ceil(SEEN_OVERLAP / scale)))


def find_part(prompts: Prompts, plane_shape: tuple[int, int], look: Look) -> Region:
    """Find the part of a plane in which prompts are answered.

    Parts begin at multiples of a quarter of their side, so that prompts near each other share one.

    Raises
    ------
    PromptError
        If the prompts for one object lie further apart than a part is wide.
    """
    import numpy as np

    from napari_sam_onnx.masks.regions import Region

    places = prompts.points
    if prompts.box is not None:
        places = np.concatenate([places.reshape(-1, 2), prompts.box.reshape(2, 2)])
    if not len(places):  # an earlier mask alone
        assert prompts.mask is not None
        places = np.clip(prompts.mask.window.reshape(2, 2), 0, np.subtract(plane_shape, 1))
    low, high = places.min(axis=0), places.max(axis=0)
    if (high - low > look.part - 1).any():
        raise PromptError(
            f"The prompts lie further apart than the {look.part} pixels that are seen at once for "
            "objects of this diameter; give a larger diameter."
        )
    step = max(1, look.part // 4)
    corner = []
    for first, last, side in zip(low, high, plane_shape, strict=True):
        start = round(((first + last) / 2 - look.part / 2) / step) * step
        start = int(min(max(start, np.ceil(last) - look.part + 1), np.floor(first)))
        corner.append(min(max(0, start), max(0, side - look.part)))
    y, x = corner
    return Region((y, x, y + look.part, x + look.part)).clip(plane_shape)
