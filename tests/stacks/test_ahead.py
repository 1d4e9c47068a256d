"""The next plane is read and encoded while this one is decoded, and nothing else changes."""

import threading
import time

import numpy as np
import pytest

from napari_sam_onnx.automatic.settings.modes import make_parameters
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.models import ModelError
from napari_sam_onnx.models.onnx.sessions import ending, runtime
from napari_sam_onnx.pictures.image import Channel
from napari_sam_onnx.stacks import ahead as planes_ahead
from napari_sam_onnx.stacks.ahead import encodes_whole_planes
from napari_sam_onnx.stacks.iterate import iterate_stack
from tests.fakes import ComponentModel

CHANNELS = [Channel(0, limits=(0, 255))]
PATIENCE = 20


class Watched(ComponentModel):
    """Remembers who was encoded and decoded in which order; may wait for the next plane."""

    def __init__(self, wait_for_next=False, fails_at=0):
        super().__init__()
        self.told, self.waits, self.fails_at = [], wait_for_next, fails_at
        self.threads, self.alive = set(), 0
        self.encodings = threading.Condition()

    def encode(self, image):
        with self.encodings:
            self.told.append("encode")
            self.threads.add(threading.current_thread().name)
            self.encodings.notify_all()
            if self.told.count("encode") == self.fails_at:
                raise ModelError("The encoder fails here.")
        return super().encode(image)

    def decode(self, embedding, prompts):
        if self.waits:  # until the second plane is encoded, which it must be meanwhile
            self.waits = False
            with self.encodings:
                self.encodings.wait_for(lambda: self.told.count("encode") >= 2, PATIENCE)
        self.told.append("decode")
        return super().decode(embedding, prompts)


def planes(count=5):
    stack = np.zeros((count, 40, 50), np.uint8)
    for number, plane in enumerate(stack):
        plane[5:15, 5 + number : 15 + number] = 255
        plane[25:35, 30:40] = 200
    return stack


def run(model, stack, **options):
    given = {"mode": "objects", "link": "z", "channels": CHANNELS, **options}
    updates = list(iterate_stack(stack, model, "ZYX", **given))
    return [update.labels for update in updates if update.labels is not None]


def test_the_second_plane_is_encoded_before_the_first_is_decoded():
    model = Watched(wait_for_next=True)
    run(model, planes())
    assert model.told[:3] == ["encode", "encode", "decode"]
    assert model.told.count("encode") == 5  # every plane once
    assert "plane ahead" in model.threads


@pytest.mark.parametrize(
    "settings", [{"mode": "objects"}, {"mode": "blobs"}, {"mode": "grid", "points_per_side": 6}]
)
def test_labels_are_the_same(settings, monkeypatch):
    together = run(ComponentModel(), planes(), **settings)
    monkeypatch.setattr(planes_ahead, "ROOM", 2**62)  # too little memory for a second plane
    model = Watched()
    alone = run(model, planes(), **settings)
    assert "plane ahead" not in model.threads
    assert len(together) == len(alone) == 5
    for a, b in zip(together, alone, strict=True):
        np.testing.assert_array_equal(a, b)


def test_never_more_than_one_plane_is_ahead():
    read, stack = [], planes(8)

    class Lazy:
        ndim, shape, dtype = 3, stack.shape, stack.dtype

        def __getitem__(self, key):
            read.append(key)
            return stack[key]

    for update in iterate_stack(Lazy(), Watched(), "ZYX", mode="objects", channels=CHANNELS):
        assert len(read) <= update.done + 2
    assert len(read) == 8


def test_what_fails_ahead_is_told_when_its_turn_comes():
    model = Watched(wait_for_next=True, fails_at=2)
    model_fails = iterate_stack(planes(), model, "ZYX", mode="objects", channels=CHANNELS)
    finished = [update for update in model_fails if update.labels is not None]
    assert len(finished) == 5  # it failed once, and was tried again

    class Always(Watched):
        def encode(self, image):
            if image[5:15, 6].any() and not image[5:15, 5].any():
                raise ModelError("The encoder fails here.")
            return super().encode(image)

    done = []
    with pytest.raises(ModelError, match="fails here"):
        for update in iterate_stack(planes(), Always(), "ZYX", mode="objects", channels=CHANNELS):
            done += [update] if update.labels is not None else []
    assert len(done) == 1


def test_a_run_that_is_closed_does_not_wait_for_the_plane_ahead():
    held = threading.Event()

    class Slow(Watched):
        def encode(self, image):
            if threading.current_thread().name == "plane ahead":
                held.wait(PATIENCE)
            return super().encode(image)

    steps = iterate_stack(planes(), Slow(), "ZYX", mode="objects", channels=CHANNELS)
    next(step for step in steps if step.labels is not None)
    began = time.monotonic()
    steps.close()
    assert time.monotonic() - began < PATIENCE / 2
    held.set()


def test_a_process_that_ends_waits_until_the_plane_ahead_has_stopped(monkeypatch):
    held, ended = threading.Event(), []

    class Slow(Watched):
        def encode(self, image):
            if threading.current_thread().name == "plane ahead":
                held.wait(PATIENCE)
                ended.append(True)
            return super().encode(image)

    steps = iterate_stack(planes(), Slow(), "ZYX", mode="objects", channels=CHANNELS)
    next(step for step in steps if step.labels is not None)
    steps.close()
    monkeypatch.setattr(runtime, "close_sessions", held.set)  # stops the run
    monkeypatch.setattr(ending, "_waits", [planes_ahead._join_threads])  # not those of other tests
    ending.end_runs()
    assert ended


def test_blank_planes_are_left_out_and_the_cache_keeps_what_it_kept():
    stack = planes().astype(np.float32)
    stack[2] = np.nan
    model, cache = Watched(), EmbeddingCache()
    labels = run(model, stack, cache=cache)
    assert [bool(plane.any()) for plane in labels] == [True, True, False, True, True]
    assert len(cache) == 4
    run(model, stack, cache=cache)
    assert model.told.count("encode") == 4  # all others were there


@pytest.mark.parametrize(
    ("mode", "settings", "whole"),
    [
        ("objects", {}, True),
        ("grid", {}, True),
        ("objects", {"diameter": 20}, False),
        ("tiled", {}, False),
        ("flows", {}, False),
    ],
)
def test_only_planes_that_are_encoded_as_they_are_are_encoded_ahead(mode, settings, whole):
    assert encodes_whole_planes(make_parameters(mode, **settings)) is whole
    assert not encodes_whole_planes(None)
