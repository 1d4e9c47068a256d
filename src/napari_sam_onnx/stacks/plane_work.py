"""One plane → its painted labels: a piece of work that is done here, or by a worker elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.automatic.steps import iterate_mask_set
from napari_sam_onnx.automatic.taught.learn import LEARNED, LEAST
from napari_sam_onnx.cache import encode_through
from napari_sam_onnx.labels.label_image import paint_masks
from napari_sam_onnx.memory import give_back_memory

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.finders.progress import Progress
    from napari_sam_onnx.automatic.kept.mask_set import MaskSet
    from napari_sam_onnx.automatic.settings.modes import Parameters
    from napari_sam_onnx.automatic.taught.learn import Judge
    from napari_sam_onnx.automatic.where import Place
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pieces import Parts, Workshop


@dataclass(frozen=True, slots=True, eq=False)
class PaintedPlane:
    """What was found on a plane.

    Parameters
    ----------
    labels : (H, W) uint32
        Numbered from 1, perhaps with gaps; the numbers mean nothing beyond the plane.
    found : MaskSet or None
        All masks, where they were to be kept.
    chosen : (K,) intp or None
        Which of them were painted.
    """

    labels: NDArray[np.uint32]
    found: MaskSet | None = None
    chosen: NDArray[np.intp] | None = None


def find_plane(
    model: Model,
    cache: EmbeddingStore,
    rgb: NDArray[np.uint8],
    settings: Parameters,
    limits: Mapping[str, Any],
    place: Place | None = None,
    judge: Judge | None = None,
    keep: bool = False,
    workshop: Workshop | None = None,
) -> Generator[Progress, None, PaintedPlane]:
    """Find and paint the objects of a plane, step by step.

    Parameters
    ----------
    model, cache, rgb, settings, place
        See `napari_sam_onnx.automatic.steps.iterate_mask_set`.
    limits : mapping of str to value
        Limits that are to be others than those of the settings.
    judge : Judge, optional
        Leaves out what it does not want.
    keep : bool
        Whether masks are kept, the doubtful too.
    workshop : Workshop, optional
        Who does the tiles of a large plane.
    """
    found = yield from iterate_mask_set(
        rgb, model, settings, cache=cache, doubtful=keep, place=place, workshop=workshop
    )
    found = replace(found, selection=found.selection.change(**limits))
    least: dict[str, float] = {}
    if judge is not None and len(found):
        judge.note(found, encode_through(rgb, model, cache), rgb)
        least = {LEARNED: LEAST}
    chosen = found.painted(None, least)
    painted = paint_masks([found.masks[i] for i in chosen], found.shape)
    give_back_memory()
    return PaintedPlane(painted, found if keep else None, chosen if keep else None)


def pack_plane(plane: PaintedPlane) -> Parts:
    """Return the labels of a plane as they are kept and sent."""
    return {"labels": plane.labels}


def unpack_plane(parts: Parts) -> PaintedPlane:
    """Read what `pack_plane` gives."""
    return PaintedPlane(parts["labels"])
