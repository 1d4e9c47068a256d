"""What the user can put right, told apart from faults of this software; and where faults go."""

from __future__ import annotations

import logging
from contextlib import suppress

logger = logging.getLogger("napari_sam_onnx")
"""Faults leave their traceback here while the user reads one sentence."""


class UserError(Exception):
    """Something that the user can put right; its message is one sentence that says what to do."""


def explain(error: BaseException) -> str:
    """Say in one sentence what went wrong.

    Parameters
    ----------
    error : BaseException
        The sentence of a `UserError`, or of memory that ran out, is its own. Any other
        exception is a fault of this software: its traceback goes to `logger`.
    """
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError):
        detail = f" ({error})" if str(error) else ""
        return f"There is not enough memory{detail}; use a smaller picture or fewer planes."
    log_fault(error)
    detail = " ".join(str(error).split())
    what = f"{type(error).__name__}: {detail}" if detail else type(error).__name__
    return f"This is a fault of napari-sam-onnx, not of yours ({what}); please report it."


def log_fault(error: BaseException) -> None:
    """Leave the traceback of a fault in `logger`, once; not of what the user can put right."""
    if isinstance(error, (UserError, MemoryError)) or getattr(error, "_is_logged", False):
        return
    logger.error("A fault of napari-sam-onnx", exc_info=error)
    with suppress(AttributeError):  # an exception that takes no attribute is logged again
        error._is_logged = True  # type: ignore[attr-defined]
