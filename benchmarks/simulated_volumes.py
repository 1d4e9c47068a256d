"""Volumes of touching nuclei whose truth is what was placed, for benchmarks.

Nuclei are wavy ellipsoids with texture; the objective blurs them (more along z), light from
elsewhere is added, the camera counts photons and adds its noise. Planes are then left out until
they are as far apart as wanted. Lengths are in pixels of a plane.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIMULATED: dict[str, dict[str, Any]] = {
    "1": {"seed": 1, "thickness": 1, "shape": (60, 60, 60), "count": 40},
    "2": {"seed": 2, "thickness": 2, "shape": (60, 90, 90), "count": 90},
    "3, noise": {"seed": 3, "thickness": 3, "shape": (72, 90, 90), "count": 90, "photons": 15},
    "5": {"seed": 4, "thickness": 5, "shape": (100, 130, 130), "count": 70, "diameter": 22},
    "1, much noise": {
        "seed": 5,
        "thickness": 1,
        "shape": (60, 80, 80),
        "count": 30,
        "diameter": 16,
        "photons": 5,
    },
    "1.5, dense": {
        "seed": 6,
        "thickness": 1.5,
        "shape": (60, 70, 70),
        "count": 120,
        "photons": 80,
        "touch": 0.75,
    },
    "2, small": {
        "seed": 7,
        "thickness": 2,
        "shape": (60, 80, 80),
        "count": 200,
        "diameter": 8,
    },
    "2, large": {
        "seed": 8,
        "thickness": 2,
        "shape": (120, 160, 160),
        "count": 25,
        "diameter": 40,
        "photons": 30,
        "touch": 0.9,
        "elongation": 0.35,
    },
}
"""By name: the thickness of planes, and what else is particular."""


def simulate_volume(
    seed: int,
    shape: tuple[int, int, int],
    count: int,
    thickness: float,
    diameter: float = 12.0,
    photons: float = 60.0,
    touch: float = 0.85,
    elongation: float = 0.25,
) -> tuple[NDArray[np.uint16], NDArray[np.int32]]:
    """Simulate a volume.

    Parameters
    ----------
    seed : int
    shape : (z, y, x)
        Pixels, before planes are left out.
    count : int
        Nuclei, as far as they find room.
    thickness : float
        Distance between planes.
    diameter : float
        Of the usual nucleus.
    photons : float
        Per voxel, of the usual nucleus.
    touch : float
        Centres are at least this part of the sum of two radii apart: below 1 nuclei press on
        each other.
    elongation : float
        Standard deviation of the logarithm of the axes.

    Returns
    -------
    picture, truth : (Z, Y, X)
    """
    rng = np.random.default_rng(seed)
    grid = np.stack(np.indices(shape).astype(np.float32), -1)
    cells: list[tuple[NDArray[np.float64], float]] = []
    nearest = np.full(shape, np.inf, np.float32)
    truth = np.zeros(shape, np.int32)
    for _ in range(20_000):
        if len(cells) == count:
            break
        center = rng.uniform(0, 1, 3) * (np.array(shape) - 1)
        radius = diameter / 2 * np.exp(rng.normal(0, 0.12))
        axes = np.exp(rng.normal(0, elongation, 3))
        axes *= radius / np.prod(axes) ** (1 / 3)
        if any(np.linalg.norm(center - c) <= touch * (radius + r) for c, r in cells):
            continue
        cells.append((center, radius))
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        reach = int(np.ceil(axes.max() * 1.3))
        low = np.maximum(0, (center - reach).astype(int))
        high = np.minimum(shape, (center + reach + 2).astype(int))
        part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        place = (grid[part] - center) @ turn / axes
        number = len(cells)
        wave = 1 + 0.06 * np.sin(3 * place[..., 0] + number)
        wave += 0.06 * np.sin(4 * place[..., 1] + 2 * number)
        distance = np.sqrt((place**2).sum(-1)) / wave
        mine = (distance < 1) & (distance < nearest[part])
        nearest[part][mine] = distance[mine]
        truth[part][mine] = number
    bright = photons * np.exp(rng.normal(0, 0.35, len(cells) + 1))
    bright[0] = 0
    texture = ndimage.gaussian_filter(rng.normal(size=shape), 1.5)
    dye = bright[truth] * np.clip(1 + 0.25 * texture / texture.std(), 0.2, None)
    dye *= np.clip((1 - nearest) * 4, 0.55, 1)  # paler at the surface
    light = ndimage.gaussian_filter(dye, (2, 1, 1)) + 0.08 * ndimage.gaussian_filter(dye, 8) + 3
    planes = np.round(np.arange(0, shape[0], thickness)).astype(int)
    planes = planes[planes < shape[0]]
    seen = rng.poisson(light[planes]) * 4 + rng.normal(0, 6, light[planes].shape) + 100
    truth = truth[planes]
    ids, sizes = np.unique(truth, return_counts=True)
    truth[np.isin(truth, ids[sizes < 20])] = 0
    return np.clip(seen, 0, 65535).astype(np.uint16), truth
