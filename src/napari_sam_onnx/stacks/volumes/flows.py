"""A volume by a network of the Cellpose family: flows of three views, followed in 3-D.

The network sees planes across z, y and x. Each view tells two of the three parts of the flow, so
each part is told by two of them; their mean is taken, as that of the three cell logits is, and
every voxel follows it to its sink. (The authors' own program takes sums, with which voxels jump
over their sink by two at a time.) Where planes lie farther apart than pixels, voxels are followed
between the planes too, at equal distances along all axes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.finders.flows import NETWORK_DIAMETER
from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.generators import relay
from napari_sam_onnx.memory import format_bytes, free_memory
from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.stacks.volumes.grid import resize, resize_labels
from napari_sam_onnx.stacks.volumes.parameters import VolumeParameters

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.finders.flows import FlowNetwork
    from napari_sam_onnx.masks.flows import FlowField
    from napari_sam_onnx.stacks.volumes.volume import Volume

LEAST_VOXELS = 15
"""Smaller objects are left out where no diameter is given, as in the authors' program."""

_BYTES = 80  # for each voxel, while a volume is worked on
_STEPS = 200


def iterate_flow_volume(
    volume: Volume,
    model: FlowNetwork,
    parameters: VolumeParameters | None = None,
    thickness: float | None = None,
    first_label: int = 1,
) -> Generator[tuple[int, int, bool], None, int]:
    """Label the objects of a volume.

    Parameters
    ----------
    volume : Volume
        Read and worked on as a whole.
    model : FlowNetwork
    parameters : VolumeParameters, optional
        Of which the diameter, and with it the smallest volume, count.
    thickness : float, optional
        Distance between planes in pixels; 1 where omitted.
    first_label : int

    Yields
    ------
    done, total, fresh : int, int, bool
        Parts of the work, and whether labels were written.

    Returns
    -------
    int
        The generator's value: the first number that is still free.

    Raises
    ------
    ImageError
        If the volume does not fit into memory.
    ParameterError
        If planes alone are asked for.
    """
    from napari_sam_onnx.masks.flows import iterate_flow_labels

    settings = VolumeParameters() if parameters is None else parameters
    if settings.sections != "three":
        raise ParameterError(
            "Flows are followed through a volume in three views; to look at planes alone, leave "
            "the method away or take planes."
        )
    thick = thickness or 1.0
    scale = NETWORK_DIAMETER / settings.diameter if settings.diameter else 1.0
    factors = np.array([thick * scale, scale, scale])
    seen = [max(1, round(n * f)) for n, f in zip(volume.shape, factors, strict=True)]
    even = max(1, round(volume.shape[0] * thick)), *volume.shape[1:]
    needed = _BYTES * max(int(np.prod(seen)), int(np.prod(even)))
    if needed > free_memory():
        raise ImageError(
            f"This volume takes {format_bytes(needed)} of memory by flows, and there are "
            f"{format_bytes(free_memory())}; crop it, or look at its planes."
        )
    whole = slice(0, volume.shape[0]), slice(0, volume.shape[1]), slice(0, volume.shape[2])
    picture = volume.read(whole)
    views = len(seen) if volume.shape[0] > 1 else 1
    total = sum(seen[:views]) + _STEPS
    shown = model.normalise(np.broadcast_to(picture, (3, *picture.shape[1:])))
    del picture
    field = yield from relay(
        iterate_field(resize(shown, seen), model, views), lambda done: (done, total, False)
    )
    del shown
    field = resize_volume_field(field, even)
    least = LEAST_VOXELS
    if settings.diameter:
        least = max(1, round(settings.min_volume * settings.diameter**3))
    found = yield from relay(
        iterate_flow_labels(field, min_area=least, steps=_STEPS),
        lambda step: (total - _STEPS + step[0], total, False),
    )
    planes = resize_labels(found.labels.astype(np.int32), volume.shape)
    labels = np.where(planes > 0, planes + (first_label - 1), 0).astype(np.uint32)
    volume.write_labels(whole, labels)
    yield total, total, bool(labels.any())
    return first_label + len(found.errors)


def iterate_field(
    shown: NDArray[np.float32], model: FlowNetwork, views: int = 3
) -> Generator[int, None, FlowField]:
    """Compute the flow field of a volume, plane by plane in each view.

    Parameters
    ----------
    shown : (3, Z, Y, X) float32
        Normalised, isotropic.
    model : FlowNetwork
    views : int
        3, or 1: planes across z alone.

    Yields
    ------
    int
        Planes that are done.

    Returns
    -------
    FlowField
        The generator's value.
    """
    from napari_sam_onnx.masks.flows import FlowField

    flow = np.zeros((3, *shown.shape[1:]), np.float32)
    cell = np.zeros(shown.shape[1:], np.float32)
    done = 0
    for axis in range(views):
        rows, columns = (other for other in range(3) if other != axis)
        for place in range(shown.shape[axis + 1]):
            plane = np.take(shown, place, axis + 1)
            maps = yield from relay(model.iterate_maps(plane), partial(_stay, done))
            at = (slice(None),) * axis + (place,)
            flow[rows][at] += maps[0]
            flow[columns][at] += maps[1]
            cell[at] += maps[2]
            done += 1
            yield done
    flow *= np.float32(1 / max(1, views - 1))
    cell *= np.float32(1 / views)
    return FlowField(flow, cell)


def _stay(done: int, _: tuple[int, int]) -> int:
    return done


def resize_volume_field(field: FlowField, shape: tuple[int, int, int]) -> FlowField:
    """Resample the flow field of a volume linearly; flows keep their length."""
    from napari_sam_onnx.masks.flows import FlowField

    if field.cell.shape == shape:
        return field
    return FlowField(resize(field.flow, shape), resize(field.cell, shape))
