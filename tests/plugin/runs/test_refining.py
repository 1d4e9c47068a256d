"""A plane of labels refined from the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.plugin.runs.refining import Refiner
from tests.automatic.test_refine import BEFORE, PICTURE, TRUTH

if TYPE_CHECKING:
    from tests.plugin.conftest import Bench


class HeldStream:
    """Runs a generator when it is told to, to its end or up to some step."""

    made: HeldStream

    def __init__(self, generator: Any, step: Any, finished: Any, title: str) -> None:
        self.generator, self.step, self.finished = generator, step, finished
        HeldStream.made = self

    def go(self, steps: int = 1000) -> None:
        error = None
        try:
            for _, value in zip(range(steps), self.generator, strict=False):
                self.step(value)
        except Exception as problem:
            error = problem
        self.generator.close()
        self.finished(error)

    def stop(self) -> None:
        pass

    def report(self, done: int, total: int) -> None:
        pass


def open_all(bench: Bench) -> tuple[Any, Refiner]:
    bench.open(PICTURE)
    layer = bench.viewer.add_labels(BEFORE.copy(), name="theirs")
    bench.commits.labels.choose(layer)
    bench.session.layers.activate()
    return layer, Refiner(bench.commits, HeldStream)


def test_one_run_is_one_step(bench: Bench) -> None:
    layer, refiner = open_all(bench)
    refiner.start()
    HeldStream.made.go()
    np.testing.assert_array_equal(layer.data > 0, TRUTH > 0)
    assert refiner.result is not None and len(refiner.result.taken) == 2
    assert "2 of 3 objects outlined anew" in bench.said
    bench.commits.undo()
    np.testing.assert_array_equal(layer.data, BEFORE)
    assert "2 objects outlined anew" in bench.said
    bench.commits.redo()
    np.testing.assert_array_equal(layer.data > 0, TRUTH > 0)
    refiner.start()
    HeldStream.made.go()
    assert "None of 3" in bench.said


def test_a_stopped_run_writes_nothing(bench: Bench) -> None:
    layer, refiner = open_all(bench)
    refiner.start()
    refiner.work.cancel()
    HeldStream.made.go()
    assert "cancelled" in bench.said
    np.testing.assert_array_equal(layer.data, BEFORE)
    assert refiner.result is None and not refiner.work.busy


def test_what_cannot_be_refined_is_said(bench: Bench) -> None:
    refiner = Refiner(bench.commits, HeldStream)
    refiner.start()
    assert "Open a picture" in bench.said
    bench.open(PICTURE)
    refiner.start()
    assert "Choose the labels" in bench.said
    layer, refiner = open_all(bench)
    layer.data[:] = 0
    refiner.start()
    assert "no labelled object" in bench.said


def test_labels_changed_meanwhile_are_let_alone(bench: Bench) -> None:
    layer, refiner = open_all(bench)
    refiner.start()
    layer.data[0, 0] = 1
    HeldStream.made.go()
    assert "changed while" in bench.said and (layer.data == 7).sum() == (BEFORE == 7).sum()


def test_a_whole_stack_is_one_run_and_one_step(bench: Bench) -> None:
    bench.open(np.stack([PICTURE, PICTURE, PICTURE]))
    before = np.stack([BEFORE, np.zeros_like(BEFORE), BEFORE])
    layer = bench.viewer.add_labels(before.copy(), name="theirs")
    bench.commits.labels.choose(layer)
    bench.session.layers.activate()
    bench.viewer.dims.set_point(0, 1)
    refiner = Refiner(bench.commits, HeldStream)
    refiner.start(whole=True)
    HeldStream.made.go()
    wanted = np.stack([TRUTH, np.zeros_like(TRUTH), TRUTH]) > 0
    np.testing.assert_array_equal(layer.data > 0, wanted)
    assert refiner.result is not None and len(refiner.result.taken) == 4
    assert "2 planes: 4 of 6 objects" in bench.said
    bench.commits.undo()
    np.testing.assert_array_equal(layer.data, before)
    bench.commits.redo()
    np.testing.assert_array_equal(layer.data > 0, wanted)
    bench.commits.undo()
    refiner.start(whole=True)
    show = HeldStream.made.step

    def paint(step: Any) -> None:
        show(step)
        if getattr(step, "done", 0) == 2:  # the first plane was read
            layer.data[0, 0, 0] = 1

    HeldStream.made.step = paint
    HeldStream.made.go()
    assert "changed while" in bench.said and (layer.data[2] == BEFORE).all()
    layer.data[:] = 0
    refiner.start(whole=True)
    HeldStream.made.go()
    assert "on any plane" in bench.said
