"""A graph that never ends can be ended: by a time limit, by Ctrl+C, by closing."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from onnx import TensorProto, helper, save

from napari_sam_onnx.errors import Notice
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.sessions import interruptible
from napari_sam_onnx.models.onnx.sessions.interruptible import TookTooLongError, run_interruptibly
from napari_sam_onnx.models.onnx.sessions.runtime import Session
from napari_sam_onnx.models.onnx.sessions.threads import choose_threads


def write_endless(path, name="x"):
    """A graph that hands its input on after a loop whose condition stays true."""
    info = helper.make_tensor_value_info
    float_, bool_ = TensorProto.FLOAT, TensorProto.BOOL
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["again"]),
            helper.make_node("Mul", ["value", "value"], ["squared"]),
        ],
        "body",
        [
            info("round", TensorProto.INT64, []),
            info("go_on", bool_, []),
            info("value", float_, [1]),
        ],
        [info("again", bool_, []), info("squared", float_, [1])],
    )
    yes = helper.make_tensor("yes", bool_, [], [True])
    loop = helper.make_node("Loop", ["", "yes", name], ["y"], body=body)
    graph = helper.make_graph(
        [loop], "endless", [info(name, float_, [1])], [info("y", float_, [1])], [yes]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    save(model, path)
    return path


ONE = {"x": np.ones(1, np.float32)}


@pytest.fixture
def endless(tmp_path):
    return write_endless(tmp_path / "endless.onnx")


@pytest.mark.parametrize("thread", ["main", "worker"])
def test_a_time_limit_ends_it(endless, thread):
    session = Session(endless, threads=1, time_limit=0.3)
    failures = []

    def run():
        with pytest.raises(ModelError, match=r"endless\.onnx ran for more than 0\.3 s") as caught:
            session.run(ONE)
        failures.append(caught.value)

    if thread == "main":
        run()
    else:
        worker = threading.Thread(target=run)
        worker.start()
        worker.join()
    assert failures and not session._runs


def test_closing_ends_what_another_thread_runs(endless):
    session = Session(endless, threads=1)
    said = []

    def run():
        try:
            session.run(ONE)
        except ModelError as error:
            said.append(str(error))

    worker = threading.Thread(target=run)
    worker.start()
    while not session._runs:
        time.sleep(0.01)
    session.close()
    worker.join(30)
    assert said == ["endless.onnx was closed while it ran."]


SCRIPT = """
import signal, sys, numpy as np
from napari_sam_onnx.models.onnx.sessions.runtime import Session
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may have been inherited as ignored
signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
session = Session(sys.argv[1], threads=1)
print("begun", flush=True)
try:
    session.run({"x": np.ones(1, np.float32)})
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_it(endless, number, code):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, endless], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "begun\n"
        time.sleep(0.3)
        process.send_signal(number)
        assert process.wait(30) == code
    finally:
        process.kill()
        process.communicate()


def test_results_and_failures_are_handed_on():
    assert run_interruptibly(lambda: 3, lambda: None, 10) == 3
    with pytest.raises(ZeroDivisionError):
        run_interruptibly(lambda: 1 // 0, lambda: None, 10)


def test_what_takes_too_long_is_told_to_stop():
    stopped = threading.Event()
    with pytest.raises(TookTooLongError):
        run_interruptibly(lambda: stopped.wait(30), stopped.set, 0.01)
    assert stopped.is_set()


def test_more_threads_than_cores_are_bounded_aloud():
    most = os.cpu_count() or 1
    with pytest.warns(Notice, match=f"has {most} cores?: .*not 1000000000"):
        assert choose_threads(10**9) == most
    assert choose_threads(1) == 1


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_what_is_no_number_of_threads_is_refused(threads):
    with pytest.raises(ModelError, match="at least 1 thread"):
        choose_threads(threads)


def write_greedy(path):
    """A graph that doubles its input until it is stopped, at most to 128 MB."""
    info = helper.make_tensor_value_info
    float_, int_, bool_ = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["again"]),
            helper.make_node("Concat", ["value", "value"], ["twice"], axis=0),
        ],
        "body",
        [info("round", int_, []), info("go_on", bool_, []), info("value", float_, None)],
        [info("again", bool_, []), info("twice", float_, None)],
    )
    yes = helper.make_tensor("yes", bool_, [], [True])
    rounds = helper.make_tensor("rounds", int_, [], [25])
    # 128 MB are held while the second loop goes on for ever
    loop = helper.make_node("Loop", ["rounds", "yes", "x"], ["large"], body=body)
    still = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on2"], ["again2"]),
            helper.make_node("Mul", ["value2", "value2"], ["squared2"]),
        ],
        "still",
        [info("round2", int_, []), info("go_on2", bool_, []), info("value2", float_, None)],
        [info("again2", bool_, []), info("squared2", float_, None)],
    )
    wait = helper.make_node("Loop", ["", "yes", "large"], ["y"], body=still)
    graph = helper.make_graph(
        [loop, wait],
        "greedy",
        [info("x", float_, [1])],
        [info("y", float_, None)],
        [yes, rounds],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    save(model, path)
    return path


@pytest.mark.parametrize("watched", [{"time_limit": 60.0}, {}])
def test_a_graph_that_takes_the_last_memory_is_stopped(tmp_path, monkeypatch, watched):
    monkeypatch.setattr(interruptible, "_GROWTH", 2**26)
    monkeypatch.setattr(interruptible, "free_memory", lambda: 2**20)
    session = Session(write_greedy(tmp_path / "greedy.onnx"), threads=1, **watched)
    with pytest.raises(ModelError, match=r"greedy\.onnx took \d+ MB of memory and was stopped"):
        session.run(ONE, release=not watched)
    assert not session._runs


def test_memory_that_others_take_stops_nothing(monkeypatch):
    monkeypatch.setattr(interruptible, "free_memory", lambda: 0)
    assert run_interruptibly(lambda: time.sleep(0.3) or 3, lambda: None, None, 2**30) == 3
