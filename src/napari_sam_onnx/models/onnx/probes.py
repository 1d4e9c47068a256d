"""What metadata cannot tell and a few runs of the decoder can.

Each probe asks the decoder two ways and compares the answers, on a made-up embedding. The
runs also warm the decoder up.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.compile.runner import CompiledDecoder
from napari_sam_onnx.models.onnx.sessions.runtime import Session
from napari_sam_onnx.models.onnx.surgery.batching import open_axis
from napari_sam_onnx.models.onnx.surgery.pruning import list_outputs_read, prune

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from napari_sam_onnx.models.onnx.contracts.families import DecoderContract

    Runs = Session | CompiledDecoder

Clicks = tuple["NDArray[np.float32]", "NDArray[np.float32]"]
"""Points (N, 2) as (x, y) in the frame, and their labels (N,)."""

_SAME = 1e-4  # of the answers' spread: batched and single runs differ by rounding alone
_LARGEST_REWRITE = 256 * 2**20  # bytes; larger graphs are looped over instead of rewritten


def probe_decoder(
    session: Runs, decoder: DecoderContract, stated: frozenset[str] = frozenset()
) -> tuple[Runs, DecoderContract, tuple[str, ...]]:
    """Complete a decoder's row by trying.

    Parameters
    ----------
    session : Session or CompiledDecoder
    decoder : DecoderContract
    stated : frozenset of str
        Fields that a card states, which are not probed.

    Returns
    -------
    session : Session or CompiledDecoder
        The one given, or one of the rewritten graph that takes batches; then the one given
        is closed.
    decoder : DecoderContract
        With `batch`, `pad`, `box_as`, `middle` and `gain` as found.
    findings : tuple of str
        What was found, one sentence each.
    """
    tensors = _make_up_embedding(session, decoder)
    if tensors is None or decoder.frame == "window":
        return session, decoder, ()
    findings: list[str] = []
    if decoder.name in ("I", "I'") and not stated & {"middle", "gain"}:
        decoder = _probe_range(session, decoder, tensors, findings)
    if decoder.box_as == "tensor" and decoder.points and not stated & {"pad", "box_as"}:
        decoder = _probe_padding(session, decoder, tensors, findings)
    if isinstance(session, CompiledDecoder):
        return session, decoder, tuple(findings)  # it was compared with batches already
    if "batch" in stated:
        findings.append("whether prompts run in batches is stated by the card")
    elif decoder.batch:
        if not _takes_batches(session, decoder, tensors):
            decoder = replace(decoder, batch=False)
            findings.append("prompts run one by one: the graph states a batch and fails with it")
    else:
        opened = _open_batch(session, decoder)
        if opened is not None and _takes_batches(opened, decoder, tensors):
            session.close()
            session, decoder = opened, replace(decoder, batch=True)
            findings.append("prompts run in batches: the graph states 1 and computes any")
        else:
            if opened is not None:
                opened.close()
            findings.append("prompts run one by one: the graph takes one at a time")
    return session, decoder, tuple(findings)


def _make_up_embedding(session: Runs, decoder: DecoderContract) -> dict[str, NDArray[Any]] | None:
    """Noise in the shape of the embedding, or None where the file leaves its sides open.

    The picture that a single file takes has open sides and is a square of the frame.
    """
    open_side = decoder.prompt_size if decoder.name == "Hc" else None
    random = np.random.default_rng(0)
    tensors = {}
    for spec in session.inputs:
        if spec.name in decoder.embeddings:
            shape = (spec.shape[0] or 1, *(side or open_side for side in spec.shape[1:]))
            if any(side is None for side in shape) or not spec.ranked:
                return None
            tensors[spec.name] = random.standard_normal([int(s or 1) for s in shape], np.float32)
    return tensors


def _clicks(decoder: DecoderContract) -> list[Clicks]:
    side = float(decoder.prompt_size)
    points = np.array([[[0.3, 0.4], [0.5, 0.5]], [[0.7, 0.2], [0.5, 0.5]]], np.float32) * side
    count = decoder.exact_points or 2
    labels = np.array([1, 1, *[-1] * count], np.float32)[:count]
    padding = np.zeros((count, 2), np.float32)
    return [(np.concatenate([pair, padding])[:count], labels) for pair in points]


def _run(
    session: Runs,
    decoder: DecoderContract,
    tensors: dict[str, NDArray[Any]],
    clicks: list[Clicks],
    boxes: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Masks (B, …) and scores (B, M) for clicks and boxes, past all rules for prompts."""
    from napari_sam_onnx.models.onnx.framing.feeds import Question, build_feeds
    from napari_sam_onnx.models.onnx.framing.frame import Frame

    side = decoder.prompt_size
    frame = Frame(np.ones(2), False, np.array([0, 0, side, side], np.float32))
    questions = [
        Question(points, labels, None if boxes is None else boxes[position])
        for position, (points, labels) in enumerate(clicks)
    ]
    feeds = tensors | build_feeds(questions, decoder, frame)
    outputs = session.run(feeds, [decoder.masks, decoder.scores])
    masks = np.asarray(outputs[decoder.masks], np.float32)
    scores = np.asarray(outputs[decoder.scores], np.float32)
    return masks.reshape(len(clicks), -1), scores.reshape(len(clicks), -1)


def _takes_batches(
    session: Runs, decoder: DecoderContract, tensors: dict[str, NDArray[Any]]
) -> bool:
    """Whether two prompts at once are answered as one after the other."""
    clicks = _clicks(decoder)
    boxes = None
    if not decoder.points:
        corners = np.array([[0.2, 0.2, 0.5, 0.6], [0.4, 0.1, 0.9, 0.9]], np.float32)
        boxes = corners * decoder.prompt_size
        clicks = [(points[:0], labels[:0]) for points, labels in clicks]
    single = [
        _run(session, decoder, tensors, [click], None if boxes is None else boxes[[position]])
        for position, click in enumerate(clicks)
    ]
    try:
        together = _run(session, decoder, tensors, clicks, boxes)
    except (ModelError, ValueError):  # the graph refuses, or answers another shape
        return False
    return all(
        _same(together[kind], np.concatenate([answer[kind] for answer in single]))
        for kind in (0, 1)
    )


def _same(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    if a.shape != b.shape:
        return False
    tolerance = _SAME * max(1.0, float(np.abs(b).max(initial=0)))
    return bool(np.abs(a - b).max(initial=0) <= tolerance)


def _open_batch(session: Runs, decoder: DecoderContract) -> Session | None:
    """Open the graph anew with its axis of prompts open, or None where that cannot be."""
    if session.path.stat().st_size > _LARGEST_REWRITE:
        return None
    axis = int(decoder.leading_axis)
    names = [n for n in (decoder.points, decoder.labels) if n] or [decoder.boxes]
    try:
        content = prune(session.path.read_bytes(), list_outputs_read(decoder))
        content = open_axis(content, dict.fromkeys(names, axis))
        return Session(
            session.path,
            provider=session.provider,
            threads=session.threads,
            content=content,
            time_limit=session.time_limit,
        )
    except (ModelError, ValueError):
        return None


def _probe_range(
    session: Runs,
    decoder: DecoderContract,
    tensors: dict[str, NDArray[Any]],
    findings: list[str],
) -> DecoderContract:
    """Tell masks of 0 and 255 from logits, which are negative somewhere."""
    masks = np.concatenate([_run(session, decoder, tensors, [c])[0] for c in _clicks(decoder)])
    if masks.min() >= 0 and (masks.max() > 64 or not masks.any()):
        findings.append("masks are pictures of 0 and 255, so answers cannot be refined")
        return replace(decoder, middle=127.5, gain=0.1, refines=False)
    return replace(decoder, middle=0.0, gain=1.0, refines=True)


def _probe_padding(
    session: Runs,
    decoder: DecoderContract,
    tensors: dict[str, NDArray[Any]],
    findings: list[str],
) -> DecoderContract:
    """Find out whether a graph with an input for boxes pads clicks itself.

    Such a graph always adds a padding point to a box. The corners of the box sent as two
    clicks labelled 2 and 3 give the same answer if the graph pads clicks too, or if we do.
    """
    box = np.array([[0.25, 0.3, 0.6, 0.7]], np.float32) * decoder.prompt_size
    corners, labels = box.reshape(2, 2), np.array([2, 3], np.float32)
    padded = np.concatenate([corners, np.zeros((1, 2), np.float32)])
    nothing = (corners[:0], labels[:0])
    by_box = _run(session, decoder, tensors, [nothing], box)
    as_clicks = _run(session, decoder, tensors, [(corners, labels)])
    as_padded = _run(session, decoder, tensors, [(padded, np.append(labels, -1).astype("f4"))])
    if _same(by_box[0], as_clicks[0]) and _same(by_box[1], as_clicks[1]):
        findings.append("clicks are padded in the graph")
        return replace(decoder, pad="never", box_as="labels")
    if _same(by_box[0], as_padded[0]) and _same(by_box[1], as_padded[1]):
        findings.append("clicks are not padded in the graph, so they are before it")
        return replace(decoder, pad="always", box_as="labels")
    findings.append("whether the graph pads clicks is unknown, so they are sent as they are")
    return decoder
