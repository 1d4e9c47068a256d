"""The next planes, encoded while the user looks at this one; a click always comes first."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.plugin.session.engine import Request
from napari_sam_onnx.plugin.session.lanes import Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.session.lanes import Lane
    from napari_sam_onnx.plugin.session.session import Session

REACH = 3
"""So many planes on either side are encoded, the next ones first."""


class Ahead:
    """Encodes neighbouring planes whenever nothing is asked.

    Parameters
    ----------
    session : Session
    lane : Lane
        Where that is done: one of its own, so that no click waits in it.
    calm : callable
        See `Session`; nothing is begun before the user rests.
    """

    def __init__(
        self,
        session: Session,
        lane: Lane,
        calm: Callable[[Callable[[], None]], Callable[[], None]] = lambda do: do,
    ) -> None:
        self.session, self._lane = session, lane
        self._on = True
        self._again = calm(self.go_on)
        for signal in (session.picture_changed, session.answer_changed, session.model_changed):
            signal.connect(self._again)

    @property
    def on(self) -> bool:
        """Whether planes are encoded before they are shown."""
        return self._on

    @on.setter
    def on(self, on: bool) -> None:
        self._on = on
        self._again()

    def go_on(self) -> None:
        """Encode the nearest plane that is not yet, where nobody waits for anything."""
        session = self.session
        if not self._on or self._lane.busy or session.plane is None or session.reader is None:
            return
        if session.engine.loaded(session.source) is None:
            return
        if session.lane.busy:
            return  # its answer calls again
        here = Request(0, session.source, session.reader, session.plane)
        for plane in near_planes(session.plane, session.reader.shape):
            request = replace(here, plane=plane)
            if not session.engine.is_encoded(request):
                run = partial(session.engine.encode_ahead, request, self._wanted)
                self._lane.submit(Job(run, self._on_done, lambda _: None, replaceable=False))
                return

    def close(self) -> None:
        """Stop; what is being encoded is not waited for."""
        for signal in (
            self.session.picture_changed,
            self.session.answer_changed,
            self.session.model_changed,
        ):
            signal.disconnect(self._again)
        self._on = False
        self._lane.close()

    def _wanted(self) -> bool:
        """Whether nobody asks for anything else; called in the worker before it encodes."""
        return self._on and not self.session.lane.busy

    def _on_done(self, encoded: Any) -> None:
        if encoded:
            self._again()


def near_planes(plane: Plane, shape: tuple[int, ...]) -> Iterator[Plane]:
    """Yield the planes next to one along its last other axis: the next, the one before, and on."""
    if not plane.others or plane.slab:
        return
    axis = plane.others[-1]
    for step in range(1, REACH + 1):
        for sign in (1, -1):
            at = plane.position[axis] + sign * step
            if 0 <= at < shape[axis]:
                position = list(plane.position)
                position[axis] = at
                yield replace(plane, position=tuple(position))
