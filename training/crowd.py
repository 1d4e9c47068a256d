"""Push copies of objects against other objects, so that touching ones are common in training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from data import Where
    from numpy.typing import NDArray

    Image = NDArray[np.float32]
    Labels = NDArray[np.uint16]

MARGIN = 4  # pixels around an object that move with it
SMALLEST = 30  # pixels of an object that is copied


def crowd(image: Image, labels: Labels, rng: np.random.Generator, bright: bool) -> None:
    """Add one to eight touching copies to a (H, W, 3) picture and its (H, W) labels, in place.

    Parameters
    ----------
    bright : bool
        Whether objects are brighter than their ground; else darker.
    """
    size = np.array(labels.shape)
    objects = ndimage.find_objects(labels)
    here = [k for k, where in enumerate(objects, 1) if where is not None]
    whole = [k for k in here if _inside(objects[k - 1], size)]
    if not whole:
        return
    if not bright:
        np.subtract(255, image, out=image)
    ground = np.percentile(image[::3, ::3], 10, axis=(0, 1)).astype(np.float32)
    plain, alone = image.copy(), labels.copy()  # what is copied was never covered
    for _ in range(int(rng.integers(1, 9))):
        source, target = rng.choice(whole), rng.choice(here)
        rows, columns = (slice(s.start - MARGIN, s.stop + MARGIN) for s in objects[source - 1])
        turn, flip = int(rng.integers(4)), 1 - 2 * int(rng.integers(2))
        patch = np.rot90(plain[rows, columns], turn)[:, ::flip]
        around = np.rot90(alone[rows, columns], turn)[:, ::flip]
        on = around == source
        if on.sum() < SMALLEST:
            continue
        corner = _beside(on, labels, target, objects[target - 1], rng)
        _paste(image, labels, patch, on, (around == 0) | on, corner, ground, rng)
    if not bright:
        np.subtract(255, image, out=image)


def _inside(where: Where, size: NDArray[np.intp]) -> bool:
    """Tell whether an object and its margin lie inside the picture."""
    lo, hi = (np.array([getattr(s, n) for s in where]) for n in ("start", "stop"))
    return bool((lo >= MARGIN).all() and (hi <= size - MARGIN).all())


def _beside(
    on: NDArray[np.bool_], labels: Labels, target: int, where: Where, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Where the patch's first pixel goes so that its object touches or slightly covers another."""
    a = rng.uniform(0, 2 * np.pi)
    way = np.array([np.sin(a), np.cos(a)])
    there = np.argwhere(labels[where] == target) + [s.start for s in where]
    own = np.argwhere(on)
    if len(there) == 0:
        return np.array(labels.shape)  # it is covered by now: outside, nothing is pasted
    middle, centre = there.mean(0), own.mean(0)
    apart = ((there - middle) @ way).max() - ((own - centre) @ way).min()
    return np.round(middle + way * apart * rng.uniform(0.75, 1.02) - centre).astype(np.intp)


def _paste(
    image: Image,
    labels: Labels,
    patch: Image,
    on: NDArray[np.bool_],
    own: NDArray[np.bool_],
    corner: NDArray[np.intp],
    ground: Image,
    rng: np.random.Generator,
) -> None:
    """Put a patch over or under what is there, opaque or as added light."""
    lo = np.maximum(corner, 0)
    hi = np.minimum(corner + on.shape, labels.shape)
    if (hi - lo < 3).any():
        return
    at = tuple(slice(a, b) for a, b in zip(lo, hi, strict=True))
    cut = tuple(slice(a, b) for a, b in zip(lo - corner, hi - corner, strict=True))
    patch, on, own = patch[cut] - ground, on[cut], own[cut]
    free = labels[at] == 0
    over = rng.random() < 0.5
    new = on if over else on & free
    covered = np.bincount(labels[at][new], minlength=1)
    covered[0] = 0
    if new.sum() < max(SMALLEST, 0.5 * on.sum()) or covered.max() > 0.4 * new.sum():
        return
    near = np.minimum(2 * cv2.GaussianBlur(on.astype(np.float32), (0, 0), 1.5), 1) * own
    light = np.maximum(patch, 0) * near[..., None] * np.float32(np.exp(rng.normal(0, 0.3)))
    if rng.random() < 0.3:
        image[at] += light
    else:
        alpha = cv2.GaussianBlur(new.astype(np.float32), (0, 0), 0.7)[..., None]
        below = np.where(free[..., None], np.maximum(image[at], light + ground), image[at])
        image[at] = below + alpha * (light + ground - below)
    labels[at][new] = labels.max() + 1
