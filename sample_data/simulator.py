"""What the sample pictures are made of: cells, light, objective and camera.

Small steps along the light path, for 2 and 3 dimensions alike. Lengths are in pixels, light
in photons; nothing here knows a scene.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One object: an ellipsoid in 2 or 3 dimensions whose surface is wavy.

    Parameters
    ----------
    center : (n,) float
        In pixels.
    to_unit : (n, n) float
        Maps pixels from the centre to coordinates in which the ellipsoid is the unit ball.
    brightness : float
        Photons per pixel where the object is thickest.
    seed : int
        Its waves and texture, which travel with it.
    label : int
        Its id in the truth.
    """

    center: Floats
    to_unit: Floats
    brightness: float
    seed: int
    label: int

    @property
    def reach(self) -> Floats:
        """Half of the bounding box, in pixels, waves included."""
        return 1.3 * np.sqrt((np.linalg.inv(self.to_unit) ** 2).sum(axis=1))


def make_cell(
    center: Sequence[float],
    radii: Sequence[float],
    angle: float,
    brightness: float,
    seed: int,
    label: int,
) -> Cell:
    """Build a cell whose last two axes are turned by an angle."""
    rotation = np.eye(len(radii))
    rotation[-2:, -2:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return Cell(
        np.array(center, float),
        np.diag(1 / np.array(radii, float)) @ rotation.T,
        brightness,
        seed,
        label,
    )


def sum_waves(
    unit: Floats, rng: np.random.Generator, count: int, low: float, high: float
) -> Floats:
    """Random plane waves in a cell's own coordinates, (n, ...) -> (...), unit variance."""
    directions = rng.normal(size=(count, len(unit)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    frequencies = directions * rng.uniform(low, high, (count, 1))
    phases = rng.uniform(0, 2 * np.pi, count)
    total = np.zeros(unit.shape[1:])
    for frequency, phase in zip(frequencies, phases, strict=True):
        total += np.cos(np.tensordot(frequency, unit, 1) + phase)
    return total * np.sqrt(2 / count)


def locate_cell(cell: Cell, shape: Sequence[int]) -> tuple[tuple[slice, ...], Floats]:
    """Cut out a cell's bounding box: where it lies, and its pixels in unit coordinates."""
    start = np.maximum(np.floor(cell.center - cell.reach), 0).astype(int)
    stop = np.minimum(np.ceil(cell.center + cell.reach) + 1, shape).astype(int)
    box = tuple(slice(a, max(a, b)) for a, b in zip(start, stop, strict=True))
    pixels = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in box), indexing="ij"))
    offset = pixels - cell.center.reshape(-1, *[1] * len(shape))
    return box, np.tensordot(cell.to_unit, offset, 1)


def measure_depth(cell: Cell, unit: Floats, waviness: float) -> Floats:
    """How deep each pixel lies: 1 at the centre, 0 at the wavy surface, negative outside."""
    waves = sum_waves(unit, np.random.default_rng(cell.seed), 6, 1.0, 3.0)
    return 1 + waviness * waves - np.linalg.norm(unit, axis=0)


def draw_truth(cells: Sequence[Cell], shape: Sequence[int], waviness: float) -> NDArray[np.uint16]:
    """Label each pixel with the cell that it lies deepest in, so that touching cells meet."""
    deepest = np.zeros(shape)
    truth = np.zeros(shape, np.uint16)
    for cell in cells:
        box, unit = locate_cell(cell, shape)
        depth = measure_depth(cell, unit, waviness)
        wins = depth > deepest[box]
        deepest[box][wins] = depth[wins]
        truth[box][wins] = cell.label
    return truth


def draw_dye(
    cells: Sequence[Cell],
    truth: NDArray[np.uint16],
    waviness: float,
    *,
    spots: int,
    grain: float = 0.16,
    steepness: float = 2.5,
) -> Floats:
    """Photons that each pixel would send: a dome per cell with texture and dark spots.

    Parameters
    ----------
    cells, truth, waviness
        As given to, and returned by, `draw_truth`.
    spots : int
        At most so many dark spots in a cell (nucleoli, vacuoles).
    grain : float
        Relative contrast of the texture.
    steepness : float
        How fast a cell reaches its full thickness: 1 is a ball, more is a flat cell.
    """
    light = np.zeros(truth.shape)
    for cell in cells:
        box, unit = locate_cell(cell, truth.shape)
        depth = np.clip(measure_depth(cell, unit, waviness), 0, 1)
        rng = np.random.default_rng(cell.seed + 1)
        texture = 1 + grain * sum_waves(unit, rng, 24, 4.0, 14.0)
        for _ in range(rng.integers(spots + 1)):
            place = rng.uniform(-0.5, 0.5, len(unit)).reshape(-1, *[1] * (unit.ndim - 1))
            distance = np.linalg.norm(unit - place, axis=0)
            texture *= 1 - 0.45 * np.exp(-((distance / rng.uniform(0.12, 0.24)) ** 2))
        dome = np.sqrt(np.clip(steepness * depth, 0, 1))
        inside = truth[box] == cell.label
        light[box] += np.where(inside, cell.brightness * dome * np.clip(texture, 0.1, None), 0)
    return light


def place_cells(
    shape: tuple[int, int],
    count: int,
    radius: tuple[float, float],
    clustering: float,
    rng: np.random.Generator,
) -> list[tuple[Floats, float]]:
    """Find centres and radii on a plane: a share of them beside an earlier cell, touching it."""
    placed: list[tuple[Floats, float]] = []
    for _ in range(200 * count):
        size = float(np.clip(rng.normal(*radius), radius[0] - 2 * radius[1], None))
        if placed and rng.random() < clustering:
            neighbour, other = placed[rng.integers(len(placed))]
            turn = rng.uniform(0, 2 * np.pi)
            gap = (size + other) * rng.uniform(0.82, 1.05)
            center = neighbour + gap * np.array([np.sin(turn), np.cos(turn)])
        else:
            center = rng.uniform(0, shape)
        fits = (center > -0.3 * size).all() and (center < np.array(shape) + 0.3 * size).all()
        if fits and all(
            np.linalg.norm(center - where) > 0.8 * (size + other) for where, other in placed
        ):
            placed.append((center, size))
        if len(placed) == count:
            break
    return placed


def smooth_noise(shape: Sequence[int], scale: float, rng: np.random.Generator) -> Floats:
    """White noise blurred to a length in pixels, between 0 and 1."""
    noise = ndimage.gaussian_filter(rng.normal(size=shape), scale, mode="reflect")
    return (noise - noise.min()) / np.ptp(noise)


def light_field(shape: Sequence[int], center: tuple[float, float], fall: float) -> Floats:
    """Uneven illumination: 1 at a place given in parts of the picture, less towards the rim."""
    y, x = np.meshgrid(*(np.linspace(0, 1, n) for n in shape[-2:]), indexing="ij")
    return 1 - fall * ((y - center[0]) ** 2 + (x - center[1]) ** 2)


def expose(
    photons: Floats, rng: np.random.Generator, *, gain: float = 2.2, read_noise: float = 1.6
) -> NDArray[np.uint16]:
    """Count photons as a camera does: shot noise, read noise (electrons), gain and offset."""
    electrons = rng.poisson(np.clip(photons, 0, None)) + rng.normal(0, read_noise, photons.shape)
    return np.clip(np.rint(100 + gain * electrons), 0, 65535).astype(np.uint16)


def compact_labels(truth: NDArray[np.uint16], smallest: int) -> NDArray[np.uint16]:
    """Drop objects of fewer pixels than `smallest` and number the rest from 1."""
    areas = np.bincount(truth.ravel())
    kept = [label for label in range(1, len(areas)) if areas[label] >= smallest]
    numbers = np.zeros(len(areas), np.uint16)
    numbers[kept] = np.arange(1, len(kept) + 1)
    return numbers[truth]
