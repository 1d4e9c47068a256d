"""Which of the listed models are on this computer, by what they can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam_onnx.models.store.cards import ModelCard
    from napari_sam_onnx.plugin.shelf.entry import ShelfEntry


def list_finders(entries: Iterable[ShelfEntry] | None) -> list[tuple[str, object]]:
    """List the models here that find objects by text or all that they know."""
    return _list_here(entries, clickable=False)


def list_clickable(entries: Iterable[ShelfEntry] | None) -> list[tuple[str, object]]:
    """List the models here that answer clicks: what one reads, and the id."""
    return _list_here(entries, clickable=True)


def answers_clicks(card: ModelCard) -> bool:
    """Whether a model takes points and boxes; others find cells, boxes, or what a text names."""
    return not any(file.role in ("language_encoder", "detector", "flows") for file in card.files)


def _list_here(
    entries: Iterable[ShelfEntry] | None, *, clickable: bool
) -> list[tuple[str, object]]:
    return [
        (entry.card.name or entry.card.id, entry.card.id)
        for entry in entries or ()
        if entry.here and answers_clicks(entry.card) is clickable
    ]
