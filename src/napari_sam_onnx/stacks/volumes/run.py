"""A volume, plane by plane readable -> its labels, chunk by chunk, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_sam_onnx.stacks.volumes.chunks import join_chunk, lay_chunks
from napari_sam_onnx.stacks.volumes.grid import resize
from napari_sam_onnx.stacks.volumes.parameters import VolumeParameters
from napari_sam_onnx.stacks.volumes.partition import draw_objects, find_basins
from napari_sam_onnx.stacks.volumes.survey import Survey, measure_noise, survey_volume
from napari_sam_onnx.stacks.volumes.views import CELL, iterate_views

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_sam_onnx.models import Model

CHUNK_VOXELS = 32_000_000
"""Voxels of a chunk as the model sees it, margins included: some 300 MB while it is worked on."""

LONGEST = 512
"""Longest side of what a model is shown at once; models enlarge planes up to it."""

_SAMPLE = (96, 192, 192)  # what is surveyed at most
_MARGIN = 1.0  # of a chunk, in diameters


class VolumeReader(Protocol):
    """A volume as a model sees it."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(Z, Y, X)``."""
        ...

    def read(self, z: int, rows: slice, columns: slice) -> NDArray[np.uint8]:
        """Read a part of a plane, ``(h, w, 3)``; 0 where the plane holds no finite value."""
        ...


@dataclass(frozen=True, slots=True)
class VolumeStep:
    """How far a volume has come: of ``total`` parts of the work ``done`` are finished.

    Parameters
    ----------
    done, total : int
    finished : int
        Planes from the first on whose labels are final.
    """

    done: int
    total: int
    finished: int


def iterate_volume(
    volume: VolumeReader,
    model: Model,
    out: Any,
    parameters: VolumeParameters | None = None,
    thickness: float | None = None,
    first_label: int = 1,
) -> Generator[VolumeStep, None, int]:
    """Label the objects of a volume, step by step.

    Closing the generator stops the run at the next plane that the model looks at; chunks that are
    done stay written.

    Parameters
    ----------
    volume : VolumeReader
    model : Model
        One that proposes objects, with maps.
    out : (Z, Y, X) array of uint32
        Where labels are written: any array that is read and assigned by slices. All zero.
    parameters : VolumeParameters, optional
    thickness : float, optional
        Distance between planes in pixels; measured on the objects where it is not known.
    first_label : int
        Number of the first object.

    Yields
    ------
    VolumeStep

    Returns
    -------
    int
        The generator's value: the first number that is still free.
    """
    settings = VolumeParameters() if parameters is None else parameters
    depth = volume.shape[0]
    survey = survey_volume(
        _read(volume, _choose_sample(volume)), model, thickness, settings.diameter or None
    )
    if survey is None:
        yield VolumeStep(1, 1, depth)
        return first_label
    chunks = lay_chunks(volume.shape, *_chunk_size(volume.shape, survey))
    views = "ZYX" if settings.views == "three" and depth > 1 else "Z"
    for number, chunk in enumerate(chunks):
        picture = _read(volume, chunk.slices)
        final = min((c.box[0][0] for c in chunks[number:]), default=depth)
        steps = _label_chunk(picture, model, survey, settings, views)
        while True:
            try:
                done, total = next(steps)
            except StopIteration as stop:
                labels, peaks = stop.value
                break
            share = (100 * done) // total
            yield VolumeStep(100 * number + share, 100 * len(chunks), final)
        if labels.any():
            written = np.asarray(out[chunk.slices])
            joined, first_label = join_chunk(written, labels, peaks, chunk, first_label)
            out[chunk.slices] = joined
    yield VolumeStep(100 * len(chunks), 100 * len(chunks), depth)
    return first_label


def label_volume(
    volume: VolumeReader,
    model: Model,
    parameters: VolumeParameters | None = None,
    thickness: float | None = None,
) -> NDArray[np.uint32]:
    """Label the objects of a volume at once; see `iterate_volume`."""
    out = np.zeros(volume.shape, np.uint32)
    for _ in iterate_volume(volume, model, out, parameters, thickness):
        pass
    return out


def _label_chunk(
    picture: NDArray[np.float32],
    model: Model,
    survey: Survey,
    parameters: VolumeParameters,
    views: str,
) -> Generator[tuple[int, int], None, tuple[NDArray[np.int32], NDArray[np.float64]]]:
    """Label what lies in a chunk; also say where each object's centre is, in its voxels."""
    from scipy import ndimage

    shape = picture.shape[1:]
    scale, sigma = survey.scale, survey.smoothing
    sigma = max(sigma, 0.4 * (1 / scale - 1))  # what is shrunk is smoothed first
    shown = picture
    if sigma > 0:
        blur = (0, sigma / survey.thickness, sigma, sigma)
        shown = ndimage.gaussian_filter(picture, blur)
    seen = [max(1, round(n * f)) for n, f in zip(shape, (survey.thickness * scale, scale, scale), strict=True)]
    shown = resize(shown, seen)
    centers, foreground = yield from iterate_views(shown, model, views)
    gray = resize(shown.mean(axis=0), centers.shape)
    del shown
    cells = survey.diameter * scale / CELL
    partition = find_basins(centers, foreground, gray, cells, survey.contrast, parameters)
    labels = draw_objects(
        partition,
        picture.mean(axis=0),
        survey.thickness,
        survey.diameter,
        survey.contrast,
        parameters,
    )
    ratio = np.array(shape) / np.array(centers.shape)
    return labels, (partition.peaks + 0.5) * ratio - 0.5


def _chunk_size(
    shape: tuple[int, int, int], survey: Survey
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Voxels of a chunk and of its margin along each axis."""
    factors = np.array([survey.thickness, 1.0, 1.0]) * survey.scale
    margin = np.ceil(_MARGIN * survey.diameter / np.array([survey.thickness, 1, 1])).astype(int)
    whole = np.array(shape) * factors
    # As near to a cube as the volume allows: the smaller its surface, the less is seen twice.
    side, left = np.zeros(3), CHUNK_VOXELS
    for rank, axis in enumerate(np.argsort(whole)):
        side[axis] = min(whole[axis], LONGEST, left ** (1 / (3 - rank)))
        left /= side[axis]
    side = np.maximum(np.floor(side / factors + 1e-6), 3 * margin)
    return tuple(int(n) for n in side), tuple(int(n) for n in margin)


def _read(volume: VolumeReader, slices: tuple[slice, ...]) -> NDArray[np.float32]:
    """Read a part of a volume: (1, z, y, x) where it is gray, else (3, z, y, x)."""
    depth, rows, columns = slices
    planes = [volume.read(z, rows, columns) for z in range(depth.start, depth.stop)]
    gray = all((p[..., :1] == p).all() for p in planes)
    kept = 1 if gray else 3
    return np.stack([p[..., :kept].transpose(2, 0, 1) for p in planes], 1).astype(np.float32)


def _choose_sample(volume: VolumeReader) -> tuple[slice, ...]:
    """Choose where to survey: the middle planes, and there the window that differs most."""
    depth, height, width = volume.shape
    deep = min(depth, _SAMPLE[0])
    z0 = (depth - deep) // 2
    high, wide = min(height, _SAMPLE[1]), min(width, _SAMPLE[2])
    best, place = -1.0, (0, 0)
    plane_numbers = sorted({z0 + deep // 4, z0 + deep // 2, z0 + (3 * deep) // 4})
    tops = np.unique(np.linspace(0, height - high, 4).astype(int))
    lefts = np.unique(np.linspace(0, width - wide, 4).astype(int))
    for top in tops.tolist():
        for left in lefts.tolist():
            rows, columns = slice(top, top + high), slice(left, left + wide)
            parts = [volume.read(z, rows, columns).mean(axis=2) for z in plane_numbers]
            spread = sum(_spread(part) for part in parts)
            if spread > best:
                best, place = spread, (top, left)
    y0, x0 = place
    return slice(z0, z0 + deep), slice(y0, y0 + high), slice(x0, x0 + wide)


def _spread(plane: NDArray[np.float64]) -> float:
    """Variance of a plane beyond that of its noise."""
    noise = measure_noise(plane.astype(np.float32))
    return max(0.0, float(plane.var()) - noise**2)
