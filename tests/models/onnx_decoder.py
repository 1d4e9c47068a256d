"""A decoder that answers with geometry.

Around each click it draws the part of a disc (in pixels
of its own frame) where the embedding is as at the click; it cuts out discs around background
clicks, and everything outside a box. Its scores tell how many padding points it saw. A wrong
layout, range, padding, scale or order of coordinates therefore moves or changes the mask.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.models.onnx_encoder import SIDE
from tests.models.onnx_graph import Graph

if TYPE_CHECKING:
    from pathlib import Path

FAR = 1000.0  # a logit beyond every distance
PADDING_COUNTS = 0.001  # that each padding point adds to a score


@dataclass(frozen=True)
class Decoder:
    """What to build: see the fields of `DecoderContract` for the words."""

    embeddings: tuple[tuple[str, tuple[int | str, ...]], ...] = (
        ("image_embeddings", (1, 4, 8, 8)),
    )
    look: str = "image_embeddings"
    """The input, of those above, that holds the picture."""
    side: int = SIDE
    mask_side: int = 32
    points: str = "point_coords"
    labels: str = "point_labels"
    label_dtype: str = "float32"
    boxes: str = ""
    boxes_batch_first: bool = False
    boxes_unpadded: bool = False
    box_tensor_knows: bool = False
    """Whether corners in the tensor count although those among the points do not."""
    leading_axis: bool = False
    batch: str = "one"
    """"one": stated and not computed beyond; "hidden": stated 1, computes any; "open";
    "lying": stated open and not computed beyond 1."""
    mask_input: str = ""
    mask_batch: str = "one"
    size: str = ""
    size_dtype: str = "float32"
    points_in_size: bool = False
    pads: bool = False
    most_points: int = 0
    exact_points: int = 0
    knows: tuple[int, ...] = (0, 1, 2, 3)
    radii: tuple[float, ...] = (20.0, 28.0, 36.0, 44.0)
    scores: tuple[float, ...] = (1.5, 1.1, 1.2, 0.8)
    gains: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    outputs: tuple[str, ...] = ("masks", "iou_predictions", "low_res_masks")
    meanings: dict[str, str] = field(
        default_factory=lambda: {"masks": "plane", "iou_predictions": "scores"}
    )
    """What outputs hold: "scores", "plane" (nonsense at plane size), "bytes" (0 and 255 at
    plane size), "resized" (logits at plane size), "numbers" (a (B, M) array of no use);
    low resolution logits where nothing is said."""


def build_decoder(path: Path, plan: Decoder) -> Path:
    graph = Graph()
    looked = {name: graph.take(name, shape) for name, shape in plan.embeddings}[plan.look]
    size = graph.take(plan.size, (2,), plan.size_dtype) if plan.size else ""
    points, labels = _take_tokens(graph, plan, size)
    count = graph.side(points, 0)  # of prompts, as a tensor
    flag, mask = _take_mask(graph, plan, count)
    logits = _draw(graph, plan, looked, points, labels)
    if mask:
        logits = graph.add("Add", logits, graph.add("Mul", mask, flag))
    padding = graph.cast(graph.add("Equal", labels, graph.constant(-1.0)))
    padding = graph.over("ReduceSum", padding, 1, keep=True)
    scores = graph.add(
        "Add",
        graph.constant([plan.scores]),
        graph.add("Mul", padding, graph.constant(PADDING_COUNTS)),
    )
    for name in plan.outputs:
        _give(graph, plan, name, logits, scores, size)
    return graph.save(path)


def _take_tokens(graph: Graph, plan: Decoder, size: str) -> tuple[str, str]:
    """All tokens of each prompt: points (B, N, 2) from the outer corner, labels (B, N)."""
    batch: int | str = "prompts" if plan.batch in ("open", "lying") else 1
    lead = (1,) if plan.leading_axis else ()
    parts_p, parts_l = [], []
    if plan.points:
        number: int | str = plan.exact_points or "points"
        p = graph.take(plan.points, (*lead, batch, number, 2))
        p = _drop_lead(graph, p, plan)
        if plan.batch in ("one", "lying"):
            p = graph.reshape(p, (1, -1, 2))
        if plan.labels:
            given = graph.take(plan.labels, (*lead, batch, number), plan.label_dtype)
            given = graph.cast(_drop_lead(graph, given, plan))
        else:
            given = graph.add(
                "Add",
                graph.add("Mul", graph.part(p, 2, 0, 1), graph.constant(0.0)),
                graph.constant(1.0),
            )
            given = graph.add("Squeeze", given, graph.constant([2], "int64"))
        if plan.batch in ("one", "lying"):
            given = graph.reshape(given, (1, -1))
        if plan.most_points:
            p = graph.part(p, 1, 0, plan.most_points)
            given = graph.part(given, 1, 0, plan.most_points)
        parts_p, parts_l = [p], [given]
    if plan.boxes:
        shape = ("prompts", 1, 4) if plan.boxes_batch_first else (1, "boxes", 4)
        corners = graph.reshape(graph.take(plan.boxes, shape), (-1, 2, 2))
        corner_labels = graph.add(
            "Expand",
            graph.constant([[12.0, 13.0] if plan.box_tensor_knows else [2.0, 3.0]]),
            graph.add("Concat", graph.side(corners, 0), graph.constant([2], "int64"), axis=0),
        )
        if not plan.boxes_unpadded:
            corners, corner_labels = _append_padding(graph, corners, corner_labels)
        if plan.points:
            corners, corner_labels = _match_rows(graph, parts_p[0], corners, corner_labels)
        parts_p, parts_l = [*parts_p, corners], [*parts_l, corner_labels]
    points = graph.add("Concat", *parts_p, axis=1)
    labels = graph.add("Concat", *parts_l, axis=1)
    if plan.pads:
        points, labels = _append_padding(graph, points, labels)
    # A token that means nothing keeps reductions from running over nothing.
    points, labels = _append_padding(graph, points, labels, label=-5.0)
    points = graph.add("Add", points, graph.constant(0.5))
    if plan.points_in_size:
        height_width = graph.cast(size)
        backwards = graph.constant([1, 0], "int64")
        width_height = graph.add("Gather", height_width, backwards, axis=0)
        points = graph.add("Mul", points, graph.constant(float(plan.side)))
        points = graph.add("Div", points, width_height)
    return points, labels


def _match_rows(graph: Graph, points: str, corners: str, labels: str) -> tuple[str, str]:
    """Make no boxes into no tokens for each prompt, which Concat alone does not."""
    boxes = graph.side(corners, 0)
    rows = graph.add("Max", boxes, graph.side(points, 0))
    tokens = graph.add("Min", boxes, graph.constant([1], "int64"))
    tokens = graph.add("Mul", tokens, graph.side(corners, 1))
    two = graph.constant([2], "int64")
    shape = graph.add("Concat", rows, tokens, axis=0)
    deep = graph.add("Concat", rows, tokens, two, axis=0)
    return (
        graph.add("Reshape", corners, deep, allowzero=1),
        graph.add("Reshape", labels, shape, allowzero=1),
    )


def _drop_lead(graph: Graph, value: str, plan: Decoder) -> str:
    if not plan.leading_axis:
        return value
    return graph.add("Squeeze", value, graph.constant([0], "int64"))


def _append_padding(graph: Graph, points: str, labels: str, label: float = -1.0) -> tuple[str, str]:
    count = graph.side(points, 0)
    one = graph.constant([1], "int64")
    two = graph.constant([1, 2], "int64")
    nowhere = graph.add(
        "Expand", graph.constant([[[0.0, 0.0]]]), graph.add("Concat", count, two, axis=0)
    )
    nothing = graph.add(
        "Expand", graph.constant([[label]]), graph.add("Concat", count, one, axis=0)
    )
    return (
        graph.add("Concat", points, nowhere, axis=1),
        graph.add("Concat", labels, nothing, axis=1),
    )


def _take_mask(graph: Graph, plan: Decoder, count: str) -> tuple[str, str]:
    """The flag and the earlier mask, failing where the exports fail."""
    if not plan.mask_input:
        return "", ""
    each = plan.mask_batch == "each"
    m = plan.mask_side
    mask = graph.take(plan.mask_input, ("masks" if each else 1, 1, m, m))
    flag = graph.take("has_mask_input", ("masks" if each else 1,))
    if each:  # as SAM 2's, which fail where a prompt has no mask of its own
        # Reverses nothing, insists on a length for each mask, and is optimised by nobody.
        lengths = graph.add("Expand", graph.constant([1], "int64"), count)
        mask = graph.add("ReverseSequence", mask, lengths, batch_axis=0, time_axis=1)
    return flag, mask


def _draw(graph: Graph, plan: Decoder, looked: str, points: str, labels: str) -> str:
    """Logits (B, M, m, m): distances in pixels of the frame."""
    m, cell = plan.mask_side, plan.side / plan.mask_side
    centres = [(i + 0.5) * cell for i in range(m)]
    grid_x = graph.constant([[[centres]]])
    grid_y = graph.constant([[[[c] for c in centres]]])
    four = graph.constant([0, 0, 1, 1], "int64")
    x = graph.reshape(graph.part(points, 2, 0, 1), (0, 0, 1, 1))
    y = graph.reshape(graph.part(points, 2, 1, 2), (0, 0, 1, 1))
    label = graph.add("Reshape", labels, four)

    def is_label(value: int) -> str:
        if value not in plan.knows:  # 12 and 13 are the corners of a tensor of boxes
            return graph.add("Equal", label, graph.constant(value + 10.0))
        return graph.add("Equal", label, graph.constant(float(value)))

    dx, dy = graph.add("Sub", grid_x, x), graph.add("Sub", grid_y, y)
    squares = [graph.add("Mul", d, d) for d in (dx, dy)]
    distance = graph.add("Sqrt", graph.add("Add", *squares))  # (B, N, m, m)
    alike = _compare(graph, plan, looked, points)
    far, near = graph.constant(FAR), graph.constant(-FAR)
    box = graph.over("ReduceMin", _inside(graph, is_label, x, y, grid_x, grid_y), 1)
    has_positive = graph.over("ReduceMax", graph.cast(is_label(1)), 1)
    has_corner = graph.over("ReduceMax", graph.cast(is_label(2)), 1)
    said = graph.add("Greater", graph.add("Add", has_positive, has_corner), graph.constant(0.5))
    clicked = graph.add("Greater", has_positive, graph.constant(0.5))
    layers = []
    for radius, gain in zip(plan.radii, plan.gains, strict=True):
        disc = graph.add("Sub", graph.constant(radius), distance)
        shape = graph.add("Min", disc, alike)
        positive = graph.over("ReduceMax", graph.add("Where", is_label(1), shape, near), 1)
        positive = graph.add("Where", clicked, positive, far)
        negative = graph.add("Where", is_label(0), graph.add("Neg", disc), far)
        negative = graph.over("ReduceMin", negative, 1)
        layer = graph.add("Min", positive, negative, box)
        layer = graph.add("Where", said, layer, graph.constant(-5.0))
        limits = graph.constant(-32.0), graph.constant(32.0)
        layer = graph.add("Mul", graph.add("Clip", layer, *limits), graph.constant(gain))
        layers.append(graph.add("Unsqueeze", layer, graph.constant([1], "int64")))
    return graph.add("Concat", *layers, axis=1)


def _inside(graph, is_label, x: str, y: str, grid_x: str, grid_y: str) -> str:
    """Distance inside the edges that corners set, (B, N, m, m)."""
    far = graph.constant(FAR)
    start = graph.add("Min", graph.add("Sub", grid_x, x), graph.add("Sub", grid_y, y))
    end = graph.add("Min", graph.add("Sub", x, grid_x), graph.add("Sub", y, grid_y))
    return graph.add(
        "Min",
        graph.add("Where", is_label(2), start, far),
        graph.add("Where", is_label(3), end, far),
    )


def _compare(graph: Graph, plan: Decoder, looked: str, points: str) -> str:
    """Positive where the embedding is as it is at a point, (B, N, m, m)."""
    m = plan.mask_side
    shape = graph.constant([1, 3, m, m], "int64")
    colours = graph.part(looked, 1, 0, 3)
    colours = graph.add(
        "Resize",
        colours,
        "",
        "",
        shape,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    cell = graph.constant(plan.side / m)
    index = graph.add("Floor", graph.add("Div", points, cell))
    index = graph.add("Clip", index, graph.constant(0.0), graph.constant(m - 1.0))
    column, row = graph.part(index, 2, 0, 1), graph.part(index, 2, 1, 2)
    place = graph.add("Add", graph.add("Mul", row, graph.constant(float(m))), column)
    place = graph.cast(graph.add("Squeeze", place, graph.constant([2], "int64")), "int64")
    here = graph.add("Gather", graph.reshape(colours, (3, m * m)), place, axis=1)  # (3, B, N)
    here = graph.reshape(here, (0, 0, 0, 1, 1))
    difference = graph.add("Sub", graph.reshape(colours, (3, 1, 1, m, m)), here)
    worst = graph.over("ReduceMax", graph.add("Abs", difference), 0)
    return graph.add("Mul", graph.add("Sub", graph.constant(0.25), worst), graph.constant(100.0))


def _give(graph: Graph, plan: Decoder, name: str, logits: str, scores: str, size: str) -> None:
    kind = plan.meanings.get(name, "logits")
    batch: int | str = "prompts" if plan.batch == "open" else 1
    m, candidates = plan.mask_side, len(plan.radii)
    shape: tuple[int | str, ...] = (batch, candidates, m, m)
    value = logits
    if kind in ("scores", "numbers"):
        value, shape = scores, (batch, candidates)
    elif kind in ("plane", "bytes", "resized"):
        value = _give_at_plane_size(graph, kind, logits, size)
        shape = (batch, candidates, "height", "width")
    if plan.leading_axis and not name.startswith("unnamed"):
        value = graph.add("Unsqueeze", value, graph.constant([0], "int64"))
        shape = (1, *shape)
    graph.give(value, name, shape)


def _give_at_plane_size(graph: Graph, kind: str, logits: str, size: str) -> str:
    sides = graph.cast(size, "int64")
    shape = graph.add("Concat", graph.side(logits, 0), graph.side(logits, 1), sides, axis=0)
    if kind == "plane":  # true everywhere, so that whoever reads it gets a wrong mask
        return graph.add("Expand", graph.constant([[[[1.0]]]]), shape)
    if kind == "bytes":
        above = graph.cast(graph.add("Greater", logits, graph.constant(0.0)))
        logits = graph.add("Mul", above, graph.constant(255.0))
    return graph.add("Resize", logits, "", "", shape, mode="linear")
