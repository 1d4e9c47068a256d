"""Run one picture through a model and say what was seen: shapes, times, and traps.

Without a picture the model is shown a plain disc on a wider-than-high plane, away from the
middle. A mask that misses it tells of what metadata cannot: a wrong layout of the tensor, a
wrong range of values, coordinates in the wrong order or scale, a mask stretched or cropped.
Where the rows of `contracts` differ in what they can do, the report says it in plain words.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.masks.mask import Mask, measure_iou
from napari_sam_onnx.masks.upscale import mask_from_low_res
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.prompts import PromptError, make_prompts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.models.onnx.flow_model import FlowModel
    from napari_sam_onnx.models.onnx.memory.memory_model import MemoryModel
    from napari_sam_onnx.models.onnx.onnx_model import OnnxModel
    from napari_sam_onnx.prompts import Prompts

BATCH = 16
"""Prompts in the batch that is timed."""

_PLANE = (420, 640)
_CENTER, _RADIUS = (150.0, 440.0), 70.0
_MOVED = 24  # pixels from plane to plane
_SOUND = 0.5  # IoU with the disc below which something is read wrongly


@dataclass(frozen=True, slots=True)
class ModelReport:
    """What a check saw.

    Parameters
    ----------
    contract : str
        Such as ``E1 + A``.
    exports : str
        Which exports follow the two rows.
    runs_on : str
        Where the graphs run and why.
    picture : str
        What was shown.
    embedding : mapping of str to tuple of int
        Shapes of the embedding's tensors, by their names in the decoder.
    embedding_bytes : int
        Bytes that one plane's embedding occupies.
    candidates : (M, h, w)
        Masks per prompt, and their size before upscaling.
    encode_seconds : float
        Time for one plane.
    decode_seconds : float
        Time for one prompt.
    batch_seconds : float
        Time for each prompt of a batch.
    score : float
        The predicted IoU of the mask that is shown first, raw.
    disc_iou : float or None
        Overlap of that mask with the disc; None for a picture of the user's.
    area : int
        Pixels of that mask.
    findings : tuple of str
        Traps and limits, a sentence each.
    """

    contract: str
    exports: str
    runs_on: str
    picture: str
    embedding: Mapping[str, tuple[int, ...]]
    embedding_bytes: int
    candidates: tuple[int, int, int]
    encode_seconds: float
    decode_seconds: float
    batch_seconds: float
    score: float
    disc_iou: float | None
    area: int
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MemoryReport:
    """What a model that remembers made of a disc that moved.

    Parameters
    ----------
    seconds : float
        Time for one more plane of one object, the encoder's included.
    iou : float
        Overlap with the disc on the plane to which it was followed.
    presence : float
        Logit that the disc is there.
    """

    seconds: float
    iou: float
    presence: float


def check_memory(model: MemoryModel) -> MemoryReport:
    """Show a disc to a model that remembers, move it, and look for it on the next plane.

    Raises
    ------
    ModelError
        If one of the graphs fails.
    """
    moved = np.roll(draw_disc(), _MOVED, axis=1)
    track = model.start_track(2)
    prompts = make_prompts([_CENTER], plane_shape=_PLANE)
    track.point(0, model.encode(draw_disc()), prompts)
    started = time.perf_counter()
    seen = track.follow(1, model.encode(moved))
    seconds = time.perf_counter() - started
    mask = mask_from_low_res(seen.low_res, _PLANE, seen.predicted_iou)
    truth = Mask.from_array(np.roll(draw_disc_truth(), _MOVED, axis=1))
    return MemoryReport(seconds, measure_iou(mask, truth), seen.presence)


@dataclass(frozen=True, slots=True)
class FlowReport:
    """What a check of a network without prompts saw.

    Parameters
    ----------
    runs_on : str
        Where the graph runs and why.
    picture : str
        What was shown.
    encode_seconds : float
        Time for the plane.
    cell_area : int
        Pixels that the network holds to be cells.
    """

    runs_on: str
    picture: str
    encode_seconds: float
    cell_area: int


def check_flows(model: FlowModel, image: NDArray[np.uint8] | None = None) -> FlowReport:
    """Show one picture to a network of the Cellpose family, and report.

    Parameters
    ----------
    model : FlowModel
    image : (H, W, 3) uint8, optional
        RGB; a drawn disc where omitted.

    Raises
    ------
    ModelError
        If the network cannot take the picture or fails on it.
    """
    plane = draw_disc() if image is None else image
    model.warm_up()
    started = time.perf_counter()
    field = model.field_of(model.encode(plane))
    seconds = time.perf_counter() - started
    height, width = plane.shape[:2]
    shown = "a drawn disc" if image is None else "the picture"
    picture = f"{shown}, {height} x {width}"
    return FlowReport(model.description, picture, seconds, int((field.cell > 0).sum()))


def check_model(
    model: OnnxModel | MemoryModel, image: NDArray[np.uint8] | None = None
) -> ModelReport:
    """Encode one picture, ask for the object in its middle, and report.

    Parameters
    ----------
    model : OnnxModel or MemoryModel
    image : (H, W, 3) uint8, optional
        RGB; a drawn disc where omitted.

    Returns
    -------
    ModelReport

    Raises
    ------
    ModelError
        If the model cannot take the picture or fails on it.
    """
    truth = None if image is not None else draw_disc_truth()
    plane = draw_disc() if image is None else image
    shape = (plane.shape[0], plane.shape[1])
    where = _CENTER if image is None else ((shape[0] - 1) / 2, (shape[1] - 1) / 2)
    prompt = _make_prompt(model, shape, where)
    model.warm_up()
    started = time.perf_counter()
    embedding = model.encode(plane)
    encode_seconds = time.perf_counter() - started
    started = time.perf_counter()
    answer = model.decode(embedding, [prompt])
    np.asarray(answer.logits)  # some decoders make masks when they are looked at
    decode_seconds = time.perf_counter() - started
    started = time.perf_counter()
    np.asarray(model.decode(embedding, [prompt] * BATCH).logits)
    batch_seconds = (time.perf_counter() - started) / BATCH
    best = int(answer.best[0])
    score = float(answer.predicted_iou[0, best])
    mask = mask_from_low_res(answer.mask(0, best), shape, score)
    disc_iou = None if truth is None else measure_iou(mask, Mask.from_array(truth))
    row = model.contract
    return ModelReport(
        contract=row.name,
        exports=f"encoder: {row.encoder.summary}; decoder: {row.decoder.summary}",
        runs_on=model.description,
        picture="a drawn disc" if image is None else "your picture",
        embedding={name: tuple(t.shape) for name, t in embedding.tensors.items()},
        embedding_bytes=embedding.nbytes,
        candidates=(answer.logits.shape[1], *answer.logits.shape[2:]),
        encode_seconds=encode_seconds,
        decode_seconds=decode_seconds,
        batch_seconds=batch_seconds,
        score=score,
        disc_iou=disc_iou,
        area=mask.area,
        findings=tuple(_find(model, embedding, prompt, mask, score, disc_iou)),
    )


def draw_disc() -> NDArray[np.uint8]:
    """Draw a bright disc on a grey plane, (420, 640, 3) uint8; red and blue differ."""
    inside = draw_disc_truth()[..., None]
    return np.where(inside, (235, 215, 190), (60, 55, 50)).astype(np.uint8)


def draw_disc_truth() -> NDArray[np.bool_]:
    """Say where the disc is, (420, 640) bool."""
    y, x = np.ogrid[: _PLANE[0], : _PLANE[1]]
    inside: NDArray[np.bool_] = (y - _CENTER[0]) ** 2 + (x - _CENTER[1]) ** 2 <= _RADIUS**2
    return inside


def _make_prompt(
    model: OnnxModel | MemoryModel, shape: tuple[int, int], where: Sequence[float]
) -> Prompts:
    """Make a click, or the box around it for models that take nothing else."""
    if model.contract.decoder.points:
        return make_prompts([where], plane_shape=shape)
    reach = min(_RADIUS, min(shape) / 4)
    y, x = where
    return make_prompts(box=(y - reach, x - reach, y + reach, x + reach), plane_shape=shape)


def _find(
    model: OnnxModel | MemoryModel,
    embedding: Embedding,
    prompt: Prompts,
    mask: Mask,
    score: float,
    disc_iou: float | None,
) -> list[str]:
    """Put limits and suspicions into words, what loading found first."""
    row = model.contract.decoder
    found = list(model.findings)
    if disc_iou is not None and disc_iou < _SOUND:
        found.append(
            f"the mask of a plain disc overlaps it by {disc_iou:.2f} only: the weights are not "
            "trained, or the tensor's layout, range or coordinates are not what the contract "
            "says (a card can override them)"
        )
    elif not mask.area:
        found.append("the mask is empty; try a picture with an object in its middle")
    if score > 1:
        found.append(f"predicted IoU is raw here and exceeds 1 ({score:.2f}); that is no error")
    candidates = model.decode(embedding, [prompt]).logits.shape[1]
    if candidates == 1:
        found.append("one mask per prompt: no candidates to choose from, weak automatic masks")
    if not model.takes_masks:
        found.append("an earlier mask cannot be refined; every answer starts from the prompts")
    if not row.negatives:
        found.append("background clicks have no meaning for this decoder")
    if row.max_points:
        found.append(f"more than {row.max_points} points are lost in the graph")
    if row.box_as == "none":
        found.append("boxes have no effect")
    else:
        found += _try_box(model, embedding, prompt)
    return found


def _try_box(model: OnnxModel | MemoryModel, embedding: Embedding, prompt: Prompts) -> list[str]:
    """Ask once with a box, since some graphs refuse one that their inputs promise."""
    if not len(prompt.points):
        return []
    height, width = embedding.plane_shape
    y, x = prompt.points[0]
    box = (y - height / 6, x - width / 6, y + height / 6, x + width / 6)
    try:
        model.decode(embedding, [make_prompts(box=box, plane_shape=(height, width))])
    except (ModelError, PromptError) as error:
        return [f"boxes fail: {error}"]
    return []
