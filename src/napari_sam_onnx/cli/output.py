"""What a command says: to a terminal, a narrow encoding, a full disk or a closed pipe.

Remarks on work that is done are `say`'s: one that cannot be printed undoes nothing. What is
printed otherwise is a command's result, and a result that cannot be printed is an error.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO

from napari_sam_onnx.writing import explain_write


def prepare_streams() -> None:
    """Let file names that no encoding knows be printed with escapes."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def say(text: str, *, error: bool = False) -> None:
    """Print a remark, where it can be printed."""
    stream = sys.stderr if error else sys.stdout
    try:
        print(text, file=stream, flush=True)
    except (OSError, ValueError):  # full, gone, or closed
        _silence(stream)


def flush_result() -> str:
    """Send out what was printed; the reason why it cannot be, or ""."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has seen enough
        _silence(sys.stdout)
    except OSError as error:
        _silence(sys.stdout)
        return f"The output cannot be written: {explain_write(error)}."
    except (AttributeError, ValueError):  # there is no standard output
        pass
    return ""


def _silence(stream: TextIO) -> None:
    """Send all that is still to come nowhere, so that it does not fail again at the exit."""
    with suppress(AttributeError, OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
