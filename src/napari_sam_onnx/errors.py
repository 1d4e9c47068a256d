"""What the user can put right, told apart from faults of this software; and where faults go."""

from __future__ import annotations

import logging
import re
from contextlib import suppress

logger = logging.getLogger("napari_sam_onnx")
"""Faults leave their traceback here while the user reads one sentence."""


LONGEST_WORD = 1000
"""Letters of the longest word that a sentence shows whole: a path may be as long."""


class Notice(RuntimeWarning):
    """Something that the user should know, though the work goes on."""


class UserError(Exception):
    """Something that the user can put right; its message is one sentence that says what to do."""

    def __str__(self) -> str:
        return re.sub(r"\s*\n\s*", " ", super().__str__())  # a value that is quoted may have lines


def explain(error: BaseException) -> str:
    """Say in one sentence what went wrong.

    Parameters
    ----------
    error : BaseException
        The sentence of a `UserError`, or of memory that ran out, is its own. Any other
        exception is a fault of this software: its traceback goes to `logger`.
    """
    if isinstance(error, UserError):
        return shorten(str(error))
    if isinstance(error, MemoryError):
        detail = f" ({error})" if str(error) else ""
        return f"There is not enough memory{detail}; use a smaller picture or fewer planes."
    log_fault(error)
    detail = " ".join(str(error).split())
    what = f"{type(error).__name__}: {detail}" if detail else type(error).__name__
    return shorten(f"This is a fault of napari-sam-onnx, not of yours ({what}); please report it.")


def shorten(sentence: str) -> str:
    """Leave the middle out of words of a sentence that have no end, whoever wrote them."""
    if len(sentence) <= LONGEST_WORD:
        return sentence
    return re.sub(rf"\S{{{LONGEST_WORD + 1},}}", lambda w: f"{w[0][:80]}…{w[0][-20:]}", sentence)


def log_fault(error: BaseException) -> None:
    """Leave the traceback of a fault in `logger`, once; not of what the user can put right."""
    if isinstance(error, (UserError, MemoryError)) or getattr(error, "_is_logged", False):
        return
    logger.error("A fault of napari-sam-onnx", exc_info=error)
    with suppress(AttributeError):  # an exception that takes no attribute is logged again
        error._is_logged = True  # type: ignore[attr-defined]
