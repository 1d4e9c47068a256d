"""Work in steps: generators run to their end, alone or inside one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

Step = TypeVar("Step")
Shown = TypeVar("Shown")
Value = TypeVar("Value")


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
