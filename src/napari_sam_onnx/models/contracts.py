"""What families of SAM exports differ in, as rows of two tables.

A row states what a client must do for one kind of file; `detect` fills in what the file's
own metadata says (names and sizes) and `OnnxModel` acts on the row. Nothing here runs.

To add a family, add a row with the input names that give it away, and its entry in
``tests/models/test_contracts.py``. The letters are those of ``docs/contracts.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Triple = tuple[float, float, float]

IMAGENET_MEAN: Triple = (123.675, 116.28, 103.53)
IMAGENET_STD: Triple = (58.395, 57.12, 57.375)
"""Mean and deviation of ImageNet's red, green and blue on 0…255, which SAM 1 and 2 use."""


@dataclass(frozen=True, slots=True)
class EncoderContract:
    """How a plane becomes an encoder's input.

    Parameters
    ----------
    name, summary : str
        The row's letter, and the exports that follow it.
    layout : {"HWC", "CHW"}
        Order of the axes of the input tensor.
    batched : bool
        Whether a leading axis of length 1 comes first.
    channels : {"RGB", "BGR"}
        Order of the channels.
    mean, std : 3 floats
        The input is ``(value - mean) / std`` per channel, with values 0…255; 0 and 1 where
        the graph normalises.
    resize : {"longest", "squash", "keep", "bounded"}
        "longest": the longer side becomes that of `size`. "squash": both sides become those
        of `size`. "keep": as it is. "bounded": planes up to `double_below` on their longer
        side are doubled, those above `size` shrunk to it, others kept.
    size : (h, w) or None
        Pixels of the input, padding included; None until it is read from the files.
    zero_pad : bool
        Whether zeros are added at the right and the bottom up to `size`, after
        normalisation. False where the graph does so.
    exact_resize : bool
        Whether resizing keeps fractions (SAM 2 resizes floats) or rounds to whole values
        (SAM 1 resizes bytes).
    double_below : int
        See `resize`.
    input : str
        The input's name, read from the file.
    """

    name: str
    summary: str
    layout: Literal["HWC", "CHW"] = "CHW"
    batched: bool = True
    channels: Literal["RGB", "BGR"] = "RGB"
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)
    resize: Literal["longest", "squash", "keep", "bounded"] = "longest"
    size: tuple[int, int] | None = None
    zero_pad: bool = False
    exact_resize: bool = False
    double_below: int = 0
    input: str = ""


@dataclass(frozen=True, slots=True)
class DecoderContract:
    """How prompts become a decoder's input, and how its output becomes masks.

    Parameters
    ----------
    name, summary : str
        The row's letter, and the exports that follow it.
    needs, gives : tuple of str
        Inputs and outputs that give the row away.
    embedding_side : int
        Side of the embedding that gives the row away; 0 where any will do.
    points, labels, boxes : str
        Inputs for clicks, their labels and boxes; "" where there is none.
    leading_axis : bool
        Whether an axis of length 1 precedes the axis of prompts: ``[1, B, N, 2]``.
    box_as : {"labels", "tensor", "none"}
        Boxes go in as two points labelled 2 and 3, as a tensor of their own, or not at all.
    negatives : bool
        Whether a click labelled 0 means background.
    max_points : int
        Points beyond this are lost in the graph; 0 where there is no limit.
    exact_points : int
        Points that the graph takes, no more and no fewer, read from the file; 0 where any
        number will do. Fewer are filled up with padding points.
    pad : {"never", "without box", "always"}
        Whether a point (0, 0) labelled −1 is added to each prompt.
    mask_input, has_mask, mask_window : str
        Inputs for an earlier mask, the flag that it counts, and its window.
    refines : bool
        Whether answers can be given back as an earlier mask; not if they are 0 and 255.
    mask_batch : {"one", "each"}
        Whether a batch of prompts shares one earlier mask or has one for each.
    flag_batch : {"one", "each"}
        The same for the flag. SAM 2's decoders state a flag for each and fail with it.
    size_input, size_value : str, (h, w)
        Input for the size of the plane, and what is put there: small, since the masks at
        plane size are not used. With `prompt_size` None, prompts are in pixels of it.
    masks, scores, windows : str
        Outputs.
    mask_side : int
        Side of the earlier mask, read from the file.
    frame : {"padded", "plane", "window"}
        What masks and prompts refer to: the padded square that holds the plane at its upper
        left, the plane squashed to a square, or a window of the plane for each prompt.
    prompt_size : int
        Side of the square in which prompts are given; the file's own where it tells.
    half_pixel : bool
        Whether pixel centres map to pixel centres, ``(x + ½)·s − ½``. SAM's own clients
        multiply only, and so do we for their exports.
    choose : {"token", "iou", "stability"}
        Which candidate comes first. "token": of four, the first for a prompt that says
        enough, else the best predicted IoU of the others.
    middle : float
        Where the object begins in the values of the masks: 0 for logits.
    gain : float
        Factor that turns values beyond `middle` into logits.
    batch : bool
        Whether the graph takes several prompts at once, each with as many points.
    centers : str
        Encoder output that holds the probabilities of centres of objects, for proposals.
    embeddings : tuple of str
        Inputs that the encoder fills, read from the file.
    """

    name: str
    summary: str
    needs: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    embedding_side: int = 0
    points: str = "point_coords"
    labels: str = "point_labels"
    boxes: str = ""
    leading_axis: bool = False
    box_as: Literal["labels", "tensor", "none"] = "labels"
    negatives: bool = True
    max_points: int = 0
    exact_points: int = 0
    pad: Literal["never", "without box", "always"] = "never"
    mask_input: str = ""
    has_mask: str = ""
    mask_window: str = ""
    refines: bool = True
    mask_batch: Literal["one", "each"] = "one"
    flag_batch: Literal["one", "each"] = "one"
    size_input: str = ""
    size_value: tuple[int, int] = (64, 64)
    masks: str = "low_res_masks"
    scores: str = "iou_predictions"
    windows: str = ""
    mask_side: int = 256
    frame: Literal["padded", "plane", "window"] = "padded"
    prompt_size: int = 1024
    half_pixel: bool = False
    choose: Literal["token", "iou", "stability"] = "token"
    middle: float = 0.0
    gain: float = 1.0
    batch: bool = False
    centers: str = ""
    embeddings: tuple[str, ...] = ()

    @property
    def takes_masks(self) -> bool:
        """Whether an earlier answer can be refined."""
        return bool(self.mask_input) and self.refines

    @property
    def prompt_inputs(self) -> frozenset[str]:
        """Inputs that do not come from the encoder."""
        names = (
            self.points,
            self.labels,
            self.boxes,
            self.mask_input,
            self.has_mask,
            self.mask_window,
            self.size_input,
        )
        return frozenset(name for name in names if name)


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
            size=(1024, 1024),
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
