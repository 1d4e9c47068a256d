"""Sessions: what they refuse, where they run, and what they say."""

from __future__ import annotations

import gc
import os
import shutil
import weakref
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from napari_sam_onnx.errors import Notice
from napari_sam_onnx.models import ModelError
from napari_sam_onnx.models.onnx.sessions import runtime
from napari_sam_onnx.models.onnx.sessions.runtime import Session, choose_provider
from napari_sam_onnx.models.onnx.sessions.threads import default_threads
from tests.models.onnx_graph import Graph


@pytest.fixture
def path(tmp_path):
    graph = Graph()
    x = graph.take("x", ("n", 2))
    weights = np.arange(2000, dtype=np.float32).reshape(2, 1000)
    graph.give(graph.add("MatMul", x, graph.constant(weights)), "y", ("n", 1000))
    return graph.save(tmp_path / "graph.onnx")


def test_a_session_tells_what_it_takes_and_gives(path):
    session = Session(path, provider="cpu", threads=1)
    assert [str(spec) for spec in session.inputs] == ["x float32 [?, 2]"]
    assert session.outputs[0].shape == (None, 1000)
    y = session.run({"x": np.ones((3, 2))})["y"]  # float64 is cast to what the graph takes
    assert y.shape == (3, 1000)
    assert y[0, 0] == 1000
    assert session.description == "cpu, 1 thread: it was asked for"


def test_an_operation_that_the_runtime_lacks_is_not_called_damage(tmp_path):
    kind, path = onnx.TensorProto.DOUBLE, tmp_path / "new.onnx"
    x, y = (onnx.helper.make_tensor_value_info(name, kind, [2]) for name in "xy")
    node = onnx.helper.make_node("Erf", ["x"], ["y"])  # valid, and without a double kernel
    graph = onnx.helper.make_graph([node], "g", [x], [y])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    with pytest.raises(ModelError, match=r"new\.onnx needs an operation .* lacks; take another"):
        Session(path, provider="cpu", threads=1)


def test_half_precision_inputs_are_fed(tmp_path):
    graph = Graph()
    x = graph.take("x", (2,), "float16")
    graph.give(graph.add("Add", x, x), "y", (2,), "float16")
    session = Session(graph.save(tmp_path / "half.onnx"), threads=1)
    assert session.run({"x": np.array([1.5, 2])})["y"].tolist() == [3.0, 4.0]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "no file"),
        (b"", "is empty; get the file again"),
        (b"<!DOCTYPE html><html>", "not an ONNX file that can be read, or is damaged"),
        (bytes(range(256)) * 40, "not an ONNX file that can be read, or is damaged"),
    ],
    ids=["missing", "empty", "web page", "noise"],
)
def test_a_file_that_is_no_graph_is_refused(tmp_path, content, sentence):
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=sentence):
        Session(path)


def test_a_truncated_graph_is_refused(path):
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ModelError, match="damaged; get the file again"):
        Session(path)


@pytest.mark.parametrize("what", ["a name", "metadata"])
def test_text_in_a_graph_that_is_no_text_is_refused(path, what):
    model = onnx.load(path)
    model.graph.input[0].name = model.graph.node[0].input[0] = "nearby"
    onnx.helper.set_model_props(model, {"about": "whatsoever"})
    onnx.save(model, path)
    word = b"nearby" if what == "a name" else b"whatsoever"
    path.write_bytes(path.read_bytes().replace(word, b"\xff" + word[1:]))
    with pytest.raises(ModelError, match=r"graph\.onnx is damaged: a name in it is no text"):
        Session(path)


@pytest.fixture
def external(path):
    model = onnx.load(path)
    place = path.with_name("external.onnx")
    onnx.save(
        model, str(place), save_as_external_data=True, location="external.data", size_threshold=0
    )
    return place


def test_external_weights_are_found_beside_the_file(external):
    assert Session(external, threads=1).run({"x": np.ones((1, 2))})["y"][0, 1] == 1002


def test_external_weights_are_found_for_a_changed_graph(external):
    session = Session(external, threads=1, content=external.read_bytes())
    assert session.run({"x": np.ones((1, 2))})["y"][0, 1] == 1002


def test_missing_external_weights_are_named(external, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    with pytest.raises(ModelError, match=r"second file that is not beside it.*external\.data"):
        Session(shutil.copy(external, alone))


def test_arrays_that_do_not_fit_are_refused(path):
    session = Session(path, threads=1)
    with pytest.raises(ModelError, match=r"graph\.onnx failed: "):
        session.run({"x": np.ones((1, 3))})


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's own figures")
def test_memory_of_a_run_is_given_back_on_request(tmp_path):
    graph = Graph()
    wide = graph.add("Expand", graph.take("x", (1, 1)), graph.constant([64, 2**19], "int64"))
    graph.give(graph.over("ReduceMax", graph.add("Exp", wide), 1), "y", (64,))  # 128 MB each
    session = Session(graph.save(tmp_path / "wide.onnx"), provider="cpu")
    feeds = {"x": np.ones((1, 1), np.float32)}
    answers, kept = [], []
    for release in (False, True):
        answers.append(session.run(feeds, release=release)["y"])
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        kept.append(pages * os.sysconf("SC_PAGE_SIZE"))
    np.testing.assert_array_equal(*answers)
    assert kept[1] < kept[0] - 100 * 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's own figures")
def test_a_small_answer_does_not_hold_the_memory_it_was_made_in(tmp_path):
    graph = Graph()
    wide = graph.add("Expand", graph.take("x", (1, 1)), graph.constant([64, 2**18], "int64"))
    for turn in range(3):
        wide = graph.add("Exp" if turn else "Neg", wide)
    graph.give(graph.over("ReduceMax", wide, 1), "y", (64,))
    session = Session(graph.save(tmp_path / "wide.onnx"), provider="cpu")
    feeds = {"x": np.ones((1, 1), np.float32)}
    kept, held = [], []
    for _ in range(6):
        kept.append(session.run(feeds, release=True)["y"])
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        held.append(pages * os.sysconf("SC_PAGE_SIZE"))
    assert held[-1] < held[0] + 50 * 2**20  # 64 MB for each answer otherwise


def test_memory_of_a_run_is_not_kept_where_it_is_not_wanted(tmp_path):
    graph = Graph()
    wide = graph.add("Expand", graph.take("x", (1, 1)), graph.constant([64, 2**19], "int64"))
    graph.give(graph.add("Exp", wide), "y", (64, 2**19))  # 128 MB each
    path = graph.save(tmp_path / "wide.onnx")
    feeds = {"x": np.ones((1, 1), np.float32)}
    held = []
    for keep in (True, False):
        session = Session(path, provider="cpu", keep_memory=keep)
        before = int(Path("/proc/self/statm").read_text().split()[1])
        assert session.run(feeds, release=not keep)["y"].shape == (64, 2**19)
        after = int(Path("/proc/self/statm").read_text().split()[1])
        held.append((after - before) * os.sysconf("SC_PAGE_SIZE"))
        session.close()
    assert held[1] < held[0] - 100 * 2**20  # an answer that is gone leaves nothing behind


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's own figures")
def test_sessions_that_run_in_turns_share_their_memory(tmp_path):
    graph = Graph()
    wide = graph.add("Expand", graph.take("x", (1, 1)), graph.constant([64, 2**18], "int64"))
    graph.give(graph.over("ReduceMax", graph.add("Exp", wide), 1), "y", (64,))  # 64 MB each
    path, x = graph.save(tmp_path / "wide.onnx"), np.ones((1, 1), np.float32)
    answers, grown = [], []
    for share in (False, True):
        before = int(Path("/proc/self/statm").read_text().split()[1])
        sessions = [Session(path, provider="cpu", share_memory=share) for _ in range(4)]
        answers += [session.run({"x": x})["y"] for session in sessions]
        grown.append(int(Path("/proc/self/statm").read_text().split()[1]) - before)
    assert all(np.array_equal(answer, answers[0]) for answer in answers)
    assert grown[1] < grown[0] / 2


def test_the_system_gets_memory_back_where_it_is_asked_for_alone(path, monkeypatch):
    given = []
    monkeypatch.setattr(runtime, "give_back_memory", lambda: given.append(True))
    session = Session(path, threads=1)
    feeds = {spec.name: np.ones([side or 1 for side in spec.shape]) for spec in session.inputs}
    session.run(feeds)
    assert not given
    session.run(feeds, release=True)
    assert given == [True]


def test_a_closed_session_says_so_and_frees_its_memory(path):
    session = Session(path, threads=1)
    inner = weakref.ref(session._session)
    session.close()
    gc.collect()
    assert inner() is None
    with pytest.raises(ModelError, match="was closed; load it again"):
        session.run({"x": np.ones((1, 2))})


# ---- threads ------------------------------------------------------------------------------


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 2), (4, 3), (16, 15)])
def test_a_core_is_left_to_the_interface_where_there_are_more_than_two(monkeypatch, cores, threads):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert default_threads() == threads


def test_no_threads_are_refused(path):
    with pytest.raises(ModelError, match=r"at least 1 thread.*got 0"):
        Session(path, threads=0)


# ---- providers ----------------------------------------------------------------------------


def install(monkeypatch, *names):
    long_names = [runtime.PROVIDERS[name] for name in (*names, "cpu")]
    monkeypatch.setattr(runtime.ort, "get_available_providers", lambda: long_names)


@pytest.mark.parametrize(
    ("installed", "chosen"),
    [
        ((), "cpu"),
        (("tensorrt", "cuda"), "cuda"),
        (("coreml",), "cpu"),
        (("directml",), "directml"),
        (("openvino",), "openvino"),
        (("migraphx", "rocm"), "rocm"),
    ],
    ids=str,
)
def test_auto_takes_the_first_accelerator_and_says_why(monkeypatch, installed, chosen):
    install(monkeypatch, *installed)
    name, reason = choose_provider("auto")
    assert name == chosen
    assert "installed onnxruntime offers" in reason


def test_a_provider_that_is_not_installed_is_refused(monkeypatch, path):
    install(monkeypatch)
    with pytest.raises(ModelError, match=r"no provider 'cuda', only cpu; install"):
        Session(path, provider="cuda")
    with pytest.raises(ModelError, match=r"no provider 'gpu'; write auto or one of cpu, cuda"):
        Session(path, provider="gpu")


class Flaky:
    """A session on a made-up device: opens, refuses to open, or fails when it runs."""

    opened: tuple[list[str], ...] = ()
    opens = True
    starts = True

    def __init__(self, graph, options, *, providers, enable_fallback):
        type(self).opened += (providers,)
        self._providers = providers
        if providers[0] != "CPUExecutionProvider" and not self.opens:
            raise RuntimeError("CUDA failure 35: driver too old\nmore lines")
        self._real = REAL(graph, options, providers=["CPUExecutionProvider"])

    def get_providers(self):
        return self._providers if self.starts else ["CPUExecutionProvider"]

    def run(self, names, feeds, options=None):
        if self._providers[0] != "CPUExecutionProvider":
            raise RuntimeError("out of memory")
        return self._real.run(names, feeds, options)

    def __getattr__(self, name):
        return getattr(self._real, name)


REAL = ort.InferenceSession


@pytest.mark.parametrize(
    ("state", "reason"),
    [({"opens": False}, "CUDA failure 35: driver too old"), ({"starts": False}, "did not start")],
    ids=["raises", "silently on the CPU"],
)
def test_a_provider_that_does_not_open_falls_back_with_a_warning(monkeypatch, path, state, reason):
    install(monkeypatch, "cuda")
    monkeypatch.setattr(runtime.ort, "InferenceSession", type("F", (Flaky,), state))
    with pytest.warns(Notice, match=f"cannot run on cuda .*{reason}.*using the CPU"):
        session = Session(path, provider="cuda", threads=1)
    assert session.provider == "cpu"
    assert reason in session.description
    assert session.run({"x": np.ones((1, 2))})["y"][0, 1] == 1002


def test_a_provider_that_fails_while_it_runs_falls_back_once(monkeypatch, path):
    install(monkeypatch, "cuda")
    flaky = type("F", (Flaky,), {})
    monkeypatch.setattr(runtime.ort, "InferenceSession", flaky)
    session = Session(path, provider="auto", threads=1)
    assert session.provider == "cuda"
    with pytest.warns(Notice, match="out of memory"):
        assert session.run({"x": np.ones((1, 2))})["y"][0, 1] == 1002
    assert session.run({"x": np.ones((1, 2))})["y"][0, 1] == 1002
    cpu = "CPUExecutionProvider"
    assert flaky.opened == (["CUDAExecutionProvider", cpu], [cpu])


def test_tensorrt_leaves_the_rest_to_cuda(monkeypatch, path):
    install(monkeypatch, "tensorrt", "cuda")
    flaky = type("F", (Flaky,), {})
    monkeypatch.setattr(runtime.ort, "InferenceSession", flaky)
    Session(path, provider="tensorrt", threads=1)
    assert [name[:4] for name in flaky.opened[0]] == ["Tens", "CUDA", "CPUE"]
