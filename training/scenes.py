"""Whole scenes whose shapes and looks belong together: colonies, filaments, neurons.

Responsible for kinds of pictures in which what is seen depends on how objects lie. Every scene
takes a random generator and returns a float picture in about 0-1 and its labels. Tissue and blood
are in ``tissue.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from data import inner_distance
from grow import draw, grow_rods, grow_yeast
from looks import SIZE, Image, Rng, blur, camera, edges, outer_distance, per_object, texture
from shapes import Labels, add, blobs, field, fill, outline

if TYPE_CHECKING:
    from numpy.typing import NDArray

Scene = tuple[Image, Labels]


def between(rng: Rng, low: float, high: float) -> float:
    """Draw a number, evenly by its logarithm."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def thickness(labels: Labels, width: float) -> Image:
    """Height of capsules lying on a plane, 0-1: the half circle over the distance to the border."""
    d = np.where(labels > 0, inner_distance(labels) - 0.5, 0)
    t = 1 - np.clip(d / (width / 2), 0, 1)
    return (np.sqrt(np.clip(1 - t * t, 0, 1)) * (labels > 0)).astype(np.float32)


def phase_optics(height: Image, rng: Rng, width: float, tone: Image) -> Image:
    """Phase contrast of thin bodies: dark by their height, light of the wide halo on top.

    The halo of many bodies adds up, which leaves those inside a colony grey between bright gaps.
    """
    near = blur(height * tone, max(0.5, width * rng.uniform(0.05, 0.2)))
    halo = blur(height, width * between(rng, 0.3, 1.2))
    wide = blur(height, width * rng.uniform(1.5, 4))
    x = rng.uniform(0.35, 0.5) - rng.uniform(0.35, 0.7) * near
    return x + rng.uniform(0.1, 0.6) * halo + rng.uniform(0.0, 0.25) * wide


def specks(rng: Rng, bright: bool) -> Image:
    """Dirt that is no object: a few small rings, discs and dots."""
    x = np.zeros((SIZE, SIZE), np.float32)
    for _ in range(int(rng.integers(0, 12))):
        at = tuple(int(v) for v in rng.integers(0, SIZE, 2))
        radius = int(between(rng, 1, 14))
        ring = -1 if radius < 3 or rng.random() < 0.3 else 1
        sign = 1 if bright or rng.random() < 0.5 else -1
        canvas = np.zeros_like(x)
        cv2.circle(canvas, at, radius, float(rng.uniform(0.05, 0.35)) * sign, ring)
        x += blur(canvas, rng.uniform(0.5, 4))
    return x


def capsules_look(labels: Labels, rng: Rng, width: float) -> Image:
    """One of the ways in which colonies of rods are seen."""
    height = thickness(labels, width)
    tone = np.where(labels > 0, per_object(labels, rng, rng.uniform(0, 0.25)), 0)
    u = rng.random()
    if u < 0.55:
        x = phase_optics(height, rng, width, tone)
        if rng.random() < 0.15:  # out of focus: bright bodies with dark rims
            x = 0.9 - x
        if rng.random() < 0.3:
            x = x + height * 0.08 * texture(rng, max(3.0, width / 2))
        x = x + rng.uniform(0, 0.03) * texture(rng, rng.uniform(4, 20)) + specks(rng, False)
        return camera(blur(x, rng.uniform(0.2, 0.9)), rng, between(rng, 300, 6000), 0.005)
    if u < 0.8:  # a protein in the cells
        x = blur(height * per_object(labels, rng, rng.uniform(0.1, 0.6)), width * 0.1)
        x = x * np.maximum(1 + rng.uniform(0, 0.4) * texture(rng, max(3.0, width * 0.6)), 0.1)
        x = x + rng.uniform(0, 0.5) * blur(x, width * rng.uniform(0.5, 3))
        x = x / max(float(np.percentile(x, 99.8)), 1e-3)
    elif u < 0.92:  # a stained membrane
        x = edges(labels, max(0.7, width * 0.1)) * (0.6 + 0.4 * per_object(labels, rng, 0.4))
        x = x * np.clip(1 + 0.5 * texture(rng, max(4.0, width)), 0.1, 3) + height * 0.15
        x = blur(x, rng.uniform(0.4, 1.3)) + rng.uniform(0, 0.3) * blur(x, width)
    else:  # brightfield off focus
        a, b = blur(height, width * 0.12), blur(height, width * rng.uniform(0.25, 0.6))
        x = 0.5 + rng.choice([-1, 1]) * rng.uniform(0.4, 1.2) * (a - b) + specks(rng, False)
        return camera(x, rng, between(rng, 300, 4000), 0.005)
    x = x * rng.uniform(0.4, 1.1) + rng.uniform(0, 0.15) + (rng.random() < 0.3) * specks(rng, True)
    return camera(x.astype(np.float32), rng, between(rng, 15, 1000))


def place(colonies: list, rng: Rng, unit: float, thin: float) -> Labels:
    """Draw one to three colonies apart from each other."""
    labels = np.zeros((SIZE, SIZE), np.uint16)
    for c in colonies:
        radius = float(np.abs(c.at - c.at.mean(0)).max()) * unit
        centre = rng.uniform(0.15, 0.85, 2) * SIZE
        if radius > 0.45 * SIZE:
            centre = SIZE / 2 + rng.uniform(-0.6, 0.6, 2) * radius
        drawn = draw(c, SIZE, unit, centre - c.at.mean(0) * unit, thin, rng)
        if (labels[drawn > 0] > 0).any():
            continue
        labels[drawn > 0] = drawn[drawn > 0] + labels.max()
    return labels


def microcolony(rng: Rng) -> Scene:
    """Rods that grew into one to three packed colonies."""
    unit = between(rng, 4.0, 18.0)
    cells = int(between(rng, 8, min(500, 0.35 * (SIZE / unit) ** 2)))
    colonies = [grow_rods(rng, n) for n in (cells, *rng.integers(1, 1 + cells, 2) // 3 + 1)]
    thin = float(rng.uniform(0.86, 1.0))
    labels = place(colonies[: int(rng.integers(1, 4))], rng, unit, thin)
    return capsules_look(labels, rng, unit * thin), labels


def yeast_colony(rng: Rng) -> Scene:
    """Budding cells in packed colonies with thin seams."""
    unit = between(rng, 9.0, 55.0)
    cells = int(between(rng, 3, min(300, max(6.0, 0.6 * (SIZE / unit) ** 2))))
    colonies = [grow_yeast(rng, n) for n in (cells, *rng.integers(1, 1 + cells, 2) // 3 + 2)]
    thin = float(rng.uniform(0.9, 1.0))
    labels = place(colonies[: int(rng.integers(1, 4))], rng, unit, thin)
    return round_look(labels, rng, unit), labels


def round_look(labels: Labels, rng: Rng, width: float) -> Image:
    """How budding cells are seen: in focus or off it, by phase contrast or fluorescence."""
    inside = labels > 0
    signed = np.where(inside, -inner_distance(labels), outer_distance(labels)).astype(np.float32)
    height = thickness(labels, width)
    u = rng.random()
    if u < 0.5:  # brightfield: rings at the border, their order and distance say the focus
        w = max(0.8, width * rng.uniform(0.03, 0.09))
        shift = rng.uniform(-1.5, 1.5) * w
        s = rng.choice([-1, 1])
        x = 0.5 + s * rng.uniform(0.15, 0.45) * np.exp(-(((signed - shift) / w).clip(-9, 9) ** 2))
        far = shift + rng.choice([-1, 1]) * w * rng.uniform(1.5, 2.5)
        x = x - s * rng.uniform(0.05, 0.35) * np.exp(-(((signed - far) / w).clip(-9, 9) ** 2))
        x = x + inside * rng.uniform(-0.1, 0.15) * per_object(labels, rng, 0.2)
        x = x + inside * rng.uniform(0, 0.05) * texture(rng, max(3.0, width / 5))
        if rng.random() < 0.4:  # vacuoles
            holes = blobs(rng, SIZE, max(4.0, width * 0.35), 0.05, 1.2, 0.3) * inside
            x = x + rng.choice([-1, 1]) * rng.uniform(0.05, 0.2) * edges(holes, 1.2) * inside
        x = x + specks(rng, False) + pillars(rng, width, inside)
        x = blur(x.astype(np.float32), rng.uniform(0.2, 1.2))
        return camera(x, rng, between(rng, 100, 4000), 0.005)
    if u < 0.75:  # phase contrast: dark outside of a bright rim, or grey with bright seams
        x = phase_optics(height, rng, width * 0.5, np.ones_like(height))
        rim = np.exp(-((signed / max(1.0, width * 0.06)).clip(-9, 9) ** 2))
        x = x + rng.uniform(-0.3, 0.3) * rim + inside * 0.05 * texture(rng, max(3.0, width / 4))
        x = blur((x + specks(rng, False)).astype(np.float32), rng.uniform(0.3, 1))
        return camera(x, rng, between(rng, 200, 4000), 0.005)
    body = per_object(labels, rng, rng.uniform(0.1, 0.6)) * (1 - rng.uniform(0, 0.7) * height)
    x = blur(body, rng.uniform(0.4, 1.5)) * rng.uniform(0.3, 1)
    wall = blur(edges(labels, max(0.8, width * 0.05)), 0.6)
    if rng.random() < 0.5:  # two channels: cytoplasm and wall, vacuole or nucleus
        other = wall if rng.random() < 0.5 else (height > 0.93) * per_object(labels, rng, 0.4)
        c1, c2 = rng.permutation(np.eye(3, dtype=np.float32))[:2]
        c1 = np.maximum(c1, rng.choice([0.0, 0.5]))
        y = x[..., None] * c1 + blur(other.astype(np.float32), 0.8)[..., None] * c2
        return camera(y * rng.uniform(0.5, 1.2), rng, between(rng, 15, 1000))
    x = x + rng.choice([0.0, rng.uniform(0.2, 1)]) * wall
    x = x + rng.uniform(0, 0.4) * blur(x, width * rng.uniform(0.3, 1))
    return camera(x.astype(np.float32), rng, between(rng, 15, 1000))


def pillars(rng: Rng, width: float, inside: NDArray[np.bool_]) -> Image:
    """Draw the posts of a trap, bright with dark rims: they are no cells."""
    x = np.zeros((SIZE, SIZE), np.float32)
    if rng.random() < 0.6:
        return x
    angle = float(rng.uniform(0, 180))
    for _ in range(int(rng.integers(1, 8))):
        at = tuple(int(v) for v in rng.integers(0, SIZE, 2))
        axes = (max(3, int(width * 0.45)), max(3, int(width * 0.65)))
        body = np.zeros_like(x)
        cv2.ellipse(body, at, axes, angle, 0, 360, 1.0, -1)
        if (inside & (body > 0)).any():
            continue
        x += 0.3 * blur(body, 2) - 0.5 * np.abs(body - blur(body, max(1.0, width * 0.06)))
    return x


def curve(
    start: NDArray[np.float64], angle: float, length: float, wind: float, rng: Rng
) -> NDArray[np.float64]:
    """Points of a smooth random path, some two pixels apart."""
    n = max(4, int(length / 2))
    turn = np.cumsum(rng.normal(0, wind, n)) * 0.15 + rng.normal(0, wind)
    a = angle + np.cumsum(turn) / n * 6
    return start + np.cumsum(np.stack([np.cos(a), np.sin(a)], 1) * length / n, 0)


def stroke(points: NDArray[np.float64], widths: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mask of a path of varying width."""
    canvas = np.zeros((SIZE, SIZE), np.uint8)
    fixed = np.round(points * 16).astype(np.int32)
    for k in range(len(points) - 1):
        line = [fixed[k : k + 2]]
        cv2.polylines(canvas, line, False, 1, thickness=max(1, round(widths[k])), shift=4)
    return canvas > 0


def filaments(rng: Rng) -> Scene:
    """Long thin cells that wind and cross: undivided bacteria, hyphae, stalked rods."""
    width = between(rng, 3.5, 14)
    labels = np.zeros((SIZE, SIZE), np.uint16)
    for _ in range(int(between(rng, 3, 40))):
        length = width * between(rng, 4, 60)
        p = curve(rng.uniform(0, SIZE, 2), rng.uniform(0, 6.3), length, rng.uniform(0.02, 0.5), rng)
        w = np.full(len(p), width * np.exp(rng.normal(0, 0.1)))
        if rng.random() < 0.2:  # a body with a thin stalk
            w[len(w) // int(rng.integers(3, 6)) :] *= 0.35
        add(labels, stroke(p, w), 0, 0.25)
    return capsules_look(labels, rng, width), labels


def neurons(rng: Rng) -> Scene:
    """Spread cells: a body with long tapering processes; debris and shadows around them."""
    labels = np.zeros((SIZE, SIZE), np.uint16)
    for _ in range(int(rng.choice([1, 1, 2, 3, 5]))):
        body = between(rng, 18, 80)
        centre = rng.uniform(0.1, 0.9, 2) * SIZE
        rough, long = rng.uniform(0.1, 0.35), rng.uniform(1, 2)
        mask = fill(SIZE, outline(centre, body / 2, rough, long, rng))
        for _ in range(int(rng.integers(1, 7))):
            a = rng.uniform(0, 6.3)
            start = centre + np.array([np.cos(a), np.sin(a)]) * body * 0.3
            p = curve(start, a, body * between(rng, 0.5, 4), rng.uniform(0.02, 0.3), rng)
            base, tip = body * rng.uniform(0.12, 0.45), max(1.5, body * rng.uniform(0.02, 0.1))
            w = tip + (base - tip) * np.linspace(1, 0, len(p)) ** rng.uniform(0.7, 3)
            mask |= stroke(p, w)
        add(labels, mask, 1, 0.15)
    inside = (labels > 0).astype(np.float32)
    signed = np.where(labels > 0, -inner_distance(labels), outer_distance(labels))
    u = rng.random()
    if u < 0.6:  # light that goes through: rims, grains, rings of diffraction, haze
        w = rng.uniform(1.0, 4.0)
        rim = np.exp(-((signed / w).clip(-9, 9) ** 2))
        second = np.exp(-(((signed - 2 * w) / w).clip(-9, 9) ** 2))
        x = 0.5 + rng.uniform(-0.45, 0.1) * rim + rng.uniform(-0.1, 0.25) * second
        x = x + inside * (rng.uniform(-0.25, 0.1) + rng.uniform(0.02, 0.12) * texture(rng, 5))
        haze = blobs(rng, SIZE, rng.uniform(10, 60), 0.05, 1.2, 0.08)
        x = x + rng.uniform(-0.3, 0.2) * blur((haze > 0).astype(np.float32), rng.uniform(2, 9))
        x = blur((x + specks(rng, False) + 0.02 * texture(rng, 4)).astype(np.float32), 0.7)
        if rng.random() < 0.7:  # colour: the lamp's gradients and the lens's fringes
            shift = rng.uniform(-1.5, 1.5, (3, 2))
            moves = [np.float32([[1, 0, dx], [0, 1, dy]]) for dx, dy in shift]
            x = np.stack([cv2.warpAffine(x, m, (SIZE, SIZE), borderMode=4) for m in moves], -1)
            light = np.stack([field(SIZE, 2, rng) for _ in range(3)], -1)
            x = x * rng.uniform(0.8, 1.2, 3) + rng.uniform(0, 0.12) * light
        return camera(x.astype(np.float32), rng, between(rng, 100, 3000), 0.01), labels
    deep = inner_distance(labels)
    body = (0.25 + 0.75 * np.clip(deep / deep.max(), 0, 1) ** 0.5) * inside
    x = body * per_object(labels, rng, 0.3) * np.maximum(1 + 0.3 * texture(rng, 6), 0.1)
    x = blur(x.astype(np.float32), rng.uniform(0.5, 1.8)) + rng.uniform(0, 0.2) * blur(x, 10)
    if rng.random() < 0.4:  # its nucleus in another colour
        dot = (deep > 0.6 * deep.max()) * inside
        c1, c2 = rng.permutation(np.eye(3, dtype=np.float32))[:2]
        x = x[..., None] * c1 + blur(dot.astype(np.float32), 1)[..., None] * c2
    elif rng.random() < 0.3:
        x = 0.8 - 0.6 * x
    return camera(x + rng.uniform(0, 0.1), rng, between(rng, 15, 1000)), labels
