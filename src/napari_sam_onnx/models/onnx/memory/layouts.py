"""How exports with a memory are laid out in graphs: two tables, and which file is which.

Such a model is four graphs and a table of numbers: an encoder, a decoder, one graph that turns
an answer into memory, and one that conditions a plane's features on what is remembered. In one
public layout the memory has any length; in the other it has one length, which is filled up, and a
fifth graph encodes how long ago an object was seen. Files are told apart by what they take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_onnx.models.model import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_onnx.models.onnx.sessions.runtime import Session

FINE, MIDDLE, COARSE = "feats0", "feats1", "feats2"
"""The encoder's three scales, under the names that all public exports give to them."""

ENCODER, DECODER, REMEMBER, RECALL, TIMES = "encoder", "decoder", "remember", "recall", "times"
"""What the graphs are for: the last three turn answers into memory, condition features on it, and
encode how long ago something was seen."""


ROLES = {
    ENCODER: "encoder",
    DECODER: "decoder",
    REMEMBER: "memory_encoder",
    RECALL: "memory_attention",
    TIMES: "times",
}
"""What cards call them."""


@dataclass(frozen=True, slots=True)
class MemoryLayout:
    """The names of inputs and outputs in one layout.

    Parameters
    ----------
    name, summary : str
        The layout's letter, and the exports that follow it.
    positions, start : str
        Encoder outputs: position encoding of the coarse features, and these features for planes
        without memory; "" where the client adds what is learned for that.
    conditioned : str
        Decoder input for the coarse features.
    masks, sharp, scores, pointer, presence : str
        Decoder outputs: logits, logits at the encoder's size, predicted IoU, the object's
        pointer, and the logit that the object is on the plane.
    features, mask, prompted : str
        Inputs of the graph that makes memory: features, logits, whether a user pointed here.
    tokens, token_positions : str
        Its outputs.
    memory : tuple of str
        Inputs of the graph that recalls: spatial memory and its positions; in a layout of any
        length also pointers and theirs.
    recalled : str
        Its output.
    """

    name: str
    summary: str
    positions: str
    start: str
    conditioned: str
    masks: str
    sharp: str
    scores: str
    pointer: str
    presence: str
    features: str
    mask: str
    prompted: str
    tokens: str
    token_positions: str
    memory: tuple[str, ...]
    recalled: str

    @property
    def any_length(self) -> bool:
        """Whether the memory may have any length; it is filled up otherwise."""
        return len(self.memory) == 4


CURRENT, CURRENT_POSITIONS = "current_vision_features", "current_vision_position_embeddings"
PRESENCE_IN, DIFFERENCES = "object_score_logits", "normalized_diffs"

LAYOUTS = (
    MemoryLayout(
        name="V4",
        summary="SAM 2.1, EdgeTAM and SAM 3 in four graphs, memory of any length",
        positions="pos2",
        start="",
        conditioned="feats2",
        masks="pred_masks",
        sharp="high_res_masks",
        scores="iou_scores",
        pointer="object_pointer",
        presence="object_score_logits",
        features="vision_features",
        mask="pred_masks_high_res",
        prompted="is_mask_from_pts",
        tokens="memory_tokens",
        token_positions="memory_pos_enc",
        memory=(
            "spatial_memory",
            "spatial_memory_position_embeddings",
            "pointer_memory",
            "pointer_memory_position_embeddings",
        ),
        recalled="conditioned_features",
    ),
    MemoryLayout(
        name="V5",
        summary="SAM 2.1 in five graphs, memory of one length",
        positions="vision_pos_embed",
        start="feats2_no_mem",
        conditioned="feats2_cond",
        masks="low_res_mask",
        sharp="high_res_mask",
        scores="iou",
        pointer="object_pointer",
        presence="object_score_logits",
        features="feats2",
        mask="high_res_mask",
        prompted="binarize",
        tokens="memory_tokens",
        token_positions="memory_pos",
        memory=("memory", "memory_pos"),
        recalled="conditioned_feats",
    ),
)


def has_memory(sessions: Sequence[Session]) -> bool:
    """Whether one of several graphs recalls what was seen on other planes."""
    return any(CURRENT in _inputs(session) for session in sessions)


def sort_graphs(sessions: Sequence[Session]) -> tuple[MemoryLayout, dict[str, Session]]:
    """Tell the graphs of a model with a memory, in any order.

    Returns
    -------
    layout : MemoryLayout
    graphs : dict of str to Session
        By what they are for, such as `ENCODER`.

    Raises
    ------
    ModelError
        If a graph is missing, occurs twice or is none of them, or speaks another language.
    """
    graphs: dict[str, Session] = {}
    for session in sessions:
        role = _tell(session)
        if not role:
            inputs = ", ".join(str(spec) for spec in session.inputs)
            raise ModelError(
                f"{session.path.name} is no part of a model with a memory; it takes {inputs}."
            )
        if role in graphs:
            both = f"{graphs[role].path.name} and {session.path.name}"
            raise ModelError(f"{both} are for the same; a model with a memory has one of each.")
        graphs[role] = session
    if RECALL not in graphs:
        raise ModelError("None of the graphs recalls what was seen on other planes.")
    names = _inputs(graphs[RECALL])
    layout = next((row for row in LAYOUTS if set(row.memory) <= names), None)
    if layout is None:
        raise ModelError(
            f"{graphs[RECALL].path.name} recalls in a way that is not known: it takes "
            f"{', '.join(sorted(names))}."
        )
    wanted = [ENCODER, DECODER, REMEMBER, *([] if layout.any_length else [TIMES])]
    for role in wanted:
        if role not in graphs:
            raise ModelError(f"A model of the kind {layout.name} also has {_WORDS[role]}.")
    _check_names(layout, graphs)
    return layout, graphs


_WORDS = {
    ENCODER: "a vision encoder",
    DECODER: "a mask decoder",
    REMEMBER: "a memory encoder",
    TIMES: "a graph for the time that passed, pointer_tpos",
}


def _tell(session: Session) -> str:
    names = _inputs(session)
    if CURRENT in names:
        return RECALL
    if "input_points" in names:
        return DECODER
    if DIFFERENCES in names:
        return TIMES
    if any(row.mask in names and row.features in names for row in LAYOUTS):
        return REMEMBER
    outputs = {spec.name for spec in session.outputs}
    if len(names) == 1 and {FINE, MIDDLE, COARSE} <= outputs:
        return ENCODER
    return ""


def _check_names(layout: MemoryLayout, graphs: dict[str, Session]) -> None:
    """Refuse graphs that lack what the layout names, before anything runs."""
    wanted = {
        ENCODER: ((), (layout.positions, *filter(None, [layout.start]))),
        DECODER: (
            (FINE, MIDDLE, layout.conditioned, "input_labels"),
            (layout.masks, layout.sharp, layout.scores, layout.pointer, layout.presence),
        ),
        REMEMBER: (
            (layout.features, layout.mask, layout.prompted),
            (layout.tokens, layout.token_positions),
        ),
        RECALL: ((CURRENT, CURRENT_POSITIONS, *layout.memory), (layout.recalled,)),
    }
    for role, (taken, given) in wanted.items():
        session = graphs[role]
        outputs = {spec.name for spec in session.outputs}
        lacks = [name for name in taken if name not in _inputs(session)]
        lacks += [name for name in given if name not in outputs]
        if lacks:
            raise ModelError(
                f"{session.path.name} is not as the layout {layout.name} wants it: "
                f"{', '.join(lacks)} is missing."
            )


def _inputs(session: Session) -> set[str]:
    return {spec.name for spec in session.inputs}
