"""The learned numbers of a model with a memory that are in none of its graphs.

Exports state them in a JSON file beside the graphs, under transformers' names of the weights;
arrays are nested lists of any depth.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.models.model import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

AGES, START = "memory_temporal_positional_encoding", "no_memory_embedding"
_PROJECTION = "temporal_positional_encoding_projection_layer"
WEIGHT, BIAS = f"{_PROJECTION}.weight", f"{_PROJECTION}.bias"
TIMED = "enable_temporal_pos_encoding_for_object_pointers"
_MOST_POINTED = ("max_cond_frame_num", "max_cond_frames_in_attn")
_POINTERS = ("max_object_pointers_in_encoder", "max_object_pointers")
POINTERS = 16


@dataclass(frozen=True, slots=True, eq=False)
class MemoryConstants:
    """What the files beside the graphs state.

    Parameters
    ----------
    ages : (N, c) float32
        Encoding of how long ago a plane was seen; N planes are remembered, the last row is that
        of planes on which the user pointed at the object.
    start : (C,) float32 or None
        What is added to the features of a plane without memory, where no graph does so.
    weight, bias : (c, C) and (c,) float32, or None
        Projection of the encoding of a pointer's age, where no graph does it.
    timed : bool or None
        Whether pointers carry their age; None where no file says so.
    pointers : int
        How many pointers are remembered.
    most_pointed : int or None
        How many planes that the user pointed at count for one plane, the nearest; None: all.
    mean, std : 3 floats or None
        Normalisation of pictures of 0 to 1, where stated.
    """

    ages: NDArray[np.float32]
    start: NDArray[np.float32] | None = None
    weight: NDArray[np.float32] | None = None
    bias: NDArray[np.float32] | None = None
    timed: bool | None = None
    pointers: int = POINTERS
    most_pointed: int | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None


def read_constants(paths: Sequence[Path]) -> MemoryConstants:
    """Read the numbers beside the graphs.

    Parameters
    ----------
    paths : sequence of Path
        JSON files; what a later one states counts.

    Raises
    ------
    ModelError
        If a file is no JSON, or the encoding of ages is missing or no table of numbers.
    """
    stated: dict[str, Any] = {}
    for path in paths:
        try:
            content = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(f"{path.name} cannot be read as JSON: {error}.") from error
        if not isinstance(content, dict):
            raise ModelError(f"{path.name} holds no table of names and numbers.")
        for part in ("constants", "parameters"):
            if isinstance(content.get(part), dict):
                stated |= content.pop(part)
        stated |= content
    where = " and ".join(path.name for path in paths) or "constants.json"
    ages = _array(stated, AGES, where)
    if ages is None or ages.size < 2 or ages.ndim < 2:
        raise ModelError(
            f"{where} lacks {AGES}: the model cannot tell how long ago a plane was seen; get the "
            "file that belongs to the graphs."
        )
    pointers = next((stated[name] for name in _POINTERS if name in stated), POINTERS)
    pointed = next((stated[name] for name in _MOST_POINTED if name in stated), None)
    start, bias = _array(stated, START, where), _array(stated, BIAS, where)
    timed = stated.get(TIMED)
    return MemoryConstants(
        ages=ages.reshape(len(ages), -1),
        start=None if start is None else start.ravel(),
        weight=_array(stated, WEIGHT, where),
        bias=None if bias is None else bias.ravel(),
        timed=timed if isinstance(timed, bool) else None,
        pointers=pointers if isinstance(pointers, int) and pointers > 0 else POINTERS,
        most_pointed=pointed if isinstance(pointed, int) and pointed > 0 else None,
        mean=_triple(stated, "image_mean", where),
        std=_triple(stated, "image_std", where),
    )


def _array(stated: Mapping[str, Any], name: str, where: str) -> NDArray[np.float32] | None:
    if name not in stated:
        return None
    try:
        values = np.asarray(stated[name], np.float32)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{where}: {name} is no table of numbers.") from error
    if not np.isfinite(values).all():
        raise ModelError(f"{where}: {name} holds values that are no numbers.")
    return values


def _triple(stated: Mapping[str, Any], name: str, where: str) -> tuple[float, float, float] | None:
    values = _array(stated, name, where)
    if values is None:
        return None
    if values.size != 3:
        raise ModelError(f"{where}: {name} has {values.size} values, not one for each channel.")
    first, second, third = (float(value) for value in values.ravel())
    return first, second, third
