"""A sample of a volume -> what its objects look like: how large, how bright, how noisy.

The settings of everything after follow from these few figures, so that nothing needs to be tuned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.embedding import CERTAIN
from napari_sam_onnx.stacks.volumes.grid import resize
from napari_sam_onnx.stacks.volumes.views import show

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.models import Model
    from napari_sam_onnx.stacks.volumes.volume import Volume

SEEN = 26.0
"""Diameter in pixels at which objects are looked at: small ones are seen better enlarged, large
ones cost less shrunk."""

SCALES = (0.25, 4.0)
"""How far planes are shrunk and enlarged for that."""

HEAPS = 0.7
"""Objects that are less than so many times as large, seen at `SEEN`, were heaps of them before."""

CLEAR = 15.0
"""Contrast over noise from which on smoothing brings nothing."""

THICK = (1.0, 6.0)
"""How thick planes may be, in pixels, where it is measured."""

_SAMPLE = (96, 192, 192)  # voxels that are surveyed at most
_LOOKS = 7  # planes of the sample that are looked at in each view


@dataclass(frozen=True, slots=True)
class Survey:
    """What a volume's objects look like.

    Parameters
    ----------
    diameter : float
        Of the usual object, in pixels of a plane.
    contrast : float
        How much brighter (darker, if negative) it is than what surrounds it; 0 where objects do
        not agree on that, as where only their rims are stained.
    noise : float
        Standard deviation of the noise of a voxel.
    thickness : float
        Distance between two planes, in pixels of a plane.
    """

    diameter: float
    contrast: float
    noise: float
    thickness: float

    @property
    def smoothing(self) -> float:
        """Standard deviation in pixels of the Gaussian that makes the contrast `CLEAR`.

        A Gaussian in three dimensions divides the noise by (2 √π σ)^1.5.
        """
        if self.noise <= 0 or abs(self.contrast) >= CLEAR * self.noise or not self.contrast:
            return 0.0
        wanted = (CLEAR * self.noise / abs(self.contrast)) ** (2 / 3) / (2 * np.sqrt(np.pi))
        return float(min(wanted, self.diameter / 6))

    @property
    def scale(self) -> float:
        """How far planes are enlarged so that objects have the diameter `SEEN`."""
        return float(np.clip(SEEN / self.diameter, *SCALES))


def survey_volume(
    sample: NDArray[np.float32],
    model: Model,
    thickness: float | None = None,
    diameter: float | None = None,
) -> Survey | None:
    """Measure the objects of a sample of a volume.

    Parameters
    ----------
    sample : (C, Z, Y, X) float32
        0 to 255: a part of the volume with objects in it.
    model : Model
        One that proposes objects.
    thickness : float, optional
        Distance between planes in pixels, where it is known. Otherwise the one at which objects
        are as high, seen from the side, as they are wide.
    diameter : float, optional
        Of the objects in pixels, where it is known.

    Returns
    -------
    Survey or None
        None where the model is sure of no object.
    """
    from scipy import ndimage

    noise = measure_noise(sample.mean(axis=0))
    # First smoothed a little: noise makes phantoms, whose size says nothing.
    calm = ndimage.gaussian_filter(sample, (0, 0.5, 1, 1)) if noise > 4 else sample
    seen = _look(calm, model, 0)
    if seen is None:
        return None
    size, contrast = seen
    if diameter is None:
        diameter = size
        if size > 2 * SEEN:  # look again from farther away
            diameter = _look_at_scale(calm, model, SEEN / size) or size
        elif size < SEEN:  # and nearer, where heaps may have been taken for objects
            nearer = _look_at_scale(calm, model, SEEN / size)
            diameter = nearer if 0 < nearer < HEAPS * size else size
    found = Survey(diameter, contrast, noise, 1.0 if thickness is None else thickness)
    if thickness is None:
        found = replace(found, thickness=_measure_thickness(calm, model, found))
    return found


def _look_at_scale(sample: NDArray[np.float32], model: Model, factor: float) -> float:
    """Median diameter, in pixels of the sample, of objects seen so many times as large; or 0."""
    factor = min(factor, SCALES[1])
    sides = (max(1, round(n * factor)) for n in sample.shape[2:])
    seen = _look(resize(sample, (sample.shape[1], *sides)), model, 0)
    return 0.0 if seen is None else seen[0] / factor


def _measure_thickness(sample: NDArray[np.float32], model: Model, found: Survey) -> float:
    """Find the distance between planes at which objects are as high as they are wide."""
    if sample.shape[1] < 4:
        return 1.0
    high, wide = (max(1, round(n * found.scale)) for n in sample.shape[2:])
    sample = resize(sample, (sample.shape[1], high, wide))
    thickness = found.scale
    for _ in range(3):  # objects are recognised better the nearer they are to round
        depth = max(1, round(sample.shape[1] * thickness))
        stretched = resize(sample, (depth, *sample.shape[2:]))
        ratios = [r for axis in (1, 2) for r in _flatness(stretched, model, axis)]
        if not ratios:
            break
        thickness = float(thickness * np.median(ratios))
    return float(np.clip(thickness / found.scale, *THICK))


def _flatness(volume: NDArray[np.float32], model: Model, axis: int) -> list[float]:
    """Width over height of each object that lies inside, seen from the side."""
    ratios: list[float] = []
    for plane in _planes(volume, axis):
        found = model.propose(model.encode(show(plane)))
        if found is None:
            continue
        boxes = found.boxes[found.scores >= CERTAIN]
        height, width = plane.shape[1:]
        inside = (boxes[:, :2] > 0.5).all(1) & (boxes[:, 2:] < (height - 1.5, width - 1.5)).all(1)
        sides = boxes[inside, 2:] - boxes[inside, :2]
        ratios += [float(w / h) for h, w in sides if h > 0]
    return ratios


def _planes(volume: NDArray[np.float32], axis: int) -> list[NDArray[np.float32]]:
    """Take some planes of a volume across an axis, evenly spread."""
    count = volume.shape[axis + 1]
    places = np.unique(np.linspace(0.1, 0.9, _LOOKS) * count).astype(int)
    return [np.take(volume, int(p), axis + 1) for p in np.unique(places)]


def _look(sample: NDArray[np.float32], model: Model, axis: int) -> tuple[float, float] | None:
    """Median diameter and usual contrast of the objects in some planes."""
    sizes: list[float] = []
    rises: list[tuple[float, float, float]] = []
    for plane in _planes(sample, axis):
        found = model.propose(model.encode(show(plane)))
        if found is None:
            continue
        gray = plane.mean(axis=0)
        for box in found.boxes[found.scores >= CERTAIN]:
            sizes.append(float(np.sqrt(np.prod(np.maximum(box[2:] - box[:2], 0)))))
            rises += _measure_rises(gray, box)
    if not sizes or not np.median(sizes) > 0:
        return None
    return float(np.median(sizes)), _judge_contrast(np.array(rises).reshape(-1, 3))


def _measure_rises(
    gray: NDArray[np.float32], box: NDArray[np.float64]
) -> list[tuple[float, float, float]]:
    """How far an object rises above the median, the dark and the bright of what is around it."""
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    inner, outer = _part(gray, middle, half / 2), _part(gray, middle, half * 1.6)
    if not inner.size or outer.size <= 2 * inner.size:
        return []
    here = np.median(inner)
    dark, median, bright = np.percentile(outer, (15, 50, 85))
    return [(float(here - median), float(here - dark), float(here - bright))]


def _judge_contrast(rises: NDArray[np.float64]) -> float:
    """Contrast of objects cut through their middle; 0 where they are as often dark as bright."""
    if not len(rises):
        return 0.0
    sign = np.sign(rises[:, 0]).mean()
    if abs(sign) < 0.5:  # three of four
        return 0.0
    return float(np.percentile(rises[:, 1], 75) if sign > 0 else np.percentile(rises[:, 2], 25))


def _part(
    gray: NDArray[np.float32], middle: NDArray[np.float64], half: NDArray[np.float64]
) -> NDArray[np.float32]:
    (y0, x0), (y1, x1) = (np.maximum(middle - half, 0)).astype(int), (middle + half + 1).astype(int)
    return gray[y0:y1, x0:x1]


def measure_noise(gray: NDArray[np.float32]) -> float:
    """Estimate the standard deviation of white noise from second differences along rows.

    The median absolute deviation is that of the noise as long as most of the volume is smooth.
    """
    if gray.shape[-1] < 3:
        return 0.0
    second = gray[..., :-2] - 2 * gray[..., 1:-1] + gray[..., 2:]
    return float(np.median(np.abs(second)) / 0.6745 / np.sqrt(6))


def choose_sample(volume: Volume) -> tuple[slice, slice, slice]:
    """Choose where to survey: the middle planes, and there the window that differs most."""
    depth, height, width = volume.shape
    deep, high, wide = (min(n, most) for n, most in zip(volume.shape, _SAMPLE, strict=True))
    z0 = (depth - deep) // 2
    best, place = -1.0, (0, 0)
    looked_at = sorted({z0 + deep // 4, z0 + deep // 2, z0 + (3 * deep) // 4})
    tops = np.unique(np.linspace(0, height - high, 4).astype(int)).tolist()
    lefts = np.unique(np.linspace(0, width - wide, 4).astype(int)).tolist()
    for top, left in product(tops, lefts):
        rows, columns = slice(top, top + high), slice(left, left + wide)
        parts = [volume.read((slice(z, z + 1), rows, columns)) for z in looked_at]
        spread = sum(_spread(part.mean(axis=(0, 1))) for part in parts)
        if spread > best:
            best, place = spread, (top, left)
    top, left = place
    return slice(z0, z0 + deep), slice(top, top + high), slice(left, left + wide)


def _spread(plane: NDArray[np.float32]) -> float:
    """Variance of a plane beyond that of its noise."""
    return max(0.0, float(plane.var()) - measure_noise(plane) ** 2)
