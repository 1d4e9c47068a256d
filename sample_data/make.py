"""Make the sample pictures and their truths.

    python sample_data/make.py [FOLDER] [NAME ...]

Every picture is simulated along the light path: cells are placed and given their dye, the
objective blurs them, uneven light excites them, and the camera counts photons and adds its
read noise. The truth is what was placed, before any blur. The seeds are fixed, so the same
pixels come out each time.

    nuclei   YX    uint16   fluorescence nuclei, touching, some in mitosis, some out of focus
    blobs    CYX   uint16   yeast in brightfield (0) and their YFP (1); the truth is the YFP
    stack    ZYX   uint16   a ball of nuclei, confocal, planes 1 µm apart
    series   TYX   uint16   nuclei that move; one divides
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from scipy import ndimage
from simulator import (
    Cell,
    compact_labels,
    draw_dye,
    draw_truth,
    expose,
    light_field,
    make_cell,
    place_cells,
    smooth_noise,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

# micrometres per pixel or plane, by axis
PIXEL_SIZE = {
    "nuclei": {"Y": 0.65, "X": 0.65},
    "blobs": {"Y": 0.2, "X": 0.2},
    "stack": {"Z": 1.0, "Y": 0.5, "X": 0.5},
    "series": {"Y": 0.65, "X": 0.65},
}


def make_nuclei() -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Simulate fluorescence nuclei, (768, 768)."""
    rng = np.random.default_rng(20240711)
    shape = (768, 768)
    cells = []
    for label, (center, size) in enumerate(place_cells(shape, 170, (15, 2.6), 0.55, rng), 1):
        stretch, angle = rng.uniform(1, 1.28), rng.uniform(0, np.pi)
        # Most nuclei hold one set of chromosomes, some have doubled it.
        brightness = 95 * rng.lognormal(0, 0.3) * rng.choice([1, 1.6], p=[0.75, 0.25])
        radii = (size * stretch, size / stretch)
        if rng.random() < 0.04:  # a metaphase plate: condensed, bright, narrow
            radii, brightness = (size * 0.95, size * 0.42), brightness * 2.2
        cells.append(make_cell(center, radii, angle, brightness, 1000 + 7 * label, label))
    truth = draw_truth(cells, shape, 0.05)
    # Three focal depths: most in focus, some slightly and a few clearly out of it.
    depths = rng.choice(3, len(cells), p=[0.7, 0.22, 0.08])
    light = np.zeros(shape)
    for depth, sigma in enumerate((1.1, 1.8, 2.8)):
        group = [cell for cell, d in zip(cells, depths, strict=True) if d == depth]
        light += ndimage.gaussian_filter(draw_dye(group, truth, 0.05, spots=4), sigma)
    haze = 0.16 * ndimage.gaussian_filter(light, 20) + 9 + 14 * smooth_noise(shape, 45, rng)
    lit = (light + haze) * light_field(shape, (0.42, 0.56), 0.95)
    return expose(lit, rng), compact_labels(truth, 40)


def make_blobs(seed: int = 20240712) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Simulate yeast in brightfield and YFP, (2, 1024, 1024)."""
    rng = np.random.default_rng(seed)
    shape = (1024, 1024)
    cells: list[Cell] = []
    mothers = place_cells(shape, 430, (14, 2.2), 0.8, rng)
    for center, size in mothers:
        stretch, angle = rng.uniform(1, 1.12), rng.uniform(0, np.pi)
        label = len(cells) + 1
        # Two cells in three carry the reporter, at levels that vary widely.
        glow = 60 * rng.lognormal(0, 0.8) + 12 if rng.random() < 0.66 else 0.0
        radii = (size * stretch, size / stretch)
        cells.append(make_cell(center, radii, angle, glow, 5000 + 7 * label, label))
        bud = size * rng.uniform(0.4, 0.65)
        tip = center + (radii[0] + 0.75 * bud) * np.array([np.cos(angle), np.sin(angle)])
        free = all(
            np.linalg.norm(tip - other) > bud + 0.8 * reach
            for other, reach in mothers
            if other is not center
        )
        if free and rng.random() < 0.4:  # a bud at the end of the long axis
            cells.append(make_cell(tip, (bud, bud), 0, glow, 5003 + 7 * label, label + 1))
    everyone = draw_truth(cells, shape, 0.02)
    glowing = [cell for cell in cells if cell.brightness]
    truth = np.where(np.isin(everyone, [cell.label for cell in glowing]), everyone, 0)
    # Brightfield slightly out of focus: intensity follows the curvature of the optical
    # thickness (the transport-of-intensity equation; Teague 1983), which gives cells a rim.
    alike = [replace(cell, brightness=1.0) for cell in cells]
    bodies = draw_dye(alike, everyone, 0.02, spots=2, grain=0.05, steepness=1.4)
    thickness = ndimage.gaussian_filter(bodies, 1.2)
    transmitted = 1 - 2.4 * ndimage.laplace(ndimage.gaussian_filter(thickness, 1.1))
    transmitted -= 0.05 * thickness - 0.03 * smooth_noise(shape, 5, rng)
    brightfield = expose(900 * transmitted * light_field(shape, (0.55, 0.47), 0.5), rng, gain=4.0)
    light = ndimage.gaussian_filter(draw_dye(glowing, everyone, 0.02, spots=1), 1.5)
    glow = light + 0.12 * ndimage.gaussian_filter(light, 15) + 5 + 0.02 * (everyone > 0) * 60
    yfp = expose(glow * light_field(shape, (0.5, 0.6), 0.8), rng)
    return np.stack([brightfield, yfp]), compact_labels(truth.astype(np.uint16), 30)


def make_stack() -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Simulate a ball of nuclei, (24, 256, 256)."""
    rng = np.random.default_rng(20240713)
    shape = (24, 256, 256)
    spacing = np.array([2.0, 1.0, 1.0])  # a plane is as thick as two pixels are wide
    cells: list[Cell] = []
    middle = np.array([12.0, 128.0, 128.0])
    for _ in range(20000):
        center = rng.uniform(-1, 1, 3)
        place = middle + center * np.array([14.0, 118.0, 118.0])
        size = rng.normal(11.5, 1.3)
        if np.linalg.norm(center) > 1:
            continue
        near = [np.linalg.norm((cell.center - place) * spacing) for cell in cells]
        if near and min(near) < 1.72 * size:
            continue
        stretch = rng.uniform(0.9, 1.15, 3)
        label = len(cells) + 1
        cells.append(
            make_cell(
                place,
                size * stretch / spacing,
                rng.uniform(0, np.pi),
                60 * rng.lognormal(0, 0.25),
                9000 + 7 * label,
                label,
            )
        )
        if len(cells) == 70:
            break
    truth = draw_truth(cells, shape, 0.05)
    light = ndimage.gaussian_filter(draw_dye(cells, truth, 0.05, spots=3), (0.9, 1.2, 1.2))
    haze = 0.10 * ndimage.gaussian_filter(light, (3, 14, 14)) + 3
    # Deeper planes are dimmer: the tissue above scatters their light.
    fade = np.exp(-np.arange(shape[0]) / 28).reshape(-1, 1, 1)
    lit = (light + haze) * fade * light_field(shape, (0.5, 0.5), 0.5)
    return expose(lit, rng), compact_labels(truth, 60)


def move_cells(
    count: int, frames: int, shape: tuple[int, int], rng: np.random.Generator
) -> list[list[Cell]]:
    """Let nuclei wander without running into each other; one divides half-way."""
    placed = place_cells(shape, count, (13, 1.8), 0.3, rng)
    cells = [
        make_cell(
            center,
            (size * 1.12, size / 1.12),
            rng.uniform(0, np.pi),
            80 * rng.lognormal(0, 0.25),
            13000 + 7 * label,
            label,
        )
        for label, (center, size) in enumerate(placed, 1)
    ]
    inner = [np.linalg.norm(cell.center - np.array(shape) / 2) for cell in cells]
    mother, division = cells[int(np.argmin(inner))].label, frames // 2
    velocity = {cell.label: rng.normal(0, 1.2, 2) for cell in cells}
    film = []
    for frame in range(frames):
        if frame == division:
            parent = next(cell for cell in cells if cell.label == mother)
            cells.remove(parent)
            for side, label in ((-1.0, count + 1), (1.0, count + 2)):
                center = parent.center + side * np.array([6.5, 3.0])
                cells.append(
                    make_cell(
                        center, (7.5, 10.0), 0.43, 1.5 * parent.brightness, 13000 + 7 * label, label
                    )
                )
                velocity[label] = side * np.array([1.6, 0.7])
        elif frame == division - 1:  # condensed before it divides
            cells = [
                replace(c, to_unit=c.to_unit * 1.25, brightness=1.7 * c.brightness)
                if c.label == mother
                else c
                for c in cells
            ]
        film.append(list(cells))
        moved = []
        for cell in cells:
            push = np.zeros(2)
            for other in cells:
                apart = cell.center - other.center
                distance = float(np.linalg.norm(apart))
                if 0 < distance < 26:
                    push += (26 - distance) / 8 * apart / distance
            drift = 0.8 * velocity[cell.label] + rng.normal(0, 0.9, 2)
            velocity[cell.label] = drift
            turn = rng.normal(0, 0.06)
            rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            moved.append(
                replace(cell, center=cell.center + drift + push, to_unit=cell.to_unit @ rotation)
            )
        cells = moved
    return film


def make_series() -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Simulate moving nuclei, (12, 256, 256)."""
    rng = np.random.default_rng(20240714)
    shape = (256, 256)
    frames, truths = [], []
    film = move_cells(34, 12, shape, rng)
    background = 6 + 4 * smooth_noise(shape, 30, rng)
    for frame, cells in enumerate(film):
        truth = draw_truth(cells, shape, 0.05)
        light = ndimage.gaussian_filter(draw_dye(cells, truth, 0.05, spots=3), 1.2)
        haze = 0.12 * ndimage.gaussian_filter(light, 15) + background
        bleached = np.exp(-frame / 40)  # the dye fades a little with each exposure
        frames.append(expose((light + haze) * bleached * light_field(shape, (0.5, 0.55), 0.7), rng))
        truths.append(truth)
    return np.stack(frames), compact_labels(np.stack(truths), 20)


MAKERS: dict[str, tuple[str, Callable[[], tuple[NDArray[np.uint16], NDArray[np.uint16]]]]] = {
    "nuclei": ("YX", make_nuclei),
    "blobs": ("CYX", make_blobs),
    "stack": ("ZYX", make_stack),
    "series": ("TYX", make_series),
}


def save_picture(
    path: Path, picture: NDArray[np.uint16], axes: str, sizes: dict[str, float]
) -> None:
    """Write an OME-TIFF that knows its axes and pixel sizes."""
    metadata: dict[str, object] = {"axes": axes}
    for axis, size in sizes.items():
        metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": "µm"}
    tifffile.imwrite(
        path,
        picture,
        ome=True,
        metadata=metadata,
        compression="zlib",
        compressionargs={"level": 9},
        predictor=True,
        photometric="minisblack",
    )


def main(folder: Path, names: Sequence[str]) -> None:
    """Make the named pictures and their truths."""
    for name in names or MAKERS:
        axes, make = MAKERS[name]
        picture, truth = make()
        save_picture(folder / f"{name}.tif", picture, axes, PIXEL_SIZE[name])
        save_picture(folder / f"{name}_truth.tif", truth, axes.replace("C", ""), PIXEL_SIZE[name])
        print(f"{name}: {axes} {picture.shape}, {truth.max()} objects")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent, sys.argv[2:])
