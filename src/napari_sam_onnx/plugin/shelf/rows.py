"""What the model manager says of a model: texts and sort keys, without a widget."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_onnx.models.store.cards import describe_measured, describe_size
from napari_sam_onnx.models.store.disk import format_bytes

if TYPE_CHECKING:
    from napari_sam_onnx.models.store.cards import ModelCard
    from napari_sam_onnx.plugin.shelf.entry import ShelfEntry
    from napari_sam_onnx.plugin.shelf.shelf import ModelShelf

COLUMNS = ("Model", "Family", "Size", "Licence", "On this computer", "Click · box", "Speed here")


@dataclass(frozen=True, slots=True)
class ModelRow:
    """One line of the manager.

    Parameters
    ----------
    model_id : str
    cells : tuple of str
        One text per column of `COLUMNS`.
    keys : tuple of str or float
        What each column is sorted by.
    tips : tuple of str
        One tool tip per column.
    state : {"embedded", "here", "absent", "part", "waiting", "getting", "stopping", "failed"}
    fraction : float or None
        Of a download that runs.
    restricted : bool
        Whether the licence forbids commercial use.
    purpose : str
        What it is made for, a key of `PURPOSES`.
    """

    model_id: str
    cells: tuple[str, ...]
    keys: tuple[str | float, ...]
    tips: tuple[str, ...]
    state: str
    fraction: float | None = None
    restricted: bool = False
    purpose: str = ""


def make_rows(shelf: ModelShelf) -> list[ModelRow]:
    """Describe every model of a shelf."""
    return [make_row(shelf, entry) for entry in shelf.entries or ()]


def make_row(shelf: ModelShelf, entry: ShelfEntry) -> ModelRow:
    """Describe one model."""
    card = entry.card
    state, state_text, fraction = describe_state(shelf, entry)
    size = entry.nbytes if entry.here else card.size or card.about
    size_text = format_bytes(entry.nbytes) if entry.here else describe_size(card) or "?"
    speed = entry.speed
    speed_text = "–"
    if card.id in shelf.measuring:
        speed_text = "measuring …"
    elif speed is not None:
        speed_text = f"{format_ms(speed.encode_ms)} + {format_ms(speed.decode_ms)}"
    measured = "–" if card.measured is None else "{:.2f} · {:.2f}".format(*card.measured)
    cells = (
        card.name,
        card.family,
        size_text,
        describe_licence(card),
        state_text,
        measured,
        speed_text,
    )
    keys: tuple[str | float, ...] = (
        card.name.lower(),
        card.family.lower(),
        float("inf") if size is None else float(size),
        cells[3].lower(),
        _ORDER[state],
        1.0 if card.measured is None else -card.measured[1],
        float("inf") if speed is None else speed.encode_ms,
    )
    tips = (
        f"{card.name} ({card.id})",
        card.family,
        "Size on disk" if entry.here else "Size of the download",
        describe_licence(card),
        shelf.failures.get(card.id, "") or describe_hashes(card),
        describe_measured(card) or "Not measured on this project's pictures",
        describe_speed(entry),
    )
    return ModelRow(
        card.id,
        cells,
        keys,
        tips,
        state,
        fraction,
        restricted=card.commercial_use is False,
        purpose=card.purpose,
    )


_ORDER = {
    name: float(number)
    for number, name in enumerate(
        ("getting", "stopping", "waiting", "failed", "embedded", "here", "part", "absent")
    )
}


def describe_state(shelf: ModelShelf, entry: ShelfEntry) -> tuple[str, str, float | None]:
    """Say whether a model is here: a word for the program, a text, and a download's fraction."""
    card = entry.card
    fetching = shelf.fetching.get(card.id)
    if fetching is not None:
        if fetching.cancelled:
            return "stopping", "stopping …", None
        if not fetching.running:
            return "waiting", "waiting", None
        fraction = fetching.fraction
        if fraction is None:
            return "getting", f"downloading, {format_bytes(fetching.done)}", None
        return "getting", f"downloading, {100 * fraction:.0f} %", fraction
    if card.id in shelf.failures:
        return "failed", f"failed: {shelf.failures[card.id]}", None
    if card.origin == "embedded":
        return "embedded", "embedded", None
    if entry.here:
        return "here", "yes", None
    if entry.nbytes:
        return "part", f"in part, {format_bytes(entry.nbytes)}", None
    return "absent", "no", None


def describe_licence(card: ModelCard) -> str:
    """Name a licence and say what it means for commercial use."""
    use = {True: "", False: " · non-commercial", None: " · read its terms"}[card.commercial_use]
    if card.licence == "unknown":
        return "unknown"
    return card.licence + (use if use.removeprefix(" · ") not in card.licence.lower() else "")


def describe_hashes(card: ModelCard) -> str:
    """Say what a model's files are checked against."""
    if card.origin == "embedded":
        return "Part of the installed package."
    if card.hashed:
        source = f" ({card.hash_source})" if card.hash_source else ""
        return f"Files are checked against known hashes{source}."
    return (
        "Nobody publishes a hash of every file: the first download is kept as the measure, and "
        "files that differ later are refused."
    )


def describe_speed(entry: ShelfEntry) -> str:
    """Say what was measured, or how to measure it."""
    if entry.speed is None:
        return "Not measured on this computer; press Measure."
    where = f" on {entry.speed.runs_on}" if entry.speed.runs_on else ""
    return (
        f"{format_ms(entry.speed.encode_ms)} to encode a plane of 1024 × 1024, "
        f"{format_ms(entry.speed.decode_ms)} per click{where}"
    )


def describe_model(entry: ShelfEntry) -> list[tuple[str, str]]:
    """List what is known of a model, as pairs of a heading and a text."""
    card = entry.card
    use = {True: "allowed", False: "not allowed", None: "see the licence's terms"}
    licence = f"{card.licence}; commercial use: {use[card.commercial_use]}"
    pairs = [
        ("Good for", card.notes),
        ("Measured", describe_measured(card)),
        ("Licence", "unknown" if card.licence == "unknown" else licence),
        ("Input", f"{card.input_size} × {card.input_size} pixels" if card.input_size else ""),
        ("Files", describe_hashes(card)),
        ("Speed here", describe_speed(entry) if entry.here else ""),
        ("Source", card.source),
    ]
    return [(heading, text) for heading, text in pairs if text]


def matches(row: ModelRow, words: str) -> bool:
    """Whether a model has all words in its id, name, family or licence."""
    text = " ".join((row.model_id, *row.cells[:2], row.cells[3])).lower()
    return all(word in text for word in words.lower().split())


def format_ms(milliseconds: float) -> str:
    """Write a duration as people do: ``0.8 ms``, ``45 ms``, ``2.4 s``."""
    if milliseconds < 9.95:
        return f"{milliseconds:.1f} ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s"
