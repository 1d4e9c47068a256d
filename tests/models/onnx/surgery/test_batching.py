"""Opening the batch of a graph in the bytes of its file."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from napari_sam_onnx.models.onnx.sessions.runtime import Session
from napari_sam_onnx.models.onnx.surgery.batching import open_axis
from tests.models.families import A, H
from tests.models.onnx_graph import Graph
from tests.models.onnx_pairs import build_decoder


def dims(value):
    return [d.dim_param or d.dim_value or None for d in value.type.tensor_type.shape.dim]


def test_only_the_named_axis_opens_and_shapes_that_follow_are_forgotten(tmp_path):
    path = build_decoder(tmp_path / "decoder.onnx", A)
    model = onnx.load(path)
    model.graph.value_info.append(helper.make_tensor_value_info("value_9", 1, [1, 2]))
    before = model.SerializeToString()
    after = onnx.load_from_string(open_axis(before, {"point_coords": 0, "point_labels": 0}))
    shapes = {value.name: dims(value) for value in after.graph.input}
    assert shapes["point_coords"] == ["prompts", "points", 2]
    assert shapes["point_labels"] == ["prompts", "points"]
    assert shapes["mask_input"] == [1, 1, 32, 32]
    assert all(set(dims(value)) == {None} for value in after.graph.output)
    assert len(dims(after.graph.output[0])) == 4
    assert not after.graph.value_info
    assert after.graph.node == model.graph.node
    assert after.graph.initializer == model.graph.initializer
    assert after.opset_import == model.opset_import


def test_an_inner_axis_opens(tmp_path):
    path = build_decoder(tmp_path / "decoder.onnx", H)
    after = onnx.load_from_string(open_axis(path.read_bytes(), {"batched_point_coords": 1}))
    shapes = {value.name: dims(value) for value in after.graph.input}
    assert shapes["batched_point_coords"] == [1, "prompts", "points", 2]


def test_a_large_file_with_long_fields_survives(tmp_path):
    """Lengths above 127 and above 16383 take two and three bytes."""
    graph = Graph()
    x = graph.take("x", (1, 3))
    weights = np.arange(3 * 20000, dtype=np.float32).reshape(3, 20000)
    graph.give(graph.add("MatMul", x, graph.constant(weights)), "y", (1, 20000))
    path = graph.save(tmp_path / "large.onnx")
    content = open_axis(path.read_bytes(), {"x": 0})
    session = Session(path, threads=1, content=content)
    given = np.eye(3, dtype=np.float32)
    np.testing.assert_array_equal(session.run({"x": given})["y"], weights)


def test_an_input_that_is_not_there_is_named(tmp_path):
    path = build_decoder(tmp_path / "decoder.onnx", A)
    with pytest.raises(ValueError, match="no input 'clicks'"):
        open_axis(path.read_bytes(), {"clicks": 0})


@pytest.mark.parametrize("cut", [1, 5, 40, 400])
def test_a_file_that_ends_early_is_refused(tmp_path, cut):
    content = build_decoder(tmp_path / "decoder.onnx", A).read_bytes()
    with pytest.raises(ValueError, match="ends within"):
        open_axis(content[:-cut], {"point_coords": 0})


def test_bytes_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="starts no field"):
        open_axis(b"\x0f\x0f\x0f", {"point_coords": 0})
