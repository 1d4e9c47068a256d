"""Three files in the layouts of SAM 3's exports, whose answers are known.

The encoder hands the picture on. The language encoder hands the tokens on. The decoder knows
the words red, green and blue: the objects it answers with are where that channel is bright,
in the left half, in the right half, and both, with scores 0.6, 0.9 and 0.3. A positive box
cuts off what lies outside it, a negative one what lies inside. Every score is 0 where the
tokens are not start mark, one word, end mark, and the padding that the layout asks for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tests.models.onnx_graph import Graph

if TYPE_CHECKING:
    from pathlib import Path

SIDE, CELLS, LENGTH = 48, 24, 32
WORDS = ("red", "green", "blue")
SCORES = (0.6, 0.9, 0.3)
FAR = 100.0


@dataclass(frozen=True)
class Sam3Plan:
    """What to build."""

    layout: str = "N"
    masks: str = "bool"
    """"bool" at the size asked for, "probabilities" or "logits" at the model's own."""
    image_dtype: str = "uint8"
    slots: int | str = 1
    presence: float = 20.0
    """Logit of the probability that the word names anything, where masks are logits."""
    fails: bool = False
    """Whether scores are no numbers."""

    @property
    def is_usls(self) -> bool:
        return self.layout != "N"

    @property
    def length(self) -> int:
        return 16 if self.layout == "Ne" else LENGTH


def write_tokenizer(path: Path, kind: str = "clip") -> Path:
    """A tokenizer that knows the letters and the three words, with marks of its own.

    It asks for cutting, filling up and marks, as public files do; ours must do without.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    start, end = ("<|startoftext|>", "<|endoftext|>") if kind == "clip" else ("[CLS]", "[SEP]")
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)] + ["."]
    pieces, merges = [], []
    for word in WORDS:
        right = word[-1] + "</w>"
        for letter in reversed(word[:-1]):
            merges.append((letter, right))
            right = letter + right
            pieces.append(right)
    known = [*letters, *(letter + "</w>" for letter in letters), *dict.fromkeys(pieces), start, end]
    vocabulary = {piece: number for number, piece in enumerate(known)}
    model = models.BPE(vocabulary, merges, end_of_word_suffix="</w>")
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $0 {end}", special_tokens=[(m, vocabulary[m]) for m in (start, end)]
    )
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8, pad_id=5)
    tokenizer.save(str(path))
    return path


def token_of(path: Path, piece: str) -> int:
    return json.loads(path.read_text())["model"]["vocab"][piece]


def build_sam3(folder: Path, plan: Sam3Plan) -> tuple[Path, Path, Path]:
    """Write image encoder, language encoder, decoder and tokenizer.json."""
    tokenizer = write_tokenizer(folder / "tokenizer.json")
    marks = [token_of(tokenizer, mark) for mark in ("<|startoftext|>", "<|endoftext|>")]
    words = [token_of(tokenizer, word + "</w>") for word in WORDS]
    return (
        _build_encoder(folder / "image_encoder.onnx", plan),
        _build_language_encoder(folder / "language_encoder.onnx", plan),
        _build_decoder(folder / "decoder.onnx", plan, marks, words),
    )


def _build_encoder(path: Path, plan: Sam3Plan) -> Path:
    graph = Graph()
    if plan.is_usls:
        x = graph.take("images", (1, 3, SIDE, SIDE))
        names = ("fpn_feat_0", "fpn_feat_1", "fpn_feat_2", "fpn_pos_2")
    else:
        x = graph.cast(graph.take("image", (3, SIDE, SIDE), plan.image_dtype))
        x = graph.add("Unsqueeze", x, graph.constant([0], "int64"))
        if plan.image_dtype == "uint8":
            x = graph.add("Sub", graph.add("Div", x, graph.constant(127.5)), graph.constant(1.0))
        names = ("backbone_fpn_0", "backbone_fpn_1", "backbone_fpn_2", "vision_pos_enc_2")
    for name, cells in zip(names, (CELLS, CELLS // 2, CELLS // 4, CELLS // 4), strict=True):
        stride = SIDE // cells
        pooled = graph.add(
            "AveragePool", x, kernel_shape=[stride, stride], strides=[stride, stride]
        )
        graph.give(pooled, name, (1, 3, cells, cells))
    return graph.save(path)


def _build_language_encoder(path: Path, plan: Sam3Plan) -> Path:
    graph = Graph()
    if plan.is_usls:
        length = plan.length
        ids = graph.take("input_ids", (1, length), "int64")
        if plan.layout == "Ne":  # it looks for the padding itself, and its mask is True there
            mask = graph.add("Equal", ids, graph.constant(0, "int64"))
        else:
            mask = graph.cast(graph.take("attention_mask", (1, length), "int64"), "bool")
        features = graph.reshape(graph.cast(ids), (1, length, 1))
        graph.give(features, "text_features", (1, length, 1))
        graph.give(mask, "text_mask", (1, length), "bool")
    else:
        tokens = graph.take("tokens", (1, LENGTH), "int64")
        absent = graph.add("Equal", tokens, graph.constant(0, "int64"))
        features = graph.reshape(graph.cast(tokens), (LENGTH, 1, 1))
        graph.give(absent, "text_attention_mask", (1, LENGTH), "bool")
        graph.give(features, "text_memory", (LENGTH, 1, 1))
        graph.give(features, "text_embeds", (LENGTH, 1, 1))
    return graph.save(path)


def _build_decoder(path: Path, plan: Sam3Plan, marks: list[int], words: list[int]) -> Path:
    graph = Graph()
    picture = "fpn_feat_0" if plan.is_usls else "backbone_fpn_0"
    graph.take(picture, (1, 3, CELLS, CELLS))
    position = "fpn_pos_2" if plan.is_usls else "vision_pos_enc_2"
    graph.take(position, (1, 3, CELLS // 4, CELLS // 4))
    ids, count = _take_text(graph, plan)
    known = _all(
        graph,
        graph.add("Equal", graph.part(ids, 0, 0, 1), graph.constant([marks[0]])),
        graph.add("Equal", graph.part(ids, 0, 2, 3), graph.constant([marks[1]])),
        graph.add("Equal", count, graph.constant(3.0)),
        _is_padded(graph, ids, 0 if plan.layout in ("N", "Ne") else marks[1], plan.length),
    )
    chosen = graph.cast(graph.add("Equal", graph.part(ids, 0, 1, 2), graph.constant(words)))
    weights = graph.reshape(chosen, (1, 3, 1, 1))
    bright = graph.over("ReduceSum", graph.add("Mul", picture, weights), 1)  # (1, 24, 24)
    bright = graph.add("Mul", bright, graph.constant(8.0))
    left = np.where(np.arange(CELLS) < CELLS // 2, FAR, -FAR)
    halves = np.stack([left, -left, np.full(CELLS, FAR)])[:, None, :]  # (3, 1, 24)
    objects = graph.add("Min", bright, graph.constant(halves))
    if plan.layout != "Nu4":
        objects = graph.add("Min", objects, _draw_boxes(graph, plan))
    _give_answers(graph, plan, objects, known)
    return graph.save(path)


def _take_text(graph: Graph, plan: Sam3Plan) -> tuple[str, str]:
    """The tokens (32,) and how many of them are no padding."""
    if not plan.is_usls:
        mask = graph.take("language_mask", (1, LENGTH), "bool")
        features = graph.take("language_features", (LENGTH, 1, 1))
        absent = graph.over("ReduceSum", graph.cast(mask), 1)
        count = graph.add("Sub", graph.constant(float(LENGTH)), absent)
    else:
        prefix = "prompt" if plan.layout == "Nu4" else "text"
        mask = graph.take(f"{prefix}_mask", (1, plan.length), "bool")
        features = graph.take(f"{prefix}_features", (1, plan.length, 1))
        count = graph.over("ReduceSum", graph.cast(mask), 1)
        if plan.layout == "Ne":
            count = graph.add("Sub", graph.constant(float(plan.length)), count)
    return graph.reshape(features, (plan.length,)), count


def _is_padded(graph: Graph, ids: str, pad: int, length: int) -> str:
    right = graph.cast(graph.add("Equal", graph.part(ids, 0, 3, length), graph.constant(pad)))
    return graph.add("Equal", graph.over("ReduceMin", right, 0, keep=True), graph.constant(1.0))


def _all(graph: Graph, *conditions: str) -> str:
    """1.0 where all hold, as a tensor of one number."""
    product = graph.constant([1.0])
    for condition in conditions:
        product = graph.add("Mul", product, graph.cast(condition))
    return product


def _draw_boxes(graph: Graph, plan: Sam3Plan) -> str:
    """(24, 24): positive where every box agrees."""
    slots = plan.slots
    if plan.is_usls:
        coords = graph.take("input_boxes", (1, slots, 4))
        labels = graph.cast(graph.take("input_boxes_labels", (1, slots), "int64"))
        absent = graph.cast(graph.add("Equal", labels, graph.constant(-10.0)))
    else:
        coords = graph.take("box_coords", (slots, 1, 4))
        labels = graph.cast(graph.take("box_labels", (slots, 1), "int64"))
        absent = graph.cast(graph.take("box_masks", (1, slots), "bool"))
    parts = graph.reshape(coords, (-1, 4, 1, 1))
    cx, cy, w, h = (graph.part(parts, 1, index, index + 1) for index in range(4))
    centres = (np.arange(CELLS) + 0.5) / CELLS
    insides = []
    for grid, centre, extent in (
        (centres[None, None, None, :], cx, w),
        (centres[None, None, :, None], cy, h),
    ):
        half = graph.add("Mul", extent, graph.constant(0.5))
        away = graph.add("Abs", graph.add("Sub", graph.constant(grid), centre))
        insides.append(graph.add("Sub", half, away))
    inside = graph.add("Mul", graph.add("Min", *insides), graph.constant(float(CELLS)))
    sign = graph.add("Sub", graph.add("Mul", labels, graph.constant(2.0)), graph.constant(1.0))
    signed = graph.add("Mul", inside, graph.reshape(sign, (-1, 1, 1, 1)))
    ignored = graph.add("Mul", graph.reshape(absent, (-1, 1, 1, 1)), graph.constant(FAR))
    # what an absent box says must not count, whatever its coordinates and label are
    shown = graph.add("Max", signed, graph.add("Sub", ignored, graph.constant(FAR / 2)))
    worst = graph.over("ReduceMin", shown, 0)  # (1, 24, 24)
    return graph.add("Mul", worst, graph.constant(8.0))


def _give_answers(graph: Graph, plan: Sam3Plan, objects: str, known: str) -> None:
    """Give what the layout gives; `objects` are logits (3, 24, 24)."""
    scores = graph.add("Mul", graph.constant(SCORES), known)
    if plan.fails:
        scores = graph.add("Div", graph.constant([0.0, 0.0, 0.0]), graph.constant([0.0, 0.0, 0.0]))
    if plan.masks == "logits":
        odds = np.log(np.array(SCORES) / (1 - np.array(SCORES)))
        refused = graph.add(
            "Mul", graph.add("Sub", known, graph.constant([1.0])), graph.constant(FAR)
        )
        logits = graph.add("Add", graph.constant(odds), refused)
        if plan.is_usls:
            graph.give(graph.reshape(logits, (1, 3)), "pred_logits", (1, 3))
            presence = "presence_logits"
        else:
            graph.give(graph.reshape(logits, (1, 3, 1)), "pred_logits", (1, 3, 1))
            presence = "presence_logit_dec"
        graph.give(graph.constant([[plan.presence]]), presence, (1, 1))
        graph.give(graph.constant(np.zeros((1, 3, 4))), "pred_boxes", (1, 3, 4))
        masks = graph.reshape(objects, (1, 3, CELLS, CELLS))
        graph.give(masks, "pred_masks", (1, 3, CELLS, CELLS))
        return
    graph.give(graph.constant(np.zeros((3, 4))), "boxes", (3, 4))
    graph.give(scores, "scores", (3,))
    masks = graph.reshape(objects, (3, 1, CELLS, CELLS))
    if plan.masks == "probabilities":
        graph.give(graph.add("Sigmoid", masks), "masks", (3, 1, CELLS, CELLS))
        return
    sides = [graph.take(name, (), "int64") for name in ("original_height", "original_width")]
    sizes = graph.add(
        "Concat",
        graph.constant([3, 1], "int64"),
        *(graph.reshape(side, (1,)) for side in sides),
        axis=0,
    )
    grown = graph.add("Resize", masks, "", "", sizes, mode="linear")
    shown = graph.add("Greater", grown, graph.constant(0.0))
    graph.give(shown, "masks", ("n", 1, "h", "w"), "bool")
