"""What families of SAM exports differ in, as rows of two tables.

Nothing here runs. To add a family, add a row with the input names that give it away, and its
entry in ``tests/models/families.py``. The letters are those of ``docs/contracts.md``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam_onnx.models.onnx.contracts.rows import DecoderContract, EncoderContract

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam_onnx.models.onnx.contracts.rows import Triple

__all__ = [
    "DECODERS",
    "ENCODERS",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "REFUSALS",
    "DecoderContract",
    "EncoderContract",
]

IMAGENET_MEAN: Triple = (123.675, 116.28, 103.53)
IMAGENET_STD: Triple = (58.395, 57.12, 57.375)
"""Mean and deviation of ImageNet's red, green and blue on 0…255, which SAM 1 and 2 use."""

_E2 = EncoderContract(
    "E2",
    "samexporter without preprocessing, fp16 copies",
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    zero_pad=True,
)
_E12 = EncoderContract(
    "E12",
    "SAM 2 by samexporter, AnyLabeling, next-sam",
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    resize="squash",
    exact_resize=True,
)
_E1 = EncoderContract(
    "E1", "SAM 1 and MobileSAM with preprocessing in the graph", layout="HWC", batched=False
)

ENCODERS: Mapping[str, EncoderContract] = {
    row.name: row
    for row in (
        _E1,
        _E2,
        replace(_E2, name="E3", summary="SAM 1 by osam and labelme"),
        EncoderContract("E4", "bytes of a fixed size, preprocessing in the graph", resize="squash"),
        replace(_E2, name="E5", summary="nanosam, RepViT-SAM, EdgeSAM"),
        replace(_E2, name="E6", summary="EfficientViT-SAM"),
        EncoderContract("E7", "EdgeSAM by X-AnyLabeling, preprocessing in the graph"),
        EncoderContract(
            "E8",
            "EfficientViT-SAM by X-AnyLabeling, resizing in the graph",
            layout="HWC",
            batched=False,
            resize="keep",
        ),
        replace(_E1, name="E9", summary="HQ-SAM with preprocessing in the graph"),
        replace(_E2, name="E10", summary="SAM-Med2D", resize="squash", zero_pad=False),
        replace(_E1, name="E10h", summary="SAM-Med2D, preprocessing in graph", resize="squash"),
        EncoderContract("E11", "EfficientSAM", std=(255.0, 255.0, 255.0), resize="keep"),
        _E12,
        replace(_E12, name="E13", summary="SAM 2 by osam, rectlabel"),
        replace(_E2, name="E15", summary="SAM 1 and SlimSAM by transformers.js, Optimum"),
        replace(
            _E12, name="E16", summary="SAM 2 and EdgeTAM by transformers.js", exact_resize=False
        ),
        EncoderContract(
            "E17",
            "SAM 3 tracker by transformers.js",
            mean=(127.5, 127.5, 127.5),
            std=(127.5, 127.5, 127.5),
            resize="squash",
        ),
        EncoderContract(
            "EP",
            "pebble",
            layout="HWC",
            batched=False,
            resize="bounded",
            size=(2048, 2048),
            double_below=512,
        ),
    )
}

_A = DecoderContract(
    "A",
    "SAM 1, MobileSAM, RepViT-SAM",
    needs=("point_coords", "orig_im_size", "mask_input"),
    pad="without box",
    mask_input="mask_input",
    has_mask="has_mask_input",
    size_input="orig_im_size",
)
_I = DecoderContract(
    "I",
    "SAM 2 by samexporter, AnyLabeling, next-sam",
    needs=("high_res_feats_0", "point_coords"),
    mask_input="mask_input",
    has_mask="has_mask_input",
    mask_batch="each",
    masks="masks",
    frame="plane",
    choose="iou",
    batch=True,
)
_H = DecoderContract(
    "H",
    "EfficientSAM",
    needs=("batched_point_coords",),
    points="batched_point_coords",
    labels="batched_point_labels",
    leading_axis=True,
    negatives=False,
    max_points=6,
    size_input="orig_im_size",
    # Prompts are in pixels of whatever size is stated; stating the size of the low
    # resolution masks makes the graph answer with those.
    size_value=(256, 256),
    prompt_size=256,
    masks="output_masks",
    frame="plane",
    choose="iou",
)
_L = DecoderContract(
    "L",
    "SAM 1 and SlimSAM by transformers.js, Optimum",
    needs=("image_positional_embeddings", "input_points"),
    points="input_points",
    labels="input_labels",
    leading_axis=True,
    box_as="none",
    masks="pred_masks",
    scores="iou_scores",
    choose="iou",
    batch=True,
)

DECODERS: Mapping[str, DecoderContract] = {
    row.name: row
    for row in (  # the first whose inputs and outputs are all there wins
        DecoderContract(
            "P",
            "pebble",
            needs=("mask_window", "point_coords"),
            mask_input="mask_input",
            has_mask="has_mask_input",
            mask_window="mask_window",
            mask_batch="each",
            flag_batch="each",
            windows="windows",
            frame="window",
            half_pixel=True,
            choose="iou",
            batch=True,
            centers="objectness",
        ),
        replace(
            _L,
            name="M",
            summary="SAM 2, EdgeTAM and SAM 3 tracker by transformers.js",
            needs=("image_embeddings.0", "input_points", "input_boxes"),
            boxes="input_boxes",
            box_as="tensor",
            frame="plane",
        ),
        _L,
        replace(
            _H,
            name="Hc",
            summary="EfficientSAM in a single file",
            needs=("batched_images", "batched_point_coords"),
            size_input="",
            prompt_size=1024,
        ),
        _H,
        replace(
            _I,
            name="I'",
            summary="SAM 2 of the first colab, masks of 0 and 255",
            needs=(*_I.needs, "orig_im_size"),
            size_input="orig_im_size",
            size_value=(256, 256),
            middle=127.5,
            gain=0.1,
            refines=False,
        ),
        _I,
        replace(
            _I,
            name="J",
            summary="SAM 2 by osam, rectlabel",
            needs=("high_res_features1", "point_coords"),
            size_input="orig_im_size",
            masks="low_res_masks",
            choose="token",
        ),
        replace(_A, name="F", summary="HQ-SAM", needs=(*_A.needs, "interm_embeddings")),
        DecoderContract(
            "E'",
            "GazeSAM, boxes only",
            needs=("boxes", "image_embeddings"),
            points="",
            labels="",
            boxes="boxes",
            box_as="tensor",
            batch=True,
        ),
        replace(_A, name="B", summary="SAM 1 by CVAT", gives=("xtl",)),
        replace(_A, name="G", summary="SAM-Med2D", frame="plane", embedding_side=16),
        _A,
        replace(
            _A,
            name="C",
            summary="nanosam",
            needs=("point_coords", "mask_input"),
            size_input="",
        ),
        DecoderContract(
            "D",
            "EdgeSAM",
            needs=("point_coords", "point_labels"),
            gives=("scores",),
            masks="masks",
            scores="scores",
            choose="stability",
        ),
        DecoderContract(
            "E",
            "EfficientViT-SAM",
            needs=("point_coords", "point_labels"),
            gives=("iou_predictions",),
            masks="masks",
            batch=True,
        ),
    )
}

REFUSALS: Mapping[tuple[str, ...], str] = {
    ("language_mask", "language_features", "box_masks", "fpn_feat_0"): (
        "is a SAM 3 decoder for text prompts, which answers words instead of clicks; open it "
        "with load_text_model, by its id or with its language encoder as a third file"
    ),
    ("sparse_prompt_embeddings", "sparse_embeddings", "repeat_image"): (
        "is one part of a SAM 2 export in three files (ailia); get an export in two files, "
        "encoder and decoder"
    ),
}
"""Inputs or outputs that give away exports that do not run as a pair, and why."""
