"""Scenes of tissue, blood and ultrastructure: many cells in several channels or in grey.

Every scene takes a random generator and returns a float picture in about 0-1 and its labels.
"""

from __future__ import annotations

import cv2
import numpy as np
from data import inner_distance
from looks import SIZE, Image, Rng, blur, camera, edges, per_object, relative_depth, texture
from scenes import Scene, between, specks
from shapes import Labels, add, blobs, field, fill, outline, tiling


def few(labels: Labels, rng: Rng, share: float, spread: float) -> Image:
    """Light of some cells only, others nearly dark: a marker of a cell type."""
    values = np.exp(rng.normal(0, spread, int(labels.max()) + 1)).astype(np.float32)
    values[rng.random(len(values)) > share] *= rng.uniform(0, 0.25)
    values[0] = 0
    return values[labels]


def kernels(labels: Labels, rng: Rng, share: float) -> Labels:
    """Nuclei inside cells: each cell's deepest part, off its middle, uneven in size."""
    depth = relative_depth(labels)
    depth = depth + 0.12 * texture(rng, 12)
    limit = np.clip(share + rng.normal(0, 0.1, int(labels.max()) + 1), 0.1, 0.85)
    return np.where(depth > limit[labels], labels, 0).astype(np.uint16)


def cells_of(rng: Rng, diameter: float) -> Labels:
    """Dense cells: a tiling, with holes and seams in some."""
    labels = tiling(rng, SIZE, diameter, float(rng.uniform(0.2, 0.55)))
    if rng.random() < 0.6:  # lumen, vessels, fat
        hole = field(SIZE, rng.uniform(2, 7), rng) > rng.uniform(0.3, 1.5)
        gone = np.zeros(int(labels.max()) + 1, bool)
        gone[np.unique(labels[hole])] = True
        labels = np.where(gone[labels], 0, labels).astype(np.uint16)
    if rng.random() < 0.5:  # some are missing here and there
        gone = rng.random(int(labels.max()) + 1) < rng.uniform(0.05, 0.5)
        labels = np.where(gone[labels], 0, labels).astype(np.uint16)
    if rng.random() < 0.5:  # they do not quite touch
        apart = inner_distance(labels) > rng.uniform(1, 1 + diameter * 0.08)
        labels = np.where(apart, labels, 0).astype(np.uint16)
    return labels


def paint(channels: list[Image], rng: Rng) -> Image:
    """Give every channel a colour, add up; sometimes one channel a plane, as files hold them."""
    if len(channels) <= 3 and rng.random() < 0.5:
        planes = [channels[k] for k in rng.permutation(len(channels))]
        planes += [np.zeros((SIZE, SIZE), np.float32)] * (3 - len(planes))
        return np.stack([planes[k] for k in rng.permutation(3)], -1)
    x = np.zeros((SIZE, SIZE, 3), np.float32)
    for c in channels:
        colour = np.clip(rng.dirichlet(np.ones(3) * 0.6) * 1.5, 0, 1)
        x += c[..., None] * colour.astype(np.float32) * between(rng, 0.4, 1.2)
    return x


def tissue(rng: Rng) -> Scene:
    """Dense cells by nucleus, membrane and markers, in one to five channels of any colours."""
    diameter = between(rng, 8, 48)
    labels = cells_of(rng, diameter)
    inner = kernels(labels, rng, float(rng.uniform(0.15, 0.55)))
    soft = between(rng, 0.4, max(0.9, diameter * 0.07))
    haze = rng.uniform(0, 0.6)
    make = {
        "nucleus": lambda: (
            few(inner, rng, rng.uniform(0.8, 1), rng.uniform(0.1, 0.4))
            * np.maximum(1 + 0.3 * texture(rng, max(3.0, diameter / 4)), 0.1)
        ),
        "membrane": lambda: (
            edges(labels, max(0.7, diameter * rng.uniform(0.02, 0.07)))
            * np.clip(1 + 0.5 * texture(rng, diameter), 0.1, 2.5)
            * (0.3 + few(labels, rng, rng.uniform(0.4, 1), 0.3))
        ),
        "cytoplasm": lambda: (
            few(labels, rng, rng.uniform(0.3, 1), 0.4)
            * np.maximum(0.8 + 0.3 * texture(rng, max(3.0, diameter / 3)), 0.1)
        ),
        "marker": lambda: (
            few(labels, rng, rng.uniform(0.05, 0.4), 0.5)
            * np.maximum(edges(labels, max(1.0, diameter * 0.08)), rng.choice([0.0, 0.5]))
        ),
    }
    names = ["nucleus"] if rng.random() < 0.8 else []
    names += ["membrane"] if rng.random() < 0.7 or not names else []
    for extra in ("cytoplasm", "marker", "marker"):
        names += [extra] if rng.random() < 0.4 else []
    channels = []
    for name in names:
        c = blur(make[name]().astype(np.float32), soft * rng.uniform(0.7, 1.4))
        c = c + haze * blur(c, diameter * rng.uniform(0.5, 2))
        channels.append(c / max(float(np.percentile(c, 99.7)), 1e-3) * between(rng, 0.4, 1.2))
    if names == ["nucleus"]:  # nothing else is seen: the nuclei are what is meant
        labels = inner
    if rng.random() < 0.25 and len(names) > 1:  # outlined a little wider than the nuclei
        wide = cv2.dilate(inner.astype(np.float32), np.ones((3, 3))).astype(np.uint16)
        labels = np.where((wide == labels) | (inner > 0), labels, 0).astype(np.uint16)
    x = channels[0] if len(channels) == 1 and rng.random() < 0.7 else paint(channels, rng)
    if rng.random() < 0.3:
        dots = blur((rng.random((SIZE, SIZE)) > 0.9993).astype(np.float32) * 12, 1.0)
        x = x + (dots if x.ndim == 2 else dots[..., None])
    return camera(x + rng.uniform(0, 0.1), rng, between(rng, 12, 800)), labels


def crowds(rng: Rng) -> Scene:
    """Small cells by the thousand, by fluorescence or as dark dots of a stain."""
    diameter = between(rng, 6, 14)
    labels = np.zeros((SIZE, SIZE), np.uint16)
    dense = field(SIZE, rng.uniform(2, 8), rng)
    cells = tiling(rng, SIZE, diameter * rng.uniform(1.2, 1.8), float(rng.uniform(0.2, 0.5)))
    keep = dense > rng.uniform(-1.5, 0.5)
    labels = np.where(keep, kernels(cells, rng, float(rng.uniform(0.15, 0.45))), 0)
    gone = rng.random(int(cells.max()) + 1) < rng.choice([0.0, 0.3, 0.7])
    labels = np.where(gone[labels], 0, labels)
    counts = np.bincount(labels.ravel())
    labels = np.where(counts[labels] >= 14, labels, 0).astype(np.uint16)
    light = per_object(labels, rng, rng.uniform(0.1, 0.6))
    light = light * relative_depth(labels) ** rng.uniform(0.1, 0.6)
    x = blur(light.astype(np.float32), diameter * rng.uniform(0.04, 0.14))
    x = x + rng.uniform(0, 0.5) * blur(x, diameter * rng.uniform(0.6, 2))
    x = x / max(float(np.percentile(x, 99.5)), 1e-3)
    if rng.random() < 0.3:
        ground = 0.85 - 0.1 * np.clip(texture(rng, 15), -1, 1)
        ink = np.clip(rng.uniform(0.2, 1.5, 3), 0, 1.3).astype(np.float32)
        y = ground[..., None] * np.exp(-x[..., None] * ink * rng.uniform(0.5, 1.5))
        return camera(y.astype(np.float32), rng, between(rng, 150, 3000), 0.01), labels
    return camera(x * rng.uniform(0.4, 1.2) + rng.uniform(0, 0.2), rng), labels


def localisations(rng: Rng) -> Scene:
    """Single molecules: objects are clouds of points, dense in patches, on sparse ground."""
    diameter = between(rng, 40, 200)
    labels = blobs(rng, SIZE, diameter, 0.1, 1.4, float(rng.uniform(0.1, 0.6)))
    patchy = np.clip(1 + rng.uniform(0.3, 1.2) * texture(rng, between(rng, 5, 25)), 0.02, 5)
    rim = 1 + rng.uniform(-0.5, 2) * edges(labels, max(1.5, diameter * 0.04))
    density = per_object(labels, rng, 0.4) * patchy * rim * between(rng, 0.02, 0.6)
    density = density + between(rng, 0.0005, 0.02)
    points = rng.poisson(density).astype(np.float32)
    points = points * np.exp(rng.normal(0, 0.5, points.shape)).astype(np.float32)
    x = blur(points, rng.uniform(0.5, 1.5))
    x = x / max(float(np.percentile(x, between(rng, 97, 99.9))), 1e-3) * rng.uniform(0.4, 1.2)
    return camera(x, rng, between(rng, 100, 2000)), labels


def blood(rng: Rng) -> Scene:
    """Smears: pale discs and a few much larger cells with dark lobed nuclei, each one object."""
    small = between(rng, 14, 60)
    labels = np.zeros((SIZE, SIZE), np.uint16)
    large = []
    for _ in range(int(rng.choice([1, 1, 2, 3]))):
        radius = small * rng.uniform(0.7, 1.6)
        c = rng.uniform(0, SIZE, 2)
        if add(labels, fill(SIZE, outline(c, radius, 0.08, rng.uniform(1, 1.4), rng)), 0, 0.05):
            large.append((int(labels.max()), c, radius))
    red = int(labels.max())
    n = int(rng.uniform(0.05, 0.8) * SIZE**2 / small**2)
    for c in rng.uniform(0, SIZE, (n, 2)):
        shape = outline(c, small / 2 * np.exp(rng.normal(0, 0.08)), 0.03, 1.08, rng)
        add(labels, fill(SIZE, shape), 0, 0.15)
    depth, discs = relative_depth(labels), labels > red
    pale = np.where(discs, 1 - rng.uniform(0.1, 0.9) * depth**2, 0)
    pale = pale * per_object(labels, rng, 0.1) * rng.uniform(0.1, 0.5)
    ink_red = np.array([0.25, 1.0, 0.75]) * np.exp(rng.normal(0, 0.25, 3))
    ink_blue = np.array([1.0, 1.2, 0.35]) * np.exp(rng.normal(0, 0.25, 3))
    density = pale[..., None] * ink_red
    nuclei = np.zeros((SIZE, SIZE), np.float32)
    cyto = np.zeros_like(nuclei)
    for k, c, radius in large:
        mine = labels == k
        cyto[mine] = rng.uniform(0.03, 0.35)
        lobes = np.zeros((SIZE, SIZE), bool)
        for _ in range(int(rng.choice([1, 1, 2, 3, 4]))):
            at = c + rng.normal(0, radius * 0.3, 2)
            lobes |= fill(SIZE, outline(at, radius * rng.uniform(0.25, 0.7), 0.12, 1.5, rng))
        nuclei[lobes & mine] = rng.uniform(0.6, 1.3)
    grain = np.maximum(1 + 0.25 * texture(rng, max(3.0, small / 6)), 0.2)
    mix = rng.uniform(0, 0.6)
    density = density + (cyto * grain)[..., None] * (ink_blue * (1 - mix) + ink_red * mix)
    density = density + (nuclei * grain)[..., None] * ink_blue
    density = density + edges(labels, 1.0)[..., None] * rng.uniform(0, 0.2)
    x = np.exp(-blur(density.astype(np.float32), rng.uniform(0.5, 1.6)))
    x = x * rng.uniform(0.8, 1) * (1 - rng.uniform(0, 0.15, 3))
    x = x - 0.3 * np.abs(specks(rng, False))[..., None]
    return camera(x.astype(np.float32), rng, between(rng, 150, 3000), 0.008), labels


def fibres(rng: Rng) -> Scene:
    """Axons in cross section: dark or pale insides, thick rings around them that are no object."""
    diameter = between(rng, 9, 70)
    outer = tiling(rng, SIZE, diameter * rng.uniform(1.2, 2), float(rng.uniform(0.3, 0.6)))
    if rng.random() < 0.7:
        outer = blobs(rng, SIZE, diameter * 1.5, 0.12, 1.4, rng.uniform(0.5, 1.6), 0.5)
    depth = inner_distance(outer)
    peak = np.zeros(int(outer.max()) + 1, np.float32)
    np.maximum.at(peak, outer.ravel(), depth.ravel())
    ring = np.clip(rng.uniform(0.2, 0.6) + rng.normal(0, 0.06, len(peak)), 0.1, 0.75)
    wall = np.maximum(peak * ring, 1.5)[outer] * (1 + 0.2 * texture(rng, diameter / 3))
    inside = (outer > 0) & (depth > wall)
    labels = np.where(inside, outer, 0).astype(np.uint16)
    counts = np.bincount(labels.ravel(), minlength=len(peak))
    labels = np.where(counts[labels] >= 20, labels, 0).astype(np.uint16)
    bright = rng.random() < 0.6  # myelin: bright in back scatter, dark in transmission
    ground, lumen, sheath = rng.uniform(0.3, 0.5), rng.uniform(0.1, 0.4), rng.uniform(0.6, 0.9)
    if not bright:
        ground, lumen, sheath = 1 - ground, 1 - lumen, 1 - sheath
    tone = lumen * (0.7 + 0.3 * per_object(labels, rng, 0.3))
    x = np.where(labels > 0, tone, np.where(outer > 0, sheath, ground + 0.08 * texture(rng, 6)))
    x = x + rng.uniform(0.01, 0.06) * texture(rng, rng.uniform(2, 6))
    organelles = blobs(rng, SIZE, max(4.0, diameter * 0.25), 0.1, 1.6, 0.08)
    x = x + rng.uniform(-0.15, 0.15) * (organelles > 0)
    if rng.random() < 0.4:
        x = x + rng.choice([-1, 1]) * 0.15 * edges(outer, 1.0)
    x = blur(x.astype(np.float32), rng.uniform(0.3, max(0.8, diameter * 0.04)))
    return camera(x, rng, between(rng, 20, 800)), labels


def neurites(rng: Rng) -> Scene:
    """Thin, winding profiles of all sizes behind dark membranes, with organelles inside."""
    diameter = between(rng, 18, 110)
    n = int((SIZE / diameter) ** 2 * 1.6) + 3
    sites = rng.uniform(0, SIZE, (n, 2))
    sizes = np.exp(rng.normal(0, 0.6, n)) * diameter / 2
    yx = np.stack(np.mgrid[:SIZE, :SIZE][::-1], -1).astype(np.float32)
    bend = [field(SIZE, SIZE / diameter * rng.uniform(0.7, 2), rng) for _ in range(2)]
    yx = yx + np.stack(bend, -1) * diameter * rng.uniform(0.1, 0.4)
    best = np.full((SIZE, SIZE), np.inf, np.float32)
    labels = np.zeros((SIZE, SIZE), np.uint16)
    for k, (site, size) in enumerate(zip(sites, sizes, strict=True), 1):
        a, long = rng.uniform(0, 6.3), between(rng, 1, 4)
        d = yx - site.astype(np.float32)
        u = (d[..., 0] * np.cos(a) + d[..., 1] * np.sin(a)) / long**0.5
        v = (-d[..., 0] * np.sin(a) + d[..., 1] * np.cos(a)) * long**0.5
        score = (u * u + v * v) / size**2
        closer = score < best
        best[closer], labels[closer] = score[closer], k
    line = edges(labels, rng.uniform(0.6, 2.0))
    tone = (0.62 + rng.uniform(0.02, 0.1) * rng.normal(size=n + 1)).astype(np.float32)[labels]
    x = tone + rng.uniform(0.02, 0.07) * texture(rng, rng.uniform(2.5, 8))
    for _ in range(2):  # mitochondria, vesicles
        extra = blobs(rng, SIZE, max(4.0, diameter * rng.uniform(0.08, 0.35)), 0.1, 1.8, 0.1)
        x = x - (extra > 0) * rng.uniform(-0.1, 0.25) - edges(extra, 1.0) * rng.uniform(0, 0.3)
    x = x - line * rng.uniform(0.2, 0.55)
    x = blur(x.astype(np.float32), rng.uniform(0.3, 1.2))
    return camera(x, rng, between(rng, 40, 800)), labels


def two_stains(rng: Rng) -> Scene:
    """Sections in which some nuclei are brown and others blue, upon a pale or stained ground."""
    diameter = between(rng, 9, 45)
    labels = blobs(
        rng, SIZE, diameter, rng.uniform(0.04, 0.2), rng.uniform(1.2, 1.9), rng.uniform(0.1, 0.9)
    )
    n = int(labels.max()) + 1
    brown = rng.random(n) < rng.uniform(0.1, 0.9)
    blue_ink = np.array([0.75, 0.55, 0.25]) * np.exp(rng.normal(0, 0.2, 3))
    brown_ink = np.array([0.35, 0.65, 0.95]) * np.exp(rng.normal(0, 0.2, 3))
    inks = np.where(brown[:, None], brown_ink, blue_ink)
    depth = per_object(labels, rng, rng.uniform(0.15, 0.5)) * between(rng, 0.4, 1.6)
    pale = rng.uniform(0, 0.6) * relative_depth(labels) * (rng.random() < 0.5)
    depth = depth * (1 - pale) * np.maximum(1 + 0.3 * texture(rng, max(3.0, diameter / 4)), 0.2)
    ground = np.clip(0.3 + 0.3 * texture(rng, diameter * 2), 0, 1.5) * rng.uniform(0, 0.6)
    tint = np.where(rng.random() < 0.5, brown_ink, blue_ink) * 0.7
    density = blur(depth.astype(np.float32), rng.uniform(0.4, 1.4))[..., None] * inks[labels]
    density = density + ground[..., None] * tint
    x = np.exp(-np.maximum(density, 0)) * rng.uniform(0.82, 1)
    return camera(x.astype(np.float32), rng, between(rng, 200, 3000), 0.006), labels
