"""Outputs that are never read, and what only they need."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from napari_sam_onnx import Segmenter
from napari_sam_onnx.models import load_model
from napari_sam_onnx.models.onnx import probes
from napari_sam_onnx.models.onnx.sessions.runtime import Session
from napari_sam_onnx.models.onnx.surgery import pruning
from napari_sam_onnx.models.onnx.surgery.pruning import prune
from tests.models.families import E1, A
from tests.models.onnx_graph import Graph
from tests.models.onnx_pairs import build_decoder, build_encoder


def build(path):
    graph = Graph()
    x = graph.take("x", (1, 3))
    shared = graph.add("Mul", x, graph.constant([2.0]))
    graph.give(graph.add("Exp", shared), "wanted", (1, 3))
    graph.give(graph.add("Neg", graph.add("Sqrt", shared)), "never read", (1, 3))
    return graph.save(path)


def test_what_nobody_reads_is_left_out_and_the_rest_is_the_same(tmp_path):
    path = build(tmp_path / "graph.onnx")
    content = prune(path.read_bytes(), {"wanted"})
    model = onnx.load_from_string(content)
    assert [node.op_type for node in model.graph.node] == ["Mul", "Exp", "Identity"]
    assert [value.name for value in model.graph.output] == ["wanted"]
    x = np.float32([[1, 2, 3]])
    whole, less = Session(path, threads=1), Session(path, threads=1, content=content)
    np.testing.assert_array_equal(less.run({"x": x})["wanted"], whole.run({"x": x})["wanted"])
    assert list(less.run({"x": x})) == ["wanted"]


def test_what_a_branch_inside_a_node_needs_stays():
    def inner(name, kind):
        node = helper.make_node(kind, ["outside"], [name])
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, (1,))
        return helper.make_graph([node], name, [], [value])

    choose = helper.make_node(
        "If", ["which"], ["y"], then_branch=inner("a", "Exp"), else_branch=inner("b", "Neg")
    )
    graph = helper.make_graph(
        [
            helper.make_node("Sqrt", ["x"], ["outside"]),
            helper.make_node("Abs", ["x"], ["unused"]),
            choose,
        ],
        "branches",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, (1,)),
            helper.make_tensor_value_info("which", TensorProto.BOOL, (1,)),
        ],
        [
            helper.make_tensor_value_info("y", TensorProto.FLOAT, (1,)),
            helper.make_tensor_value_info("unused", TensorProto.FLOAT, (1,)),
        ],
    )
    content = prune(helper.make_model(graph).SerializeToString(), {"y"})
    assert [n.op_type for n in onnx.load_from_string(content).graph.node] == ["Sqrt", "If"]


def test_a_decoder_is_opened_without_its_masks_at_plane_size(tmp_path, monkeypatch):
    files = [
        build_encoder(tmp_path / "encoder.onnx", E1),
        build_decoder(tmp_path / "decoder.onnx", A),
    ]
    opened = []
    run = Session.__init__

    def watch(self, path, **options):
        run(self, path, **options)
        opened.append(self)

    monkeypatch.setattr(Session, "__init__", watch)
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[5:15, 10:20] = 200
    answers = []
    for pruned in (True, False):
        if not pruned:
            for module in (pruning, probes):
                monkeypatch.setattr(module, "prune", lambda model, _: model)
        opened.clear()
        model = load_model(files)
        outputs = [{spec.name for spec in session.outputs} for session in opened]
        assert ({"low_res_masks", "iou_predictions"} in outputs) == pruned
        segmenter = Segmenter(model)
        segmenter.set_image(picture)
        answers.append(np.asarray(segmenter.segment(points=[(10, 15)])))
        model.close()
    np.testing.assert_array_equal(*answers)


def test_bytes_that_are_no_graph_are_named():
    with pytest.raises(ValueError, match="ends within"):
        prune(b"\x3a\x7f", {"y"})
