"""SAM's kin, whose decoders are SAM's: exported, to see which of them are compiled.

    pip install --no-deps x-segment-anything efficientsam && pip install timm torchvision
    python -m benchmarks.exporters.sam1_kin FOLDER [NAME …]
    python -m benchmarks.exporters.compiled FOLDER/NAME/encoder.onnx:FOLDER/NAME/decoder.onnx …

EdgeSAM and RepViT-SAM as x-segment-anything has them, EfficientViT-SAM as efficientsam does, SAM L
and H with shallow encoders; random weights. Decoders are exported as segment-anything exports its
own, encoders by a wrapper that normalises and pads.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import benchmarks.exporters.torchvision_ops  # isort: skip  # noqa: F401
import numpy as np
import torch
from segment_anything.utils.onnx import SamOnnxModel

from benchmarks.exporters.cases import make_picture
from benchmarks.exporters.weights import centre_logits, sharpen_attention, spread_scores

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE = 1024


def build_edge_sam() -> Any:
    """EdgeSAM, whose encoder is a RepViT with a feature pyramid."""
    from x_segment_anything.build_sam import build_edge_sam as build

    return build()


def build_repvit_sam() -> Any:
    """RepViT-SAM."""
    from x_segment_anything.build_sam import build_sam_repvit

    return build_sam_repvit()


def build_efficientvit_sam() -> Any:
    """EfficientViT-SAM L0, at SAM's own size."""
    from efficientsam.models.efficientvit import efficientvit_sam_l0

    sam = efficientvit_sam_l0(image_size=SIDE)
    sam.image_encoder.img_size = SIDE  # segment-anything's export asks for it
    return sam


def build_shallow(width: int, heads: int) -> Any:
    """SAM with an encoder of two layers as wide as the whole one's."""
    from segment_anything.build_sam import _build_sam

    return _build_sam(width, 2, heads, [1])


KIN: dict[str, Callable[[], Any]] = {
    "edge-sam": build_edge_sam,
    "repvit-sam": build_repvit_sam,
    "efficientvit-sam": build_efficientvit_sam,
    "sam-l": lambda: build_shallow(1024, 16),
    "sam-h": lambda: build_shallow(1280, 16),
}


class Encoder(torch.nn.Module):
    """Normalises and pads a picture, and encodes it."""

    def __init__(self, sam: Any) -> None:
        super().__init__()
        self.encoder = sam.image_encoder
        self.mean = torch.tensor([123.675, 116.28, 103.53])
        self.deviation = torch.tensor([58.395, 57.12, 57.375])

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        """(H, W, 3) of 0…255 -> (1, 256, 64, 64)."""
        planes = ((picture - self.mean) / self.deviation).permute(2, 0, 1)
        missing = SIDE - planes.shape[1], SIDE - planes.shape[2]
        padded = torch.nn.functional.pad(planes, (0, missing[1], 0, missing[0]))
        answer = self.encoder(padded[None])
        return answer[0] if isinstance(answer, tuple) else answer  # RepViT-SAM's gives None too


def enliven(sam: Any, encoder: Encoder) -> None:
    """Give random weights masks and scores that differ; see `weights`."""
    decoder, prompts = sam.mask_decoder, sam.prompt_encoder
    sharpen_attention(decoder)
    picture = torch.from_numpy(make_picture((768, SIDE), seed=99)).float()
    with torch.no_grad():
        embedding = encoder(picture)
        click = torch.tensor([[[400.0, 300.0]]]), torch.ones(1, 1, dtype=torch.int)
        sparse, dense = prompts(points=click, boxes=None, masks=None)

    def ask() -> None:
        with torch.no_grad():
            decoder.predict_masks(
                image_embeddings=embedding,
                image_pe=prompts.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
            )

    networks = list(decoder.output_hypernetworks_mlps)
    layers = [network.layers[-1] for network in networks]
    centre_logits(ask, [decoder.output_upscaling], networks, layers)
    spread_scores(ask, decoder.iou_prediction_head, decoder.iou_prediction_head.layers[-1])


def export(name: str, folder: Path) -> None:
    """Write the two files of one of the kin."""
    torch.manual_seed(5)
    np.random.seed(5)
    sam = KIN[name]().eval()
    folder.mkdir(parents=True, exist_ok=True)
    encoder = Encoder(sam).eval()
    enliven(sam, encoder)
    inputs = {
        "image_embeddings": torch.randn(1, 256, 64, 64),
        "point_coords": torch.randint(0, SIDE, (1, 5, 2)).float(),
        "point_labels": torch.randint(0, 4, (1, 5)).float(),
        "mask_input": torch.randn(1, 1, 256, 256),
        "has_mask_input": torch.ones(1),
        "orig_im_size": torch.tensor([1500.0, 2250.0]),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            encoder,
            (torch.rand(768, SIDE, 3) * 255,),
            str(folder / "encoder.onnx"),
            input_names=["input_image"],
            output_names=["image_embeddings"],
            dynamic_axes={"input_image": {0: "image_height", 1: "image_width"}},
            opset_version=17,
            dynamo=False,
        )
        torch.onnx.export(
            SamOnnxModel(sam, return_single_mask=False),
            tuple(inputs.values()),
            str(folder / "decoder.onnx"),
            input_names=list(inputs),
            output_names=["masks", "iou_predictions", "low_res_masks"],
            dynamic_axes={key: {1: "num_points"} for key in ("point_coords", "point_labels")},
            opset_version=17,
            dynamo=False,
        )


def main() -> None:
    """Export those that are named, or all."""
    root, *names = sys.argv[1:]
    for name in names or KIN:
        export(name, Path(root) / name)
        print(name, flush=True)


if __name__ == "__main__":
    main()
