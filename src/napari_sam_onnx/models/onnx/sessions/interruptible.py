"""Run what does not answer to Python, so that a signal, an exception or a limit ends it.

While a graph runs, Python cannot act on Ctrl+C in the thread that waits for it. So the graph runs
in a thread of its own where there is somebody to interrupt: in the main thread, which alone is
given signals, and wherever there is a limit of time or memory.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

import psutil

from napari_sam_onnx.memory import free_memory

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

_GLANCE = 0.1  # seconds between looks at the clock; on Windows signals are heard then too
_PATIENCE = 5.0  # seconds that something which was told to stop is waited for
_GROWTH = 2**28  # bytes below which a run is not what fills the memory


class TookTooLongError(Exception):
    """A time limit was reached; what ran was stopped."""


class TookTooMuchError(Exception):
    """Hardly any memory was left; what ran was stopped.

    Parameters
    ----------
    taken : int
        Bytes that the process took meanwhile.
    """

    def __init__(self, taken: int) -> None:
        super().__init__(taken)
        self.taken = taken


def run_interruptibly(
    run: Callable[[], Result],
    stop: Callable[[], None],
    limit: float | None = None,
    spare: int | None = None,
) -> Result:
    """Call a function that may take for ever.

    Parameters
    ----------
    run : callable
        Called once; its result or its exception is handed on.
    stop : callable
        Makes `run` return soon; called from another thread, when the wait is interrupted.
    limit : float, optional
        Seconds after which it is stopped.
    spare : int, optional
        Bytes of memory that are left to others: where fewer are free, and it is this process that
        takes them, it is stopped.

    Raises
    ------
    TookTooLongError
        If it reached the limit.
    TookTooMuchError
        If too little memory was left.
    """
    if (
        limit is None
        and spare is None
        and threading.current_thread() is not threading.main_thread()
    ):
        return run()
    outcome: list[Result] = []
    failure: list[BaseException] = []
    ended = threading.Event()

    def work() -> None:
        try:
            outcome.append(run())
        except BaseException as error:
            failure.append(error)
        finally:
            ended.set()

    # a daemon: what cannot be stopped must not keep the process alive
    threading.Thread(target=work, name="model", daemon=True).start()
    deadline = None if limit is None else monotonic() + limit
    process = psutil.Process()
    before = process.memory_info().rss
    try:
        while not ended.wait(_GLANCE):
            if deadline is not None and monotonic() > deadline:
                raise TookTooLongError
            taken = process.memory_info().rss - before
            if spare is not None and taken > _GROWTH and free_memory() < spare:
                raise TookTooMuchError(taken)
    except BaseException:
        stop()
        ended.wait(_PATIENCE)
        raise
    if failure:
        raise failure[0]
    return outcome[0]
