"""SAM 1 and MobileSAM: exported by samexporter and by segment-anything's own graph."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import torch

import benchmarks.exporters.torchvision_ops  # isort: skip  # noqa: F401
from samexporter import export_decoder, export_encoder
from samexporter.mobile_encoder.setup_mobile_sam import setup_model
from segment_anything import SamPredictor
from segment_anything.build_sam import _build_sam
from segment_anything.utils.onnx import SamOnnxModel

from benchmarks.exporters.cases import Answer, Case, Export, make_picture
from benchmarks.exporters.weights import centre_logits, sharpen_attention, spread_scores

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from segment_anything.modeling import Sam


class Sam1Reference:
    """segment-anything's `SamPredictor`.

    Parameters
    ----------
    sam : Sam
        The model that was exported.
    single : bool
        Whether the export answers with the one mask that it chooses itself.
    """

    def __init__(self, sam: Sam, *, single: bool = False) -> None:
        self.predictor = SamPredictor(sam.eval())
        self.single = single

    def see(self, picture: NDArray[np.uint8]) -> None:
        """Encode a picture."""
        self.predictor.set_image(picture)

    def answer(self, case: Case, earlier: NDArray[np.float32] | None) -> Answer:
        """Answer with all four tokens, or with the one that a single-mask export chooses."""
        prompts = {
            "point_coords": case.points[:, ::-1] if len(case.points) else None,
            "point_labels": case.labels if len(case.points) else None,
            "box": None if case.box is None else case.box[[1, 0, 3, 2]],
            "mask_input": None if earlier is None else earlier[None],
        }
        first = self.predictor.predict(**prompts, multimask_output=False)
        others = self.predictor.predict(**prompts, multimask_output=True)
        masks, scores, logits = (np.concatenate(parts) for parts in zip(first, others, strict=True))
        if self.single:
            # The export counts the box's corners and the padding point as points.
            points = len(case.points) + (1 if case.box is None else 2)
            chosen = 1 + int(np.argmax(scores[1:])) if points < 3 else 0
            masks, scores, logits = masks[[chosen]], scores[[chosen]], logits[[chosen]]
        return Answer(logits, scores, masks)


def build_sam(seed: int) -> Sam:
    """SAM with a ViT-B encoder of two layers; depth is no part of the contract."""
    torch.manual_seed(seed)
    sam = _build_sam(
        encoder_embed_dim=768,
        encoder_depth=2,
        encoder_num_heads=12,
        encoder_global_attn_indexes=[1],
    )
    return enliven_sam(sam)


def build_sam_b(seed: int) -> Sam:
    """SAM with its whole ViT-B encoder, for benchmarks."""
    torch.manual_seed(seed)
    return enliven_sam(
        _build_sam(
            encoder_embed_dim=768,
            encoder_depth=12,
            encoder_num_heads=12,
            encoder_global_attn_indexes=[2, 5, 8, 11],
        )
    )


def build_mobile_sam(seed: int) -> Sam:
    """MobileSAM as samexporter builds it, at full size."""
    torch.manual_seed(seed)
    return enliven_sam(setup_model().eval())


def enliven_sam(sam: Sam) -> Sam:
    """Give a random SAM masks and scores that differ; see `weights`."""
    decoder = sam.mask_decoder
    sharpen_attention(decoder)
    reference = Sam1Reference(sam)
    reference.see(make_picture((768, 1024), seed=99))

    def ask() -> None:
        reference.predictor.predict(np.array([[400.0, 300.0]]), np.array([1]))

    networks = decoder.output_hypernetworks_mlps
    layers = [network.layers[-1] for network in networks]
    centre_logits(ask, [decoder.output_upscaling], list(networks), layers)
    spread_scores(ask, decoder.iou_prediction_head, decoder.iou_prediction_head.layers[-1])
    return sam


def export_by_samexporter(
    folder: Path,
    *,
    mobile: bool = False,
    preprocess: bool = False,
    single: bool = False,
    whole: bool = False,
) -> Export:
    """Export with samexporter's own two functions.

    They build the model themselves from a checkpoint; the registry's entry is replaced so
    that they build it as shallow as ours. MobileSAM is put into evaluation mode, which
    samexporter forgets: it then runs the model once on noise before exporting it, which
    moves the means and variances of its batch normalisation by a tenth.
    """
    sam = build_mobile_sam(seed=1) if mobile else (build_sam_b if whole else build_sam)(seed=0)
    checkpoint = folder / "checkpoint.pt"
    torch.save(sam.state_dict(), checkpoint)
    encoder, decoder = folder / "encoder.onnx", folder / "decoder.onnx"
    kind = "mobile" if mobile else "vit_b"
    registry = {"vit_b": lambda checkpoint=None: sam}
    with (
        warnings.catch_warnings(),
        mock.patch.object(export_encoder, "sam_model_registry", registry),
        mock.patch.object(export_decoder, "sam_model_registry", registry),
        mock.patch.object(export_encoder, "setup_model", lambda: setup_model().eval()),
    ):
        warnings.simplefilter("ignore")
        export_encoder.run_export(kind, str(checkpoint), str(encoder), preprocess, opset=18)
        export_decoder.run_export(kind, str(checkpoint), str(decoder), 18, single)
    checkpoint.unlink()
    return Export(encoder, decoder, Sam1Reference(sam, single=single))


def export_official_decoder(folder: Path, *, single: bool = False) -> Export:
    """Export segment-anything's `SamOnnxModel` as its own script does, at opset 17.

    The project exports no encoder; it is samexporter's, without preprocessing.
    """
    whole = export_by_samexporter(folder)
    sam = whole.reference.predictor.model
    graph = SamOnnxModel(sam, return_single_mask=single)
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
            graph,
            tuple(inputs.values()),
            str(whole.decoder),
            input_names=list(inputs),
            output_names=["masks", "iou_predictions", "low_res_masks"],
            dynamic_axes={name: {1: "num_points"} for name in ("point_coords", "point_labels")},
            opset_version=17,
            dynamo=False,
        )
    return Export(whole.encoder, whole.decoder, Sam1Reference(sam, single=single))
