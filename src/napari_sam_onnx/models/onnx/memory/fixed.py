"""The graph of a memory of one length, opened anew so that its slots may be empty.

At first as long as it is; a second set of slots is opened when more has to be remembered than fits
into one, which takes twice the time.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.memory.layouts import CURRENT, CURRENT_POSITIONS
from napari_sam_onnx.models.onnx.memory.recall import Slots
from napari_sam_onnx.models.onnx.memory.slots import NoAttentionError, open_slots
from napari_sam_onnx.models.onnx.sessions.runtime import Session

if TYPE_CHECKING:
    from napari_sam_onnx.models.onnx.memory.bank import Recollection
    from napari_sam_onnx.models.onnx.memory.layouts import MemoryLayout

SETS = 2


class FixedMemory:
    """A memory of one length. Safe to use from several threads.

    Parameters
    ----------
    session : Session
        The graph as it is in the file; closed where it is not needed.
    layout : MemoryLayout
    tokens : int
        Of one plane.
    pointers, pointer_width : int
        How many, and numbers of one.

    Attributes
    ----------
    finding : str
        Why slots cannot be empty; "" where they can.

    Raises
    ------
    ModelError
        If the length of the memory is not so many planes and pointers.
    """

    def __init__(
        self,
        session: Session,
        layout: MemoryLayout,
        tokens: int,
        pointers: int,
        pointer_width: int,
    ) -> None:
        spec = next(spec for spec in session.inputs if spec.name == layout.memory[0])
        length, width = spec.shape[0] or 0, spec.shape[-1] or 1
        spatial = length - pointers * pointer_width // width
        if tokens < 1 or spatial < tokens or spatial % tokens:
            raise ModelError(
                f"{session.path.name} takes a memory of {length or 'any number of'} rows, which "
                f"is no number of planes of {tokens} and {pointers} pointers; the files do not "
                "belong together."
            )
        self._layout, self._length = layout, length
        self._source = session
        self._lock = threading.Lock()
        slots = Slots(spatial // tokens, pointers, pointer_width)
        self.finding = ""
        try:
            self._opened = [(slots, self._open(1))]
            session.close()
        except (NoAttentionError, ModelError, ValueError) as error:
            self.finding = (
                f"Fewer planes than {slots.planes} cannot be remembered as they are, and are "
                f"repeated: in {session.path.name} {error}."
            )
            self._opened = [(replace(slots, maskable=False), session)]

    @property
    def planes(self) -> int:
        """How many planes have room in one set."""
        return self._opened[0][0].planes

    def make_room(self, recollection: Recollection) -> tuple[Slots, Session]:
        """Take the slots that are enough, or as many as there are, and their graph."""
        with self._lock:
            slots, session = self._opened[0]
            if not slots.maskable or slots.holds(recollection):
                return slots, session
            if len(self._opened) < SETS:
                self._opened.append((replace(slots, sets=SETS), self._open(SETS)))
            return self._opened[-1]

    def close(self) -> None:
        """Free the memory of all graphs."""
        for _, session in self._opened:
            session.close()

    def _open(self, sets: int) -> Session:
        import onnx

        source = self._source
        try:
            model = onnx.load(source.path, load_external_data=False)
        except Exception as error:  # onnx's own errors share no narrower base
            raise NoAttentionError("what is written cannot be read by the onnx package") from error
        plane = (CURRENT, CURRENT_POSITIONS)
        content = open_slots(model, self._layout.memory, plane, self._length, sets)
        return Session(
            source.path,
            provider=source.provider,
            threads=source.threads,
            content=content,
            time_limit=source.time_limit,
            keep_memory=source.keep_memory,
        )
