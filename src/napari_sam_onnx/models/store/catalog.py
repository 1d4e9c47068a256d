"""The models one can have: the embedded one, the catalogue, and the user's own cards.

Cards are data: ``catalog.toml`` in the package, and ``*.toml`` of the same form in the user's
configuration folder. A card that cannot be read is reported in one sentence and never hides
the others. Nothing here touches the network or ONNX Runtime.
"""

from __future__ import annotations

import difflib
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from napari_sam_onnx.errors import Notice, log_fault
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store.card_toml import EMBEDDED_ID, read_cards
from napari_sam_onnx.models.store.cards import Archive, ModelCard, ModelFile
from napari_sam_onnx.models.store.places import cards_dir

__all__ = [
    "EMBEDDED_ID",
    "Archive",
    "Catalogue",
    "ModelCard",
    "ModelFile",
    "find_card",
    "list_models",
    "read_catalogue",
]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All cards, and a sentence for each that could not be read."""

    cards: tuple[ModelCard, ...]
    problems: tuple[str, ...]


def list_models() -> tuple[ModelCard, ...]:
    """Every model one can ask for: the embedded one, the catalogue, then the user's own.

    A user's card that cannot be read is left out and reported as a warning.
    """
    catalogue = read_catalogue()
    for problem in catalogue.problems:
        warnings.warn(problem, Notice, stacklevel=2)
    return catalogue.cards


def find_card(model_id: str) -> ModelCard:
    """Find the card of a model.

    Raises
    ------
    ModelError
        If no card has this id; the message names the nearest ones.
    """
    catalogue = read_catalogue()
    by_id = {card.id: card for card in catalogue.cards}
    if model_id in by_id:
        return by_id[model_id]
    near = difflib.get_close_matches(model_id.lower(), by_id, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "see 'napari-sam-onnx models list'."
    problems = "".join(f" (Unreadable card: {problem})" for problem in catalogue.problems)
    raise ModelError(f"There is no model called '{model_id}'; {hint}{problems}")


def read_catalogue() -> Catalogue:
    """Read the package's cards and the user's."""
    cards = list(_packaged_cards())
    taken = {card.id: "the catalogue" for card in cards}
    problems: list[str] = []
    folder = cards_dir()
    for path in _list_cards(folder, problems):
        try:
            for card in read_cards(path, "user"):
                if card.id in taken:
                    raise ModelError(
                        f"{path}: id '{card.id}' is already taken by {taken[card.id]}; "
                        "give the model another id."
                    )
                taken[card.id] = str(path)
                cards.append(card)
        except ModelError as error:
            problems.append(str(error))
        except Exception as error:  # whatever one file does, the others are still wanted
            log_fault(error)
            problems.append(f"{path}: the card cannot be read ({type(error).__name__}).")
    return Catalogue(tuple(cards), tuple(problems))


def _list_cards(folder: Path, problems: list[str]) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(f"{folder}: the cards in it cannot be listed ({error.strerror}).")
        return []


@cache
def _packaged_cards() -> tuple[ModelCard, ...]:
    """Read the embedded model and the catalogue, once: they cannot change."""
    cards = read_cards(Path(__file__).with_name("catalog.toml"), "catalogue")
    return tuple(sorted(cards, key=lambda card: card.id != EMBEDDED_ID))
