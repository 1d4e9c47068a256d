"""How far a run has come: what the generators yield between two pieces of work."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    done: int
    total: int
    unit: str
