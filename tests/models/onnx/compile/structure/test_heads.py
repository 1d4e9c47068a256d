"""Which tokens the heads of a decoder read."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from napari_sam_onnx.models.onnx.compile.structure.graph import Graph
from napari_sam_onnx.models.onnx.compile.structure.heads import find_residual, find_tokens_read
from napari_sam_onnx.models.onnx.compile.structure.refusal import NotCompilableError
from tests.models.onnx.compile.sam_decoder import Plan, build_sam_decoder


def make_graph(*nodes, **weights):
    return Graph(
        helper.make_model(
            helper.make_graph(
                [
                    helper.make_node(kind, inputs, [out], **more)
                    for kind, inputs, out, more in nodes
                ],
                "heads",
                [helper.make_tensor_value_info("tokens", TensorProto.FLOAT, (1, 7, 4))],
                [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
                [numpy_helper.from_array(np.array(v), name) for name, v in weights.items()],
            )
        )
    )


def gather(index):
    return make_graph(("Gather", ["tokens", "i"], "out", {"axis": 1}), i=index)


def cut(start, end, axis=1, step=1):
    given = {"s": [start], "e": [end], "a": [axis], "t": [step]}
    return make_graph(("Slice", ["tokens", *given], "out", {}), **given)


@pytest.mark.parametrize(
    ("graph", "read"),
    [
        (gather(0), (0, 1)),
        (gather([1, 3]), (1, 4)),
        (gather(-1), (0, 0)),
        (cut(1, 5), (1, 5)),
        (cut(1, -1), (0, 0)),
        (cut(-3, 5), (0, 0)),
        (cut(1, 2**63 - 1), (0, 0)),
        (cut(0, 2, axis=2), (0, 0)),
        (cut(0, 4, step=2), (0, 0)),
        (make_graph(("Relu", ["tokens"], "out", {})), (0, 0)),
    ],
)
def test_tokens_that_are_read_are_found_where_that_can_be_told(graph, read):
    assert find_tokens_read(graph, "tokens", "out") == read


def test_several_readers_read_all_between_them():
    graph = make_graph(
        ("Gather", ["tokens", "i"], "a", {"axis": 1}),
        ("Gather", ["tokens", "j"], "b", {"axis": 1}),
        ("Add", ["a", "b"], "out", {}),
        i=1,
        j=3,
    )
    assert find_tokens_read(graph, "tokens", "out") == (1, 4)


def test_only_what_leads_to_the_target_counts():
    graph = make_graph(
        ("Gather", ["tokens", "i"], "score", {"axis": 1}),
        ("Relu", ["tokens"], "other", {}),
        ("Relu", ["score"], "out", {}),
        i=0,
    )
    assert find_tokens_read(graph, "tokens", "out") == (0, 1)
    assert find_tokens_read(graph, "tokens", "other") == (0, 0)


def test_an_attention_that_is_added_to_nothing_is_refused():
    graph = make_graph(("Relu", ["tokens"], "out", {}))
    with pytest.raises(NotCompilableError, match="last attention"):
        find_residual(graph, "tokens")


def test_sams_scores_are_made_of_one_token_and_masks_of_the_next_four(tmp_path, monkeypatch):
    from napari_sam_onnx.models.onnx.compile import compiler
    from napari_sam_onnx.models.onnx.compile.structure import parts
    from napari_sam_onnx.models.onnx.sessions.runtime import Session

    path = build_sam_decoder(tmp_path / "decoder.onnx", Plan())
    session, model = Session(path, provider="cpu"), onnx.load(path)
    feeds = {s.name: np.ones([side or 1 for side in s.shape], np.float32) for s in session.inputs}

    def measure(names):
        return compiler._run_with_outputs(session, model, names, feeds)

    found = parts.find_parts(model, "low_res_masks", "iou_predictions", measure)
    assert (found.read_by_scores, found.read_by_masks) == ((0, 1), (1, 5))
