"""docs/models.md lists the catalogue; run as a module, this file rewrites it."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from napari_sam_onnx.models.store.cards import describe_size
from napari_sam_onnx.models.store.catalog import read_catalogue

PAGE = Path(__file__).parents[3] / "docs/models.md"
BEGIN, END = "<!-- catalogue -->\n", "<!-- end of the catalogue -->\n"


def render() -> str:
    """The catalogue as tables, one for each family, in the catalogue's order."""
    cards = [card for card in read_catalogue().cards if card.origin != "user"]
    order = {family: i for i, family in enumerate(dict.fromkeys(card.family for card in cards))}
    cards.sort(key=lambda card: order[card.family])
    lines = []
    for family, group in groupby(cards, key=lambda card: card.family):
        lines += [f"### {family}", ""]
        lines += ["| id | size | contract | input | licence, commercial use | hashes | notes |"]
        lines += ["|-|-|-|-|-|-|-|"]
        for card in group:
            use = {True: "yes", False: "**no**", None: "read its terms"}[card.commercial_use]
            hashes = "published" if card.hashed else "first download"
            if card.origin == "embedded":
                hashes = "embedded"
            cells = [
                f"`{card.id}`" if not card.source else f"[`{card.id}`]({card.source})",
                describe_size(card) or "–",
                card.contract,
                f"{card.input_size}" if card.input_size else "any",
                f"{card.licence}, {use}",
                hashes,
                card.notes,
            ]
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def split(page: str) -> tuple[str, str, str]:
    """What precedes the tables, the tables, and what follows."""
    before, rest = page.split(BEGIN)
    tables, after = rest.split(END)
    return before, tables, after


def test_the_page_lists_the_catalogue(monkeypatch, tmp_path):
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path))
    _, tables, _ = split(PAGE.read_text(encoding="utf-8"))
    assert tables.strip() == render().strip(), f"run python -m {__spec__.name}"


if __name__ == "__main__":
    before, _, after = split(PAGE.read_text(encoding="utf-8"))
    PAGE.write_text(f"{before}{BEGIN}\n{render()}\n{END}{after}", encoding="utf-8")
