"""How a label map appears under a microscope or a camera.

Responsible for light, contrast, optics and noise; the shapes come from ``shapes.py`` and
``grow.py``, and ``simulate.py`` joins both. Every look takes labels, a random generator and the
objects' typical diameter, and returns a float picture in about 0-1, grey or colour.
"""

from __future__ import annotations

import cv2
import numpy as np
from data import inner_distance
from numpy.typing import NDArray
from scipy import ndimage
from shapes import Labels, blobs, field, tiling

SIZE = 384
Image = NDArray[np.float32]
Rng = np.random.Generator


def blur(x: Image, sigma: float) -> Image:
    """Gaussian blur; nothing below 0.2 pixels."""
    return cv2.GaussianBlur(x, (0, 0), sigma) if sigma > 0.2 else x


def per_object(labels: Labels, rng: Rng, spread: float) -> Image:
    """One log-normal factor per object, 0 on background."""
    values = np.exp(rng.normal(0, spread, int(labels.max()) + 1)).astype(np.float32)
    values[0] = 0
    return values[labels]


def outer_distance(labels: Labels) -> Image:
    """Distance of the background to the nearest object."""
    return cv2.distanceTransform((labels == 0).astype(np.uint8), cv2.DIST_L2, 3)


def edges(labels: Labels, width: float) -> Image:
    """Soft line along every object's border, 0-1."""
    d = np.where(labels > 0, inner_distance(labels) - 1, outer_distance(labels) - 1)
    return np.exp(-(np.clip(d / max(width, 0.3), 0, 9) ** 2)).astype(np.float32)


def relative_depth(labels: Labels) -> Image:
    """0 at an object's border, 1 at its deepest point."""
    d = inner_distance(labels)
    peak = ndimage.maximum(d, labels, np.arange(int(labels.max()) + 1))
    return np.where(labels > 0, d / np.maximum(np.asarray(peak), 1)[labels], 0).astype(np.float32)


def camera(x: Image, rng: Rng, photons: float | None = None, read: float = 0.01) -> Image:
    """Uneven light, photon and read noise on a picture in about 0-1, grey or colour."""
    shade = 1 + rng.uniform(0, 0.25) * field(SIZE, 2, rng)
    x = np.maximum(x * (shade[..., None] if x.ndim == 3 else shade), 0)
    photons = photons or float(np.exp(rng.uniform(np.log(15), np.log(1500))))
    x = rng.poisson(x * photons).astype(np.float32) / photons
    return x + rng.normal(0, read, x.shape).astype(np.float32)


def texture(rng: Rng, scale: float) -> Image:
    """Noise of two scales."""
    return 0.7 * field(SIZE, SIZE / scale, rng) + 0.4 * field(SIZE, 3 * SIZE / scale, rng)


def fluorescence(labels: Labels, rng: Rng, diameter: float) -> Image:
    """Bright objects on dark: dome or rim, texture, blur, dim to saturated, out-of-focus light."""
    light = per_object(labels, rng, rng.uniform(0.1, 0.7))
    depth = relative_depth(labels)
    u = rng.random()
    profile = depth ** rng.uniform(0.1, 0.7) if u < 0.6 else 1 - rng.uniform(0, 0.7) * depth
    x = light * profile * np.maximum(1 + rng.uniform(0, 0.5) * texture(rng, diameter / 3), 0.1)
    x = blur(x, diameter * rng.uniform(0, 0.06))
    if rng.random() < 0.4:
        x = x + rng.uniform(0.1, 0.6) * blur(x, diameter * rng.uniform(0.4, 1.5))
    if rng.random() < 0.3:  # debris
        x = x + blur((rng.random((SIZE, SIZE)) > 0.9995).astype(np.float32) * 20, 1.0)
    x = x / max(float(np.percentile(x, 99.5)), 1e-3) * rng.uniform(0.3, 1.4)
    return camera(x + rng.uniform(0, 0.3), rng)


def phase(labels: Labels, rng: Rng, diameter: float) -> Image:
    """Phase contrast: dark or grey bodies, bright halo outside, organelles."""
    inside = (labels > 0).astype(np.float32)
    wide = diameter * rng.uniform(0.08, 0.3)
    halo = blur(inside, wide) * (1 - inside)
    body = inside * (per_object(labels, rng, 0.25)) * rng.uniform(0.05, 0.3)
    x = 0.5 - body + rng.uniform(0.15, 0.8) * halo
    rim = edges(labels, max(1.0, diameter * 0.03))
    x = x + rng.uniform(-0.2, 0.25) * rim * rng.choice([inside.mean(), 1])
    x = x + inside * rng.uniform(0, 0.1) * texture(rng, diameter / 4)
    if rng.random() < 0.4:
        x = x + inside * 0.2 * relative_depth(labels) * rng.choice([-1, 1])
    x = x - rng.uniform(0, 0.4) * (blur(inside, wide * 4) - blur(inside, wide * 8))
    x = x + rng.uniform(0, 0.04) * texture(rng, rng.uniform(3, 20))
    return camera(blur(x, rng.uniform(0, 1.2)), rng, float(rng.uniform(300, 3000)))


def brightfield(labels: Labels, rng: Rng, diameter: float) -> Image:
    """Transparent objects: dark and bright rings that depend on focus, faint insides."""
    inside = labels > 0
    signed = np.where(inside, -inner_distance(labels), outer_distance(labels))
    w = max(0.8, diameter * rng.uniform(0.02, 0.08))
    s = rng.choice([-1, 1])
    ring = np.exp(-(np.clip(signed / w, -9, 9) ** 2)) * s
    second = np.exp(-(np.clip(signed / w - rng.choice([-2, 2]), -9, 9) ** 2)) * -s
    x = 0.6 + rng.uniform(0.08, 0.35) * ring + rng.uniform(0, 0.3) * second
    x = x + inside * (rng.uniform(-0.12, 0.12) + rng.uniform(0, 0.06) * texture(rng, diameter / 3))
    if rng.random() < 0.3:  # a vacuole or nucleus in some
        x = x + rng.choice([-0.15, 0.15]) * (relative_depth(labels) > 0.75)
    return camera(blur(x.astype(np.float32), rng.uniform(0, 1.5)), rng, rng.uniform(200, 3000))


def relief(labels: Labels, rng: Rng, diameter: float) -> Image:
    """Light from one side on domes or plates: DIC, coins, beads."""
    height = relative_depth(labels) ** rng.uniform(0.15, 0.8)
    height = height * (1 + rng.uniform(0, 0.25) * texture(rng, diameter / 4))
    height = blur(height.astype(np.float32), max(0.7, diameter * 0.02)) * diameter * 0.2
    gy, gx = np.gradient(height)
    a = rng.uniform(0, 6.3)
    slope = np.tanh((gx * np.cos(a) + gy * np.sin(a)) * 1.5)
    flat = (labels > 0) * rng.choice([0.0, rng.uniform(-0.3, 0.4)])
    x = 0.45 + rng.uniform(0.1, 0.35) * slope + flat * per_object(labels, rng, 0.15)
    x = x + rng.uniform(0, 0.08) * field(SIZE, 2, rng)
    return camera(x.astype(np.float32), rng, float(rng.uniform(100, 2000)))


def membranes(labels: Labels, rng: Rng, diameter: float) -> Image:
    """Stained borders of touching cells, dim insides, nuclei as a distraction."""
    line = edges(labels, max(0.8, diameter * rng.uniform(0.02, 0.06)))
    uneven = np.clip(1 + 0.5 * texture(rng, diameter / 2), 0.15, 3)
    x = line * uneven + per_object(labels, rng, 0.3) * rng.uniform(0, 0.3)
    if rng.random() < 0.3:
        x = x + (relative_depth(labels) > 0.5) * rng.uniform(0.1, 0.6)
    x = blur(x.astype(np.float32), rng.uniform(0.3, 1.5))
    return camera(x * rng.uniform(0.4, 1.1) + rng.uniform(0, 0.15), rng)


def electron(labels: Labels, rng: Rng, diameter: float) -> Image:
    """EM-like: grey textured insides, dark membranes, vesicles and dark bodies."""
    line = edges(labels, max(0.8, diameter * rng.uniform(0.015, 0.05)))
    tone = 0.62 + 0.06 * rng.normal(size=int(labels.max()) + 1)
    x = tone.astype(np.float32)[labels] + 0.05 * texture(rng, rng.uniform(3, 9))
    extra = blobs(rng, SIZE, max(5.0, diameter * 0.2), 0.1, 1.5, 0.12)
    ring = edges(extra, 1.2)
    x = x - (extra > 0) * rng.uniform(-0.15, 0.25) - ring * rng.uniform(0, 0.3)
    x = x - line * rng.uniform(0.25, 0.5)
    return camera(blur(x.astype(np.float32), rng.uniform(0.3, 1.2)), rng, rng.uniform(40, 600))


def bodies(labels: Labels, rng: Rng, diameter: float) -> Image:
    """EM where the objects are dark or granular bodies inside cells."""
    cells = tiling(rng, SIZE, diameter * rng.uniform(2, 5), 0.8)
    x = 0.65 - 0.35 * edges(cells, 1.5) + 0.05 * texture(rng, 5)
    tone = rng.uniform(0.1, 0.3) + 0.1 * texture(rng, max(diameter / 5, 3))
    x = np.where(labels > 0, x * 0 + 0.65 - tone, x) - 0.2 * edges(labels, 1.2)
    return camera(blur(x.astype(np.float32), rng.uniform(0.4, 1.2)), rng, rng.uniform(40, 600))


def stain(labels: Labels, rng: Rng, diameter: float) -> Image:
    """H&E and its like: stains mixed in optical density, fibres, uneven nuclei; colour."""
    nuclear = np.array([0.65, 0.70, 0.29]) + rng.normal(0, 0.07, 3)
    other = np.array([0.07, 0.99, 0.11]) + rng.normal(0, 0.08, 3)
    if rng.random() < 0.3:
        nuclear, other = np.array([0.27, 0.57, 0.78]) + rng.normal(0, 0.07, 3), nuclear
    depth = per_object(labels, rng, 0.3) * rng.uniform(0.4, 1.3)
    if rng.random() < 0.5:  # vesicular: a dark rim and a pale inside
        depth = depth * (1 - rng.uniform(0.2, 0.6) * relative_depth(labels))
    depth = depth * np.maximum(1 + 0.3 * texture(rng, max(diameter / 4, 3)), 0.2)
    a, stretch = rng.uniform(0, 180), rng.uniform(1, 6)
    fibre = field(SIZE, SIZE / 6, rng)
    m = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), a, 1.6)
    fibre = cv2.resize(fibre, (round(SIZE * stretch), SIZE))[:, :SIZE]
    fibre = cv2.warpAffine(fibre, m, (SIZE, SIZE), borderMode=cv2.BORDER_REFLECT)
    ground = np.clip(0.35 + 0.2 * fibre + 0.25 * texture(rng, diameter * 2), 0, 1.5)
    ground = ground * rng.uniform(0, 0.9)
    if rng.random() < 0.3:  # lumen: no tissue
        ground = ground * (field(SIZE, 4, rng) < 0.7)
    blue = blur(depth.astype(np.float32), rng.uniform(0.4, 1.6))
    haze = rng.uniform(0, 0.25) * np.maximum(texture(rng, diameter), 0)
    density = (blue + haze)[..., None] * nuclear + ground[..., None] * other
    x = np.exp(-np.maximum(density, 0)).astype(np.float32)
    return camera(x * rng.uniform(0.8, 1), rng, float(rng.uniform(200, 3000)), 0.005)


def smear(labels: Labels, rng: Rng, diameter: float) -> Image:
    """Stained smears: bright ground, pale overlapping cytoplasm, dark nuclei; grey or colour."""
    x = np.ones((SIZE, SIZE), np.float32) * rng.uniform(0.8, 0.95)
    for _ in range(2):
        cyto = blobs(rng, SIZE, diameter * rng.uniform(3, 6), 0.25, 1.3, 0.4)
        pale = per_object(cyto, rng, 0.4) * rng.uniform(0.05, 0.25)
        x = x - pale * (1 + 0.2 * texture(rng, diameter)) - 0.06 * edges(cyto, 1.5)
    dark = per_object(labels, rng, 0.3) * rng.uniform(0.25, 0.6)
    x = x - dark * (1 + 0.2 * texture(rng, max(diameter / 3, 3)))
    x = np.clip(blur(x.astype(np.float32), rng.uniform(0.3, 1.5)), 0.03, 1)
    if rng.random() < 0.6:
        tint = np.array([rng.uniform(0.5, 1), rng.uniform(0.8, 1.6), rng.uniform(0.2, 1)])
        x = x[..., None] ** tint.astype(np.float32)
    return camera(x, rng, float(rng.uniform(150, 2000)), 0.01)


def two_channels(labels: Labels, rng: Rng, diameter: float) -> Image:
    """Two colours: only one shows the objects, the other shows something else."""
    main = np.clip(fluorescence(labels, rng, diameter), 0, 1.5)
    other_labels = blobs(rng, SIZE, diameter * float(np.exp(rng.uniform(-1, 1))), 0.2, 1.5, 0.3)
    make = (fluorescence, membranes, brightfield, phase)[rng.integers(4)]
    other = np.clip(make(other_labels, rng, diameter), 0, 1.5)
    c1, c2 = rng.permutation(np.eye(3))[:2]
    if rng.random() < 0.4:
        c2 = np.ones(3) * 0.7
    x = main[..., None] * c1 + other[..., None] * c2 * rng.uniform(0.2, 0.8)
    return x.astype(np.float32)


def cells_with_nuclei(labels: Labels, rng: Rng, diameter: float) -> Image:
    """Cytoplasm in one colour, nuclei in another; the object is the whole cell."""
    cyto = np.clip(fluorescence(labels, rng, diameter), 0, 1.5)
    nuclei = (relative_depth(labels) > rng.uniform(0.45, 0.7)) * per_object(labels, rng, 0.3)
    c1, c2 = rng.permutation(np.eye(3))[:2]
    nuclei = blur(nuclei.astype(np.float32), 1)
    x = cyto[..., None] * c1 * rng.uniform(0.4, 1) + nuclei[..., None] * c2
    return x.astype(np.float32)


def flat(labels: Labels, rng: Rng, diameter: float) -> Image:
    """Anything: textured objects of one palette on textured ground of another."""
    out = np.zeros((SIZE, SIZE, 3), np.float32)
    ground, paint = rng.uniform(0, 1, 3), rng.uniform(0, 1, 3)
    t1 = rng.uniform(0, 0.15) * texture(rng, rng.uniform(3, 60))
    t2 = rng.uniform(0, 0.15) * texture(rng, rng.uniform(3, 60))
    light = per_object(labels, rng, 0.15)
    for c in range(3):
        out[..., c] = np.where(labels > 0, paint[c] * light + t2, ground[c] + t1)
    out = blur(out, rng.uniform(0.3, 2))
    return camera(out, rng, float(rng.uniform(50, 2000)), 0.01)
