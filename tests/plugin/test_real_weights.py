"""The dock with MobileSAM as it was trained: a click, a box, and what is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

import napari_sam_onnx as nso
from tests.fakes import draw_discs
from tests.models.real_weights import find_mobilesam

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.weights


def test_a_box_becomes_a_label(drive: Callable[..., Any]) -> None:
    model = nso.load_model(find_mobilesam())
    discs = draw_discs((200, 240), [(60, 70), (130, 170)], 22)
    driver = drive(np.where(discs > 0, 180, 40).astype(np.uint8), model)
    driver.drag((34, 44), (86, 96))
    assert driver.shown > 0
    driver.press(Qt.Key.Key_N)
    truth = discs > 0
    truth[100:] = False
    found = driver.labels > 0
    assert driver.ids == [1]
    assert (found & truth).sum() / (found | truth).sum() > 0.9
    model.close()
