"""A journal: what is kept for a crash, found by others, bounded, and thrown away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam_onnx.records import journal
from napari_sam_onnx.records.journal import Journal, JournalError, changed_blocks
from napari_sam_onnx.records.journal_left import KEPT_LEFT, find_left

if TYPE_CHECKING:
    from pathlib import Path

ABOUT = {"name": "cells", "shape": [600, 700]}


def fill(labels: Any, number: int, at: tuple[int, int], side: int = 20) -> None:
    labels[..., at[0] : at[0] + side, at[1] : at[1] + side] = number


def leave(made: Journal) -> None:
    """End as a process does that is killed: the lock goes, the folder stays."""
    made.close(keep=True)


def test_what_was_written_is_found_by_another(tmp_path: Path) -> None:
    labels = np.zeros((3, 600, 700), np.uint16)
    made = Journal(tmp_path)
    made.begin(ABOUT)
    made.write_prompts({"points": [[1.0, 2.0]]})
    fill(labels[0], 7, (250, 250))
    assert made.write_labels("a", "cells labels", labels, target=True) == 4  # it lies on a corner
    fill(labels[2], 8, (520, 650))
    assert made.write_labels("a", "cells labels", labels, target=True) == 1
    assert made.write_labels("a", "cells labels", labels, target=True) == 0
    made.write_prompts({"points": []})
    assert list(find_left(tmp_path)) == []  # its owner lives
    leave(made)
    (found,) = find_left(tmp_path)
    assert found.about == ABOUT and found.prompts == {"points": []} and found.objects == 2
    (kept,) = found.labels
    assert kept.name == "cells labels" and kept.target and kept.labels.dtype == np.uint16
    np.testing.assert_array_equal(kept.labels, labels)
    assert found.claim() and list(find_left(tmp_path)) == []  # nobody else is offered it
    found.discard()
    assert not found.claim() and not made.folder.exists()


def test_only_where_it_may_have_changed_is_looked_at() -> None:
    labels = np.ones((600, 700), np.uint8)
    known: dict[tuple[int, ...], bytes] = {}
    starts = [s for s, _ in changed_blocks(labels, known, (slice(300, 310), slice(0, 300)))]
    assert starts == [(256, 0), (256, 256)]
    assert len(list(changed_blocks(labels, known))) == 9 - 2
    labels[:] = 0
    assert len(list(changed_blocks(labels, known))) == 9  # emptied blocks are written too


def test_a_record_that_was_not_finished_ends_the_log(tmp_path: Path, caplog: Any) -> None:
    made = Journal(tmp_path)
    made.begin(ABOUT)
    labels = np.zeros((600, 700), np.int32)
    fill(labels, 5, (10, 10))
    made.write_labels("a", "x", labels)
    leave(made)
    whole = (made.folder / "log").read_bytes()
    made_of = [len(whole), len(whole) - 3, len(whole) // 2]
    for length in made_of:
        (made.folder / "log").write_bytes(whole[:length])
        (found,) = find_left(tmp_path)
        assert found.about == ABOUT and found.objects == (length == len(whole))
    damaged = bytearray(whole)
    damaged[-5] ^= 1
    (made.folder / "log").write_bytes(damaged)
    (found,) = find_left(tmp_path)
    assert found.objects == 0 and "not finished" in caplog.text
    (made.folder / "log").write_bytes(b"")
    assert list(find_left(tmp_path)) == [] and not made.folder.exists()


def test_it_stays_small_however_often_things_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_SLACK", 10_000)
    made = Journal(tmp_path)
    made.begin(ABOUT)
    labels = np.zeros((256, 256), np.uint32)
    noise = np.random.default_rng(0)
    for number in range(40):
        labels[:] = noise.integers(0, 200, labels.shape)
        made.write_labels("a", "x", labels)
        made.write_prompts({"number": number})
    size = made.nbytes
    assert size == (made.folder / "log").stat().st_size < 300_000
    leave(made)
    (found,) = find_left(tmp_path)
    np.testing.assert_array_equal(found.labels[0].labels, labels)
    assert found.prompts == {"number": 39}


def test_too_much_is_given_up_with_a_sentence(tmp_path: Path) -> None:
    made = Journal(tmp_path, max_bytes=20_000)
    made.begin(ABOUT)
    labels = np.random.default_rng(0).integers(0, 2**31, (256, 256)).astype(np.uint32)
    with pytest.raises(JournalError, match="no longer kept"):
        made.write_labels("a", "x", labels)
    made.close()
    assert not made.folder.exists()


def test_what_comes_after_the_end_is_not_written(tmp_path: Path) -> None:
    made = Journal(tmp_path)
    made.begin(ABOUT)
    made.write_labels("a", "x", np.ones((4, 4), np.uint8))
    made.close()
    made.write_prompts({"number": 1})
    made.forget("a")
    assert list(tmp_path.iterdir()) == []


def test_removed_and_reshaped_labels_and_those_with_a_place(tmp_path: Path) -> None:
    made = Journal(tmp_path)
    made.begin(ABOUT)
    made.write_labels("a", "x", np.ones((300, 300), np.uint8))
    made.write_labels("b", "y", np.ones((300, 300), np.uint8))
    made.forget("a")
    made.forget("a")
    made.write_labels("b", "y", np.ones((10, 10), np.uint8))
    assert made.write_labels("c", "z", np.ones((9, 9), np.uint8), place="there.zarr") == 0
    leave(made)
    (found,) = find_left(tmp_path)
    assert [kept.name for kept in found.labels] == ["y", "z"]
    assert found.labels[0].labels.shape == (10, 10)
    assert found.labels[1].labels is None and found.labels[1].place == "there.zarr"


def test_another_picture_begins_a_new_story(tmp_path: Path) -> None:
    made = Journal(tmp_path)
    made.begin(ABOUT)
    made.write_labels("a", "x", np.ones((300, 300), np.uint8))
    made.begin({"name": "other"})
    made.write_prompts({"n": 1})
    leave(made)
    (found,) = find_left(tmp_path)
    assert found.about == {"name": "other"} and not found.labels


def test_old_ones_and_too_many_are_swept_away(tmp_path: Path) -> None:
    for number in range(KEPT_LEFT + 2):
        made = Journal(tmp_path)
        made.begin({"number": number})
        leave(made)
        os.utime(made.folder / "log", (time.time() - 60 + number,) * 2)
    found = list(find_left(tmp_path))
    numbers = [f.about["number"] for f in found]
    assert numbers == list(range(KEPT_LEFT + 1, 1, -1))
    assert len(list(tmp_path.iterdir())) == KEPT_LEFT
    os.utime(found[0].folder / "log", (0, 0))
    assert len(list(find_left(tmp_path))) == KEPT_LEFT - 1


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="not kept for a crash"):
        Journal(tmp_path / "file")


_WORK = """
import sys, time
from pathlib import Path
import numpy as np
from napari_sam_onnx.records.journal import Journal
made = Journal(Path(sys.argv[1]))
made.begin({"name": "cells"})
labels = np.zeros((512, 512), np.uint16)
labels[100:150, 200:260] = 3
made.write_labels("a", "cells labels", labels)
print("written", flush=True)
while True:
    labels[0, 0] += 1
    made.write_labels("a", "cells labels", labels)
"""


def test_a_killed_process_leaves_its_work_and_a_living_one_is_let_alone(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WORK, str(tmp_path)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        for worker in workers:
            assert worker.stdout is not None and worker.stdout.readline() == "written\n"
        assert list(find_left(tmp_path)) == []
        workers[0].kill() if sys.platform == "win32" else workers[0].send_signal(signal.SIGKILL)
        workers[0].wait(30)
        (found,) = find_left(tmp_path)
        assert (found.labels[0].labels[100:150, 200:260] == 3).all()
        assert len(list(tmp_path.iterdir())) == 2
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(30)
            if worker.stdout is not None:
                worker.stdout.close()
