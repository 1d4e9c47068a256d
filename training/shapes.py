"""Label maps of made-up objects: blobs, rods, budding yeast, spread cells, tilings.

Responsible for geometry only; ``simulate.py`` gives them looks. Every function takes a random
generator, the side of the picture and a typical diameter in pixels, and returns ``(size, size)``
uint16 labels, 0 being background.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Labels = NDArray[np.uint16]


def field(size: int, cells: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth noise, zero mean and unit standard deviation, about ``cells`` bumps a side."""
    n = max(2, round(cells))
    x = cv2.resize(rng.normal(size=(n, n)).astype(np.float32), (size, size), interpolation=2)
    return (x - x.mean()) / (x.std() + 1e-6)


def add(labels: Labels, mask: NDArray[np.bool_], gap: int, most: float = 0.35) -> bool:
    """Paint ``mask`` as the next label unless too much of it is taken; keep ``gap`` pixels free."""
    area = int(mask.sum())
    if area < 6:
        return False
    taken = labels > 0
    if gap > 0:
        taken = cv2.dilate(taken.astype(np.uint8), np.ones((2 * gap + 1,) * 2, np.uint8)) > 0
    if (mask & taken).sum() > most * area:
        return False
    labels[mask & ~taken] = labels.max() + 1
    return True


def outline(
    centre: NDArray[np.float64], radius: float, rough: float, long: float, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Polygon of a star-convex blob (in 1/16 pixels): low Fourier modes on an ellipse."""
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    r = np.ones_like(t)
    for k in range(2, 7):
        r += rough / k * rng.normal() * np.cos(k * t + rng.uniform(0, 6.3))
    r = np.maximum(r, 0.35)
    x, y = r * np.cos(t) * np.sqrt(long), r * np.sin(t) / np.sqrt(long)
    a = rng.uniform(0, 6.3)
    p = np.stack([x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a)], 1)
    return np.round((centre + radius * p) * 16).astype(np.int32)


def fill(size: int, polygon: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Mask of a polygon given in 1/16 pixels."""
    canvas = np.zeros((size, size), np.uint8)
    cv2.fillPoly(canvas, [polygon], 1, shift=4)
    return canvas > 0


def centres(
    n: int, size: int, diameter: float, clustered: bool, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw n points, evenly or in clumps."""
    if not clustered:
        return rng.uniform(-diameter / 4, size + diameter / 4, (n, 2))
    seeds = rng.uniform(0, size, (max(1, n // 8), 2))
    return seeds[rng.integers(len(seeds), size=n)] + rng.normal(0, 1.3 * diameter, (n, 2))


def blobs(
    rng: np.random.Generator,
    size: int,
    diameter: float,
    rough: float = 0.12,
    long: float = 1.4,
    crowd: float = 0.5,
    spread: float = 0.2,
) -> Labels:
    """Nuclei-like blobs; ``crowd`` is about the covered share of the picture."""
    labels = np.zeros((size, size), np.uint16)
    n = int(np.clip(crowd * size**2 / (0.8 * diameter**2), 1, 700))
    gap = int(rng.random() < 0.4)
    for c in centres(n, size, diameter, rng.random() < 0.4, rng):
        r = diameter / 2 * np.exp(rng.normal(0, spread))
        shape = outline(c, r, rough, float(np.exp(abs(rng.normal(0, np.log(long))))), rng)
        add(labels, fill(size, shape), gap)
    return labels


def discs(rng: np.random.Generator, size: int, diameter: float) -> Labels:
    """Round things: coins, beads, puncta, vesicles."""
    return blobs(rng, size, diameter, 0.02, 1.05, float(rng.uniform(0.1, 0.7)), 0.15)


def rods(rng: np.random.Generator, size: int, diameter: float) -> Labels:
    """Bacteria: straight or bent capsules, scattered, in chains, or packed in colonies."""
    labels = np.zeros((size, size), np.uint16)
    width = diameter / 2
    aspect = float(rng.uniform(1.3, 7))
    n = int(np.clip(rng.uniform(0.1, 0.8) * size**2 / (width**2 * aspect), 2, 400))
    packed = rng.random() < 0.5
    aligned = rng.uniform(0, 3.15) if rng.random() < 0.4 else None
    gap = int(rng.random() < 0.5)
    for c in centres(n, size, diameter * (2 if packed else 1), packed, rng):
        a = rng.uniform(0, 6.3) if aligned is None else aligned + rng.normal(0, 0.2)
        length, bend = width * aspect * np.exp(rng.normal(0, 0.25)), rng.normal(0, 0.25)
        for _ in range(int(rng.integers(1, 4)) if rng.random() < 0.3 else 1):  # a chain
            t = np.linspace(-0.5, 0.5, 9)
            angle = a + bend * t
            p = c + np.cumsum(np.stack([np.cos(angle), np.sin(angle)], 1) * length / 9, 0)
            canvas = np.zeros((size, size), np.uint8)
            thick = max(2, round(width * np.exp(rng.normal(0, 0.08))))
            line = [np.round(p * 16).astype(np.int32)]
            cv2.polylines(canvas, line, False, 1, thickness=thick, shift=4)
            add(labels, canvas > 0, gap)
            c = p[-1] + np.array([np.cos(angle[-1]), np.sin(angle[-1])]) * (width + 1)
            a = angle[-1] + rng.normal(0, 0.2)
    return labels


def yeast(rng: np.random.Generator, size: int, diameter: float) -> Labels:
    """Round to oval cells, many with a bud of its own label, in small colonies."""
    labels = np.zeros((size, size), np.uint16)
    n = int(np.clip(rng.uniform(0.1, 0.7) * size**2 / diameter**2, 1, 300))
    for c in centres(n, size, diameter, rng.random() < 0.7, rng):
        r = diameter / 2 * np.exp(rng.normal(0, 0.12))
        if not add(labels, fill(size, outline(c, r, 0.03, rng.uniform(1, 1.35), rng)), 0, 0.15):
            continue
        if rng.random() < 0.5:
            a, small = rng.uniform(0, 6.3), r * rng.uniform(0.35, 0.85)
            bud = c + np.array([np.cos(a), np.sin(a)]) * (r + small * 0.85)
            add(labels, fill(size, outline(bud, small, 0.03, 1.15, rng)), 0, 0.4)
    return labels


def spread_cells(rng: np.random.Generator, size: int, diameter: float) -> Labels:
    """Adherent cells: an irregular body with lobes and tapered arms, a few rounded ones."""
    labels = np.zeros((size, size), np.uint16)
    n = int(np.clip(rng.uniform(0.15, 0.8) * size**2 / diameter**2, 1, 120))
    for c in centres(n, size, diameter, False, rng):
        r = diameter / 2 * np.exp(rng.normal(0, 0.25))
        if rng.random() < 0.15:
            add(labels, fill(size, outline(c, r * 0.45, 0.04, 1.1, rng)), 0)
            continue
        canvas = fill(size, outline(c, r * 0.6, 0.3, rng.uniform(1, 3), rng)).astype(np.uint8)
        for _ in range(int(rng.integers(0, 5))):
            a, p = rng.uniform(0, 6.3), c.copy()
            length, thick = r * rng.uniform(0.6, 1.8), r * rng.uniform(0.15, 0.5)
            for k in range(8):
                a += rng.normal(0, 0.15)
                q = p + np.array([np.cos(a), np.sin(a)]) * length / 8
                pts = np.round(np.stack([p, q]) * 16).astype(np.int32)
                width = max(1, round(thick * (1 - k / 9)))
                cv2.polylines(canvas, [pts], False, 1, thickness=width, shift=4)
                p = q
        add(labels, canvas > 0, 0, 0.3)
    return labels


def tiling(rng: np.random.Generator, size: int, diameter: float, uneven: float = 0.3) -> Labels:
    """Tissue without gaps: a warped Voronoi diagram; ``uneven`` mixes sizes and shapes."""
    n = max(3, int((size / diameter) ** 2 * 1.3))
    points = rng.uniform(-0.1 * size, 1.1 * size, (int(n * 1.44), 2))
    grid = np.stack(np.mgrid[:size, :size][::-1], -1).reshape(-1, 2).astype(np.float64)
    for _ in range(int(rng.integers(0, 3)) if uneven < 0.6 else 0):  # Lloyd: more even cells
        _, near = cKDTree(points).query(grid[::7])
        for axis in range(2):
            total = np.bincount(near, grid[::7, axis], len(points))
            count = np.bincount(near, minlength=len(points))
            points[:, axis] = np.where(count > 0, total / np.maximum(count, 1), points[:, axis])
    warp = np.stack([field(size, size / diameter, rng), field(size, size / diameter, rng)], -1)
    moved = grid + warp.reshape(-1, 2) * diameter * uneven * 0.5
    stretch = np.array([1.0, rng.uniform(1, 1 + uneven * 2)])
    _, near = cKDTree(points * stretch).query(moved * stretch)
    cells = near.reshape(size, size).astype(np.uint16) + 1
    if uneven > 0.5:  # merge some neighbours: sizes differ, shapes become concave
        for a in rng.permutation(cells.max())[: n // 3] + 1:
            ring = cv2.dilate((cells == a).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            around = cells[ring & (cells != a)]
            if around.size:
                cells[cells == a] = rng.choice(around)
    return cells
