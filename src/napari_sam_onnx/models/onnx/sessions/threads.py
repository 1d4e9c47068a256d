"""How many threads a session runs on."""

from __future__ import annotations

import os
import warnings

from napari_sam_onnx.errors import Notice
from napari_sam_onnx.models.model import ModelError


def default_threads() -> int:
    """Threads for a session: all cores but one, and both where there are two.

    The core left over is the interface's. On two cores that would halve the speed; there
    the scheduler shares them well enough, because our sessions never spin while idle.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    return cores if cores <= 2 else cores - 1


def choose_threads(threads: int | None = None) -> int:
    """Say how many threads a session uses: as many as asked for, as far as the machine goes.

    Raises
    ------
    ModelError
        If it is fewer than one.
    """
    if threads is None:
        return default_threads()
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        raise ModelError(f"A model needs at least 1 thread, a whole number; got {_tell(threads)}.")
    most = os.cpu_count() or 1
    if threads > most:
        message = (
            f"This machine has {count_of(most, 'core')}: so many threads are used, not {threads}."
        )
        warnings.warn(message, Notice, stacklevel=3)
    return min(threads, most)


def count_of(number: int, what: str) -> str:
    """Say how many, such as ``2 threads``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _tell(value: object) -> str:
    return repr(value) if isinstance(value, int | float | str) else type(value).__name__
