"""What a graph says of its inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_DTYPES: Mapping[str, str] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
    "tensor(int32)": "int32",
    "tensor(int64)": "int64",
    "tensor(bool)": "bool",
}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a graph says of one of its inputs or outputs.

    Parameters
    ----------
    name : str
        Its name in the graph.
    dtype : str
        numpy's name of its type, such as ``"float32"``.
    shape : tuple of int or None
        Its sides; None where the graph leaves one open.
    ranked : bool
        Whether the graph states a shape at all.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    ranked: bool = True

    def __str__(self) -> str:
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} {self.dtype} [{sides}]"


def spec_of(arg: Any) -> TensorSpec:
    """Read what onnxruntime says of an input or an output."""
    shape = arg.shape
    sides = tuple(side if isinstance(side, int) and side > 0 else None for side in shape or ())
    return TensorSpec(arg.name, _DTYPES.get(arg.type, arg.type), sides, ranked=bool(shape))
