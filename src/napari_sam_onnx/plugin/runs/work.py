"""One long piece of work at a time: started, followed, cancelled, closed.

What it does is a generator that runs in a worker; who asks for it is told each step and the end
in the interface's thread. It knows no picture and no label: those are the caller's.
"""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam_onnx.plugin.session.lanes import ThreadStream

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_sam_onnx.plugin.session.lanes import Stream

CANCELLING = "Cancelling …"


class Work:
    """Runs one generator at a time away from the interface.

    Parameters
    ----------
    stream : callable, optional
        Runs a generator away from the interface; worker threads where omitted.

    Attributes
    ----------
    changed : Signal
        The work has come further, started or ended.
    text : str
        What is being done now; empty while nothing is.
    fraction : float or None
        How far it has come, 0 to 1; None while nobody knows.
    stopped : bool
        Whether the user ended it.
    closed : bool
        Whether nobody listens any more: the dock is gone.
    """

    changed = Signal()

    def __init__(self, stream: Callable[..., Stream] | None = None) -> None:
        self.text = ""
        self.fraction: float | None = None
        self.stopped = self.closed = False
        self._stream = ThreadStream if stream is None else stream
        self._running: Stream | None = None
        self._over = Event()
        self._step: Callable[[Any], None] = lambda step: None
        self._ended: Callable[[Exception | None], None] = lambda error: None

    @property
    def busy(self) -> bool:
        """Whether it goes on."""
        return self._running is not None

    def renew(self) -> Event:
        """Return what is set when the work that starts next is to end.

        A call that cannot be interrupted goes on after its end; then it must write nothing.
        """
        self._over = Event()
        return self._over

    def start(
        self,
        steps: Generator[Any, None, None],
        title: str,
        text: str,
        step: Callable[[Any], None],
        ended: Callable[[Exception | None], None],
    ) -> None:
        """Begin; nothing else may be going on.

        Parameters
        ----------
        steps : generator
            The work. It is closed at a step after `cancel` or `close`.
        title : str
            What napari's activity dock shows.
        text : str
            What is being done first.
        step : callable
            Called with what each step yields, unless closed.
        ended : callable
            Called once with what went wrong or None, unless closed.
        """
        self.stopped, self.fraction, self.text = False, None, text
        self._step, self._ended = step, ended
        self._running = self._stream(steps, self._on_step, self._on_finished, title)
        self.changed.emit()

    def tell(self, text: str, fraction: float | None = None) -> None:
        """Say how far the work has come; a cancelled one only says that it is ending."""
        self.text, self.fraction = CANCELLING if self.stopped else text, fraction
        if self._running is not None and fraction is not None:
            self._running.report(round(1000 * fraction), 1000)
        if not self.closed:  # the bar lets other events in, such as the end of the dock
            self.changed.emit()

    def cancel(self) -> None:
        """End it at its next step; what it has done stays."""
        if self._running is not None:
            self.stopped, self.text = True, CANCELLING
            self._over.set()
            self._running.stop()
            self.changed.emit()

    def close(self) -> None:
        """End it at its next step and tell nobody."""
        self.closed = self.stopped = True
        self._over.set()
        if self._running is not None:
            self._running.stop()

    def _on_step(self, step: Any) -> None:
        if not self.closed:
            self._step(step)

    def _on_finished(self, error: Exception | None) -> None:
        self._running, self.fraction, self.text = None, None, ""
        if not self.closed:
            self._ended(error)
            self.changed.emit()
