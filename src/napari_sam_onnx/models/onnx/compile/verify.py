"""Whether compiled graphs answer as the decoder does: random pictures, random prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.embedding import LowResMask
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.compile.structure.refusal import NotCompilableError
from napari_sam_onnx.models.onnx.framing.feeds import (
    BOX_END,
    BOX_START,
    NO_POINT,
    Question,
    build_feeds,
)
from napari_sam_onnx.models.onnx.framing.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from napari_sam_onnx.models.onnx.compile.runner import CompiledDecoder
    from napari_sam_onnx.models.onnx.contracts.rows import DecoderContract
    from napari_sam_onnx.models.onnx.sessions.runtime import Session

    Answer = dict[str, NDArray[Any]]

TOLERANCE = 1e-3
"""Largest difference of outputs, over their range, that counts as the same answer."""

_DIFFERENT = "the faster graphs would answer differently"
_KINDS = ((1, NO_POINT), (1, 0, 1, NO_POINT), (BOX_START, BOX_END), (BOX_START, BOX_END, 1, 0))
_SPREAD = 0.5  # of a random embedding; those of trained encoders spread by 0.1 to 1


def make_embedding(
    session: Session, row: DecoderContract, seed: int = 0
) -> dict[str, NDArray[np.float32]]:
    """Make a random embedding in the decoder's shapes.

    Raises
    ------
    NotCompilableError
        If the decoder leaves them open.
    """
    random, tensors = np.random.default_rng(seed), {}
    for spec in session.inputs:
        if spec.name in row.embeddings:
            sides = [spec.shape[0] or 1, *spec.shape[1:]] if spec.shape else [None]
            if any(side is None for side in sides):
                raise NotCompilableError("it leaves the shape of its embedding open")
            noise = random.standard_normal([int(side or 1) for side in sides], np.float32)
            tensors[spec.name] = _SPREAD * noise
    return tensors


def make_feeds(
    row: DecoderContract, labels: Sequence[int], seed: int, *, masked: bool = False
) -> dict[str, NDArray[Any]]:
    """Make one random prompt with points of such labels, and perhaps an earlier mask."""
    random, side = np.random.default_rng(seed), row.prompt_size
    frame = Frame(np.ones(2), False, np.array([0, 0, side, side], np.float32))
    points = random.uniform(0, side, (len(labels), 2)).astype(np.float32)
    points[np.array(labels) == NO_POINT] = 0
    mask = None
    if masked:
        logits = random.standard_normal((row.mask_side, row.mask_side), np.float32)
        mask = LowResMask(10 * logits, frame.window)
    return build_feeds([Question(points, np.array(labels, np.float32), None, mask)], row, frame)


def verify(original: Session, compiled: CompiledDecoder, row: DecoderContract) -> bool:
    """Compare the answers to clicks, boxes, both, and an earlier mask, alone and in batches.

    Returns
    -------
    bool
        Whether two prompts at once are answered as one after the other. Exporters that follow
        a model with PyTorch's compiler write the one prompt that they saw into the graph.

    Raises
    ------
    NotCompilableError
        If an answer to a prompt alone differs.
    ModelError
        If the graphs fail.
    """
    wanted, batches = [row.scores, row.masks], True
    for seed, labels in enumerate(_KINDS):
        embedding = make_embedding(original, row, seed // 2)
        asked = [make_feeds(row, labels, seed + 10 * turn) for turn in range(2)]
        expected = [original.run(embedding | feeds, wanted) for feeds in asked]
        if expected[0][row.masks].shape[-2:] != compiled.mask_shape:
            raise NotCompilableError("its masks are of another size")
        if not _is_same(expected[0], compiled.run(embedding | asked[0])):
            raise NotCompilableError(_DIFFERENT)
        upper = expected[0][row.masks][..., : compiled.mask_shape[0] // 2, :]
        half = compiled.run(embedding | asked[0], part=0.5)[row.masks][..., : upper.shape[-2], :]
        if not _is_same({row.masks: upper}, {row.masks: half}):
            raise NotCompilableError(_DIFFERENT)
        together = embedding | _stack(asked, row)
        batches = batches and _answers_at_once(compiled, together, _join(expected))
    if row.takes_masks:
        feeds = embedding | make_feeds(row, _KINDS[0], 50, masked=True)
        if not _is_same(original.run(feeds, wanted), compiled.run(feeds)):
            raise NotCompilableError(_DIFFERENT)
    return batches


def _answers_at_once(compiled: CompiledDecoder, feeds: Answer, expected: Answer) -> bool:
    try:
        return _is_same(expected, compiled.run(feeds))
    except ModelError:  # a number of prompts is written into the graph
        return False


def _stack(asked: Sequence[Answer], row: DecoderContract) -> Answer:
    each = {row.points, row.labels}
    each |= {row.mask_input} if row.mask_batch == "each" else set()
    each |= {row.has_mask} if row.flag_batch == "each" else set()
    return {
        name: np.concatenate([feeds[name] for feeds in asked]) if name in each else array
        for name, array in asked[0].items()
    }


def _join(answers: Sequence[Answer]) -> Answer:
    return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}


def _is_same(expected: Answer, found: Answer) -> bool:
    for name, array in expected.items():
        limit = TOLERANCE * max(float(np.ptp(array)), TOLERANCE)
        if array.shape != found[name].shape:
            return False
        if not np.abs(array - found[name]).max() <= limit:  # nor if it is no number
            return False
    return True
