"""Room on the disk, and what to say when there is none."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.writing import explain_write

if TYPE_CHECKING:
    from pathlib import Path

_RESERVE = 64 << 20  # bytes left free, since a disk filled to the brim harms everything else


def ensure_space(folder: Path, needed: int, name: str) -> None:
    """Refuse before writing what the disk cannot hold.

    Raises
    ------
    ModelError
        If fewer than ``needed`` bytes (and a reserve) are free.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + _RESERVE:
        raise ModelError(
            f"{name} needs {format_bytes(needed)} more, but only {format_bytes(free)} are free "
            f"in {folder}; free some space or set NAPARI_SAM_ONNX_HOME to another disk."
        )


def explain_write_error(error: OSError, path: Path) -> ModelError:
    """Say in one sentence why a file could not be written."""
    return ModelError(f"{path} cannot be written: {explain_write(error)}.")


def format_bytes(count: int) -> str:
    """Write a number of bytes as people do: ``28 MB``."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 999.5:
            return f"{amount:.0f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    return path.stat().st_size if path.is_file() else 0
