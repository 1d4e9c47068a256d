"""How much is kept for undo."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.plugin.commits import history
from napari_sam_onnx.plugin.commits.history import History, Step

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def step(data: Any = None) -> Step:
    """Make a step that keeps a result which another took the place of."""
    replaced: Any = None if data is None else SimpleNamespace(data=data)
    nothing: Any = None
    return Step(nothing, nothing, nothing, replaced=replaced)


def test_replaced_results_are_kept_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_BYTES", 2500)
    steps = [step(np.zeros(1000, np.uint8)), step(), step(np.zeros(1000, np.uint8)), step()]
    kept = History()
    for one in steps:
        kept.push(one)
    assert kept.done == steps
    kept.push(step(np.zeros(1000, np.uint8)))
    assert kept.done[:-1] == steps[1:]  # the oldest result went, with the step


def test_the_newest_result_is_kept_whatever_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_BYTES", 2500)
    kept, large = History(), step(np.zeros(9000, np.uint8))
    kept.push(step(np.zeros(1000, np.uint8)))
    kept.push(large)
    kept.push(step())
    assert kept.done[0] is large


def test_results_on_disk_count_for_nothing(tmp_path: Path) -> None:
    on_disk = np.memmap(tmp_path / "labels", np.uint8, "w+", shape=(4000,))
    assert step(on_disk).nbytes == 0
    assert step(np.zeros(4000, np.uint8)).nbytes == 4000
