"""What a word names, or what looks like examples, on every plane of a stack.

Each plane is looked at by itself, with examples of one of them; objects that overlap on planes that
follow each other have one number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.generators import relay
from napari_sam_onnx.labels.label_image import paint_masks
from napari_sam_onnx.labels.linking import link_labels, number_on
from napari_sam_onnx.memory import give_back_memory
from napari_sam_onnx.pictures.image import BlankError
from napari_sam_onnx.stacks.iterate import order_planes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.planes import PlaneSource

    Look = Callable[[tuple[int, ...], NDArray[np.uint8]], Generator[object, None, list[Mask]]]


@dataclass(frozen=True, slots=True, eq=False)
class PlaneFound:
    """What was found on a plane, or that it is being looked at.

    Parameters
    ----------
    index : tuple of int
    done, total : int
        Planes that are finished, of all.
    labels : (H, W) uint32 or None
        None while it is looked at.
    """

    index: tuple[int, ...]
    done: int
    total: int
    labels: NDArray[np.uint32] | None = None


def iterate_look_up_stack(
    source: PlaneSource, look: Look, link: str | None
) -> Generator[PlaneFound, None, int]:
    """Look at all planes of a stack.

    Parameters
    ----------
    source : PlaneSource
    look : callable
        Takes the index of a plane and how a model sees it, and gives steps whose value is its
        masks, such as `napari_sam_onnx.automatic.look_up.iterate_look_up`.
    link : str or None
        The axis along which an object keeps its number.

    Yields
    ------
    PlaneFound

    Returns
    -------
    int
        The generator's value: how many objects there are.
    """
    order = order_planes(source.shape, source.axes, link)
    previous: NDArray[np.uint32] | None = None
    next_label = 1
    for done, (index, starts) in enumerate(order):
        try:
            rgb = source.read(index)
        except BlankError:
            previous = None
            nothing = np.zeros(source.plane_shape, np.uint32)
            yield PlaneFound(index, done + 1, len(order), nothing)
            continue
        now = PlaneFound(index, done, len(order))
        masks = yield from relay(look(index, rgb), lambda _, now=now: now)  # type: ignore[misc]
        painted = paint_masks(masks, source.plane_shape, overlap="smaller")
        if link is None or previous is None or starts:
            labels, next_label = number_on(painted, next_label)
        else:
            labels, next_label = link_labels(previous, painted, next_label)
        previous = labels
        give_back_memory()
        yield PlaneFound(index, done + 1, len(order), labels)
    return next_label - 1
