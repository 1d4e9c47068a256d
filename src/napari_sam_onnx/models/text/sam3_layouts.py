"""What SAM 3's exports differ in, as rows of a table.

An export is three files: image encoder, language encoder, decoder. To add one, add a row
with the decoder inputs that give it away, and its entry in ``tests/models/test_sam3.py``.
Nothing here runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam_onnx.models.onnx.contracts.families import EncoderContract


@dataclass(frozen=True, slots=True)
class Sam3Layout:
    """How one kind of export names and arranges things.

    Parameters
    ----------
    name, summary : str
        The row's letter, and the exports that follow it.
    needs : tuple of str
        Decoder inputs that give the row away.
    tokens, attention : str
        Inputs of the language encoder; no attention mask where "".
    pad_with_end : bool
        Whether tokens are filled up with the end mark, or with 0.
    text : mapping of str to str
        Outputs of the language encoder, by the decoder input that takes each.
    boxes, box_labels, box_masks : str
        Decoder inputs for boxes, normalised (x centre, y centre, width, height); "" where
        there is none. `box_masks` is True where there is *no* box.
    slots_first : bool
        Whether boxes are (K, 1, 4), or (1, K, 4).
    no_box : int
        The label of a box that is none.
    length : int
        Tokens that the language encoder reads, marks and padding included.
    """

    name: str
    summary: str
    needs: tuple[str, ...]
    tokens: str
    attention: str
    pad_with_end: bool
    text: Mapping[str, str]
    boxes: str = ""
    box_labels: str = ""
    box_masks: str = ""
    slots_first: bool = False
    no_box: int = 1
    length: int = 32

    @property
    def box_inputs(self) -> frozenset[str]:
        """Decoder inputs that say something of boxes."""
        return frozenset(n for n in (self.boxes, self.box_labels, self.box_masks) if n)


LAYOUTS: tuple[Sam3Layout, ...] = (
    Sam3Layout(
        "N",
        "samexporter, X-AnyLabeling, osam",
        needs=("language_mask", "language_features"),
        tokens="tokens",
        attention="",
        pad_with_end=False,
        text={
            "language_mask": "text_attention_mask",
            "language_features": "text_memory",
            "language_embeds": "text_embeds",
        },
        boxes="box_coords",
        box_labels="box_labels",
        box_masks="box_masks",
        slots_first=True,
    ),
    Sam3Layout(
        "Nu",
        "usls in three files, with SAM 3's own language encoder or LiteText's",
        needs=("fpn_feat_0", "text_features"),
        tokens="input_ids",
        attention="attention_mask",
        pad_with_end=True,
        text={"text_features": "text_features", "text_mask": "text_mask"},
        boxes="input_boxes",
        box_labels="input_boxes_labels",
        no_box=-10,
    ),
    Sam3Layout(
        "Ne",
        "EfficientSAM3, whose language encoder reads 16 tokens",
        needs=("fpn_feat_0", "text_features"),
        tokens="input_ids",
        attention="attention_mask",
        pad_with_end=False,
        text={"text_features": "text_features", "text_mask": "text_mask"},
        boxes="input_boxes",
        box_labels="input_boxes_labels",
        no_box=-10,
        length=16,
    ),
    Sam3Layout(
        "Nu4",
        "usls in four files, used without the geometry encoder",
        needs=("fpn_feat_0", "prompt_features"),
        tokens="input_ids",
        attention="attention_mask",
        pad_with_end=True,
        text={"prompt_features": "text_features", "prompt_mask": "text_mask"},
    ),
)

SIZE_INPUTS = ("original_height", "original_width")


@dataclass(frozen=True, slots=True)
class Sam3Contract:
    """What the three files of one model agree on.

    Parameters
    ----------
    encoder : EncoderContract
        How a plane enters the image encoder.
    layout : Sam3Layout
        The row that the files follow.
    embeddings : tuple of str
        Decoder inputs that the image encoder fills.
    text : mapping of str to str
        The part of ``layout.text`` that this decoder takes.
    slots : int or None
        Boxes that the decoder takes; None where any number will do, 0 where it takes none.
    """

    encoder: EncoderContract
    layout: Sam3Layout
    embeddings: tuple[str, ...]
    text: Mapping[str, str]
    slots: int | None

    @property
    def name(self) -> str:
        """The two letters, such as "E18 + N"."""
        return f"{self.encoder.name} + {self.layout.name}"
