"""Many small pieces of work, several at once, given in the order asked.

A graph run with two threads is not twice as fast: its parts are small, and threads wait for each
other. Two graphs run with a thread each are, and what is done to their answers runs beside them.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import TYPE_CHECKING, TypeVar

from napari_sam_onnx.models.model import SplittingModel

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from concurrent.futures import Future

    from napari_sam_onnx.models import Model

Item = TypeVar("Item")
Result = TypeVar("Result")

PIECE = 16
"""Prompts in a piece of work, where several run at once."""

_GLANCE = 0.1  # seconds; on Windows a wait without end does not hear Ctrl+C


def find_lanes(model: Model) -> tuple[Model, int]:
    """Find what to ask where there is much to ask.

    Returns
    -------
    model : Model
        It answers as the other does, and may be another.
    lanes : int
        How many threads ask it at once.
    """
    return model.split() if isinstance(model, SplittingModel) else (model, 1)


def cut_pieces(total: int, batch: int, lanes: int) -> list[slice]:
    """Cut a run of prompts into pieces of work."""
    size = batch if lanes == 1 else min(batch, PIECE)
    return [slice(start, min(start + size, total)) for start in range(0, total, size)]


def work_ahead(
    work: Callable[[Item], Result], items: Sequence[Item], lanes: int
) -> Generator[Result, None, None]:
    """Do pieces of work, some at once and a few before they are asked for.

    Closing the iterator ends the work: what runs is waited for, what waits is dropped.

    Parameters
    ----------
    work : callable
        Safe in threads.
    items : sequence
    lanes : int
        How many at once; with 1 nothing is done before it is asked for.

    Yields
    ------
    result
        In the order of the items.
    """
    if lanes == 1:
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(lanes, thread_name_prefix="lane")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > lanes:
                yield _wait(waiting.popleft())
        while waiting:
            yield _wait(waiting.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _wait(future: Future[Result]) -> Result:
    while True:
        try:
            return future.result(_GLANCE)
        except NotYet:
            if future.done():  # the work itself raised it, or just ended
                return future.result()
