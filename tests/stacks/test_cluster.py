"""Planes and tiles on real workers of Dask: the same labels, also when one is killed."""

import os
import signal
import sys
import time
from contextlib import nullcontext
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest

from napari_sam_onnx import load_model
from napari_sam_onnx.pieces import KeptPieces
from napari_sam_onnx.planes import ArrayPlanes
from napari_sam_onnx.stacks import automask_stack, cluster, iterate_stack
from napari_sam_onnx.stacks.cluster import Cluster, ClusterError, ModelSource, open_client
from tests.fakes import draw_discs

CENTERS = [(y, x) for y in (20, 60, 100) for x in (20, 60, 100)]


@pytest.fixture(scope="module")
def client():
    with open_client(workers=2) as made:
        yield made


@pytest.fixture(scope="module")
def model():
    with_one_thread = load_model("pebble", threads=1)
    yield with_one_thread
    with_one_thread.close()


@pytest.fixture(scope="module")
def stack():
    """Discs in noise, in four planes."""
    noise = np.random.default_rng(0).integers(0, 30, (4, 128, 128))
    discs = [draw_discs((128, 128), np.add(CENTERS, z), 9) // 2 for z in range(4)]
    return (np.stack(discs) + noise).astype(np.uint8)


def test_planes_have_the_same_labels_when_a_worker_is_killed(client, model, stack, tmp_path):
    planes = ArrayPlanes(stack, "ZYX")
    wanted = [u.labels for u in iterate_stack(planes, model, link="z") if u.labels is not None]
    kept = KeptPieces(tmp_path / "kept", {}, resume=True)
    found, killed = [], False
    for update in iterate_stack(planes, model, link="z", workshop=Cluster(client, "pebble", kept)):
        if update.labels is not None:
            found.append(update.labels)
        if not killed:
            killed = True
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
    np.testing.assert_array_equal(found, wanted)
    assert np.max(found) >= 9 and len(kept) == 4
    kept.close(finished=True)


def test_tiles_have_the_same_labels(client, model, stack):
    plane = np.tile(stack[0], (2, 2))
    settings = {"axes": "YX", "mode": "tiled", "tile_side": 128, "tile_overlap": 40}
    wanted = automask_stack(plane, model, **settings)
    found = automask_stack(plane, model, **settings, workshop=Cluster(client, "pebble"))
    np.testing.assert_array_equal(found, wanted)
    assert wanted.max() >= 36
    assert max(client.run(lambda: len(cluster._models)).values()) == 1  # loaded once


def test_volumes_have_the_same_labels(client, model, stack):
    wanted = automask_stack(stack, model, "ZYX", method="volume")
    found = automask_stack(stack, model, "ZYX", method="volume", workshop=Cluster(client, "pebble"))
    np.testing.assert_array_equal(found, wanted)
    assert wanted.any()


def test_closing_a_run_ends_it(client, model, stack):
    steps = iterate_stack(stack, model, "ZYX", workshop=Cluster(client, "pebble"))
    next(steps)
    steps.close()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (ModelSource("no-such-model"), "no-such-model"),
        (ModelSource(("nowhere/encoder.onnx", "nowhere/decoder.onnx")), "encoder.onnx"),
    ],
)
def test_a_worker_without_the_model_says_so(client, model, stack, source, said):
    with pytest.raises(ClusterError, match=rf"^Worker tcp://.*{said}"):
        list(iterate_stack(stack, model, "ZYX", mode="objects", workshop=Cluster(client, source)))


def test_another_model_under_the_same_name_is_refused(model):
    with pytest.raises(Exception, match="get the same version on both sides"):
        cluster.open_model(ModelSource("pebble", "pebble@other"))


class Workers:
    """A client of workers that answer so."""

    def __init__(self, answer):
        self.answer = answer

    def wait_for_workers(self, count, timeout):
        if self.answer is None:
            raise TimeoutError

    def run(self, function, *_, on_error):
        assert function is version and on_error == "return"
        return {"tcp://far:1": self.answer}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "no workers; start some"),
        (PackageNotFoundError("napari-sam-onnx"), "far:1 lacks napari-sam-onnx"),
        ("0.0.1", "has napari-sam-onnx 0.0.1 and this side"),
        (OSError("gone"), "does not answer"),
    ],
)
def test_workers_that_cannot_do_it_are_refused(answer, said):
    with pytest.raises(ClusterError, match=said):
        Cluster(Workers(answer), "pebble")


def test_a_scheduler_that_is_not_there(monkeypatch):
    monkeypatch.setattr(cluster, "REACH", 0.2)
    for address in ("tcp://127.0.0.1:9", "no address"):
        with pytest.raises(ClusterError, match="cannot be reached"), open_client(address):
            pass


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"napari-sam-onnx\[dask\]"), open_client(workers=1):
        pass


class Deserted(Workers):
    """A client whose last worker has gone."""

    status = "running"

    def submit(self, *_, **__):
        return Never()

    def nthreads(self):
        return {}

    def as_current(self):
        return nullcontext()

    def cancel(self, futures, force):
        self.cancelled = len(futures)


class Never:
    """A future that nobody works on."""

    def done(self):
        return False


def test_nobody_waits_for_workers_that_are_gone(model, stack, monkeypatch):
    def wait(future, timeout):
        time.sleep(0.01)
        raise TimeoutError

    monkeypatch.setattr("distributed.wait", wait)
    monkeypatch.setattr(cluster, "PATIENCE", 0.05)
    client = Deserted(version("napari-sam-onnx"))
    steps = iterate_stack(stack, model, "ZYX", mode="objects", workshop=Cluster(client, "pebble"))
    with pytest.raises(ClusterError, match="No worker is left"):
        list(steps)
    assert client.cancelled == 2
