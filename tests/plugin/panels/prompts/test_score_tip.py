"""The score beside the pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QPointF, Qt
from qtpy.QtTest import QTest

from tests.fakes import ComponentModel
from tests.plugin.conftest import CENTERS
from tests.plugin.driver import LEFT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.driver import Driver


def test_scores_stand_where_the_click_was(drive: Callable[..., Driver]) -> None:
    d = drive(model=ComponentModel(scores=(0.95, 0.7, 0.3)))
    tip = d.dock.score_tip
    assert tip.label is not None and not tip.label.isVisible()
    d.click(*CENTERS[0])
    spot = d.pixel(*CENTERS[0])
    assert tip.label.isVisible() and tip.label.text() == "0.95"
    away = QPointF(tip.label.pos() - spot)
    assert 0 < away.x() < 40 and 0 < away.y() < 40
    d.press(Qt.Key.Key_W)
    assert tip.label.text() == "0.95  [0.70]  0.30"
    d.press(Qt.Key.Key_W)
    assert tip.label.text() == "0.95  0.70  [0.30] doubtful"
    d.move(CENTERS[2][0], 110)
    assert not tip.label.isVisible()
    d.click(*CENTERS[1])
    assert tip.label.isVisible()
    scores = d.dock.outline_panel.scores
    next(s for s in d.dock.sections if s.body is d.dock.outline_panel).header.setChecked(True)
    QTest.qWait(50)
    d.dock.scroll.ensureWidgetVisible(scores)
    QTest.mouseClick(scores, LEFT)
    assert not tip.label.isVisible() and d.dock.settings.get("scores", True) is False
    QTest.mouseClick(scores, LEFT)
    d.press(Qt.Key.Key_N)
    assert not tip.label.isVisible()


def test_an_object_that_is_opened_has_no_score_of_its_own(drive: Callable[..., Driver]) -> None:
    d = drive()
    d.click(*CENTERS[0])
    d.press(Qt.Key.Key_N)
    d.move(*CENTERS[0])
    d.press(Qt.Key.Key_E)
    assert not d.dock.score_tip.label.isVisible()
