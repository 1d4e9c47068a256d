"""How far a run has come: what the generators yield between two pieces of work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam_onnx.masks.mask import Mask


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
        What is counted, in the plural: ``"points"``, ``"objects"``, ``"tiles"``, ``"looks"``.
    masks : tuple of Mask
        What this piece of work has found, to be looked at: the run may still leave some of it
        out where masks overlap, or join parts.
    """

    done: int
    total: int
    unit: str
    masks: tuple[Mask, ...] = ()


LOOKING = Progress(0, 0, "looks")
"""The plane is looked at to choose how to look at it; nothing is found yet."""
