"""Labels of a fixed height say what fits, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_sam_onnx.plugin.panels.parts.widgets import FewLines

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

CANDIDATE = "Candidate 1 of 3\nscore 0.86 · 338\u00a0px"


@pytest.fixture
def label(qtbot: QtBot) -> FewLines:
    label = FewLines(2)
    qtbot.addWidget(label)
    return label


@pytest.mark.parametrize("cut", [0, 2, 8])
def test_lines_end_where_the_text_says(label: FewLines, cut: int) -> None:
    room = label.fontMetrics().horizontalAdvance(CANDIDATE[: len(CANDIDATE) - cut])
    label.resize(room + 12, label.height())
    label.say(CANDIDATE)
    assert label.text() == CANDIDATE == label.toolTip()


def test_lines_beyond_the_last_join_it(label: FewLines) -> None:
    label.resize(230, label.height())
    label.say("one\ntwo\nthree")
    assert label.text() == "one\ntwo three"


def test_what_does_not_fit_ends_in_an_ellipsis(label: FewLines) -> None:
    label.resize(120, label.height())
    label.say("a first line\n" + "many words that find no room " * 3)
    first, second = label.text().split("\n")
    assert first == "a first line"
    assert second.endswith("…")


def test_long_names_in_a_sentence_are_cut_in_their_middle(label: FewLines) -> None:
    label.resize(900, label.height())
    name = "2026-11-26_plate-B_well-C4_field-012_DAPI_v3"
    label.say(f"7 objects in “{name}”, not in “cells”.")
    assert label.text() == f"7 objects in “{name[:16]}…{name[-16:]}”, not in “cells”."
    assert name in label.toolTip()
