"""Detectors whose answers are known: the rectangle that is bright in a channel, and its score.

The YOLO knows three classes, red, green and blue, with scores 0.9, 0.6 and 0.35, and repeats
the red box as class green at 0.5. Grounding DINO knows the same words; its score is 0.88
where the tokens are start mark, word, full stop, end mark and padding, and next to nothing
where they are not. Both see a channel as bright only in the range of values that their kind
expects, so that a wrong range, order of channels, resize rule or box format moves or loses
the box.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tests.models.onnx_graph import Graph
from tests.models.sam3_files import WORDS, token_of, write_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

YOLO_SCORES = (0.9, 0.6, 0.35)
FAR = 1e9


@dataclass(frozen=True)
class Yolo:
    """What to build."""

    side: int | str = 64
    rows: str = "classes"
    """"classes": (1, 4 + C, N); "finished": (1, N, 6); "v5": (1, N, 5 + C)."""
    states_shape: bool = True
    metadata: tuple[tuple[str, str], ...] = ()
    protos: bool = False
    score: float = 1.0
    """Factor of every score."""
    crowd: int = 0
    """More boxes of one pixel each, with scores falling from 0.3."""


@dataclass(frozen=True)
class Dino:
    """What to build."""

    layout: str = "hf"
    """"hf": Hugging Face's names; "authors": theirs."""
    sides: tuple[int | str, int | str] = ("h", "w")
    length: int | str = "tokens"
    fails: bool = False


def build_yolo(path: Path, plan: Yolo) -> Path:
    graph = Graph()
    picture = graph.take("images", (1, 3, plan.side, plan.side))
    bounds = [_find_rectangle(graph, picture, channel, 0.6, 1.5) for channel in range(3)]
    rows = []
    for channel, score in [*enumerate(YOLO_SCORES), (0, 0.5)]:
        classes = [0.0, 0.0, 0.0]
        classes[1 if score == 0.5 else channel] = score * plan.score
        rows.append(_row(graph, bounds[channel], classes, plan))
    for number in range(max(8, plan.crowd)):
        x, y = 2.0 * (number % 30) + 1, 2.0 * (number // 30) + 1
        sure = 0.3 - 0.0005 * number if plan.crowd else 0.0
        box = tuple(graph.constant([v]) for v in (x - 0.5, y - 0.5, x + 0.5, y + 0.5))
        rows.append(_row(graph, box, [sure, 0.0, 0.0], plan))
    table = graph.add("Concat", *(graph.reshape(row, (1, -1)) for row in rows), axis=0)
    if plan.rows == "classes":
        table = graph.add("Transpose", table, perm=[1, 0])
    width = {"classes": 7, "finished": 6, "v5": 8}[plan.rows]
    shape = (width, len(rows)) if plan.rows == "classes" else (len(rows), width)
    if plan.states_shape:
        graph.give(graph.reshape(table, (1, *shape)), "output0", (1, *shape))
    else:
        whole = graph.reshape(table, (1, *shape))
        graph.give(_hide_shape(graph, whole, picture), "output0", (1, "a", "b"))
    if plan.protos:
        graph.give(graph.constant(np.zeros((1, 32, 16, 16))), "output1", (1, 32, 16, 16))
    graph.save(path)
    _write_metadata(path, plan)
    return path


def _hide_shape(graph: Graph, table: str, picture: str) -> str:
    """Cut nothing off, at places that are known only when a picture comes."""
    zero = graph.add("Mul", graph.side(picture, 2), graph.constant([0], "int64"))
    for axis in (1, 2):
        stop = graph.add("Add", zero, graph.constant([FAR], "int64"))
        start = graph.constant([0], "int64")
        table = graph.add("Slice", table, start, stop, graph.constant([axis], "int64"))
    return table


def _write_metadata(path: Path, plan: Yolo) -> None:
    import onnx

    if plan.metadata:
        model = onnx.load(str(path))
        onnx.helper.set_model_props(model, dict(plan.metadata))
        onnx.save(model, str(path))


def _row(graph: Graph, box: tuple[str, ...], classes: list[float], plan: Yolo) -> str:
    x0, y0, x1, y1 = box
    half = graph.constant(0.5)
    if plan.rows == "finished":
        rest = graph.constant([max(classes), float(np.argmax(classes))])
        return graph.add("Concat", x0, y0, x1, y1, rest, axis=0)
    centres = [graph.add("Mul", graph.add("Add", a, b), half) for a, b in ((x0, x1), (y0, y1))]
    sides = [graph.add("Sub", b, a) for a, b in ((x0, x1), (y0, y1))]
    rest = graph.constant([*([1.0] if plan.rows == "v5" else []), *classes])
    return graph.add("Concat", *centres, *sides, rest, axis=0)


def _find_rectangle(
    graph: Graph, picture: str, channel: int, low: float, high: float
) -> tuple[str, ...]:
    """Edges (x0, y0, x1, y1) of what lies between two values, each a tensor of one number."""
    plane = graph.part(picture, 1, channel, channel + 1)
    lit = graph.add(
        "And",
        graph.add("Greater", plane, graph.constant(low)),
        graph.add("Less", plane, graph.constant(high)),
    )
    starts, stops = [], []
    for axis, other in ((3, 2), (2, 3)):
        line = graph.over("ReduceMax", graph.cast(lit), other)  # (1, 1, sides)
        there = graph.add("Greater", graph.add("Squeeze", line), graph.constant(0.0))
        length = graph.reshape(graph.side(picture, axis), ())
        steps = [graph.constant(value, "int64") for value in (0, 1)]
        index = graph.cast(graph.add("Range", steps[0], length, steps[1]))
        first = graph.add("Where", there, index, graph.constant(FAR))
        after = graph.add("Add", index, graph.constant(1.0))
        last = graph.add("Where", there, after, graph.constant(-FAR))
        starts.append(graph.over("ReduceMin", first, 0, keep=True))
        stops.append(graph.over("ReduceMax", last, 0, keep=True))
    return starts[0], starts[1], stops[0], stops[1]


def build_dino(path: Path, plan: Dino) -> Path:
    """Write the graph, and tokenizer.json beside it."""
    tokenizer = write_tokenizer(path.with_name("tokenizer.json"), "bert")
    words = [token_of(tokenizer, word + "</w>") for word in WORDS]
    marks = [token_of(tokenizer, mark) for mark in ("[CLS]", "[SEP]", ".</w>")]
    graph = Graph()
    hugging = plan.layout == "hf"
    picture = graph.take("pixel_values" if hugging else "img", (1, 3, *plan.sides))
    ids = graph.take("input_ids", (1, plan.length), "int64")
    conditions = [
        graph.add("Equal", graph.part(ids, 1, at, at + 1), graph.constant([[mark]], "int64"))
        for at, mark in ((0, marks[0]), (3, marks[1]), (2, marks[2]))
    ]
    graph.take("token_type_ids", (1, plan.length), "int64")
    read = graph.cast(
        graph.take("attention_mask", (1, plan.length), "int64" if hugging else "bool")
    )
    conditions.append(_sums_to(graph, read, 4.0))
    if hugging:
        mask = graph.cast(graph.take("pixel_mask", (1, *plan.sides), "int64"))
        seen = graph.over("ReduceMin", graph.reshape(mask, (-1,)), 0, keep=True)
        conditions.append(graph.add("Equal", seen, graph.constant([1.0])))
    else:
        pairs = graph.cast(graph.take("text_token_mask", (1, plan.length, plan.length), "bool"))
        self_seen = graph.cast(graph.reshape(graph.side(ids, 1), (1,)))
        both = graph.add(
            "Sub", graph.over("ReduceSum", graph.reshape(pairs, (-1,)), 0, keep=True), self_seen
        )
        conditions.append(graph.add("Equal", both, graph.constant([2.0])))
        places = graph.cast(graph.take("position_ids", (1, plan.length), "int64"))
        conditions.append(_sums_to(graph, places, 1.0))
    _give_dino(graph, plan, picture, ids, conditions, words)
    return graph.save(path)


def _sums_to(graph: Graph, values: str, total: float) -> str:
    whole = graph.over("ReduceSum", graph.reshape(values, (-1,)), 0, keep=True)
    return graph.add("Equal", whole, graph.constant([total]))


def _give_dino(
    graph: Graph, plan: Dino, picture: str, ids: str, conditions: list[str], words: list[int]
) -> None:
    known = graph.constant([1.0])
    for condition in conditions:
        known = graph.add("Mul", known, graph.reshape(graph.cast(condition), (1,)))
    word = graph.part(ids, 1, 1, 2)
    chosen = graph.cast(graph.add("Equal", word, graph.constant([words], "int64")))
    weights = graph.reshape(chosen, (1, 3, 1, 1))
    seen = graph.over("ReduceSum", graph.add("Mul", picture, weights), 1, keep=True)
    x0, y0, x1, y1 = _find_rectangle(graph, seen, 0, 1.0, 3.0)
    width, height = (graph.cast(graph.side(picture, axis)) for axis in (3, 2))
    box = [
        graph.add("Div", value, side)
        for value, side in (
            (graph.add("Mul", graph.add("Add", x0, x1), graph.constant(0.5)), width),
            (graph.add("Mul", graph.add("Add", y0, y1), graph.constant(0.5)), height),
            (graph.add("Sub", x1, x0), width),
            (graph.add("Sub", y1, y0), height),
        )
    ]
    sure = graph.add("Mul", graph.add("Sub", known, graph.constant([0.5])), graph.constant([4.0]))
    one = graph.reshape(sure, (1, 1, 1))
    # columns of logits: the start mark, the word, and minus infinity for all behind
    behind = graph.constant([[[-np.inf] * 6]])
    row = graph.add("Concat", graph.constant([[[-9.0]]]), one, behind, axis=2)
    if plan.fails:
        row = graph.add("Mul", row, graph.constant(0.0))
    low = graph.constant([[[-9.0] * 8]])
    hugging = plan.layout == "hf"
    graph.give(graph.add("Concat", row, low, axis=1), "logits", (1, 2, 8))
    boxes = graph.reshape(graph.add("Concat", *box, axis=0), (1, 1, 4))
    other = graph.constant([[[0.5, 0.5, 0.5, 0.5]]])
    both = graph.add("Concat", boxes, other, axis=1)
    graph.give(both, "pred_boxes" if hugging else "boxes", (1, 2, 4))
