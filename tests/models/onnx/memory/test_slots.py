"""A memory of one length whose slots may be empty: beside the same attention written out."""

import numpy as np
import onnx
import pytest

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.memory.bank import Recollection
from napari_sam_onnx.models.onnx.memory.constants import MemoryConstants
from napari_sam_onnx.models.onnx.memory.fixed import FixedMemory
from napari_sam_onnx.models.onnx.memory.layouts import LAYOUTS
from napari_sam_onnx.models.onnx.memory.recall import build_memory
from napari_sam_onnx.models.onnx.memory.slots import NoAttentionError, open_slots
from napari_sam_onnx.models.onnx.sessions.runtime import Session
from tests.models.onnx_graph import Graph

V5 = LAYOUTS[1]
CELLS, CHANNELS, WIDTH, TOKENS, PLANES, POINTERS = 4, 8, 4, 6, 3, 2
LENGTH = PLANES * TOKENS + POINTERS * 2  # a pointer is two tokens
RNG = np.random.default_rng(3)
LAYERS = [
    [RNG.normal(size=(rows, CHANNELS)).astype(np.float32) for rows in (CHANNELS, WIDTH, WIDTH)]
    for _ in range(2)
]
CONSTANTS = MemoryConstants(RNG.normal(size=(PLANES, WIDTH)).astype(np.float32), pointers=POINTERS)
PLACES = RNG.normal(size=(TOKENS, WIDTH)).astype(np.float32)


def attend(rows, spatial, pointers):
    """What the graph computes, for any number of planes and pointers."""
    tokens, positions = (np.concatenate(pair) for pair in zip(spatial, pointers, strict=True))
    for query, key, value in LAYERS:
        logits = (rows @ query) @ ((tokens + positions) @ key).T / CHANNELS**0.5
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        rows = rows + weights / weights.sum(axis=1, keepdims=True) @ (tokens @ value)
    return rows


def write(path, *, dtype="float32", opset=17, spoil=""):
    graph = Graph()
    rows = graph.take("current_vision_features", (CELLS, 1, CHANNELS))
    graph.take("current_vision_position_embeddings", (CELLS, 1, CHANNELS))
    both = [graph.take(name, (LENGTH, 1, WIDTH)) for name in V5.memory]
    rows, tokens, positions = (graph.cast(name, dtype) for name in (rows, *both))
    placed = graph.add("Add", tokens, positions)
    rows, placed, tokens = (
        graph.add("Transpose", name, perm=[1, 0, 2]) for name in (rows, placed, tokens)
    )
    for query, key, value in LAYERS:
        asked = graph.add("MatMul", rows, graph.constant(query, dtype))
        keys = graph.add("MatMul", placed, graph.constant(key, dtype))
        if spoil == "norm":
            keys = graph.add("Mul", keys, graph.part(rows, 1, 0, 1))
        keys = graph.add("Transpose", keys, perm=[0, 2, 1])
        scale = graph.constant(np.float32(CHANNELS**-0.5), dtype)
        logits = graph.add("Mul", graph.add("MatMul", asked, keys), scale)
        weights = logits if spoil == "softmax" else graph.add("Softmax", logits, axis=-1)
        values = graph.add("MatMul", tokens, graph.constant(value, dtype))
        rows = graph.add("Add", rows, graph.add("MatMul", weights, values))
    shape = (1, CELLS, CHANNELS)
    graph.give(graph.cast(graph.reshape(rows, shape)), V5.recalled, shape)
    if spoil == "output":
        graph.give(graph.cast(placed), "more", (1, LENGTH, WIDTH))
    return graph.save(path, opset)


def open_memory(path, **spoiled):
    session = Session(write(path, **spoiled), provider="cpu", threads=1)
    return FixedMemory(session, V5, TOKENS, POINTERS, 2 * WIDTH)


def draw_recollection(planes, pointers):
    spatial = [
        (away, RNG.normal(size=(TOKENS, WIDTH)).astype(np.float16))
        for away in [0] * (planes - min(planes - 1, 2)) + [2, 1][: min(planes - 1, 2)]
    ]
    return Recollection(
        spatial,
        [(n, RNG.normal(size=2 * WIDTH).astype(np.float32)) for n in range(pointers)],
    )


def encode_ages(ages):
    assert len(ages) == POINTERS  # the graph for it takes so many
    return np.repeat(ages[:, None], WIDTH, axis=1)


def write_out(recollection):
    spatial = recollection.spatial
    rows = [PLANES - 1 if away == 0 else away - 1 for away, _ in spatial]
    tokens = np.concatenate([values for _, values in spatial]).astype(np.float32)
    at = np.concatenate([PLACES + CONSTANTS.ages[row] for row in rows])
    pointers = [values.reshape(-1, WIDTH) for _, values in recollection.pointers]
    ages = [np.full((2, WIDTH), age / 5, np.float32) for age, _ in recollection.pointers]
    empty = np.zeros((0, WIDTH), np.float32)
    return (tokens, at), (np.concatenate([empty, *pointers]), np.concatenate([empty, *ages]))


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(
    ("planes", "pointers", "sets"),
    [(1, 1, 1), (2, 0, 1), (3, 2, 1), (4, 1, 2), (3, 4, 2), (6, 3, 2)],
)
def test_what_is_remembered_is_attended_to_and_nothing_else(
    planes, pointers, sets, dtype, tmp_path
):
    fixed = open_memory(tmp_path / "recall.onnx", dtype=dtype)
    assert fixed.finding == "" and fixed.planes == PLANES
    recollection = draw_recollection(planes, pointers)
    slots, session = fixed.make_room(recollection)
    assert slots.sets == sets
    memory = build_memory(recollection, PLACES, V5, CONSTANTS, encode_ages, 5, slots)
    rows = RNG.normal(size=(CELLS, CHANNELS)).astype(np.float32)
    feeds = {
        "current_vision_features": rows[:, None],
        "current_vision_position_embeddings": rows[:, None],
    }
    found = session.run({**feeds, **memory})[V5.recalled][0]
    wanted = attend(rows, *write_out(recollection))
    assert np.allclose(found, wanted, atol=1e-4 if dtype == "float32" else 0.05)
    fixed.close()


def test_the_latest_count_where_even_two_sets_do_not_suffice(tmp_path):
    fixed = open_memory(tmp_path / "recall.onnx")
    recollection = draw_recollection(8, 1)
    slots, _ = fixed.make_room(recollection)
    kept = [slots.share(recollection, number)[0].spatial for number in range(2)]
    assert [tokens for _, tokens in [*kept[0], *kept[1]]] == [
        tokens for _, tokens in recollection.spatial[2:]
    ]
    fixed.close()


@pytest.mark.parametrize(
    ("spoiled", "says"),
    [
        ({"spoil": "norm"}, "the memory goes into Mul beside the plane"),
        ({"spoil": "softmax"}, "no Softmax follows"),
        ({"spoil": "output"}, "an output is made of the memory alone"),
        ({"opset": 14}, "its opset is 14"),
    ],
)
def test_where_slots_cannot_be_empty_what_counts_is_repeated(spoiled, says, tmp_path):
    path = write(tmp_path / "recall.onnx", **spoiled)
    with pytest.raises(NoAttentionError, match=says):
        open_slots(onnx.load(path), V5.memory, ("current_vision_features",), LENGTH, 1)
    fixed = open_memory(path, **spoiled)
    assert says in fixed.finding and "recall.onnx" in fixed.finding
    recollection = draw_recollection(1, 1)
    slots, session = fixed.make_room(recollection)
    assert not slots.maskable
    memory = build_memory(recollection, PLACES, V5, CONSTANTS, encode_ages, 5, slots)
    assert [array.shape for array in memory.values()] == [(LENGTH, 1, WIDTH)] * 2
    assert np.array_equal(memory["memory"][:TOKENS], memory["memory"][TOKENS : 2 * TOKENS])
    assert {name.name for name in session.inputs} >= set(memory)
    alone = build_memory(draw_recollection(1, 0), PLACES, V5, CONSTANTS, encode_ages, 5, slots)
    assert alone["memory"].shape == (LENGTH, 1, WIDTH) and not alone["memory"][-1].any()
    fixed.close()


def test_a_length_that_is_no_number_of_planes_is_refused(tmp_path):
    session = Session(write(tmp_path / "recall.onnx"), provider="cpu", threads=1)
    with pytest.raises(ModelError, match="no number of planes of 7 and 2 pointers"):
        FixedMemory(session, V5, 7, POINTERS, 2 * WIDTH)
