"""A volume, plane by plane readable -> its labels, chunk by chunk, in bounded memory."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.finders.flows import FlowNetwork
from napari_sam_onnx.generators import relay
from napari_sam_onnx.pieces import Here, Piece, Task
from napari_sam_onnx.stacks.volumes.chunks import join_chunk, lay_chunks
from napari_sam_onnx.stacks.volumes.flows import iterate_flow_volume
from napari_sam_onnx.stacks.volumes.grid import resize, resize_labels
from napari_sam_onnx.stacks.volumes.parameters import VolumeParameters
from napari_sam_onnx.stacks.volumes.partition import FOREGROUND, draw_objects, find_basins
from napari_sam_onnx.stacks.volumes.survey import choose_sample, survey_volume
from napari_sam_onnx.stacks.volumes.views import CELL, iterate_views, map_shape

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pieces import Parts, Workshop
    from napari_sam_onnx.stacks.volumes.chunks import Chunk
    from napari_sam_onnx.stacks.volumes.survey import Survey
    from napari_sam_onnx.stacks.volumes.views import Maps
    from napari_sam_onnx.stacks.volumes.volume import Volume

CHUNK_VOXELS = 32_000_000
"""Voxels of a chunk as the model sees it, margins included: some 300 MB while it is worked on."""

LONGEST = 512
"""Longest side of what a model is shown at once; models enlarge planes up to it."""

_MARGIN = 1.25  # of a chunk, in diameters


@dataclass(frozen=True, slots=True)
class VolumeStep:
    """How far a volume has come: of ``total`` parts of the work ``done`` are finished.

    Parameters
    ----------
    done, total : int
    finished : int
        Planes from the first on whose labels are final.
    fresh : bool
        Whether labels were written since the step before.
    draft : bool
        Whether these are a first partition, of one view of three, that others will replace.
    """

    done: int
    total: int
    finished: int
    fresh: bool = False
    draft: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ChunkStep:
    """How far a chunk has come.

    Parameters
    ----------
    done, total : int
        Planes that the model has looked at.
    draft : (z, y, x) int32 or None
        A first partition, as soon as one view is seen.
    """

    done: int
    total: int
    draft: NDArray[np.int32] | None = None


def iterate_volume(
    volume: Volume,
    model: Model,
    parameters: VolumeParameters | None = None,
    thickness: float | None = None,
    first_label: int = 1,
    workshop: Workshop | None = None,
    draft: bool = False,
) -> Generator[VolumeStep, None, int]:
    """Label the objects of a volume, step by step.

    Closing the generator stops the run at the next plane that the model looks at; chunks that are
    done stay written.

    Parameters
    ----------
    volume : Volume
        Planes to read and labels, all 0, to write.
    model : Model
        One that proposes objects, with maps, or one that gives flows; see `sees_volumes`.
    parameters : VolumeParameters, optional
    thickness : float, optional
        Distance between planes in pixels; measured on the objects where it is not known.
    first_label : int
        Number of the first object.
    workshop : Workshop, optional
        Who does the chunks, and where finished ones are kept; a network of flows has none.
    draft : bool
        Whether a first partition of each chunk is written as soon as one of three views is seen,
        and replaced when the chunk is done; where the run is closed before, it stays.

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
    if isinstance(model, FlowNetwork):
        flows = iterate_flow_volume(volume, model, settings, thickness, first_label)
        return (yield from relay(flows, partial(_tell_flows, depth)))
    yield VolumeStep(0, 1, 0)
    sample = volume.read(choose_sample(volume))
    survey = survey_volume(sample, model, thickness, settings.diameter or None)
    if survey is None:
        yield VolumeStep(1, 1, depth)
        return first_label
    chunks = lay_chunks(volume.shape, *_chunk_size(volume.shape, survey))
    views = "ZYX" if settings.sections == "three" and depth > 1 else "Z"

    def prepare(chunk: Chunk) -> Task:
        return Task(_label_chunk, (volume.read(chunk.slices), survey, settings, views, draft))

    name = "-".join(["volume", *map(str, volume.place)])
    pieces = [
        Piece(f"{name}-chunk-{number}", partial(prepare, chunk), _pack_chunk, _unpack_chunk)
        for number, chunk in enumerate(chunks)
    ]
    before: NDArray[np.uint32] | None = None
    with closing((Here() if workshop is None else workshop).do(pieces, model, None)) as moments:
        for moment in moments:
            number, chunk = moment.number, chunks[moment.number]
            if not moment.done:
                final = min(c.box[0][0] for c in chunks[number:])
                step: ChunkStep = moment.step or ChunkStep(0, 1)
                if step.draft is not None:
                    before = volume.read_labels(chunk.slices)
                    first = np.where(step.draft > 0, step.draft.astype(np.uint32) + first_label, 0)
                    volume.write_labels(chunk.slices, np.where(before > 0, before, first))
                yield _tell_step(number, len(chunks), final, step)
                continue
            labels, peaks = moment.value
            if before is not None:
                volume.write_labels(chunk.slices, before)
                before = None
            if labels.any():
                written = volume.read_labels(chunk.slices)
                joined, first_label = join_chunk(written, labels, peaks, chunk, first_label)
                volume.write_labels(chunk.slices, joined)
            done = min([depth, *(c.box[0][0] for c in chunks[number + 1 :])])
            yield VolumeStep(100 * (number + 1), 100 * len(chunks), done, fresh=bool(labels.any()))
    return first_label


def _pack_chunk(value: tuple[NDArray[np.int32], NDArray[np.float64]]) -> Parts:
    return {"labels": value[0], "peaks": value[1]}


def _unpack_chunk(parts: Parts) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    return parts["labels"], parts["peaks"]


def _tell_flows(depth: int, step: tuple[int, int, bool]) -> VolumeStep:
    """Tell a step of a volume that is finished at once."""
    done, total, fresh = step
    return VolumeStep(done, total, depth if done == total else 0, fresh)


def _tell_step(number: int, chunks: int, final: int, step: ChunkStep) -> VolumeStep:
    """Tell a step of one chunk as one of all of them."""
    done, drafted = 100 * number + (100 * step.done) // step.total, step.draft is not None
    return VolumeStep(done, 100 * chunks, final, drafted, drafted)


def _label_chunk(
    model: Model,
    _: object,
    picture: NDArray[np.float32],
    survey: Survey,
    parameters: VolumeParameters,
    views: str,
    draft: bool,
) -> Generator[ChunkStep, None, tuple[NDArray[np.int32], NDArray[np.float64]]]:
    """Label what lies in a chunk; also say where each object's centre is, in its voxels."""
    from scipy import ndimage

    shape = picture.shape[1:]
    scale, sigma = survey.scale, survey.smoothing
    sigma = max(sigma, 0.4 * (1 / scale - 1))  # what is shrunk is smoothed first
    shown = picture
    if sigma > 0:
        blur = (0, sigma / survey.thickness, sigma, sigma)
        shown = ndimage.gaussian_filter(picture, blur)
    seen = [
        max(1, round(n * f))
        for n, f in zip(shape, (survey.thickness * scale, scale, scale), strict=True)
    ]
    shown = resize(shown, seen)
    gray = resize(shown.mean(axis=0), map_shape(shown.shape[1:]))
    cells = survey.diameter * scale / CELL
    early: list[Maps] = []

    def tell(step: tuple[int, int]) -> ChunkStep:
        if not early:
            return ChunkStep(*step)
        first = find_basins(*early.pop(), gray, cells, survey.contrast, parameters)
        sure = np.where(first.foreground > FOREGROUND, first.basins, 0)
        return ChunkStep(*step, resize_labels(sure, shape))

    steps = iterate_views(shown, model, views, early if draft else None)
    centers, foreground = yield from relay(steps, tell)
    del shown, steps
    partition = find_basins(centers, foreground, gray, cells, survey.contrast, parameters)
    labels = draw_objects(
        partition,
        picture.mean(axis=0),
        survey.thickness,
        survey.diameter,
        survey.contrast,
        survey.smoothing,
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
