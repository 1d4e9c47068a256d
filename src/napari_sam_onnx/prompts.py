"""What a user points at: clicks, a box, and the mask that they want to refine.

Values only. Coordinates are ``(y, x)`` in pixels of the plane, floats, pixel centres at
integers. Prompts outside the plane are refused here, so that no model ever sees them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.arguments import as_numbers
from napari_sam_onnx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.embedding import LowResMask

POSITIVE = 1
NEGATIVE = 0


class PromptError(UserError, ValueError):
    """A prompt that no model can answer; the message says what to change."""


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """The prompts for one object on one plane.

    Parameters
    ----------
    points : (N, 2) float64
        Clicks as ``(y, x)`` in plane pixels; N may be 0.
    labels : (N,) int64
        1 where the click is on the object, 0 where it is on the background.
    box : (4,) float64 or None
        ``(y0, x0, y1, x1)`` in plane pixels, ``y0 < y1`` and ``x0 < x1``.
    mask : LowResMask or None
        An earlier answer to refine.

    See Also
    --------
    make_prompts : builds and checks prompts from whatever a caller has.
    """

    points: NDArray[np.float64]
    labels: NDArray[np.int64]
    box: NDArray[np.float64] | None = None
    mask: LowResMask | None = None

    @property
    def ambiguous(self) -> bool:
        """Whether several objects fit: a single click and nothing else.

        SAM answers such a prompt with three masks of different extent; with more clicks
        or a box it answers with one (Kirillov et al. 2023, section 3).
        """
        return len(self.points) == 1 and self.box is None and self.mask is None


def make_prompts(
    points: ArrayLike | None = None,
    labels: Sequence[int] | ArrayLike | None = None,
    box: ArrayLike | None = None,
    mask: LowResMask | None = None,
    *,
    plane_shape: tuple[int, int],
    alone: bool = True,
) -> Prompts:
    """Build prompts and check that they can be answered.

    Parameters
    ----------
    points : (N, 2) array-like, optional
        Clicks as ``(y, x)`` in plane pixels.
    labels : (N,) array-like of {0, 1}, optional
        1 for object, 0 for background. All clicks are on the object where it is omitted.
    box : (4,) array-like, optional
        Two opposite corners ``(y0, x0, y1, x1)``, in any order. It is clipped to the plane.
    mask : LowResMask, optional
        An earlier answer of the same model on the same plane, to refine.
    plane_shape : (H, W)
        The plane that the prompts refer to.
    alone : bool
        Whether the prompts are all that is known of the object. False for a correction of what a
        model remembers, which may be a background point and nothing else.

    Returns
    -------
    Prompts

    Raises
    ------
    PromptError
        If there is nothing to answer, shapes disagree, a label is neither 0 nor 1, a value
        is not finite, or a prompt lies outside the plane.
    """
    height, width = plane_shape
    yx = np.zeros((0, 2)) if points is None else np.atleast_2d(_as_floats(points, "Points"))
    if yx.size == 0:
        yx = np.zeros((0, 2))
    if yx.ndim != 2 or yx.shape[1] != 2:
        raise PromptError(f"Points must be (N, 2) pairs of (y, x); got shape {yx.shape}.")
    signs = np.ones(len(yx), int) if labels is None else np.atleast_1d(_as_floats(labels, "Labels"))
    if signs.shape != (len(yx),):
        raise PromptError(f"{len(yx)} points need {len(yx)} labels; got {signs.size}.")
    if not np.isin(signs, (NEGATIVE, POSITIVE)).all():
        raise PromptError("Labels must be 1 (object) or 0 (background).")
    if not np.isfinite(yx).all():
        raise PromptError("A point has a coordinate that is not a finite number.")
    outside = (yx < -0.5) | (yx > np.array([height - 0.5, width - 0.5]))
    if outside.any():
        y, x = yx[outside.any(axis=1)][0]
        raise PromptError(
            f"The point (y={y:g}, x={x:g}) lies outside the picture of {height} × {width} "
            "pixels; move it inside."
        )
    corners = None if box is None else _check_box(box, plane_shape)
    if not alone and corners is None and mask is None and not len(yx):
        raise PromptError("A correction needs a point or a box.")
    if alone and corners is None and mask is None and not (signs == POSITIVE).any():
        raise PromptError(
            "Add a point on the object or a box: background points alone say nothing."
        )
    return Prompts(yx, signs.astype(np.int64), corners, mask)


def _as_floats(values: ArrayLike, what: str) -> NDArray[np.float64]:
    return as_numbers(values, f"{what} are numbers", PromptError, np.float64)


def _check_box(box: ArrayLike, plane_shape: tuple[int, int]) -> NDArray[np.float64]:
    """Order and clip the corners of a box; refuse one without an area inside the plane."""
    corners = _as_floats(box, "The corners of a box")
    if corners.shape != (4,):
        raise PromptError(f"A box is (y0, x0, y1, x1); got shape {corners.shape}.")
    if not np.isfinite(corners).all():
        raise PromptError("The box has a coordinate that is not a finite number.")
    edge = np.array(plane_shape) - 0.5
    start = np.clip(np.minimum(corners[:2], corners[2:]), -0.5, edge)
    stop = np.clip(np.maximum(corners[:2], corners[2:]), -0.5, edge)
    if (stop - start <= 0).any():
        raise PromptError(
            f"The box {tuple(float(c) for c in corners)} has no area inside the picture of "
            f"{plane_shape[0]} × {plane_shape[1]} pixels; draw it over the object."
        )
    return np.concatenate([start, stop])
