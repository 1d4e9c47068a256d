"""What is drawn in Shapes layers can be undone, in its turn among objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import Qt

from napari_sam_onnx.plugin.editing.drawings import Drawings
from napari_sam_onnx.plugin.session.key_map import KeyMap
from napari_sam_onnx.plugin.session.settings import Settings
from tests.plugin.driver import CONTROL, NONE, SHIFT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.plugin.conftest import Bench
    from tests.plugin.driver import Driver

SQUARE = np.array([[10, 10], [10, 40], [40, 40], [40, 10]], float)


@pytest.fixture
def drawings(bench: Bench, tmp_path: Path) -> Iterator[Drawings]:
    bench.open()
    made = Drawings(bench.commits, KeyMap(Settings(tmp_path / "settings"), (), bench.viewer))
    yield made
    made.close()


def kinds(layer: Any) -> list[str]:
    return list(map(str, layer.shape_type))


def test_shapes_and_objects_are_undone_in_the_order_of_the_user(
    bench: Bench, drawings: Drawings
) -> None:
    layer = bench.viewer.add_shapes(name="Region")
    layer.add(SQUARE, shape_type="rectangle")
    bench.session.layers.activate()
    bench.click(30, 30)
    bench.commits.accept()
    layer.add(SQUARE + 20, shape_type="ellipse")
    layer.data = [(SQUARE + 5, "rectangle"), (SQUARE + 20, "ellipse")]  # as a drag moves it
    bench.commits.undo()
    assert kinds(layer) == ["rectangle", "ellipse"] and layer.data[0].min() == 10
    assert bench.said == "Undone: what was drawn in “Region”; Ctrl+Shift+Z draws it again."
    bench.commits.undo()
    assert kinds(layer) == ["rectangle"] and bench.ids == [1]
    bench.commits.undo()
    bench.commits.undo()  # the click
    assert kinds(layer) == ["rectangle"] and bench.ids == []
    bench.commits.undo()
    assert kinds(layer) == []
    for _ in range(3):
        bench.commits.redo()
    assert kinds(layer) == ["rectangle"] and bench.ids == [1]
    bench.viewer.layers.remove(layer)
    for _ in range(2):
        bench.commits.undo()
    bench.commits.undo()
    assert bench.said == "Its layer was removed."


def test_keys_are_lent_to_shapes_while_they_are_selected(bench: Bench, drawings: Drawings) -> None:
    layer = bench.viewer.add_shapes()
    undo, redo = (coerce_keybinding(key) for key in ("Control-Z", "Control-Shift-Z"))
    assert {undo, redo} <= set(layer.keymap)
    bench.session.layers.activate()
    assert not layer.keymap
    layer.bind_key("Control-Z", lambda _: None)  # somebody's own
    bench.viewer.layers.selection.active = layer
    assert set(layer.keymap) == {undo, redo}
    drawings.close()
    assert set(layer.keymap) == {undo}
    layer.add(SQUARE)
    assert not bench.commits.history.done
    drawings._follow()


def test_control_z_takes_back_a_region(drive: Callable[..., Driver]) -> None:
    d = drive()
    layer = d.viewer.add_shapes(name="Region")
    layer.mode = "add_rectangle"
    d.drag((10, 10), (60, 70), keys=NONE)
    assert kinds(layer) == ["rectangle"]
    d.press(Qt.Key.Key_Z, CONTROL)
    assert kinds(layer) == [] and "what was drawn in “Region”" in d.said
    d.press(Qt.Key.Key_Z, CONTROL | SHIFT)
    assert kinds(layer) == ["rectangle"] and layer.mode == "add_rectangle"
