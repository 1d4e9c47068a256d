"""Colonies that grow: rods and round cells that lengthen, divide and push each other apart.

Responsible for where the cells of a packed colony lie; ``scenes.py`` gives them looks. A cell is a
capsule: centre, angle, length between the centres of its caps, width. Cells are chains of beads
while they push.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Colony:
    """N capsules, lengths in units of the typical width."""

    at: Floats  # (N, 2), x and y of the centres
    angle: Floats  # (N,)
    length: Floats  # (N,) between the centres of the caps
    width: Floats  # (N,)
    bend: Floats  # (N,) curvature over the whole length, radians

    def __len__(self) -> int:
        return len(self.angle)


def _beads(c: Colony) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Positions, offsets along the axis, and owners of the beads of all cells."""
    count = 1 + np.ceil(c.length / (0.6 * c.width)).astype(int)
    owner = np.repeat(np.arange(len(c)), count)
    first = np.repeat(np.cumsum(count) - count, count)
    share = (np.arange(len(owner)) - first) / np.maximum(count[owner] - 1, 1) - 0.5
    share = np.where(count[owner] > 1, share, 0.0)
    along = share * c.length[owner]
    way = np.stack([np.cos(c.angle), np.sin(c.angle)], 1)[owner]
    return c.at[owner] + along[:, None] * way, along, owner


def _push(c: Colony, firm: float = 0.4) -> float:
    """Move and turn cells so that they overlap less; return nearly the largest overlap before."""
    p, along, owner = _beads(c)
    pairs = cKDTree(p).query_pairs(float(c.width.max()), output_type="ndarray")
    a, b = pairs[:, 0], pairs[:, 1]
    other = owner[a] != owner[b]
    a, b = a[other], b[other]
    gap = p[a] - p[b]
    apart = np.sqrt((gap**2).sum(1)) + 1e-9
    depth = (c.width[owner[a]] + c.width[owner[b]]) / 2 - apart
    hit = depth > 0
    a, b, gap, apart, depth = a[hit], b[hit], gap[hit], apart[hit], depth[hit]
    if len(a) == 0:
        return 0.0
    force = gap / apart[:, None] * depth[:, None] * firm
    shift, turn = np.zeros((len(c), 2)), np.zeros(len(c))
    count = np.zeros(len(c))
    way = np.stack([np.cos(c.angle), np.sin(c.angle)], 1)
    for bead, sign in ((a, 1.0), (b, -1.0)):
        cell = owner[bead]
        f = sign * force
        np.add.at(shift, cell, f)
        lever = along[bead]
        np.add.at(turn, cell, lever * (way[cell, 0] * f[:, 1] - way[cell, 1] * f[:, 0]))
        np.add.at(count, cell, 1.0)
    share = 1 / np.maximum(np.sqrt(count), 1)
    c.at += shift * share[:, None]
    inertia = c.width**2 / 4 + c.length**2 / 6
    c.angle += np.clip(turn * share / inertia, -0.25, 0.25)
    return float(np.percentile(depth, 90))


def _take(c: Colony, keep: NDArray[np.intp]) -> Colony:
    return Colony(*(getattr(c, k)[keep].copy() for k in Colony.__slots__))


def _join(c: Colony, d: Colony) -> Colony:
    return Colony(*(np.concatenate([getattr(c, k), getattr(d, k)]) for k in Colony.__slots__))


def grow_rods(rng: np.random.Generator, cells: int) -> Colony:
    """Grow rods from a few founders until there are ``cells`` or a few more."""
    longest = float(np.exp(rng.uniform(np.log(1.6), np.log(6.5))))  # before division
    founders = int(rng.choice([1, 1, 1, 2, 3, 5]))
    noise, fixed = rng.uniform(0.02, 0.25), rng.uniform(0.02, 0.12)
    curved = rng.choice([0.0, rng.uniform(0.05, 0.5)])
    c = Colony(
        rng.normal(0, 1.2 * founders, (founders, 2)),
        rng.uniform(0, 6.3, founders),
        longest * rng.uniform(0.5, 1, founders),
        np.exp(rng.normal(0, 0.04, founders)),
        rng.normal(0, curved, founders),
    )
    limit = longest * np.exp(rng.normal(0, fixed, founders))
    rate = np.exp(rng.normal(0, 0.15, founders))
    while len(c) < cells:
        c.length += 0.06 * rate * (c.length + c.width)
        for k in np.flatnonzero(c.length > limit):
            half = (c.length[k] - c.width[k]) / 2
            if half <= 0.1:
                continue
            way = np.array([np.cos(c.angle[k]), np.sin(c.angle[k])])
            new = _take(c, np.array([k]))
            step = (half + c.width[k]) / 2
            new.at += way * step
            c.at[k] -= way * step
            c.length[k] = new.length[0] = half
            new.angle += rng.normal(0, noise)
            c.angle[k] += rng.normal(0, noise)
            new.bend[0] = rng.normal(0, curved)
            c = _join(c, new)
            limit = np.append(limit, longest * np.exp(rng.normal(0, fixed)))
            limit[k] = longest * np.exp(rng.normal(0, fixed))
            rate = np.append(rate, np.exp(rng.normal(0, 0.15)))
        for _ in range(10):
            if _push(c) < 0.06:
                break
    return _settled(c)


def grow_yeast(rng: np.random.Generator, cells: int) -> Colony:
    """Grow budding cells: a bud starts small at its mother's side and grows to full size."""
    long = rng.uniform(0, 0.45)
    founders = int(rng.choice([1, 1, 2, 4, 8]))
    c = Colony(
        rng.normal(0, 1.0 * founders, (founders, 2)),
        rng.uniform(0, 6.3, founders),
        np.abs(rng.normal(0, long, founders)) + 0.01,
        np.exp(rng.normal(0, 0.06, founders)),
        np.zeros(founders),
    )
    full = np.exp(rng.normal(0, 0.1, founders))
    while len(c) < cells:
        c.width += 0.06 * np.maximum(full - c.width, 0.0) / full
        grown = np.flatnonzero(c.width > 0.85 * full)
        for k in grown[rng.random(len(grown)) < 0.07]:
            a = rng.uniform(0, 6.3)
            size = rng.uniform(0.3, 0.45)
            bud = _take(c, np.array([k]))
            bud.at += np.array([np.cos(a), np.sin(a)]) * (c.width[k] + c.length[k] + size) / 2
            bud.angle[0], bud.width[0] = a, size
            bud.length[0] = abs(rng.normal(0, long)) * size + 0.01
            c = _join(c, bud)
            full = np.append(full, np.exp(rng.normal(0, 0.1)))
        for _ in range(10):
            if _push(c) < 0.06:
                break
    return _settled(c)


def _settled(c: Colony) -> Colony:
    """Copy, pushed until hardly anything overlaps."""
    c = _take(c, np.arange(len(c)))
    for _ in range(150):
        if _push(c) < 0.07:
            break
    return c


def axis_points(c: Colony, k: int, scale: float, centre: Floats, n: int = 9) -> Floats:
    """Points (n, 2) along the axis of a cell, in pixels of the picture."""
    t = np.linspace(-0.5, 0.5, n)
    angle = c.angle[k] + c.bend[k] * t
    steps = np.stack([np.cos(angle), np.sin(angle)], 1) * c.length[k] / (n - 1)
    path = np.cumsum(steps, 0)
    return (c.at[k] + path - path.mean(0)) * scale + centre


def draw(
    c: Colony, size: int, scale: float, centre: Floats, thin: float, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Labels (size, size) of a colony.

    Parameters
    ----------
    scale : float
        Pixels per unit, that is the typical width of a cell.
    centre : (2,)
        Where the colony's origin lies, x and y in pixels.
    thin : float
        Part of its width that a cell is drawn with; the rest is the seam.
    """
    fine = 2  # drawn twice as fine, then thinned
    labels = np.zeros((size * fine, size * fine), np.uint16)
    order = rng.permutation(len(c))
    reach = scale * (c.length + c.width)
    middle = c.at * scale + centre
    for k in order:
        if ((middle[k] < -reach[k]) | (middle[k] > size + reach[k])).any():
            continue
        p = axis_points(c, k, scale, centre) * fine
        width = c.width[k] * scale * fine * thin
        thick = max(2, round(width))
        line = [np.round(p * 16).astype(np.int32)]
        lo = np.floor(p.min(0) - thick).astype(int).clip(0, size * fine)
        hi = np.ceil(p.max(0) + thick + 1).astype(int).clip(0, size * fine)
        if (hi - lo < 2).any():
            continue
        canvas = np.zeros((hi[1] - lo[1], hi[0] - lo[0]), np.uint8)
        shifted = [line[0] - (lo * 16).astype(np.int32)]
        cv2.polylines(canvas, shifted, False, 1, thickness=thick, shift=4)
        here = labels[lo[1] : hi[1], lo[0] : hi[0]]
        here[(canvas > 0) & (here == 0)] = k + 1
    small = labels[::fine, ::fine]
    _, packed = np.unique(small, return_inverse=True)
    packed = packed.reshape(small.shape)
    return packed.astype(np.uint16) if (small == 0).any() else (packed + 1).astype(np.uint16)
