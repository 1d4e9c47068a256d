"""HQ-SAM: its own decoder graph, and an encoder in the layout of X-AnyLabeling's files."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import benchmarks.exporters.torchvision_ops  # isort: skip  # noqa: F401
import numpy as np
import torch
from segment_anything_hq import SamPredictor
from segment_anything_hq.build_sam import _build_sam
from segment_anything_hq.utils.onnx import SamOnnxModel

from benchmarks.exporters.cases import Answer, Case, Export, make_picture
from benchmarks.exporters.weights import centre_logits, sharpen_attention, spread_scores

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from segment_anything_hq.modeling import Sam


class HqReference:
    """segment-anything-hq's `SamPredictor`, which answers with one mask as its export does."""

    def __init__(self, sam: Sam) -> None:
        self.predictor = SamPredictor(sam.eval())

    def see(self, picture: NDArray[np.uint8]) -> None:
        """Encode a picture."""
        self.predictor.set_image(picture)

    def answer(self, case: Case, earlier: NDArray[np.float32] | None) -> Answer:
        """Answer with the sum of the single-mask token's mask and the high-quality one."""
        masks, scores, logits = self.predictor.predict(
            point_coords=case.points[:, ::-1] if len(case.points) else None,
            point_labels=case.labels if len(case.points) else None,
            box=None if case.box is None else case.box[[1, 0, 3, 2]],
            mask_input=None if earlier is None else earlier[None],
            multimask_output=False,
        )
        return Answer(logits, scores, masks)


def build_sam(seed: int) -> Sam:
    """HQ-SAM with a ViT-B encoder of four layers, each of which hands features on."""
    torch.manual_seed(seed)
    sam = _build_sam(
        encoder_embed_dim=768,
        encoder_depth=4,
        encoder_num_heads=12,
        encoder_global_attn_indexes=[0, 1, 2, 3],
    )
    decoder = sam.mask_decoder
    sharpen_attention(decoder)
    reference = HqReference(sam)
    reference.see(make_picture((768, 1024), seed=99))

    def ask() -> None:
        reference.predictor.predict(np.array([[400.0, 300.0]]), np.array([1]))

    networks = list(decoder.output_hypernetworks_mlps)
    layers = [network.layers[-1] for network in networks]
    centre_logits(ask, [decoder.output_upscaling], networks, layers)
    high_quality = decoder.embedding_maskfeature, decoder.embedding_encoder
    centre_logits(
        ask,
        [*high_quality, decoder.compress_vit_feat],
        [decoder.hf_mlp],
        [decoder.hf_mlp.layers[-1]],
    )
    spread_scores(ask, decoder.iou_prediction_head, decoder.iou_prediction_head.layers[-1])
    return sam


class EncoderE9(torch.nn.Module):
    """Encoder that normalises and pads, and hands on four layers' features; written here."""

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.sam = sam

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(H, W, 3) of 0…255 -> embedding, and (1, 64, 64, C) of each layer."""
        planes = (picture.permute(2, 0, 1) - self.sam.pixel_mean) / self.sam.pixel_std
        missing = 1024 - planes.shape[1], 1024 - planes.shape[2]
        padded = torch.nn.functional.pad(planes, (0, missing[1], 0, missing[0]))
        embedding, layers = self.sam.image_encoder(padded[None])
        return embedding, *layers


def export_hq_sam(folder: Path) -> Export:
    """Export segment-anything-hq's `SamOnnxModel` as its own script does, and our encoder."""
    sam = build_sam(seed=4)
    encoder, decoder = folder / "encoder.onnx", folder / "decoder.onnx"
    inputs = {
        "image_embeddings": torch.randn(1, 256, 64, 64),
        "interm_embeddings": torch.randn(4, 1, 64, 64, 768),
        "point_coords": torch.randint(0, 1024, (1, 5, 2)).float(),
        "point_labels": torch.randint(0, 4, (1, 5)).float(),
        "mask_input": torch.randn(1, 1, 256, 256),
        "has_mask_input": torch.ones(1),
        "orig_im_size": torch.tensor([1500.0, 2250.0]),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            EncoderE9(sam),
            (torch.rand(1024, 1024, 3) * 255,),
            str(encoder),
            input_names=["input_image"],
            output_names=["image_embeddings", "interm_embeddings"],
            dynamic_axes={"input_image": {0: "image_height", 1: "image_width"}},
            opset_version=17,
            dynamo=False,
        )
        torch.onnx.export(
            SamOnnxModel(sam, hq_token_only=False, multimask_output=False),
            tuple(inputs.values()),
            str(decoder),
            input_names=list(inputs),
            output_names=["masks", "iou_predictions", "low_res_masks"],
            dynamic_axes={name: {1: "num_points"} for name in ("point_coords", "point_labels")},
            opset_version=17,
            dynamo=False,
        )
    return Export(encoder, decoder, HqReference(sam))
