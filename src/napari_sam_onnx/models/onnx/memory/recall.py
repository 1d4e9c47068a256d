"""What is remembered -> the inputs of the graph that conditions a plane's features on it.

A layout of any length gets exactly what counts. One of a single length is filled up: what counts
is repeated, each plane as often as the others as far as that goes, since a plane that occurs
twice weighs twice. It is exact once the memory is full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.memory.layouts import DIFFERENCES, TIMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_sam_onnx.models.onnx.memory.bank import Recollection
    from napari_sam_onnx.models.onnx.memory.constants import MemoryConstants
    from napari_sam_onnx.models.onnx.memory.layouts import MemoryLayout
    from napari_sam_onnx.models.onnx.runtime import Session

    Ages = Callable[[NDArray[np.float32]], NDArray[np.float32]]

_PERIOD = 10000.0  # of sine encodings, as in "Attention is all you need"


def build_memory(
    recollection: Recollection,
    token_positions: NDArray[np.float32],
    layout: MemoryLayout,
    constants: MemoryConstants,
    encode_ages: Ages,
    span: int,
) -> dict[str, NDArray[np.float32]]:
    """Lay out what is remembered.

    Parameters
    ----------
    recollection : Recollection
    token_positions : (S, c) float32
        Where the tokens of one plane lie.
    layout : MemoryLayout
    constants : MemoryConstants
    encode_ages : callable
        Encodes ages of pointers, (P,) as parts of the longest, to (P, c).
    span : int
        The longest age of a pointer.

    Returns
    -------
    dict of str to array
        (R, 1, c) each.
    """
    spatial, pointers = recollection.spatial, recollection.pointers
    if not layout.any_length:
        slots = len(constants.ages)
        spatial = [spatial[row] for row in _spread(_choose(spatial, slots), slots)]
        kept = pointers[: constants.pointers]
        pointers = [kept[row] for row in _spread(list(range(len(kept))), constants.pointers)]
    # rows of ages: planes where the user pointed have the last, the plane before has the first
    rows = [len(constants.ages) - 1 if away == 0 else away - 1 for away, _ in spatial]
    tokens = np.concatenate([values for _, values in spatial]).astype(np.float32)
    positions = np.concatenate([token_positions + constants.ages[row] for row in rows])
    width = tokens.shape[1]
    if pointers:
        values = np.stack([pointer for _, pointer in pointers])
        parts = values.shape[1] // width  # a pointer is several tokens of the memory
        passed = np.array([age for age, _ in pointers], np.float32) / np.float32(max(span, 1))
        ages = encode_ages(passed.astype(np.float32))
        pointer_tokens = values.reshape(-1, width)
        pointer_positions = np.repeat(ages, parts, axis=0)
    else:
        pointer_tokens = pointer_positions = np.zeros((0, width), np.float32)
    if layout.any_length:
        arrays = [tokens, positions, pointer_tokens, pointer_positions]
    else:
        arrays = [
            np.concatenate([tokens, pointer_tokens]),
            np.concatenate([positions, pointer_positions]),
        ]
    return {
        name: array[:, None].astype(np.float32, copy=False)
        for name, array in zip(layout.memory, arrays, strict=True)
    }


def _choose(spatial: list[tuple[int, NDArray[np.float16]]], slots: int) -> list[int]:
    """Which planes fit: those followed last, and the latest of those pointed at."""
    pointed = [row for row, (away, _) in enumerate(spatial) if away == 0]
    followed = [row for row, (away, _) in enumerate(spatial) if away]
    return [*pointed[-max(1, slots - len(followed)) :], *followed]


def _spread(rows: list[int], slots: int) -> list[int]:
    """Repeat rows until there are as many as slots, each as often as the others."""
    return [rows[slot * len(rows) // slots] for slot in range(slots)] if rows else []


def choose_ages(
    layout: MemoryLayout,
    constants: MemoryConstants,
    graphs: Mapping[str, Session],
    width: int,
    compressed: bool,
) -> Ages:
    """Find how the ages of pointers are encoded.

    Parameters
    ----------
    layout : MemoryLayout
    constants : MemoryConstants
    graphs : mapping of str to Session
    width : int
        Numbers per token of the memory.
    compressed : bool
        Whether a plane's memory has fewer tokens than its features have cells, as EdgeTAM's,
        whose pointers carry no age.

    Raises
    ------
    ModelError
        If pointers carry their age and what projects it is in no file.
    """
    if TIMES in graphs:
        session = graphs[TIMES]

        def ask(ages: NDArray[np.float32]) -> NDArray[np.float32]:
            output = session.outputs[0].name
            return np.asarray(session.run({DIFFERENCES: ages})[output], np.float32)

        return ask
    weight, bias = constants.weight, constants.bias
    if weight is not None and bias is not None and constants.timed is not False:
        learned, shift = weight, bias
        return lambda ages: (encode_sines(ages, learned.shape[1]) @ learned.T + shift).astype(
            np.float32
        )
    if constants.timed is False or compressed:
        return lambda ages: np.zeros((len(ages), width), np.float32)
    raise ModelError(
        f"This export ({layout.name}) states in no file how pointers carry their age; "
        "temporal_positional_encoding_projection_layer.weight and .bias of the checkpoint belong "
        "into a parameters.json beside the graphs."
    )


def encode_sines(values: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Encode numbers by sines and cosines of falling frequency, (N,) to (N, width)."""
    half = width // 2
    periods = _PERIOD ** (2 * (np.arange(half) // 2) / half)
    angles = values[:, None] / periods
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)
