"""Lanes and streams with real threads."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref
from functools import partial
from threading import Event, get_ident
from typing import TYPE_CHECKING, Any

import pytest

from napari_sam_onnx.errors import explain
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.plugin.session.lanes import Job, ThreadLane, ThreadStream, _start_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("qapp")


def test_one_at_a_time_newest_first_and_irreplaceable_kept(qtbot: Any) -> None:
    lane, go_on, done = ThreadLane(), Event(), []
    here, there = get_ident(), []

    def slow() -> str:
        there.append(get_ident())
        assert go_on.wait(20)
        return "first"

    def finish(result: str) -> None:
        assert get_ident() == here
        done.append(result)

    lane.submit(Job(slow, finish, pytest.fail))
    qtbot.waitUntil(lambda: bool(there), timeout=20_000)
    lane.submit(Job(lambda: "stale", finish, pytest.fail))
    lane.submit(Job(lambda: "kept", finish, pytest.fail, replaceable=False))
    lane.submit(Job(lambda: "newest", finish, pytest.fail))
    assert lane.busy and done == []
    go_on.set()
    qtbot.waitUntil(lambda: not lane.busy, timeout=20_000)
    assert done == ["first", "kept", "newest"] and there != [here]


def test_errors_are_handed_over(qtbot: Any) -> None:
    lane, failed = ThreadLane(), []

    def fail() -> None:
        raise ValueError("no")

    lane.submit(Job(fail, pytest.fail, failed.append))
    lane.submit(Job(lambda: 1, lambda _: None, failed.append, replaceable=False))
    qtbot.waitUntil(lambda: not lane.busy, timeout=20_000)
    assert [str(error) for error in failed] == ["no"]


def test_a_bug_leaves_its_traceback_and_a_refusal_does_not(qtbot: Any, caplog: Any) -> None:
    lane, heard = ThreadLane(), []

    def stumble() -> None:
        raise KeyError("a bug")

    def refuse() -> None:
        raise ModelError("There is no model called 'x'.")

    def stumble_later() -> Iterator[int]:
        yield 1
        raise IndexError("another bug")

    caplog.set_level("INFO", "napari_sam_onnx")
    lane.submit(Job(stumble, pytest.fail, heard.append, replaceable=False))
    lane.submit(Job(refuse, pytest.fail, heard.append, replaceable=False))
    ThreadStream(stumble_later(), lambda _: None, heard.append, "stumble")
    qtbot.waitUntil(lambda: len(heard) == 3, timeout=20_000)
    logged = {record.exc_info[0]: record for record in caplog.records if record.exc_info}
    assert set(logged) == {KeyError, IndexError}
    assert logged[KeyError].exc_info[2].tb_next.tb_frame.f_code.co_name == "stumble"
    said = {type(error): explain(error) for error in heard}
    assert said[ModelError] == "There is no model called 'x'."
    assert "KeyError: 'a bug'" in said[KeyError] and "report" in said[KeyError]
    assert len([record for record in caplog.records if record.exc_info]) == 2, "said twice"


def test_a_closed_lane_says_nothing_more(qtbot: Any) -> None:
    lane, go_on, begun, heard = ThreadLane(), Event(), Event(), []

    def slow() -> bool:
        begun.set()
        return go_on.wait(20)

    lane.submit(Job(slow, heard.append, heard.append))
    qtbot.waitUntil(begun.is_set, timeout=20_000)
    lane.close()
    go_on.set()
    lane.submit(Job(lambda: 2, heard.append, heard.append))
    qtbot.waitUntil(lambda: not lane.busy, timeout=20_000)
    assert heard == []


@pytest.mark.parametrize("how", ["ends", "stops", "fails"])
def test_streams(qtbot: Any, how: str) -> None:
    seen, finished, closed = [], [], Event()
    go_on = Event()

    def count() -> Iterator[int]:
        try:
            yield 0
            assert go_on.wait(20)
            yield 1
            if how == "fails":
                raise ValueError("broke")
            yield 2
        finally:
            closed.set()

    stream = ThreadStream(count(), seen.append, finished.append, "Counting")
    qtbot.waitUntil(lambda: seen == [0], timeout=20_000)
    stream.report(1, 3)
    if how == "stops":
        stream.stop()
    go_on.set()
    qtbot.waitUntil(lambda: bool(finished), timeout=20_000)
    assert closed.is_set()
    (error,) = finished
    assert (str(error) if error else None) == ("broke" if how == "fails" else None)
    assert seen == {"ends": [0, 1, 2], "stops": [0, 1], "fails": [0, 1]}[how]


def test_a_call_that_cannot_be_interrupted_is_left_to_itself(qtbot: Any) -> None:
    go_on, begun, heard, ended = Event(), Event(), [], []

    def steps() -> Iterator[int]:
        yield 1
        begun.set()
        assert go_on.wait(60)
        yield 2

    stream = ThreadStream(steps(), heard.append, ended.append, "slow")
    qtbot.waitUntil(lambda: begun.is_set() and heard == [1], timeout=20_000)
    stream.stop()
    qtbot.waitUntil(lambda: ended == [None], timeout=20_000)
    assert not go_on.is_set()
    go_on.set()
    qtbot.wait(200)
    assert heard == [1] and ended == [None]


_LEAVE = """
import sys, time
import numpy as np
from napari._qt.qt_event_loop import get_qapp
from napari_sam_onnx.models.load import load_model
from napari_sam_onnx.plugin.session.lanes import Job, ThreadLane, ThreadStream, _start_worker
app = get_qapp()
def run():
    model = load_model("pebble")
    for _ in range(1000):
        yield model.encode(np.zeros((2048, 2048, 3), np.uint8))
streams = [ThreadStream(run(), lambda _: None, lambda _: None, "endless")]
lane = ThreadLane()
lane.submit(Job(lambda: time.sleep(1), lambda _: None, lambda _: None))
until = time.monotonic() + 0.5
while time.monotonic() < until:
    app.processEvents()
print("leaving", flush=True)
"""


def test_a_process_that_ends_during_work_ends_well() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    left = subprocess.run(
        [sys.executable, "-c", _LEAVE], capture_output=True, text=True, env=environment, timeout=60
    )
    assert (left.returncode, left.stdout, left.stderr) == (0, "leaving\n", "")


@pytest.mark.parametrize("steps", [False, True])
def test_a_worker_that_is_over_holds_nothing(qtbot: Any, steps: bool) -> None:
    class Picture:
        pass

    class Listener:
        def hear(self, *_: Any) -> None:
            heard.append(True)

    def look(picture: Picture) -> bool:
        return picture is not None

    def look_often(picture: Picture) -> Iterator[bool]:
        yield picture is not None

    heard: list[bool] = []
    picture, listener = Picture(), Listener()
    known = [weakref.ref(picture), weakref.ref(listener)]
    signal = "yielded" if steps else "returned"
    work = look_often if steps else partial(look)
    worker = _start_worker(work, picture, connect={signal: listener.hear})
    del picture, listener
    qtbot.waitUntil(lambda: not worker.is_running and bool(heard), timeout=20_000)
    qtbot.waitUntil(lambda: all(ref() is None for ref in known), timeout=20_000)
    assert worker is not None  # as napari's window holds it
