"""What a model says: the embedding of a plane, and low-resolution masks for prompts.

Values only. Both carry enough geometry to be used without knowing which model made them.

Windows are given in *edge* coordinates of the plane: ``(y0, x0, y1, x1)``, where 0 is the
outer corner of the first pixel and H or W the outer corner of the last, so that pixel ``i``
spans ``[i, i + 1]`` and has its centre at ``i + 0.5``. A window may reach beyond the plane
(padded models, objects at the border).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


CERTAIN = 0.4
"""Score from which on a proposed object counts for how large objects are."""

SMALL = 24.0
"""Side in plane pixels below which objects are better seen enlarged."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """The encoder's tensors for one plane.

    Parameters
    ----------
    tensors : mapping of str to array
        The encoder's outputs, under the names that the decoder gives to them.
    plane_shape : (H, W)
        Pixels of the plane that was encoded.
    input_shape : (h, w)
        Pixels of the plane as resized for the encoder, without padding.
    model_id : str
        The model that can read the tensors.
    content : str
        Identifies the picture that was encoded, see `napari_sam_onnx.cache.content_of`; empty where
        nobody noted it.
    """

    tensors: Mapping[str, NDArray[np.generic]]
    plane_shape: tuple[int, int]
    input_shape: tuple[int, int]
    model_id: str
    content: str = ""

    @property
    def nbytes(self) -> int:
        """Bytes that the tensors occupy."""
        return sum(tensor.nbytes for tensor in self.tensors.values())


@dataclass(frozen=True, slots=True, eq=False)
class LowResMask:
    """One mask at the decoder's own resolution.

    Parameters
    ----------
    logits : (h, w) float32
        Raw logits; the object is where they are above 0.
    window : (4,) float32
        The part of the plane that the logits cover, ``(y0, x0, y1, x1)`` in edge
        coordinates.
    upscaled_side : int
        Samples per side of the window to which the model's family first upscales the
        logits, before it samples the plane's pixels from those (SAM 1: 1024); 0 where it
        samples the logits.
    """

    logits: NDArray[np.float32]
    window: NDArray[np.float32]
    upscaled_side: int = 0


class Logits(Protocol):
    """What is needed of an array (B, M, h, w) of logits; some are made when looked at."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(B, M, h, w)``."""

    def __getitem__(self, key: tuple[int, int], /) -> NDArray[np.float32]:
        """Logits (h, w) of a prompt and a candidate."""

    def __array__(self) -> NDArray[Any]:
        """All logits."""


@dataclass(frozen=True, slots=True, eq=False)
class LowResMasks:
    """A decoder's answer to a batch of prompts.

    Parameters
    ----------
    logits : (B, M, h, w) float32, or `Logits`
        M candidate masks for each of B prompts.
    predicted_iou : (B, M) float32
        The model's own estimate, raw: it may exceed 1.
    windows : (B, 4) float32
        See `LowResMask`; shared by the M candidates of a prompt.
    best : (B,) int64
        The candidate to show first, by the rule of the model's family.
    ambiguity_set : tuple of int
        The candidates that answer an ambiguous prompt, which automatic mask generation
        uses: 1, 2, 3 where the model gives four (0 is its single-mask token), else all.
    upscaled_side : int
        See `LowResMask`.
    """

    logits: NDArray[np.float32] | Logits
    predicted_iou: NDArray[np.float32]
    windows: NDArray[np.float32]
    best: NDArray[np.int64]
    ambiguity_set: tuple[int, ...]
    upscaled_side: int = 0

    def mask(self, prompt: int, candidate: int) -> LowResMask:
        """One candidate of one prompt."""
        logits: NDArray[np.float32] = self.logits[prompt, candidate]
        return LowResMask(logits, self.windows[prompt], self.upscaled_side)


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """An object as it was found on one plane.

    Parameters
    ----------
    low_res : LowResMask
        Its logits; nowhere above 0 where it is not on the plane.
    predicted_iou : float
        The model's own estimate, 0 to 1.
    presence : float
        Logit that the object is on the plane.
    """

    low_res: LowResMask
    predicted_iou: float
    presence: float

    @property
    def present(self) -> bool:
        """Whether the model holds the object to be on the plane."""
        return self.presence > 0


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """Objects that a model sees without being asked, most certain first.

    Parameters
    ----------
    points : (N, 2) float64
        A point on each object, ``(y, x)`` in plane pixels.
    boxes : (N, 4) float64
        The extent of each object, ``(y0, x0, y1, x1)`` in plane pixels.
    scores : (N,) float32
        How certain, 0 to 1.
    foreground : (h, w) float32, optional
        Probability that a cell of the plane belongs to any object, 0 to 1.
    cell : (2,) float64, optional
        Height and width of these cells in plane pixels; the first begins at the plane's corner.
    maps : (2, h, w) float32, optional
        Probability that a cell is the centre of an object, and that it belongs to any: what the
        encoder says of each cell alone, where ``foreground`` looks at its neighbours too.
    """

    points: NDArray[np.float64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float32]
    foreground: NDArray[np.float32] | None = None
    cell: NDArray[np.float64] | None = None
    maps: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.points)

    @property
    def small(self) -> bool:
        """Whether the median object is smaller than `SMALL`; False where none is certain.

        An object's side is the geometric mean of its box's two, in plane pixels; objects with a
        score of at least `CERTAIN` count.
        """
        boxes = self.boxes[self.scores >= CERTAIN]
        if not len(boxes):
            return False
        return bool(0 < np.median(np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))) < SMALL)
