"""A plane -> its masks, or its label image, in one call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.automatic.choose import iterate_choice
from napari_sam_onnx.automatic.settings.modes import make_parameters, split_limits
from napari_sam_onnx.automatic.settings.selection import Selection
from napari_sam_onnx.automatic.steps import iterate_mask_set
from napari_sam_onnx.automatic.where import make_place
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.generators import drive
from napari_sam_onnx.pictures.image import to_rgb

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.automatic.finders.progress import Progress
    from napari_sam_onnx.automatic.kept.mask_set import MaskSet
    from napari_sam_onnx.automatic.settings.modes import Parameters
    from napari_sam_onnx.automatic.where import Place
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pictures.image import Channel


def load(model: Model | str) -> Model:
    """Return a model itself, or the one with that id."""
    from napari_sam_onnx.models import ModelError, load_model

    if not isinstance(model, str):
        if not isinstance(getattr(model, "id", None), str):
            raise ModelError(
                f"A model is an id or what load_model returns; got {type(model).__name__}."
            )
        return model

    return load_model(model)


def find_masks(
    image: Any,
    model: Model | str,
    mode: str | None = None,
    *,
    axes: str | None = None,
    channels: Sequence[Channel] | None = None,
    boxes: ArrayLike | None = None,
    inside: ArrayLike | None = None,
    existing: ArrayLike | None = None,
    progress: Callable[[int, int], None] | None = None,
    cache: EmbeddingStore | None = None,
    **parameters: Any,
) -> MaskSet:
    """Find what is on a plane and keep it, the doubtful too, to choose from.

    Parameters
    ----------
    image : (H, W) or (H, W, C) array, any dtype, or any order named by ``axes``
    model : Model or str
        A model, or the id of one.
    mode : {"grid", "objects", "blobs", "boxes", "tiled", "flows"} or None
        Where the prompts come from: a regular grid of clicks (SAM's own generator), the objects
        that the model proposes, blobs found in the picture, boxes that are given, or one of these
        in each tile of a large plane; or no prompts, but the flow field of a network of the
        Cellpose family. None: what `iterate_choice` finds.
    axes, channels
        See `napari_sam_onnx.to_rgb`.
    boxes
        For the mode ``boxes``, see `napari_sam_onnx.automatic.iterate_mask_set`.
    inside : (H, W) array-like, optional
        Nonzero where objects are looked for; those that lie mostly beyond are left out.
    existing : (H, W) integer array-like, optional
        Labels that stay: objects are looked for in what they leave free.
    progress : callable, optional
        Called with ``(done, total)``; total is 0 while it is not known.
    cache : EmbeddingStore, optional
        Where embeddings are kept.
    **parameters
        Settings of the mode: the fields of its class in `MODES`; and limits: the fields of
        `Selection`.

    Returns
    -------
    MaskSet
        ``choose(**limits)`` gives masks and ``paint(**limits)`` labels, without inference.

    Raises
    ------
    ImageError
        If the picture cannot be shown to a model.
    ParameterError
        If a setting does not exist or is out of range, or the model cannot do the mode.

    Examples
    --------
    >>> found = find_masks(image, "pebble")  # doctest: +SKIP
    >>> labels = found.paint(min_circularity=0.8, max_diameter=40)  # doctest: +SKIP
    """
    job = _prepare(image, model, mode, axes, channels, cache, parameters, progress)
    return job.find(boxes, progress, make_place(job.shape, inside, existing), doubtful=True)


def generate_masks(
    image: Any,
    model: Model | str,
    mode: str | None = "grid",
    *,
    axes: str | None = None,
    channels: Sequence[Channel] | None = None,
    boxes: ArrayLike | None = None,
    progress: Callable[[int, int], None] | None = None,
    cache: EmbeddingStore | None = None,
    **parameters: Any,
) -> list[Mask]:
    """Find the masks of a plane.

    Parameters
    ----------
    image, model, mode, axes, channels, boxes, progress, cache, **parameters
        See `find_masks`.

    Returns
    -------
    list of Mask
        The best rated first; with ``grid`` in the order of SAM's own generator.

    Raises
    ------
    ImageError, ParameterError
        See `find_masks`.
    """
    job = _prepare(image, model, mode, axes, channels, cache, parameters, progress)
    return job.find(boxes, progress).choose()


def automask(
    image: Any,
    model: Model | str,
    mode: str | None = None,
    *,
    axes: str | None = None,
    channels: Sequence[Channel] | None = None,
    boxes: ArrayLike | None = None,
    inside: ArrayLike | None = None,
    existing: ArrayLike | None = None,
    progress: Callable[[int, int], None] | None = None,
    cache: EmbeddingStore | None = None,
    **parameters: Any,
) -> NDArray[np.uint32]:
    """Make the label image of a plane: one label per object.

    Parameters
    ----------
    image, model, mode, axes, channels, boxes, inside, existing, progress, cache, **parameters
        See `find_masks`.

    Returns
    -------
    (H, W) uint32
        Labels in the order of `generate_masks`. Where masks overlap the smaller one is on top; see
        `napari_sam_onnx.automatic.iterate_labels`. Existing labels are among
        them, with their numbers; new ones follow.
    """
    job = _prepare(image, model, mode, axes, channels, cache, parameters, progress)
    place = make_place(job.shape, inside, existing)
    painted = job.find(boxes, progress, place).paint()
    return painted if place is None else place.add(painted)


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """Everything that can be wrong was checked."""

    rgb: NDArray[np.uint8]
    model: Model
    parameters: Parameters
    limits: dict[str, float]
    cache: EmbeddingStore

    @property
    def shape(self) -> tuple[int, int]:
        return self.rgb.shape[0], self.rgb.shape[1]

    def find(
        self,
        boxes: ArrayLike | None,
        progress: Callable[[int, int], None] | None,
        place: Place | None = None,
        doubtful: bool = False,
    ) -> MaskSet:
        steps = iterate_mask_set(
            self.rgb,
            self.model,
            self.parameters,
            cache=self.cache,
            boxes=boxes,
            doubtful=doubtful,
            place=place,
        )
        found: MaskSet = _run(steps, progress)
        return replace(found, selection=found.selection.change(**self.limits))


def _prepare(
    image: Any,
    model: Model | str,
    mode: str | None,
    axes: str | None,
    channels: Sequence[Channel] | None,
    cache: EmbeddingStore | None,
    values: dict[str, Any],
    progress: Callable[[int, int], None] | None,
) -> _Job:
    """Check everything that can be wrong before the first long step."""
    values, limits = split_limits(mode, values)
    Selection().change(**limits)
    settings = None if mode is None else make_parameters(mode, **values)
    rgb = to_rgb(image, axes, channels)
    made = load(model)
    kept: EmbeddingStore = EmbeddingCache(max_bytes=0) if cache is None else cache
    if settings is None:
        settings = _run(iterate_choice(made, rgb, kept, values), progress)
    return _Job(rgb, made, settings, limits, kept)


def _run(steps: Generator[Progress, None, Any], progress: Callable[[int, int], None] | None) -> Any:
    """Run a generator to its end and return its value."""
    if progress is None:
        return drive(steps)
    return drive(steps, lambda step: progress(step.done, step.total))
