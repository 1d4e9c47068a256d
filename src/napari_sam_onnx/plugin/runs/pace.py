"""How long a run goes on, as people say it."""

from __future__ import annotations


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
