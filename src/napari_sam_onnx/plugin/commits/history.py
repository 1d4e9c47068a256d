"""What can be undone: prompts and committed objects, in the order in which they happened.

Pure values and a stack; the session knows how to apply a step.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_sam_onnx.labels.rules import Rules
    from napari_sam_onnx.plugin.commits.label_target import Home
    from napari_sam_onnx.plugin.layers.snapshot import Lineage, Naming, Paint, Snapshot
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.session.answers import Answer
    from napari_sam_onnx.plugin.session.engine import Request
    from napari_sam_onnx.records.acts import Act

MAX_STEPS = 200
MAX_BYTES = 2**29  # of results that others took the place of; the newest is always kept


class Action(Protocol):
    """Something that was done to a layer, such as by a run, and can be taken back."""

    @property
    def layer(self) -> Any:
        """The layer."""
        ...

    def back(self) -> str:
        """Take it back; what to say about it."""
        ...

    def again(self) -> str:
        """Do it again; what to say about it."""
        ...


@dataclass(slots=True, eq=False)
class Step:
    """One undoable action.

    Parameters
    ----------
    plane : Plane
        Where it happened.
    before, after : Snapshot
        The prompts.
    paints : tuple of Paint
        The labels it changed, one per object; they arrive later where the model has still to
        answer.
    lineage : Lineage or None
        The divisions that it changed.
    naming : Naming or None
        The classes that it changed.
    named : str or None
        The class of what was accepted; None where there are no classes.
    renames : bool
        Whether objects that are corrected get that class as well.
    made : napari Labels layer or None
        The layer that a run made.
    target : napari Labels layer or None
        The target before that run's result became it.
    replaced : napari Labels layer or None
        The layer that went away for it.
    hidden : tuple of napari Labels layer
        Earlier results that were hidden under it.
    action : Action or None
        What a run did to a label image that was there.
    deed : Action or None
        What was done beside prompts and labels: drawn in a Shapes layer, or left out by what was
        learned.
    home : Home or None
        Where accepted objects are written.
    request : Request or None
        What was accepted.
    asked : Snapshot or None
        The prompts of what was accepted, which return where it cannot be written.
    replacing : bool
        Whether accepted objects take the place of the labels under them.
    rules : Rules or None
        How accepted objects are written.
    what : str
        What an edit of labels made, such as "objects 3 and 5 as one".
    answers : tuple of Answer
        What was answered about what was accepted; none where it was accepted before that.
    act : Act or None
        The change of labels, as it is kept to be done again.
    pending : bool
        Accepted objects have still to be answered or numbered before they can be painted.
    cancelled : bool
        Undone or given back before that.
    """

    plane: Plane
    before: Snapshot
    after: Snapshot
    paints: tuple[Paint, ...] = ()
    lineage: Lineage | None = None
    naming: Naming | None = None
    named: str | None = None
    renames: bool = False
    made: Labels | None = None
    target: Labels | None = None
    replaced: Labels | None = None
    hidden: tuple[Labels, ...] = ()
    action: Action | None = None
    deed: Action | None = None
    home: Home | None = None
    request: Request | None = None
    asked: Snapshot | None = None
    replacing: bool = False
    rules: Rules | None = None
    what: str = ""
    answers: tuple[Answer, ...] = ()
    act: Act | None = None
    pending: bool = False
    cancelled: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of a result in memory that is kept for nothing else than undo."""
        data = None if self.replaced is None else self.replaced.data
        if not isinstance(data, np.ndarray) or isinstance(data, np.memmap):
            return 0
        return data.nbytes


@dataclass(slots=True)
class History:
    """Steps that were done and steps that were undone."""

    done: list[Step] = field(default_factory=list)
    undone: list[Step] = field(default_factory=list)

    def push(self, step: Step) -> None:
        """Add what was just done; what was undone before can no longer be redone."""
        self.done.append(step)
        del self.done[:-MAX_STEPS]
        held = list(accumulate(kept.nbytes for kept in reversed(self.done)))
        newest = next((nbytes for nbytes in held if nbytes), 0)
        within = bisect_right(held, max(MAX_BYTES, newest))
        del self.done[: len(held) - within]
        self.undone.clear()

    def pop_done(self) -> Step | None:
        """Take the last step to undo it, or None."""
        if not self.done:
            return None
        self.undone.append(self.done.pop())
        return self.undone[-1]

    def pop_undone(self) -> Step | None:
        """Take the step that was undone last to redo it, or None."""
        if not self.undone:
            return None
        self.done.append(self.undone.pop())
        return self.done[-1]

    def drop(self, step: Step) -> None:
        """Forget a step that came to nothing."""
        for steps in (self.done, self.undone):
            steps[:] = [kept for kept in steps if kept is not step]

    def clear(self) -> None:
        """Forget everything."""
        self.done.clear()
        self.undone.clear()
