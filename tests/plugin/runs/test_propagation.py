"""One object carried through a stack: real keys, one step to undo, what is kept on cancelling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_sam_onnx.models import load_model
from napari_sam_onnx.plugin.runs.propagation import Propagation
from napari_sam_onnx.plugin.runs.work import Work
from napari_sam_onnx.plugin.session.stack_axes import StackAxes
from tests.fakes import ComponentModel, draw_discs
from tests.models.memory_files import build_memory_files
from tests.models.onnx.memory.test_memory_model import BLUE, RED, draw
from tests.plugin.driver import CONTROL, SHIFT
from tests.plugin.runs.test_automatic import StepStream

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugin.conftest import Bench
    from tests.plugin.driver import Driver

STACK = np.stack([draw_discs((60, 80), [(30, 20 + 2 * z), (15, 60)], 9) for z in range(6)])
STACK[5, :, :45] = 0  # the left one ends there
LEFT = STACK.copy()
LEFT[:, :, 45:] = 0


@pytest.fixture
def carry(bench: Bench) -> Propagation:
    bench.open(STACK)
    return Propagation(bench.session, bench.commits, StackAxes(bench.session), Work(StepStream))


def finish(carry: Propagation, world: Any = None) -> None:
    carry.start(world)
    if carry.work.busy:
        carry.work._running.run()


def test_from_an_open_prompt_both_ways(bench: Bench, carry: Propagation) -> None:
    bench.viewer.dims.set_current_step(0, 2)
    bench.click(2, 30, 24)
    finish(carry)
    np.testing.assert_array_equal(bench.labels > 0, LEFT > 0)
    assert bench.ids == [1] and "Object 1: planes 0 to 4" in bench.said
    assert not len(bench.session.prompts.points)
    bench.commits.undo()
    assert not bench.labels.any() and len(bench.session.prompts.points) == 1
    bench.commits.redo()
    np.testing.assert_array_equal(bench.labels > 0, LEFT > 0)
    assert bench.commits.labels.next_label == 2


@pytest.mark.parametrize(
    ("span", "planes"), [((1, 3), "1 to 3"), ((2, None), "2 to 4"), ((3, 1), "1 to 3")]
)
def test_stop_planes(
    bench: Bench, carry: Propagation, span: tuple[int, int | None], planes: str
) -> None:
    carry.span = span
    bench.viewer.dims.set_current_step(0, 2)
    bench.click(2, 30, 24)
    finish(carry)
    assert f"Object 1: planes {planes}" in bench.said


def test_what_is_known_beyond_a_stop_plane_is_said(bench: Bench, carry: Propagation) -> None:
    carry.span = (3, None)
    bench.click(0, 30, 20)
    finish(carry)
    assert "on plane 0, beyond the stop planes 3 and 5" in bench.said
    assert len(bench.session.prompts.points) == 1 and bench.commits.labels.layer is None


def test_prompts_on_several_planes_are_kept(bench: Bench, carry: Propagation) -> None:
    bench.click(0, 30, 20)
    bench.viewer.dims.set_current_step(0, 4)
    bench.click(4, 30, 28)
    finish(carry)
    np.testing.assert_array_equal(bench.labels > 0, LEFT > 0)
    assert not len(bench.session.prompts.points)


def test_from_the_labels_it_has(bench: Bench, carry: Propagation) -> None:
    labels = np.zeros(STACK.shape, np.uint32)
    labels[1][LEFT[1] > 0] = 7
    labels[3, 30, 26] = 5  # another object in the way
    layer = bench.viewer.add_labels(labels)
    bench.commits.labels.choose(layer)
    bench.session.layers.activate()
    layer.selected_label = 7
    bench.viewer.dims.set_current_step(0, 1)
    finish(carry)
    assert layer.data[3, 30, 26] == 5 and layer.data[3, 30, 27] == 7
    assert (layer.data == 7).sum() == (LEFT > 0).sum() - 1
    bench.commits.undo()
    assert (layer.data == 7).sum() == (LEFT[1] > 0).sum()


def test_cancelling_keeps_what_is_done(bench: Bench, carry: Propagation) -> None:
    bench.click(0, 30, 20)
    carry.start(None)
    stream = carry.work._running
    stream.run(steps=3)
    carry.work.cancel()
    stream.run()
    done = bench.labels.reshape(6, -1).any(axis=1).sum()
    assert 3 <= done < 5 and "cancelled" in bench.said
    bench.commits.undo()
    assert not bench.labels.any()


def test_what_cannot_be_carried_is_said(bench: Bench, carry: Propagation) -> None:
    finish(carry, (0, 5, 5))
    assert "no labels yet" in bench.said
    bench.session.choose_each_click(True)
    bench.click(0, 30, 20)
    bench.click(0, 15, 60)
    finish(carry)
    assert "2 open objects on plane 0" in bench.said
    bench.viewer.layers.clear()
    bench.open(STACK[0])
    finish(carry)
    assert "Show one plane of a stack" in bench.said


def test_the_key(drive: Callable[..., Driver]) -> None:
    d = drive(STACK, ComponentModel(scores=(0.95, 0.3, 0.1)))
    d.viewer.dims.set_current_step(0, 2)
    d.click(2, 30, 24)
    d.press(Qt.Key.Key_G, SHIFT)
    d.until(lambda: not d.dock.automatic.work.busy)
    np.testing.assert_array_equal(d.labels > 0, LEFT > 0)
    assert d.shown == 0 and not len(d.points.data)
    d.press(Qt.Key.Key_Z, CONTROL)
    assert not d.labels.any() and len(d.points.data) == 1


def test_a_model_that_remembers_finds_what_was_hidden(bench: Bench, tmp_path: Path) -> None:
    """The disc jumps farther than any overlap, and is not there on one plane."""
    places = [25, 100, 40, None, 90, 30]
    stack = np.stack([draw((72, 60, BLUE), *([] if x is None else [(25, x, RED)])) for x in places])
    model: Any = load_model(build_memory_files(tmp_path))
    bench.models["pebble"] = model
    bench.open(stack, rgb=True)
    carry = Propagation(bench.session, bench.commits, StackAxes(bench.session), Work(StepStream))
    bench.viewer.dims.set_current_step(0, 1)
    bench.click(1, 25, 100)
    finish(carry)
    for plane, x in enumerate(places):
        where = np.argwhere(bench.labels[plane])
        if x is None:
            assert not where.size
        else:
            np.testing.assert_allclose(where.mean(axis=0), (25, x), atol=3)
    assert "planes 0 to 5" in bench.said and "ot seen on 1 plane (plane 3)" in bench.said
    bench.commits.undo()
    assert not bench.labels.any()
    model.close()
