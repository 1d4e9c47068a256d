"""What a click would give, shown under the resting pointer; off unless the user wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_onnx.labels.fitting import Fitted
from napari_sam_onnx.plugin.layers.preview import Shown
from napari_sam_onnx.plugin.picture.plane import plane_shape, round_half_up
from napari_sam_onnx.prompts import PromptError, make_prompts

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.plugin.session.engine import Request
    from napari_sam_onnx.plugin.session.session import Session


class Hover:
    """Decodes under the pointer where nothing is open and nothing has to be encoded for it.

    Parameters
    ----------
    session : Session
    calm : callable
        See `Session`; called when the pointer rests.
    """

    def __init__(
        self,
        session: Session,
        calm: Callable[[Callable[[], None]], Callable[[], None]] = lambda do: do,
    ) -> None:
        self.session = session
        self.on = False
        self._at: tuple[float, float] | None = None
        self._asked: Request | None = None
        self._shown: Mask | None = None
        self._rest = calm(self.look)
        for signal in (session.prompts_changed, session.answer_changed, session.picture_changed):
            signal.connect(self._forget)

    def move(self, _: Any, event: Any) -> None:
        """Follow the pointer: a callback of a layer's moves."""
        if not self.on:
            return
        self._at = self.session.to_plane(event.position)
        if not self._is_over_shown():
            self.clear()
        self._rest()

    def look(self) -> None:
        """Ask what a click here would give, and show it lightly."""
        session, place = self.session, self._at
        if not self.on or place is None or session.plane is None or session.reader is None:
            return
        if session.request is None or session.request.answerable:
            return  # something is open: that is what is shown
        shape = plane_shape(session.reader.shape, session.plane)
        try:
            asked = make_prompts([place], plane_shape=shape)
        except PromptError:  # beside the picture
            return
        request = session.dialogue.make_request(session.plane, (asked,))
        if session.engine.ready(request) and not session.lane.busy:
            self._asked = request
            session.dialogue.ask(request, self._show, lambda _: None)

    def clear(self) -> None:
        """Take away what is shown under the pointer."""
        self._asked = None
        layers = self.session.layers
        if self._shown is not None and layers is not None and not self.session.answers:
            self.session.dialogue.show_mark()
        self._shown = None

    def _show(self, request: Request, masks: list[Mask]) -> None:
        layers = self.session.layers
        if request is not self._asked or layers is None or self.session.answers:
            return
        self._shown = masks[0]
        tint = self.session.dialogue.tint([Fitted(masks[0])], request.plane)[0]
        layers.preview.show([Shown(masks[0], "doubtful", tint)], request.plane)

    def _forget(self) -> None:
        """Let what was asked under the pointer go: something else is shown now."""
        self._asked = self._shown = None

    def _is_over_shown(self) -> bool:
        """Whether the pointer is still on the object that is shown, which then need not go."""
        mask, place = self._shown, self._at
        if mask is None or place is None:
            return False
        y, x = (round_half_up(at) - first for at, first in zip(place, mask.origin, strict=True))
        rows, columns = mask.crop.shape
        return 0 <= y < rows and 0 <= x < columns and bool(mask.crop[y, x])
