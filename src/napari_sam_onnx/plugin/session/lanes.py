"""Threads: one worker at a time per lane, stale work dropped, errors handed over as values.

The only module that starts threads. A job is a function without arguments; its result or its
exception arrives on the thread of the interface.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from inspect import isgeneratorfunction
from typing import TYPE_CHECKING, Any, Protocol

from qtpy.QtCore import QTimer

from napari_sam_onnx.errors import log_fault
from napari_sam_onnx.models.onnx.sessions.ending import wait_at_exit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping


CALM_MS = 300

REST_MS = 80

QUIT_MS = 10_000
"""So long the process waits at its end for workers that were told to stop."""

PATIENCE_MS = 700
"""A call that cannot be interrupted is left to itself after this time; nobody hears of its end."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Something to compute away from the interface.

    Parameters
    ----------
    run : callable
        Called without arguments in a worker thread.
    done : callable
        Called with the result, in the interface's thread.
    failed : callable
        Called with the exception, in the interface's thread.
    replaceable : bool
        Whether a newer replaceable job makes this one pointless while it still waits.
    """

    run: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[Exception], None]
    replaceable: bool = True


class Lane(Protocol):
    """Where jobs wait for their turn."""

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""

    def submit(self, job: Job) -> None:
        """Run a job when those before it are done."""

    def close(self) -> None:
        """Drop what waits; the result of what runs is ignored."""


class ThreadLane:
    """Runs its jobs one after the other in napari's worker threads."""

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a job runs or waits."""
        return self._running is not None or bool(self._waiting)

    def submit(self, job: Job) -> None:
        """Run a job when those before it are done."""
        if self._closed:
            return
        if job.replaceable:
            self._waiting = deque(kept for kept in self._waiting if not kept.replaceable)
        self._waiting.append(job)
        self._start_next()

    def close(self) -> None:
        """Drop what waits; the result of what runs is ignored."""
        self._closed = True
        self._waiting.clear()

    def _start_next(self) -> None:
        if self._running is not None or not self._waiting:
            return
        job = self._running = self._waiting.popleft()
        _start_worker(_catch, job.run, connect={"returned": self._finish})

    def _finish(self, outcome: tuple[Any, Exception | None]) -> None:
        job, self._running = self._running, None
        if job is None or self._closed:
            return
        result, error = outcome
        try:
            job.failed(error) if error is not None else job.done(result)
        finally:
            self._start_next()


def _catch(run: Callable[[], Any]) -> tuple[Any, Exception | None]:
    """Hand an exception over as a value, so that no traceback dialog appears."""
    try:
        return run(), None
    except Exception as error:
        log_fault(error)
        return None, error


class Calm:
    """Calls a function once, when it has not been asked to for a while.

    Parameters
    ----------
    do : callable
        Called without arguments in the interface's thread.
    """

    def __init__(self, do: Callable[[], None]) -> None:
        from superqt.utils import QSignalDebouncer

        self._debouncer = QSignalDebouncer()
        self._debouncer.setTimeout(CALM_MS)
        self._debouncer.triggered.connect(do)

    def __call__(self) -> None:
        """Ask for the call."""
        self._debouncer.throttle()


class Rest:
    """Calls a function when it was not asked to for a moment: the pointer rests.

    Parameters
    ----------
    do : callable
        Called without arguments in the interface's thread.
    """

    def __init__(self, do: Callable[[], None]) -> None:
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(REST_MS)
        self._timer.timeout.connect(do)

    def __call__(self) -> None:
        """Ask for the call, later than before."""
        self._timer.start()


class Stream(Protocol):
    """A generator that runs away from the interface and can be stopped."""

    def stop(self) -> None:
        """Stop at the generator's next yield."""

    def report(self, done: int, total: int) -> None:
        """Show how far it has come where runs are shown."""


class ThreadStream:
    """Runs a generator in a worker thread, with a bar in napari's activity dock.

    Parameters
    ----------
    generator : generator
        Each yield is handed to `step`; stopping closes it at its next yield.
    step : callable
        Called with each yielded value, in the interface's thread.
    finished : callable
        Called once, with the exception or None.
    title : str
        What the activity dock shows.
    """

    def __init__(
        self,
        generator: Generator[Any, None, None],
        step: Callable[[Any], None],
        finished: Callable[[Exception | None], None],
        title: str,
    ) -> None:
        from napari.utils import cancelable_progress

        self._error: Exception | None = None
        self._step, self._finished = step, finished
        self._stopping = self._reporting = self._over = False
        self._bar = cancelable_progress(total=0, desc=title, cancel_callback=self.stop)
        self._worker = _start_worker(
            self._guard, generator, connect={"yielded": self._on_step, "finished": self._finish}
        )

    def stop(self) -> None:
        """Stop at the generator's next yield, or let go of it where that is long in coming."""
        if not self._stopping:
            self._stopping = True
            QTimer.singleShot(PATIENCE_MS, self._finish)

    def report(self, done: int, total: int) -> None:
        """Show how far it has come in napari's activity dock."""
        if (
            self._reporting or self._over
        ):  # the bar lets other events in, of which one may be the next report
            return
        self._reporting = True
        with suppress(RuntimeError):  # the window that showed it is gone
            if self._bar.total != total:
                self._bar.total = total
            if done > self._bar.n:
                self._bar.update(done - self._bar.n)
        self._reporting = False

    def _guard(self, generator: Generator[Any, None, None]) -> Generator[Any, None, None]:
        try:
            for value in generator:
                yield value
                if self._stopping:
                    break
        except Exception as error:
            log_fault(error)
            self._error = error
        finally:
            generator.close()

    def _on_step(self, value: Any) -> None:
        if not self._over:
            self._step(value)

    def _finish(self) -> None:
        """End it once: when the worker has, or when its patience is over."""
        if self._over:
            return
        self._over = True
        with suppress(RuntimeError):
            self._bar.close()
        self._finished(self._error)


class _Errand:
    """What a worker has to do and whom it tells; nothing of it is left when it is over.

    napari keeps each worker for as long as its window is open, and so would keep every picture,
    model and answer that one had to do with.
    """

    def __init__(
        self, work: Callable[..., Any], given: tuple[Any, ...], tell: Mapping[str, Any]
    ) -> None:
        self._work: Callable[..., Any] | None = work
        self._given = given
        self._tell = dict(tell)
        _under_way.add(self)

    def run(self) -> Any:
        """Do it."""
        work, given = self._take()
        return work(*given)

    def iterate(self) -> Generator[Any, None, None]:
        """Do it step by step."""
        work, given = self._take()
        yield from work(*given)

    def on_yielded(self, value: Any) -> None:
        """Tell of a step."""
        if "yielded" in self._tell:
            self._tell["yielded"](value)

    def on_returned(self, value: Any) -> None:
        """Tell of the result."""
        if "returned" in self._tell:
            self._tell["returned"](value)

    def on_finished(self) -> None:
        """Tell that it is over, and forget it."""
        tell, self._tell = self._tell, {}
        _under_way.discard(self)
        self._work, self._given = None, ()
        if "finished" in tell:
            tell["finished"]()

    def _take(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        work, given = self._work, self._given
        self._work, self._given = None, ()
        assert work is not None
        return work, given


_under_way: set[_Errand] = set()
"""Qt holds those it calls weakly."""


def _start_worker(work: Callable[..., Any], *given: Any, connect: Mapping[str, Any]) -> Any:
    from napari.qt.threading import create_worker

    wait_at_exit(_await_workers)
    errand = _Errand(work, given, connect)
    listeners: dict[str, Any] = {"returned": errand.on_returned, "finished": errand.on_finished}
    if not isgeneratorfunction(work):
        return create_worker(errand.run, _connect=listeners)
    return create_worker(errand.iterate, _connect={**listeners, "yielded": errand.on_yielded})


def _await_workers() -> None:
    """Wait for workers: one that reports to Qt's objects when they are gone aborts the process."""
    from napari.qt.threading import WorkerBase

    with suppress(RuntimeError):  # some call does not end: there is nothing more to do for it
        WorkerBase.await_workers(QUIT_MS)


def do_later(do: Callable[[], None]) -> None:
    """Call a function when the interface has done what it has to do now."""
    QTimer.singleShot(0, do)
