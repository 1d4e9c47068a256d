"""A model of the list, and what this computer has of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam_onnx.models.store.cards import ModelCard
    from napari_sam_onnx.models.store.speed import Speed


@dataclass(frozen=True, slots=True)
class ShelfEntry:
    """A model and what this computer has of it.

    Parameters
    ----------
    card : ModelCard
    here : bool
        Whether all of its files are here.
    nbytes : int
        Bytes on disk, unfinished downloads included.
    speed : Speed or None
        What was measured on this computer.
    """

    card: ModelCard
    here: bool
    nbytes: int = 0
    speed: Speed | None = None
