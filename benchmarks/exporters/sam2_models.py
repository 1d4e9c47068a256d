"""SAM 2.1: exported by samexporter, and in the layout of osam's and rectlabel's files."""

from __future__ import annotations

import runpy
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import benchmarks.exporters.torchvision_ops  # isort: skip  # noqa: F401
import numpy as np
import samexporter
import torch
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from sam2.build_sam import build_sam2
from sam2.sam2_image_predictor import SAM2ImagePredictor

from benchmarks.exporters.cases import Answer, Case, Export, make_picture
from benchmarks.exporters.weights import centre_logits, sharpen_attention, spread_scores

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sam2.modeling.sam2_base import SAM2Base

MODEL = "sam2.1_hiera_tiny"
CONFIG = "sam2.1/sam2.1_hiera_t.yaml"


class Sam2Reference:
    """sam2's `SAM2ImagePredictor`.

    Parameters
    ----------
    model : SAM2Base
        The model that was exported.
    tokens : {3, 4}
        Whether the export leaves the single-mask token out.
    """

    def __init__(self, model: SAM2Base, tokens: int) -> None:
        # The predictor replaces an unstable single mask by one of the three, which no
        # export does: without that, it answers with the single-mask token itself.
        model.sam_mask_decoder.dynamic_multimask_via_stability = False
        self.predictor = SAM2ImagePredictor(model)
        self.tokens = tokens

    def see(self, picture: NDArray[np.uint8]) -> None:
        """Encode a picture."""
        self.predictor.set_image(picture)

    def answer(self, case: Case, earlier: NDArray[np.float32] | None) -> Answer:
        """Answer with three tokens or four."""
        prompts = {
            "point_coords": np.ascontiguousarray(case.points[:, ::-1])
            if len(case.points)
            else None,
            "point_labels": case.labels if len(case.points) else None,
            "box": None if case.box is None else case.box[[1, 0, 3, 2]],
            "mask_input": None if earlier is None else earlier[None],
        }
        parts = [self.predictor.predict(**prompts, multimask_output=True)]
        if self.tokens == 4:
            parts.insert(0, self.predictor.predict(**prompts, multimask_output=False))
        masks, scores, logits = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Answer(logits, scores, masks > 0)


def build_model(seed: int) -> SAM2Base:
    """SAM 2.1 tiny at full size, with random weights that answer."""
    torch.manual_seed(seed)
    GlobalHydra.instance().clear()
    configs = Path(samexporter.__file__).parent / "sam2_configs"
    with initialize_config_dir(config_dir=str(configs), version_base="1.2"):
        model = build_sam2(CONFIG, None, device="cpu")
    decoder = model.sam_mask_decoder
    sharpen_attention(decoder)
    reference = Sam2Reference(model, tokens=4)
    reference.see(make_picture((768, 1024), seed=99))

    def ask() -> None:
        reference.predictor.predict(np.array([[400.0, 300.0]]), np.array([1]))

    networks = list(decoder.output_hypernetworks_mlps)
    layers = [network.layers[-1] for network in networks]
    centre_logits(ask, [decoder.output_upscaling[-1]], networks, layers)
    spread_scores(ask, decoder.iou_prediction_head, decoder.iou_prediction_head.layers[-1])
    return model


def export_by_samexporter(folder: Path) -> Export:
    """Export by running samexporter's command on a checkpoint."""
    model = build_model(seed=2)
    checkpoint = folder / "checkpoint.pt"
    torch.save({"model": model.state_dict()}, checkpoint)
    encoder, decoder = folder / "encoder.onnx", folder / "decoder.onnx"
    command = ["export_sam2", "--checkpoint", str(checkpoint), "--model_type", MODEL]
    command += ["--output_encoder", str(encoder), "--output_decoder", str(decoder)]
    with warnings.catch_warnings(), mock.patch.object(sys, "argv", command):
        warnings.simplefilter("ignore")
        runpy.run_module("samexporter.export_sam2", run_name="__main__")
    checkpoint.unlink()
    return Export(encoder, decoder, Sam2Reference(model, tokens=3))


class EncoderJ(torch.nn.Module):
    """Encoder in osam's and rectlabel's layout (E13); written here."""

    def __init__(self, model: SAM2Base) -> None:
        super().__init__()
        self.model = model

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(1, 3, 1024, 1024) normalised -> embedding, stride-4 and stride-8 features."""
        features = self.model.forward_image(picture)["backbone_fpn"]
        fine, middle, coarse = features
        return coarse + self.model.no_mem_embed.reshape(1, -1, 1, 1), fine, middle


class DecoderJ(torch.nn.Module):
    """Decoder in osam's and rectlabel's layout (J); written here."""

    def __init__(self, model: SAM2Base) -> None:
        super().__init__()
        self.prompts = model.sam_prompt_encoder
        self.decoder = model.sam_mask_decoder

    def forward(
        self,
        points: torch.Tensor,
        labels: torch.Tensor,
        embedding: torch.Tensor,
        fine: torch.Tensor,
        middle: torch.Tensor,
        earlier: torch.Tensor,
        refines: torch.Tensor,
        size: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Four masks at the picture's size, their scores, and their clamped logits."""
        sparse = self.prompts._embed_points(points, labels, pad=True)
        nothing = self.prompts.no_mask_embed.weight.reshape(1, -1, 1, 1)
        dense = refines * self.prompts.mask_downscaling(earlier) + (1 - refines) * nothing
        logits, scores, _, _ = self.decoder.predict_masks(
            image_embeddings=embedding,
            image_pe=self.prompts.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            repeat_image=False,
            high_res_features=[fine, middle],
        )
        masks = torch.nn.functional.interpolate(
            logits, size=(size[0], size[1]), mode="bilinear", align_corners=False
        )
        return masks, scores, torch.clamp(logits, -32, 32)


def export_layout_j(folder: Path) -> Export:
    """Export the two wrappers above."""
    model = build_model(seed=3)
    encoder, decoder = folder / "encoder.onnx", folder / "decoder.onnx"
    embedding, fine, middle = EncoderJ(model)(torch.randn(1, 3, 1024, 1024))
    inputs = {
        "point_coords": torch.randint(0, 1024, (1, 3, 2)).float(),
        "point_labels": torch.tensor([[1.0, 0.0, 1.0]]),
        "image_embeddings": embedding,
        "high_res_features1": fine,
        "high_res_features2": middle,
        "mask_input": torch.randn(1, 1, 256, 256),
        "has_mask_input": torch.ones(1),
        "orig_im_size": torch.tensor([480, 640]),
    }
    open_axes = {name: {0: "prompts", 1: "points"} for name in ("point_coords", "point_labels")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            EncoderJ(model),
            (torch.randn(1, 3, 1024, 1024),),
            str(encoder),
            input_names=["input"],
            output_names=["image_embeddings", "high_res_features1", "high_res_features2"],
            opset_version=17,
            dynamo=False,
        )
        torch.onnx.export(
            DecoderJ(model),
            tuple(inputs.values()),
            str(decoder),
            input_names=list(inputs),
            output_names=["masks", "iou_predictions", "low_res_masks"],
            dynamic_axes={**open_axes, "mask_input": {0: "prompts"}},
            opset_version=17,
            dynamo=False,
        )
    return Export(encoder, decoder, Sam2Reference(model, tokens=4))
