"""Automatic masks from the encoder's maps: peaks, one decode each, suppression, labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx_pair import paste
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx_pair import Answer, Array, Embedded, Pair

CENTRE_THRESHOLD = 0.4
RATING_THRESHOLD = 0.55  # predicted IoU times foreground
OVERLAP = 0.5  # share of a mask that better masks may already hold
SAME_OBJECT = 0.7  # IoU of the boxes of two peaks above which they are one object
SMALL = 24.0  # pixels; see ``encode``
MIN_AREA = 9  # pixels of the picture


def encode(pair: Pair, image: NDArray[np.uint8], scale: float | None = None) -> Embedded:
    """Encode by the resize rule (or as told); enlarged where the objects turn out to be small."""
    e = pair.encode(image, scale)
    longest = max(image.shape[:2])
    if scale is None and longest > 512 and 2 * longest <= 2048:
        _, _, sides = peaks(e)
        if len(sides) and np.median(sides) < SMALL:
            return pair.encode(image, 2.0)
    return e


def peaks(e: Embedded, threshold: float = CENTRE_THRESHOLD) -> tuple[Array, Array, Array]:
    """Find local maxima of the centre map.

    Returns
    -------
    points : (N, 2)
        ``(x, y)`` in the picture's pixels, highest first.
    heights : (N,)
    sides : (N,)
        Geometric mean of the two sides of the object's box, in the picture's pixels.
    """
    centre = e.maps["objectness"][0, 0]
    h, w = (round(n * s) for n, s in zip(e.shape, e.scale[::-1], strict=True))
    centre = centre[: -(-h // 4), : -(-w // 4)]
    top = ndimage.maximum_filter(centre, 3, mode="constant") == centre
    i, j = np.nonzero(top & (centre > threshold))
    order = np.argsort(-centre[i, j], kind="stable")
    inner = np.stack([4 * j + 2.0, 4 * i + 2.0], 1)[order]
    points = inner / np.asarray(e.scale) - 0.5
    points = np.clip(points, 0, np.array(e.shape[::-1]) - 1.0)
    reach = e.maps["extent"][0][:, i[order], j[order]].T  # left, top, right, bottom
    single = distinct(np.concatenate([inner - reach[:, :2], inner + reach[:, 2:]], 1))
    sides = np.sqrt(((reach[:, :2] + reach[:, 2:]) / np.asarray(e.scale)).prod(1))
    return points[single].astype(np.float32), centre[i, j][order][single], sides[single]


def distinct(boxes: Array) -> NDArray[np.bool_]:
    """Tell which boxes (N, 4), best first, overlap no better one by more than ``SAME_OBJECT``."""
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    stays = np.ones(len(boxes), bool)
    for k in range(len(boxes)):
        if stays[k]:
            lo = np.maximum(boxes[k, :2], boxes[k + 1 :, :2])
            hi = np.minimum(boxes[k, 2:], boxes[k + 1 :, 2:])
            both = np.clip(hi - lo, 0, None).prod(1)
            stays[k + 1 :] &= both <= SAME_OBJECT * (area[k] + area[k + 1 :] - both)
    return stays


def foreground(e: Embedded) -> Array:
    """Foreground of the picture's cells, the highest value of each 3 x 3 neighbourhood."""
    h, w = (round(n * s) for n, s in zip(e.shape, e.scale[::-1], strict=True))
    seen = e.maps["objectness"][0, 1, : -(-h // 4), : -(-w // 4)]
    return ndimage.maximum_filter(seen, 3, mode="constant")


def seen_under(
    mask: NDArray[np.bool_], where: tuple[slice, slice], seen: Array, scale: tuple[float, float]
) -> float:
    """Mean foreground (``seen``) under a mask of a picture that was scaled by (x, y)."""
    i, j = (
        ((np.arange(span.start, span.stop) + 0.5) * s / 4).astype(int).clip(0, last - 1)
        for span, s, last in zip(where, scale[::-1], seen.shape, strict=True)
    )
    under = seen[np.ix_(i, j)][mask]
    return float(under.mean()) if under.size else 0.0


def assemble(
    a: Answer, e: Embedded, use: NDArray[np.bool_], threshold: float, overlap: float
) -> NDArray[np.int32]:
    """Paint answers, the best rated first; a mask that is mostly taken already is dropped.

    The rating is the predicted IoU times the foreground under the mask: the decoder believes
    that there is an object where it is asked, the encoder does not.
    """
    seen, found = foreground(e), []
    for k in np.flatnonzero(use & (a.iou >= threshold)):
        where, logits = paste(a.logits[k], a.windows[k], e)
        mask = logits > 0
        found.append((a.iou[k] * seen_under(mask, where, seen, e.scale), where, mask))
    out = np.zeros(e.shape, np.int32)
    count = 0
    for rating, where, mask in sorted(found, key=lambda f: -f[0]):
        area = int(mask.sum())
        if rating < threshold or area < MIN_AREA:
            continue
        if (out[where][mask] > 0).sum() > overlap * area:
            continue
        count += 1
        out[where][mask & (out[where] == 0)] = count
    return out


def automatic(
    pair: Pair,
    e: Embedded,
    centre_threshold: float = CENTRE_THRESHOLD,
    threshold: float = RATING_THRESHOLD,
    overlap: float = OVERLAP,
) -> NDArray[np.int32]:
    """Label image of a whole picture."""
    points, _, _ = peaks(e, centre_threshold)
    if len(points) == 0:
        return np.zeros(e.shape, np.int32)
    a = pair.decode(e, points[:, None], np.ones((len(points), 1), np.float32))
    return assemble(a, e, np.ones(len(points), bool), threshold, overlap)
