"""How far a run has come: what the generators yield between two pieces of work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from napari_sam_onnx.masks import Mask

Step = TypeVar("Step")
Shown = TypeVar("Shown")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Progress:
    """A moment at which a run may be shown or closed.

    Parameters
    ----------
    done : int
        Pieces of work that are finished.
    total : int
        Pieces of work in all; 0 while that is not known yet.
    unit : str
        What is counted, in the plural: ``"points"``, ``"objects"``, ``"tiles"``.
    masks : tuple of Mask
        What this piece of work has found, to be looked at: the run may still leave some of it
        out where masks overlap, or join parts.
    """

    done: int
    total: int
    unit: str
    masks: tuple[Mask, ...] = ()


def drive(steps: Generator[Step, None, Value], show: Callable[[Step], object] = bool) -> Value:
    """Run a generator to its end.

    Parameters
    ----------
    steps : generator
        Closed if `show` raises.
    show : callable
        Called with each step.

    Returns
    -------
    object
        The generator's value.
    """
    try:
        while True:
            show(next(steps))
    except StopIteration as stop:
        value: Value = stop.value
        return value
    finally:
        steps.close()


def relay(
    steps: Generator[Step, None, Value], translate: Callable[[Step], Shown]
) -> Generator[Shown, None, Value]:
    """Run a generator inside another one, each of its steps told in the other's words.

    Closing it closes `steps`.

    Returns
    -------
    object
        The value of `steps`.
    """
    try:
        while True:
            try:
                step = next(steps)
            except StopIteration as stop:
                value: Value = stop.value
                return value
            yield translate(step)
    finally:
        steps.close()
