"""A small model that remembers a colour: point at something, and it is found again by its colour.

Pictures of 64 pixels on a grid of 16. The decoder looks for the colour under the prompts, or for
the colour that the memory recalls; a plane without it answers that the object is absent. A memory
is the colour under the mask, cell by cell, and the recent ones weigh more; pointers weigh a little.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from tests.models.onnx_graph import Graph

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

SIDE, GRID, CHANNELS, WIDTH = 64, 16, 8, 4
CELLS = GRID * GRID
AGES = np.zeros((7, WIDTH), np.float32)
AGES[:6, 0] = -0.5 * np.arange(6)  # the plane before, the one before that, …
AGES[6, 0] = -3.0  # planes where the user pointed
START = np.eye(CHANNELS, dtype=np.float32)[7]  # marks a plane without memory

NAMES: dict[str, dict[str, Any]] = {
    "V4": {
        "positions": "pos2",
        "conditioned": "feats2",
        "answers": ("pred_masks", "high_res_masks", "iou_scores"),
        "remember": ("vision_features", "pred_masks_high_res", "is_mask_from_pts"),
        "token_positions": "memory_pos_enc",
        "recalled": "conditioned_features",
    },
    "V5": {
        "positions": "vision_pos_embed",
        "conditioned": "feats2_cond",
        "answers": ("low_res_mask", "high_res_mask", "iou"),
        "remember": ("feats2", "high_res_mask", "binarize"),
        "token_positions": "memory_pos",
        "recalled": "conditioned_feats",
    },
}


def build_memory_files(folder: Path, layout: str = "V4", **changes: Any) -> list[Path]:
    """Write the graphs and numbers of one layout.

    Parameters
    ----------
    folder : Path
    layout : {"V4", "V5"}
    changes : object
        Entries of constants.json to change; None leaves one out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = NAMES[layout]
    paths = [
        _encoder(folder / "vision_encoder.onnx", layout, names),
        _decoder(folder / "mask_decoder.onnx", names),
        _remember(folder / "memory_encoder.onnx", layout, names),
        _recall(folder / "memory_attention.onnx", layout, names),
    ]
    stated: dict[str, Any] = {
        "memory_temporal_positional_encoding": AGES.reshape(7, 1, 1, WIDTH).tolist()
    }
    if layout == "V5":
        paths.append(_times(folder / "pointer_tpos.onnx"))
    else:
        stated |= {
            "no_memory_embedding": START.reshape(1, 1, -1).tolist(),
            "enable_temporal_pos_encoding_for_object_pointers": False,
        }
    stated = {name: value for name, value in (stated | changes).items() if value is not None}
    constants = folder / "constants.json"
    constants.write_text(json.dumps(stated))
    return [*paths, constants]


def _encoder(path: Path, layout: str, names: dict[str, Any]) -> Path:
    graph = Graph()
    picture = graph.take("pixel_values", (1, 3, SIDE, SIDE))
    fine = graph.add("AveragePool", picture, kernel_shape=[4, 4], strides=[4, 4])
    middle = graph.add("AveragePool", picture, kernel_shape=[8, 8], strides=[8, 8])
    rest = graph.constant(np.zeros((1, CHANNELS - 3, GRID, GRID)))
    coarse = graph.add("Concat", fine, rest, axis=1)
    graph.give(fine, "feats0", (1, 3, GRID, GRID))
    graph.give(middle, "feats1", (1, 3, GRID // 2, GRID // 2))
    graph.give(coarse, "feats2", (1, CHANNELS, GRID, GRID))
    if layout == "V5":
        begun = graph.add("Add", coarse, graph.constant(START.reshape(1, -1, 1, 1)))
        graph.give(begun, "feats2_no_mem", (1, CHANNELS, GRID, GRID))
    else:
        graph.give(fine, "pos0", (1, 3, GRID, GRID))
    places = graph.constant(np.zeros((1, CHANNELS, GRID, GRID)))
    graph.give(places, names["positions"], (1, CHANNELS, GRID, GRID))
    return graph.save(path)


def _decoder(path: Path, names: dict[str, Any]) -> Path:
    graph = Graph()
    fine = graph.take("feats0", (1, 3, GRID, GRID))
    graph.take("feats1", (1, 3, GRID // 2, GRID // 2))
    cue = graph.take(names["conditioned"], (1, CHANNELS, GRID, GRID))
    points = graph.reshape(graph.take("input_points", (1, 1, "n", 2)), (-1, 2))
    labels = graph.reshape(graph.take("input_labels", (1, 1, "n"), "int32"), (-1, 1))
    click = graph.cast(graph.add("Equal", labels, graph.constant(1, "int32")))
    corner = graph.cast(graph.add("Greater", labels, graph.constant(1, "int32")))
    weights = graph.add("Add", click, graph.add("Mul", corner, graph.constant(0.5)))
    total = graph.over("ReduceSum", weights, 0)
    asked = graph.cast(graph.add("Greater", total, graph.constant(0.0)))
    place = graph.over("ReduceSum", graph.add("Mul", points, weights), 0)
    place = graph.add("Div", place, graph.add("Max", total, graph.constant(1e-6)))
    cell = graph.add("Floor", graph.add("Div", place, graph.constant(SIDE / GRID)))
    cell = graph.add("Max", cell, graph.constant(0.0))
    index = graph.add(
        "Add",
        graph.part(cell, 0, 0, 1),
        graph.add("Mul", graph.part(cell, 0, 1, 2), graph.constant(16.0)),
    )
    pixels = graph.reshape(fine, (3, CELLS))
    clicked = graph.add("Gather", pixels, graph.cast(index, "int64"), axis=1)
    cued = graph.over(
        "ReduceMean", graph.reshape(graph.part(cue, 1, 3, 6), (3, CELLS)), 1, keep=True
    )
    clicked, cued = (
        graph.add("Mul", clicked, asked),
        graph.add("Mul", cued, graph.add("Sub", graph.constant(1.0), asked)),
    )
    colour = graph.add("Add", clicked, cued)
    away = graph.add("Sub", pixels, colour)
    distance = graph.over("ReduceSum", graph.add("Mul", away, away), 0)
    logits = graph.add("Mul", graph.add("Sub", graph.constant(0.3), distance), graph.constant(20.0))
    presence = graph.over("ReduceMax", logits, 0, keep=True)
    there = graph.add("Greater", presence, graph.constant(0.0))
    low = graph.reshape(
        graph.add("Where", there, logits, graph.constant(-1024.0)), (1, 1, GRID, GRID)
    )
    sizes = graph.constant([1, 1, SIDE, SIDE], "int64")
    sharp = graph.add("Resize", low, "", "", sizes, mode="nearest")
    masks, high, scores = names["answers"]
    graph.give(low, masks, (1, 1, GRID, GRID))
    graph.give(sharp, high, (1, 1, SIDE, SIDE))
    graph.give(graph.constant([[0.9]]), scores, (1, 1))
    graph.give(graph.reshape(presence, (1, 1, 1)), "object_score_logits", (1, 1, 1))
    rest = graph.constant(np.ones((CHANNELS - 3, 1)))
    pointer = graph.reshape(graph.add("Concat", colour, rest, axis=0), (1, 1, CHANNELS))
    graph.give(pointer, "object_pointer", (1, 1, CHANNELS))
    return graph.save(path)


def _remember(path: Path, layout: str, names: dict[str, Any]) -> Path:
    graph = Graph()
    features, mask, pointed = names["remember"]
    coarse = graph.take(features, (1, CHANNELS, GRID, GRID))
    sharp = graph.take(mask, (1, 1, SIDE, SIDE))
    presence = graph.reshape(graph.take("object_score_logits", (1, 1)), (1,))
    if layout == "V5":
        certain = graph.take(pointed, ())
    else:
        certain = graph.cast(graph.take(pointed, (1,), "bool"))
    inside = graph.cast(graph.add("Greater", sharp, graph.constant(0.0)))
    small = graph.add("AveragePool", inside, kernel_shape=[4, 4], strides=[4, 4])
    rows = graph.add("Transpose", graph.reshape(coarse, (CHANNELS, CELLS)), perm=[1, 0])
    weights = graph.reshape(small, (CELLS, 1))
    there = graph.cast(graph.add("Greater", presence, graph.constant(0.0)))
    # what the user pointed at counts twice
    weights = graph.add("Mul", weights, graph.add("Add", there, graph.add("Mul", there, certain)))
    tokens = graph.add(
        "Concat", graph.add("Mul", graph.part(rows, 1, 0, 3), weights), weights, axis=1
    )
    graph.give(graph.reshape(tokens, (CELLS, 1, WIDTH)), "memory_tokens", (CELLS, 1, WIDTH))
    places = graph.constant(np.zeros((CELLS, 1, WIDTH)))
    graph.give(places, names["token_positions"], (CELLS, 1, WIDTH))
    return graph.save(path)


def _recall(path: Path, layout: str, names: dict[str, Any]) -> Path:
    graph = Graph()
    current = graph.take("current_vision_features", (CELLS, 1, CHANNELS))
    graph.take("current_vision_position_embeddings", (CELLS, 1, CHANNELS))
    if layout == "V5":
        rows = 7 * CELLS + 16 * 2
        both = graph.take("memory", (rows, 1, WIDTH)), graph.take("memory_pos", (rows, 1, WIDTH))
        spatial, spatial_at = (graph.part(name, 0, 0, 7 * CELLS) for name in both)
        pointers, pointers_at = (graph.part(name, 0, 7 * CELLS, rows) for name in both)
    else:
        spatial = graph.take("spatial_memory", ("s", 1, WIDTH))
        spatial_at = graph.take("spatial_memory_position_embeddings", ("s", 1, WIDTH))
        pointers = graph.take("pointer_memory", ("p", 1, WIDTH))
        pointers_at = graph.take("pointer_memory_position_embeddings", ("p", 1, WIDTH))
    seen, seen_weight = _weigh(graph, spatial, spatial_at)
    # each pointer is two tokens, the first of which begins with the colour
    first = graph.reshape(pointers, (-1, 2, WIDTH)), graph.reshape(pointers_at, (-1, 2, WIDTH))
    first = tuple(graph.reshape(graph.part(part, 1, 0, 1), (-1, 1, WIDTH)) for part in first)
    known, known_weight = _weigh(graph, *first, multiply=True)
    little = graph.constant(1e-3)
    colour = graph.add("Add", seen, graph.add("Mul", known, little))
    weight = graph.add("Add", seen_weight, graph.add("Mul", known_weight, little))
    colour = graph.add("Div", colour, graph.add("Max", weight, graph.constant(1e-6)))
    one = graph.constant(np.ones((CELLS, 1)))
    cue = graph.add("Mul", one, graph.reshape(colour, (1, 3)))
    rows_now = graph.reshape(current, (CELLS, CHANNELS))
    rest = graph.constant(np.zeros((CELLS, 2)))
    out = graph.add("Concat", graph.part(rows_now, 1, 0, 3), cue, rest, axis=1)
    if layout == "V5":
        out = graph.reshape(graph.add("Transpose", out, perm=[1, 0]), (1, CHANNELS, GRID, GRID))
        graph.give(out, names["recalled"], (1, CHANNELS, GRID, GRID))
    else:
        out = graph.reshape(out, (1, 1, CELLS, CHANNELS))
        graph.give(out, names["recalled"], (1, 1, CELLS, CHANNELS))
    return graph.save(path)


def _weigh(graph: Graph, tokens: str, places: str, *, multiply: bool = False) -> tuple[str, str]:
    """Sum colours and weights; ages are the first number of the positions."""
    age = graph.add("Exp", graph.part(places, 2, 0, 1))
    weight = graph.add("Mul", graph.part(tokens, 2, 3, 4), age)
    colours = graph.add("Mul", graph.part(tokens, 2, 0, 3), weight if multiply else age)
    return (
        graph.over("ReduceSum", graph.over("ReduceSum", colours, 0), 0),
        graph.over("ReduceSum", graph.over("ReduceSum", weight, 0), 0),
    )


def _times(path: Path) -> Path:
    graph = Graph()
    ages = graph.reshape(graph.take("normalized_diffs", (16,)), (16, 1))
    graph.give(graph.add("Concat", ages, ages, ages, ages, axis=1), "pointer_pos", (16, WIDTH))
    return graph.save(path)
