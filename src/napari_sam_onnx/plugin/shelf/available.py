"""Which models are on this computer, by what they can do. Looks at file names alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_onnx.models.store.catalog import read_catalogue
from napari_sam_onnx.models.store.files import is_downloaded

if TYPE_CHECKING:
    from napari_sam_onnx.models.store.cards import ModelCard


def list_finders() -> list[tuple[str, object]]:
    """List the models on this computer that find objects by text or all that they know."""
    return [
        (card.name or card.id, card.id)
        for card in read_catalogue().cards
        if not answers_clicks(card) and is_downloaded(card)
    ]


def list_present() -> list[tuple[str, object]]:
    """List the models on this computer that answer clicks: what one reads, and the id."""
    return [
        (card.name or card.id, card.id)
        for card in read_catalogue().cards
        if answers_clicks(card) and (card.origin == "embedded" or is_downloaded(card))
    ]


def answers_clicks(card: ModelCard) -> bool:
    """Whether a model takes points and boxes; others find boxes, or what a text names."""
    return not any(file.role in ("language_encoder", "detector") for file in card.files)
