"""What is kept while one works, what is offered after a crash; a real process is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam_onnx.labels.classes import ObjectClass
from napari_sam_onnx.plugin.editing.autosave import Autosave
from napari_sam_onnx.plugin.editing.classes import Classes
from napari_sam_onnx.plugin.editing.gestures import Gestures
from napari_sam_onnx.plugin.layers.classes import list_of, read_layer_classes
from napari_sam_onnx.records.journal_left import find_left
from tests.fakes import draw_discs
from tests.plugin.conftest import CENTERS, RADIUS, Bench, HeldLane

if TYPE_CHECKING:
    from pathlib import Path

A, B, C = CENTERS


def work(root: Path) -> tuple[Bench, Autosave]:
    bench = Bench()
    saving = Autosave(bench.commits, root, HeldLane())
    bench.open()
    return bench, saving


def crash(bench: Bench, saving: Autosave) -> None:
    """Leave the journal as a process does that is killed."""
    for journal in saving._journals.values():
        journal.close(keep=True)
    saving._journals.clear()
    saving.close()
    bench.session.close()


def test_labels_and_prompts_come_back(tmp_path: Path) -> None:
    bench, saving = work(tmp_path)
    bench.click(*A)
    bench.commits.accept()
    bench.commits.labels.layer.data_setitem((np.array([90]), np.array([90])), 9)  # by hand
    classes = Classes(bench.commits, Gestures(bench.session))
    classes.add("cell", "#123456")
    classes.press(1, A)
    bench.click(*B)
    bench.click(B[0] + 2, B[1] + 2, positive=False)
    before = bench.labels.copy()
    crash(bench, saving)

    again, saving = work(tmp_path)
    assert saving.found is not None and saving.found.objects == 2
    saving.restore()
    np.testing.assert_array_equal(again.labels, before)
    restored = again.commits.labels.layer
    assert read_layer_classes(restored) == {1: "cell"}
    assert list_of(restored) == (ObjectClass("cell", "#123456"),)
    assert again.session.layers.points.features["positive"].tolist() == [True, False]
    assert "2 objects, 2 points" in again.said and saving.found is None
    assert again.commits.labels.next_label == 10
    crash(again, saving)  # what was restored is kept from then on, and only once
    assert len(list(tmp_path.iterdir())) == 1
    third, saving = work(tmp_path)
    assert saving.found is not None and saving.found.objects == 2
    saving.discard()
    assert saving.found is None and not list(tmp_path.iterdir())
    saving.close()
    third.session.close()


def test_another_picture_is_offered_nothing(tmp_path: Path) -> None:
    bench, saving = work(tmp_path)
    bench.click(*A)
    bench.commits.accept()
    crash(bench, saving)
    other = Bench()
    saving = Autosave(other.commits, tmp_path, HeldLane())
    other.open(draw_discs((100, 120), CENTERS[:2], RADIUS))
    assert saving.found is None
    saving.close()
    other.session.close()
    assert len(list(tmp_path.iterdir())) == 1  # it waits for its picture


def test_nothing_is_left_of_work_that_ended_well_or_never_began(tmp_path: Path) -> None:
    bench, saving = work(tmp_path)
    assert not list(tmp_path.iterdir())
    bench.click(*A)
    assert len(list(tmp_path.iterdir())) == 1
    saving.close()
    bench.session.close()
    assert not list(tmp_path.iterdir())


def test_undo_deletion_and_removed_layers_are_kept_too(tmp_path: Path) -> None:
    bench, saving = work(tmp_path)
    for spot in CENTERS:
        bench.click(*spot)
        bench.commits.accept()
    bench.commits.undo()
    layer = bench.commits.labels.layer
    bench.commits.delete_at(layer.data_to_world(A))
    crash(bench, saving)
    (found,) = find_left(tmp_path)
    assert np.unique(found.labels[0].labels).tolist() == [0, 2]
    found.discard()
    bench, saving = work(tmp_path)
    bench.click(*A)
    bench.commits.accept()
    bench.viewer.layers.remove(bench.commits.labels.layer)
    crash(bench, saving)
    assert all(not found.labels for found in find_left(tmp_path))


def test_a_place_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    bench, saving = work(tmp_path / "file")
    said: list[str] = []
    bench.session.status_changed.connect(lambda: said.append(bench.said))
    bench.click(*A)
    bench.click(*B)
    bench.commits.accept()
    assert bench.ids == [1]
    assert sum("not kept for a crash" in sentence for sentence in said) == 1
    saving.close()
    bench.session.close()


def accept(bench: Bench, *spots: Any) -> None:
    for spot in spots:
        bench.click(*spot)
        bench.commits.accept()


def test_what_several_crashes_left_is_offered_one_after_the_other(tmp_path: Path) -> None:
    bench, saving = work(tmp_path)
    accept(bench, A, B)
    crash(bench, saving)
    bench, saving = work(tmp_path)  # nobody looked at the offer
    accept(bench, C)
    bench.click(*A)
    crash(bench, saving)
    os.utime(saving_log(tmp_path), None)

    bench, saving = work(tmp_path)
    assert saving.found is not None and saving.found.objects == 1 and saving.earlier == 1
    saving.restore()
    first = bench.commits.labels.layer
    assert first is not None and bench.ids == [1]
    assert saving.found is not None and saving.found.objects == 2 and saving.earlier == 0
    saving.restore()
    layers = [e for e in bench.viewer.layers if "labels" in e.name]
    assert [len(np.unique(layer.data)) - 1 for layer in layers] == [1, 2]
    assert bench.commits.labels.layer is first  # the newest is gone on with
    assert saving.found is None and len(bench.session.layers.points.data) == 1
    crash(bench, saving)

    again, saving = work(tmp_path)  # all of it is one journal by now
    assert saving.found is not None and saving.found.objects == 3 and saving.earlier == 0
    saving.discard()
    assert saving.found is None and not list(tmp_path.iterdir())
    saving.close()
    again.session.close()


def saving_log(root: Path) -> Path:
    return max((folder / "log" for folder in root.iterdir()), key=lambda log: log.stat().st_mtime)


def test_prompts_that_are_open_are_not_lost_for_those_that_were(tmp_path: Path) -> None:
    bench, saving = work(tmp_path)
    accept(bench, A)
    bench.click(*B)
    crash(bench, saving)
    bench, saving = work(tmp_path)
    bench.click(*C)
    saving.restore()
    assert bench.ids == [1] and bench.session.layers.points.data.tolist() == [list(map(float, C))]
    assert bench.said == (
        "Restored: 1 object. Left for later: 1 point; accept or discard what is open first."
    )
    assert saving.found is not None and not saving.found.labels
    bench.commits.accept()
    saving.restore()
    assert bench.session.layers.points.data.tolist() == [list(map(float, B))]
    assert saving.found is None and len(list(tmp_path.iterdir())) == 1
    saving.close()
    bench.session.close()
    assert not list(tmp_path.iterdir())


def test_what_was_not_decided_is_offered_again(tmp_path: Path) -> None:
    bench, saving = work(tmp_path)
    accept(bench, A)
    bench.click(*B)
    crash(bench, saving)
    for _ in range(2):
        bench, saving = work(tmp_path)
        bench.click(*C)
        saving.restore()  # its prompts wait
        assert saving.found is not None
        crash(bench, saving)
    bench, saving = work(tmp_path)
    offered = []
    while saving.found is not None:
        offered.append((saving.found.objects, len(saving.found.prompts["points"])))
        saving.restore()
        bench.commits.discard()
    assert sorted(offered) == [(0, 1), (1, 1)]  # each object once, and the prompts of both
    saving.close()
    bench.session.close()


def test_all_pictures_of_a_session_are_kept(tmp_path: Path) -> None:
    bench, saving = work(tmp_path)
    accept(bench, A)
    first = bench.commits.labels.layer
    other = draw_discs((80, 90), CENTERS[:2], RADIUS)
    bench.session.choose_layer(bench.open(other, name="other"))
    accept(bench, A, B)
    first.data_setitem((np.array([90]), np.array([90])), 5)  # painted while another is looked at
    bench.session.choose_layer(bench.viewer.layers["cells"])
    accept(bench, C)
    crash(bench, saving)
    assert len(list(tmp_path.iterdir())) == 2
    again, saving = work(tmp_path)
    assert saving.found is not None and saving.found.objects == 3
    saving.restore()
    assert again.ids == [1, 5, 6]
    again.session.choose_layer(again.open(other, name="other"))
    assert saving.found is not None and saving.found.objects == 2
    saving.restore()
    again.viewer.layers.remove(again.commits.labels.layer)  # what is thrown away is not kept
    again.session.choose_layer(again.viewer.layers["cells"])
    saving.close()
    again.session.close()
    assert not list(tmp_path.iterdir())


_WORK = """
import sys, time
from pathlib import Path
from tests.plugin.editing.test_autosave import CENTERS, work
bench, saving = work(Path(sys.argv[1]))
for number, spot in enumerate(CENTERS):
    bench.click(*spot)
    if number < 2:
        bench.commits.accept()
print("working", flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_process_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WORK, str(tmp_path)]
    environment: dict[str, Any] = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert worker.stdout is not None and worker.stdout.readline() == "working\n"
        worker.send_signal(signal.SIGKILL)
        assert worker.wait(30) == -signal.SIGKILL
    finally:
        worker.kill()
        worker.wait(30)
        worker.stdout.close()
    bench, saving = work(tmp_path)
    assert saving.found is not None and saving.found.objects == 2
    saving.restore()
    assert bench.ids == [1, 2] and len(bench.session.layers.points.data) == 1
    for number, spot in enumerate(CENTERS[:2], start=1):
        np.testing.assert_array_equal(
            bench.labels == number, draw_discs((100, 120), [spot], RADIUS) > 0
        )
    saving.close()
    bench.session.close()
