"""What one row of the tables of contracts says: how one kind of file is fed and read.

Values only. A row states what a client must do; the tables are in `contracts`, `detect` fills
in what a file's own metadata says (names and sizes), and `OnnxModel` acts on the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FLOWS_CONTRACT = "O"
"""Networks without prompts, whose one graph `FlowModel` runs; they have no row."""

Triple = tuple[float, float, float]


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
