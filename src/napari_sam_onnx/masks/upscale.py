"""Low-resolution logits -> masks on the plane's pixels, and how stable they are."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, overload

import numpy as np

from napari_sam_onnx.embedding import LowResMask
from napari_sam_onnx.masks.mask import Mask, crop_to_object
from napari_sam_onnx.masks.regions import move_mask, unshrink
from napari_sam_onnx.masks.resample import Resampling, Scratch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import LowResMasks
    from napari_sam_onnx.masks.regions import Region

MASK_THRESHOLD = 0.0
STABILITY_OFFSET = 1.0
SURE = 8.0
"""Logit of a pixel that a given mask has, or with the other sign has not: p = 0.9997."""

_SAMPLES = 256
"""Samples per side of the logits of a given mask; models resample them into their own frame."""

_MARGIN = 0.25
"""Background around a given mask on each side, as a part of its longer side."""


def upscale_region(
    low_res: LowResMask, plane_shape: tuple[int, int], threshold: float
) -> tuple[tuple[int, int], NDArray[np.float32]]:
    """Resample logits onto the plane's pixels, where any can exceed a threshold.

    Parameters
    ----------
    low_res : LowResMask
        The logits and the window of the plane that they cover.
    plane_shape : (H, W)
        Pixels of the plane.
    threshold : float
        Pixels at or below it may be left out.

    Returns
    -------
    origin : (y0, x0)
        The plane pixel of ``region[0, 0]``.
    region : (h, w) float32
        The logits on the plane's pixels; (0, 0) where none exceeds the threshold. See
        `Resampling`.
    """
    resampling = Resampling(low_res, plane_shape, threshold)
    region = np.empty(resampling.shape, np.float32)
    for row, block in resampling:
        region[row : row + len(block)] = block
    return resampling.origin, region


def mask_from_low_res(
    low_res: LowResMask,
    plane_shape: tuple[int, int],
    predicted_iou: float = float("nan"),
    *,
    threshold: float = MASK_THRESHOLD,
    stability_offset: float = STABILITY_OFFSET,
    scratch: Scratch | None = None,
) -> Mask:
    """Upscale one answer of a decoder into a mask of the plane.

    Parameters
    ----------
    low_res : LowResMask
        Logits and their window.
    plane_shape : (H, W)
        Pixels of the plane.
    predicted_iou : float
        The model's estimate, raw.
    threshold : float
        The object is where the logits exceed it.
    stability_offset : float
        Stability is the area above ``threshold + stability_offset`` over that above
        ``threshold - stability_offset``; NaN where nothing is.
    scratch : Scratch, optional
        Where pixels are made; the mask's crop is then valid only until the next mask is made there.
    """
    lent = Scratch() if scratch is None else scratch
    resampling = Resampling(low_res, plane_shape, threshold - stability_offset, lent)
    crop = lent.take(resampling.shape, np.bool_, "crop")
    wide = narrow = 0
    for row, block in resampling:
        np.greater(block, threshold, out=crop[row : row + len(block)])
        wide += int(np.count_nonzero(block > threshold - stability_offset))
        narrow += int(np.count_nonzero(block > threshold + stability_offset))
    stability = narrow / wide if wide else float("nan")
    origin = resampling.origin
    mask = Mask(plane_shape, origin, crop, float(predicted_iou), stability, low_res)
    return crop_to_object(mask)


def low_res_from_mask(mask: Mask) -> LowResMask:
    """Make logits of any mask, drawn by hand or by another tool, so that a model can refine it.

    Parameters
    ----------
    mask : Mask
        Not empty.

    Returns
    -------
    LowResMask
        In a square window around the object. A sample's logit goes from ``-SURE`` to ``SURE``
        with the part of it that the mask covers, so that upscaling gives the mask back.
    """
    y0, x0, y1, x1 = mask.bbox
    extent = max(y1 - y0, x1 - x0) * (1 + 2 * _MARGIN)
    top, left = (y0 + y1 - extent) / 2, (x0 + x1 - extent) / 2
    rows = _cover(top - y0, extent, y1 - y0)
    columns = _cover(left - x0, extent, x1 - x0)
    covered = np.clip(rows @ mask.crop.astype(np.float32) @ columns.T, 0, 1)
    window = np.array([top, left, top + extent, left + extent], np.float32)
    return LowResMask((2 * covered - 1).astype(np.float32) * np.float32(SURE), window)


def _cover(start: float, extent: float, pixels: int) -> NDArray[np.float32]:
    """Part of each sample from `start` on that each of `pixels` covers, (samples, pixels)."""
    step = extent / _SAMPLES
    edges = start + step * np.arange(_SAMPLES + 1)
    pixel = np.arange(pixels)
    shared = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return np.asarray(np.maximum(shared, 0) / step, np.float32)


def rank_candidates(mask: Mask) -> tuple[Sequence[Mask], tuple[int, ...]]:
    """Order the candidates of an answer: the model's own choice first, the others by their score.

    Returns
    -------
    masks : sequence of Mask
        Upscaled when they are looked at.
    order : tuple of int
        Indices of them.
    """
    masks = mask.candidates
    if isinstance(masks, CandidateMasks):
        best, scores = masks.best, masks.scores
        rest = [i for i in range(len(masks)) if i != best]
        return masks, (best, *sorted(rest, key=lambda i: -scores[i]))
    others = [c for c in masks if c.low_res is not mask.low_res]
    ranked = (mask, *sorted(others, key=lambda candidate: -candidate.score))
    return ranked, tuple(range(len(ranked)))


class CandidateMasks(Sequence[Mask]):
    """All candidates that a decoder gave to one prompt, in the decoder's order.

    Each is upscaled when it is first looked at, and kept: on a large plane one costs as much as
    the decoder itself, and most are never seen.

    Parameters
    ----------
    answer : LowResMasks
    prompt : int
        Which of the answer's prompts.
    plane_shape : (H, W)
        Pixels of the plane.
    region : Region, optional
        The part of the plane that was looked at, where it was not all of it.

    Attributes
    ----------
    own : int
        The candidate that the model's family shows first.
    best : int
        The one that is shown first here.
    threshold : float
        The objects are where the logits exceed it.
    """

    def __init__(
        self,
        answer: LowResMasks,
        prompt: int,
        plane_shape: tuple[int, int],
        region: Region | None = None,
    ) -> None:
        if region is not None:
            answer = unshrink(answer, region)
        self._region = region
        self._low_res = [answer.mask(prompt, c) for c in range(answer.logits.shape[1])]
        self._plane_shape = plane_shape
        self._masks: dict[int, Mask] = {}
        self.own = self.best = int(answer.best[prompt])
        self.threshold = MASK_THRESHOLD
        self.scores = tuple(float(score) for score in answer.predicted_iou[prompt])

    def __len__(self) -> int:
        return len(self._low_res)

    @overload
    def __getitem__(self, index: int) -> Mask: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Mask, ...]: ...

    def __getitem__(self, index: int | slice) -> Mask | tuple[Mask, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        number = range(len(self))[index]
        if number not in self._masks:
            self._masks[number] = self._upscale(number)
        return self._masks[number]

    def _upscale(self, number: int) -> Mask:
        """Upscale a candidate inside what was looked at, and no further."""
        low_res, score, region = self._low_res[number], self.scores[number], self._region
        shape = self._plane_shape if region is None else region.shape
        mask = mask_from_low_res(low_res, shape, score, threshold=self.threshold)
        return mask if region is None else move_mask(mask, region, self._plane_shape)

    def logits(self, index: int) -> LowResMask:
        """Return what a candidate is made of, its window in the plane."""
        low_res, region = self._low_res[index], self._region
        if region is None:
            return low_res
        corner = np.array([*region.box[:2], *region.box[:2]], np.float32)
        return replace(low_res, window=low_res.window + corner)

    def restyle(self, best: int | None, threshold: float) -> CandidateMasks:
        """Return the same candidates at another threshold, another one of them shown first.

        Parameters
        ----------
        best : int or None
            None, and one that there is not: the model's own choice.
        threshold : float
        """
        made = copy(self)
        made.best = best if best is not None and best < len(self) else self.own
        made.threshold = threshold
        made._masks = dict(self._masks) if threshold == self.threshold else {}
        return made

    def is_upscaled(self, index: int) -> bool:
        """Whether a candidate has been looked at, so that it costs nothing now."""
        return index in self._masks

    @property
    def nbytes(self) -> int:
        """Bytes that the logits and the upscaled masks occupy."""
        logits = sum(low_res.logits.nbytes for low_res in self._low_res)
        return logits + sum(mask.pixels.nbytes for mask in self._masks.values())


def best_mask(
    answer: LowResMasks, prompt: int, plane_shape: tuple[int, int], region: Region | None = None
) -> Mask:
    """Upscale the candidate to show first; its ``candidates`` are all of them."""
    candidates = CandidateMasks(answer, prompt, plane_shape, region)
    return replace(candidates[candidates.best], candidates=candidates)
