"""How a process ends whose graphs still run: they are told to stop, then their threads end.

An interpreter that leaves while a graph runs in a thread may crash; so may Qt, whose objects a
worker reports to.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_waits: list[Callable[[], None]] = []


def wait_at_exit(wait: Callable[[], None]) -> None:
    """Have threads waited for when the process ends, after all graphs were told to stop.

    Said whenever a thread starts: the last that is registered comes first, before the ends that
    others, Qt among them, have registered meanwhile.

    Parameters
    ----------
    wait : callable
        Waits for threads that end when their graphs do; for a while at most.
    """
    if wait not in _waits:
        _waits.append(wait)
    atexit.unregister(end_runs)
    atexit.register(end_runs)


def end_runs() -> None:
    """Stop all graphs and wait for the threads that they run in."""
    from napari_sam_onnx.models.onnx.sessions.runtime import close_sessions

    close_sessions()
    for wait in _waits:
        wait()
