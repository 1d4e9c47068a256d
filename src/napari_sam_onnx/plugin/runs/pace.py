"""How far a run has come and how long it goes on, as people say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam_onnx.stacks import StackUpdate


class Pace:
    """Guesses how long a run goes on, from when its first piece of work was finished."""

    def __init__(self) -> None:
        self._begun: float | None = None

    def guess(self, fraction: float, now: float) -> float | None:
        """Return the seconds that are left, or None where nothing is finished yet."""
        if self._begun is None:  # the first step comes when the work itself begins
            self._begun = now
        seconds = now - self._begun
        return seconds / fraction - seconds if fraction > 0 and seconds > 0 else None


def format_seconds(seconds: float) -> str:
    """Write a duration as people say it: ``40 s``, ``3 min``, ``1 h 5 min``."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def describe_update(update: StackUpdate, left: float | None, found: int) -> str:
    """Say how far a run has come and how long it will take."""
    parts = []
    if update.total > 1:
        parts.append(f"plane {min(update.done + 1, update.total)} of {update.total}")
    if update.step is not None and update.step.total:
        parts.append(f"{update.step.done} of {update.step.total} {update.step.unit}")
    if found and update.step is not None and update.step.unit != "objects":
        parts.append(f"{found} object{'s' * (found != 1)}")
    if left is not None and left > 0:
        parts.append(f"{format_seconds(left)} left")
    if update.step is not None and update.step.unit == "looks":
        parts.append("finding how large the objects are …")
    text = ", ".join(parts) or "looking over the picture …"
    return text[0].upper() + text[1:]
