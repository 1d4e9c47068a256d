"""Memory that sessions keep for the next plane or prompt, given back by doing next to nothing.

ONNX Runtime gives memory back at the end of a run alone, so there is one more, of a plane and a
prompt that are as small as can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.models.onnx.framing.feeds import ask, build_feeds, wire
from napari_sam_onnx.models.onnx.framing.frame import find_frame
from napari_sam_onnx.models.onnx.framing.preprocess import prepare_plane
from napari_sam_onnx.prompts import make_prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.models.onnx.contracts.detect import Contract
    from napari_sam_onnx.models.onnx.contracts.rows import DecoderContract, EncoderContract
    from napari_sam_onnx.models.onnx.sessions.runtime import Session
    from napari_sam_onnx.prompts import Prompts

SMALLEST = 32, 32
"""Pixels of that plane."""


def rest_encoder(session: Session, row: EncoderContract) -> dict[str, NDArray[Any]]:
    """Let an encoder give back what it keeps; returns its answer about next to nothing."""
    smallest, _ = prepare_plane(np.zeros((*SMALLEST, 3), np.uint8), row, SMALLEST)
    return session.run({row.input: smallest}, release=True)


def rest(encoder: Session, decoders: Sequence[Session], contract: Contract) -> None:
    """Let an encoder of free size and its decoders give back what they keep."""
    row, frame = contract.decoder, find_frame(contract, SMALLEST, SMALLEST)
    tensors = wire(rest_encoder(encoder, contract.encoder), contract.wiring)
    seen = {name: tensors[name] for name in row.embeddings}
    asked = build_feeds([ask(make_prompt(row, SMALLEST), row, frame)], row, frame)
    for decoder in decoders:
        decoder.run(seen | asked, [row.scores], release=True)


def make_prompt(row: DecoderContract, shape: tuple[int, int]) -> Prompts:
    """Make a prompt that a decoder takes, in the middle of a plane."""
    height, width = shape
    if row.points:
        return make_prompts([(height // 2, width // 2)], plane_shape=shape)
    return make_prompts(box=(-0.5, -0.5, height - 0.5, width - 0.5), plane_shape=shape)
