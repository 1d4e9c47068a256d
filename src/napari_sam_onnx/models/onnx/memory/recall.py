"""What is remembered -> the inputs of the graph that conditions a plane's features on it.

A layout of any length gets exactly what counts. One of a single length has slots: those that
nothing counts for are empty, which its graph is rewritten for (`slots`). Where that cannot be
done what counts is repeated, each plane as often as the others as far as that goes, since a plane
that occurs twice weighs twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.memory.bank import Recollection
from napari_sam_onnx.models.onnx.memory.layouts import DIFFERENCES, TIMES
from napari_sam_onnx.models.onnx.memory.slots import EMPTY, NOTHING, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from napari_sam_onnx.models.onnx.memory.constants import MemoryConstants
    from napari_sam_onnx.models.onnx.memory.layouts import MemoryLayout
    from napari_sam_onnx.models.onnx.sessions.runtime import Session

    Ages = Callable[[NDArray[np.float32]], NDArray[np.float32]]

_PERIOD = 10000.0  # of sine encodings, as in "Attention is all you need"


def build_memory(
    recollection: Recollection,
    token_positions: NDArray[np.float32],
    layout: MemoryLayout,
    constants: MemoryConstants,
    encode_ages: Ages,
    span: int,
    slots: Slots | None = None,
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
    slots : Slots, optional
        Of a layout of one length.

    Returns
    -------
    dict of str to array
        (R, 1, c) each; where slots may be empty also which rows are, (R,).
    """
    if slots is None:
        lay = _lay_out(recollection, token_positions, constants, encode_ages, span)
        return {
            name: array[:, None].astype(np.float32, copy=False)
            for name, array in zip(layout.memory, lay, strict=True)
        }
    filled: dict[str, NDArray[np.float32]] = {}
    empty = []
    for first in range(slots.sets):
        part, rows, pointers = slots.share(recollection, first)
        tokens, positions, *rest = _lay_out(part, token_positions, constants, encode_ages, span)
        before = SECOND if first else ""
        for name, array, more in zip(layout.memory, (tokens, positions), rest, strict=True):
            both = np.concatenate([array, more])[:, None]
            filled[before + name] = both.astype(np.float32, copy=False)
        each = len(token_positions), len(rest[0]) // slots.pointers
        empty += [np.arange(slots.planes * each[0]) >= rows * each[0]]
        empty += [np.arange(slots.pointers * each[1]) >= pointers * each[1]]
    if slots.maskable:
        filled[EMPTY] = np.where(np.concatenate(empty), np.float32(NOTHING), np.float32(0))
    return filled


def _lay_out(
    recollection: Recollection,
    token_positions: NDArray[np.float32],
    constants: MemoryConstants,
    encode_ages: Ages,
    span: int,
) -> list[NDArray[np.float32]]:
    """Tokens and positions of planes, (R, c), and of pointers."""
    spatial, pointers = recollection.spatial, recollection.pointers
    # rows of ages: planes where the user pointed have the last, the plane before has the first
    rows = [len(constants.ages) - 1 if away == 0 else away - 1 for away, _ in spatial]
    tokens = np.concatenate([values for _, values in spatial]).astype(np.float32)
    positions = np.concatenate([token_positions + constants.ages[row] for row in rows])
    width = tokens.shape[1]
    if not pointers:
        nothing = np.zeros((0, width), np.float32)
        return [tokens, positions, nothing, nothing]
    values = np.stack([pointer for _, pointer in pointers])
    parts = values.shape[1] // width  # a pointer is several tokens of the memory
    passed = np.array([age for age, _ in pointers], np.float32) / np.float32(max(span, 1))
    ages = encode_ages(passed.astype(np.float32))
    return [tokens, positions, values.reshape(-1, width), np.repeat(ages, parts, axis=0)]


@dataclass(frozen=True, slots=True)
class Slots:
    """The room that a memory of one length has.

    Parameters
    ----------
    planes, pointers : int
        In one set.
    pointer_width : int
        Numbers of a pointer.
    sets : int
    maskable : bool
        Whether slots may be empty. Where not, what counts is repeated.
    """

    planes: int
    pointers: int
    pointer_width: int
    sets: int = 1
    maskable: bool = True

    def holds(self, recollection: Recollection) -> bool:
        """Whether all that counts has room."""
        planes, pointers = len(recollection.spatial), len(recollection.pointers)
        return planes <= self.planes * self.sets and pointers <= self.pointers * self.sets

    def share(self, recollection: Recollection, number: int) -> tuple[Recollection, int, int]:
        """Say what one set holds, filled up, and how many of its planes and pointers count."""
        planes = _choose(recollection.spatial, self.planes * self.sets)
        spatial = [recollection.spatial[row] for row in planes]
        pointers = recollection.pointers[: self.pointers * self.sets]
        no_pointer = 0, np.zeros(self.pointer_width, np.float32)
        if not self.maskable:
            spread = [spatial[row] for row in _spread(len(spatial), self.planes)]
            given = pointers or [no_pointer]
            kept = [given[row] for row in _spread(len(given), self.pointers)]
            return Recollection(spread, kept), self.planes, self.pointers
        own = spatial[number * self.planes :][: self.planes]
        own_pointers = pointers[number * self.pointers :][: self.pointers]
        filled = Recollection(
            own + [spatial[0]] * (self.planes - len(own)),
            own_pointers + [no_pointer] * (self.pointers - len(own_pointers)),
        )
        return filled, len(own), len(own_pointers)


def _choose(spatial: list[tuple[int, NDArray[np.float16]]], slots: int) -> list[int]:
    """Which planes fit: those followed last, and the latest of those pointed at."""
    pointed = [row for row, (away, _) in enumerate(spatial) if away == 0]
    followed = [row for row, (away, _) in enumerate(spatial) if away][-max(slots - 1, 0) :]
    return [*pointed[-max(1, slots - len(followed)) :], *followed]


def _spread(count: int, slots: int) -> list[int]:
    """Repeat rows until there are as many as slots, each as often as the others."""
    return [slot * count // slots for slot in range(slots)]


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
