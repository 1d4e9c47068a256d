"""How a crop may look: colours, contrast, light, focus, noise, compression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def smooth_field(size: int, cells: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth random field in 0-1, (size, size)."""
    coarse = rng.random((cells, cells)).astype(np.float32)
    return np.clip(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), 0, 1)


def recolour(x: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Change colours: grey, shuffled channels, one channel's tint, a distracting channel."""
    size = x.shape[0]
    grey = bool(np.abs(x[..., 0] - x[..., 1]).max() < 1 and np.abs(x[..., 0] - x[..., 2]).max() < 1)
    u = rng.random()
    if grey:
        if u < 0.12:
            x = x * rng.dirichlet(np.ones(3)).astype(np.float32) * 1.5
        elif u < 0.2:
            x = x * np.eye(3, dtype=np.float32)[rng.integers(3)]
        elif u < 0.32:  # another channel that does not show the objects
            other = smooth_field(size, int(rng.integers(3, 30)), rng)[..., None] * 255
            keep = np.eye(3, dtype=np.float32)[rng.integers(3)]
            x = x * keep + other * (1 - keep) * rng.uniform(0.2, 1)
    elif u < 0.15:
        x = np.repeat(x @ rng.dirichlet(np.ones(3) * 3).astype(np.float32)[:, None], 3, 1 + 1)
    elif u < 0.35:
        x = x[..., rng.permutation(3)]
    elif u < 0.6:
        gain, offset = rng.uniform(0.75, 1.25, 3), rng.uniform(-25, 25, 3)
        x = x * gain.astype(np.float32) + offset.astype(np.float32)
    return np.clip(x, 0, 255).astype(np.float32)


def augment(
    x: NDArray[np.float32], rng: np.random.Generator, mild: bool = False
) -> NDArray[np.float32]:
    """Change the looks of a (size, size, 3) crop in 0-255, geometry untouched.

    ``mild`` changes contrast and gamma alone.
    """
    size = x.shape[0]
    x = np.clip(x, 0, 255)
    if rng.random() < 0.45:
        lo, hi = np.percentile(x[::2, ::2], (rng.uniform(0, 3), rng.uniform(97.5, 100)))
        x = np.clip((x - lo) / max(float(hi - lo), 4.0), 0, 1) * 255
    if rng.random() < 0.6:
        x = 255 * (x / 255) ** np.float32(np.exp(rng.normal(0, 0.4)))
    if mild:
        return x.astype(np.float32)
    x = recolour(x, rng)
    if rng.random() < 0.18:
        x = 255 - x
    if rng.random() < 0.25:
        x = x * (0.5 + smooth_field(size, int(rng.integers(2, 5)), rng)[..., None])
    elif rng.random() < 0.15:
        x = x + rng.uniform(10, 90) * smooth_field(size, int(rng.integers(2, 6)), rng)[..., None]
    if rng.random() < 0.45:
        contrast = np.exp(rng.uniform(np.log(0.12), 0))
        x = x * contrast + rng.uniform(0, 255 * (1 - contrast))
    u = rng.random()
    if u < 0.2:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 2.0))
    elif u < 0.28:
        x = x + rng.uniform(0.3, 1.5) * (x - cv2.GaussianBlur(x, (0, 0), rng.uniform(0.8, 3)))
    elif u < 0.36:
        n = int(size / rng.uniform(1.3, 2.5))
        x = cv2.resize(cv2.resize(x, (n, n), interpolation=cv2.INTER_AREA), (size, size))
    if rng.random() < 0.3:
        shape = (size, size, 3 if rng.random() < 0.3 else 1)
        spread = np.exp(rng.uniform(0, np.log(25))) * (0.2 + x.std() / 64)
        x = x + rng.normal(0, spread, shape).astype(np.float32)
    x = np.clip(x, 0, 255)
    if rng.random() < 0.1:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 92))]
        coded = cv2.imencode(".jpg", x.astype(np.uint8), quality)[1]
        x = cv2.imdecode(coded, cv2.IMREAD_COLOR).astype(np.float32)
    return x.astype(np.float32)
