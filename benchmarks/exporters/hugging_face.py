"""transformers' SAM, exported by Optimum; its SAM 2 and EdgeTAM, in transformers.js's layout."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import benchmarks.exporters.torchvision_ops  # isort: skip  # noqa: F401
import numpy as np
import torch
from optimum.exporters.onnx import main_export
from transformers import (
    EdgeTamConfig,
    EdgeTamModel,
    Sam2Config,
    Sam2ImageProcessorFast,
    Sam2Model,
    Sam2Processor,
    SamConfig,
    SamImageProcessor,
    SamModel,
    SamProcessor,
)

from benchmarks.exporters.cases import Answer, Case, Export, make_picture
from benchmarks.exporters.weights import centre_logits, sharpen_attention, spread_scores

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from transformers import PreTrainedModel, ProcessorMixin


class HuggingFaceReference:
    """A model and its processor, used as their documentation does.

    Parameters
    ----------
    model, processor
        Of one family.
    padded : bool
        Whether the processor wants to know the size without padding (SAM 1).
    """

    def __init__(self, model: PreTrainedModel, processor: ProcessorMixin, *, padded: bool) -> None:
        self.model = model.eval()
        self.processor = processor
        self.padded = padded

    def see(self, picture: NDArray[np.uint8]) -> None:
        """Encode a picture."""
        self.picture = picture
        pixels = self.processor(images=picture, return_tensors="pt")["pixel_values"]
        self.embeddings = self.model.get_image_embeddings(pixels)

    def answer(self, case: Case, earlier: NDArray[np.float32] | None) -> Answer:
        """Answer with three candidates."""
        prompts: dict[str, object] = {}
        if len(case.points):
            prompts["input_points"] = [[case.points[:, ::-1].tolist()]]
            prompts["input_labels"] = [[case.labels.tolist()]]
        if case.box is not None:
            prompts["input_boxes"] = [[case.box[[1, 0, 3, 2]].tolist()]]
        if self.padded:
            prompts = {k: v[0] if k == "input_points" else v for k, v in prompts.items()}
            prompts = {k: v[0] if k == "input_labels" else v for k, v in prompts.items()}
        inputs = self.processor(images=self.picture, **prompts, return_tensors="pt")
        given = {
            name: inputs[name].float() if name != "input_labels" else inputs[name]
            for name in ("input_points", "input_labels", "input_boxes")
            if name in inputs
        }
        answer = self.model(image_embeddings=self.embeddings, **given, multimask_output=True)
        sizes = [inputs["original_sizes"]]
        if self.padded:
            sizes.append(inputs["reshaped_input_sizes"])
            masks = self.processor.image_processor.post_process_masks(answer.pred_masks, *sizes)
        else:
            masks = self.processor.post_process_masks(answer.pred_masks, *sizes)
        return Answer(
            answer.pred_masks[0, 0].numpy(), answer.iou_scores[0, 0].numpy(), masks[0][0].numpy()
        )


@torch.no_grad()
def initialise(model: PreTrainedModel) -> None:
    """Start from PyTorch's own initialisation.

    transformers starts from weights that are loaded over afterwards; left alone, they give
    embeddings of 1e-20, which no picture changes.
    """
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
        else:
            for parameter in module.parameters(recurse=False):
                torch.nn.init.normal_(parameter, std=0.02)


def enliven(reference: HuggingFaceReference) -> None:
    """Give a random model masks and scores that differ; see `weights`."""
    initialise(reference.model)
    decoder = reference.model.mask_decoder
    sharpen_attention(decoder)
    picture = make_picture((768, 1024), seed=99)
    reference.see(picture)
    click = Case("click", np.array([[300.0, 400.0]]), np.array([1]))

    def ask() -> None:
        reference.answer(click, None)

    networks = list(decoder.output_hypernetworks_mlps)
    layers = [network.proj_out for network in networks]
    centre_logits(ask, [decoder.activation], networks, layers)
    spread_scores(ask, decoder.iou_prediction_head, decoder.iou_prediction_head.proj_out)


def export_sam_by_optimum(folder: Path) -> Export:
    """Export SAM with an encoder of two layers by Optimum, from a saved checkpoint."""
    torch.manual_seed(5)
    config = SamConfig(vision_config={"num_hidden_layers": 2, "global_attn_indexes": [1]})
    reference = HuggingFaceReference(
        SamModel(config), SamProcessor(SamImageProcessor()), padded=True
    )
    enliven(reference)
    saved = folder / "checkpoint"
    reference.model.save_pretrained(saved)
    reference.processor.save_pretrained(saved)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        main_export(str(saved), folder, task="feature-extraction", do_validation=False)
    encoder, decoder = folder / "vision_encoder.onnx", folder / "prompt_encoder_mask_decoder.onnx"
    return Export(encoder, decoder, reference, boxes=False, masks=False)


class EncoderM(torch.nn.Module):
    """Encoder in transformers.js's layout (E16); written here."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(1, 3, S, S) normalised -> three levels of features, finest first."""
        return tuple(self.model.get_image_embeddings(pixels))


class DecoderM(torch.nn.Module):
    """Decoder in transformers.js's layout (M); written here.

    The prompt encoder pads clicks only where it is given no boxes at all. An exported graph
    always has that input, so its clicks are not padded.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        points: torch.Tensor,
        labels: torch.Tensor,
        boxes: torch.Tensor,
        fine: torch.Tensor,
        middle: torch.Tensor,
        coarse: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Scores, masks and object scores of (1, P) prompts."""
        prompts = self.model.prompt_encoder
        clicks = prompts._embed_points(points, labels, pad=False)  # (1, P, N, C)
        corners = prompts._embed_boxes(boxes + 0.0)  # (1, boxes, 3, C); added to in place
        # Boxes are as many as prompts, or none; a computed size would be frozen by the tracer.
        corners = corners.reshape(1, clicks.shape[1], -1, clicks.shape[3])
        sparse = torch.cat([clicks, corners], dim=2)
        dense = prompts.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(
            1, -1, coarse.shape[2], coarse.shape[3]
        )
        masks, scores, _, objects = self.model.mask_decoder(
            image_embeddings=coarse,
            image_positional_embeddings=self.model.get_image_wide_positional_embeddings(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
            high_resolution_features=[fine, middle],
        )
        return scores, masks, objects


def export_layout_m(folder: Path, *, edge: bool = False) -> Export:
    """Export SAM 2 or EdgeTAM by the two wrappers above."""
    torch.manual_seed(6)
    model = EdgeTamModel(EdgeTamConfig()) if edge else Sam2Model(Sam2Config())
    processor = Sam2Processor(Sam2ImageProcessorFast())
    reference = HuggingFaceReference(model, processor, padded=False)
    enliven(reference)
    encoder, decoder = folder / "vision_encoder.onnx", folder / "prompt_encoder_mask_decoder.onnx"
    pixels = torch.randn(1, 3, 1024, 1024)
    fine, middle, coarse = EncoderM(model)(pixels)
    inputs = {
        "input_points": torch.rand(1, 1, 2, 2) * 1024,
        "input_labels": torch.tensor([[[1, 0]]]),
        "input_boxes": torch.tensor([[[100.0, 200.0, 500.0, 600.0]]]),
        "image_embeddings.0": fine,
        "image_embeddings.1": middle,
        "image_embeddings.2": coarse,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            EncoderM(model),
            (pixels,),
            str(encoder),
            input_names=["pixel_values"],
            output_names=[f"image_embeddings.{level}" for level in range(3)],
            opset_version=17,
            dynamo=False,
        )
        torch.onnx.export(
            DecoderM(model),
            tuple(inputs.values()),
            str(decoder),
            input_names=list(inputs),
            output_names=["iou_scores", "pred_masks", "object_score_logits"],
            dynamic_axes={
                "input_points": {1: "prompts", 2: "points"},
                "input_labels": {1: "prompts", 2: "points"},
                "input_boxes": {1: "boxes"},
            },
            opset_version=17,
            dynamo=False,
        )
    return Export(encoder, decoder, reference, masks=False)
