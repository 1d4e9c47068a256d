"""What a picture file holds, as a value; and the error for one that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.errors import UserError
from napari_sam_onnx.memory import format_bytes, free_memory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MICROMETRES = {"µm": 1.0, "um": 1.0, "micron": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}
"""Micrometres in a unit, by the names that files use."""


class PictureFileError(UserError, ValueError):
    """A picture file that cannot be read or written; the message says what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class PictureFile:
    """What a file holds.

    Parameters
    ----------
    array : array of any dtype
        Uncompressed TIFFs are mapped, not loaded.
    axes : str or None
        One letter of ``TZCYX`` per dimension; None where the file does not name them.
    pixel_size : mapping of str to float
        Micrometres by axis (Z, Y, X), as far as the file says.
    others : int
        Further pictures in the same file, which were not read.
    samples : bool
        Whether C are the samples of a colour picture (RGB, RGBA), as the file says, and no
        channels that were recorded one by one.
    """

    array: Any
    axes: str | None = None
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    others: int = 0
    samples: bool = False


def check_room(path: Path, shape: Sequence[int], needed: int) -> None:
    """Refuse a picture that memory has no room for.

    Raises
    ------
    PictureFileError
        With its size, and what can be done.
    """
    free = free_memory()
    if needed > free:
        raise PictureFileError(
            f"{path.name} unpacks to {format_bytes(needed)} ({' × '.join(map(str, shape))}), and "
            f"{format_bytes(free)} are free in memory; save a part of it, or save it as a TIFF in "
            "tiles."
        )
