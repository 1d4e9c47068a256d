"""Fit the gate of a joined pair: which of two models suits a picture.

    python gate.py measure --data DATA --cache CACHE --first ROUND --second SHAPES --rows ROWS
    python gate.py fit --data DATA --cache CACHE --first ROUND --rows ROWS --out gate.json

``measure`` asks both models about objects of pictures that were trained on and of drawn ones (a
CACHE of another seed than the training's) and notes what the second one brings. It goes on where
it stopped. ``fit`` shows the same pictures, in several sizes and in parts, to the first encoder's
first layers and finds the plane between the statistics of those that gain and of those that lose.
Pictures count by how much they gain or lose, losses more. It prints what the gate does to kinds of
pictures that it was not fitted to.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
from data import Picture, input_scale, read_real, read_simulated
from evaluate import deepest, full, iou
from onnx import TensorProto, helper
from onnx_pair import Pair
from propose import encode
from scipy.optimize import minimize

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS = {
    "s4": "/encoder/s4/s4.1/Relu_output_0",
    "s8": "/encoder/s8/s8.2/Relu_output_0",
    "s16": "/encoder/s16/s16.3/Relu_output_0",
    "s32": "/encoder/s32/s32.2/Relu_output_0",
}
LOOKS = (1.0, 0.5, 2.0)  # sizes of a picture, by the resize rule's
PARTS = 2  # squares cut from each picture
LARGEST = 2048  # pixels of the encoder's input


class Statistics:
    """What a gate sees of a picture: mean and deviation of the channels of some levels."""

    def __init__(self, folder: Path, levels: tuple[str, ...], threads: int = 1) -> None:
        model = onnx.load(folder / "encoder.onnx")
        del model.graph.output[:]
        for level in levels:
            value = helper.make_tensor_value_info(LEVELS[level], TensorProto.FLOAT, None)
            model.graph.output.append(value)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = ort.InferenceSession(model.SerializeToString(), options)

    def __call__(self, image: NDArray[np.uint8], scale: float) -> NDArray[np.float64]:
        """Return the statistics of a picture that is scaled first, level after level."""
        h, w = image.shape[:2]
        size = (max(1, round(w * scale)), max(1, round(h * scale)))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        x = cv2.resize(image, size, interpolation=how) if scale != 1 else image
        maps = self.session.run(None, {"image": np.ascontiguousarray(x)})
        flat = [m[0].reshape(m.shape[1], -1) for m in maps]
        return np.concatenate([v for m in flat for v in (m.mean(1), m.std(1))]).astype(float)


def answers(pair: Pair, picture: Picture, masks: list[NDArray[np.bool_]]) -> list[list[float]]:
    """IoU of one click and of a box on each of some objects."""
    points = np.array([deepest(m) for m in masks], np.float32)[:, None]
    spans = [(np.nonzero(m.any(0))[0], np.nonzero(m.any(1))[0]) for m in masks]
    boxes = [[(x[0] - 0.5, y[0] - 0.5), (x[-1] + 0.5, y[-1] + 0.5)] for x, y in spans]
    e, n = encode(pair, picture.image), len(masks)
    click = pair.decode(e, points, np.ones((n, 1), np.float32))
    box = pair.decode(e, np.array(boxes, np.float32), np.tile(np.float32([2, 3]), (n, 1)))
    return [[iou(full(a, k, e), m) for k, m in enumerate(masks)] for a in (click, box)]


def pictures_of(args: argparse.Namespace) -> tuple[list[Picture], list[str]]:
    """Return pictures that may be fitted to, and the group that each belongs to."""
    pictures = [p for p in read_real(args.data, "final") if not p.held]
    pictures += read_simulated(args.cache)
    return pictures, [p.kind if p.group == "sim" else p.group for p in pictures]


def measure(args: argparse.Namespace) -> None:
    """Write a row for every picture; groups take turns, so that it may be stopped."""
    everything, groups = pictures_of(args)
    turns = [groups[:i].count(group) for i, group in enumerate(groups)]
    order = [i for i in np.argsort(turns, kind="stable") if turns[i] < args.pictures]
    known = set()
    if args.rows.exists():
        known = {json.loads(line)["name"] for line in args.rows.open()}
    pairs = [Pair(folder, args.threads) for folder in (args.first, args.second)]
    with args.rows.open("a") as out:
        for i in order:
            p = everything[i]
            ids = np.flatnonzero(np.bincount(p.labels.ravel()) >= 12)
            ids = np.random.default_rng(0).permutation(ids[ids > 0])[: args.objects]
            if p.name in known or len(ids) == 0:
                continue
            masks = [p.labels == k for k in ids]
            row = {"name": p.name, "answers": [answers(pair, p, masks) for pair in pairs]}
            out.write(json.dumps(row) + "\n")
            out.flush()


def looks_at(image: NDArray[np.uint8], rng: np.random.Generator) -> list[tuple[Any, float]]:
    """Sizes and parts of a picture that a gate may be shown, with the scale of each."""
    h, w = image.shape[:2]
    scale = input_scale(h, w)
    shown = [(image, scale * look) for look in LOOKS if max(h, w) * scale * look <= LARGEST]
    for _ in range(PARTS):
        side = int(rng.uniform(0.4, 0.8) * min(h, w))
        y, x = rng.integers(h - side + 1), rng.integers(w - side + 1)
        part = np.rot90(image[y : y + side, x : x + side], int(rng.integers(4)))
        shown.append((np.ascontiguousarray(part), scale))
    return shown


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Looks at pictures: what a gate sees (N, D), gains, shares, kinds, whether it is whole."""

    seen: NDArray[np.float64]
    gain: NDArray[np.float64]
    share: NDArray[np.float64]
    kind: NDArray[np.str_]
    whole: NDArray[np.bool_]

    def some(self, which: NDArray[np.bool_]) -> Rows:
        """Return a part of the rows."""
        return Rows(*(getattr(self, name)[which] for name in self.__slots__))


def read_rows(args: argparse.Namespace) -> Rows:
    """Read what ``measure`` wrote, and look at the pictures."""
    told = {r["name"]: r["answers"] for r in map(json.loads, args.rows.open())}
    pictures, groups = pictures_of(args)
    here = [(p, g) for p, g in zip(pictures, groups, strict=True) if p.name in told]
    count = Counter(g for _, g in here)
    see, rng = Statistics(args.first, tuple(args.levels)), np.random.default_rng(0)
    rows = []
    for p, group in here:
        (click, box), (new_click, new_box) = (both[:2] for both in told[p.name])
        more = np.mean(np.subtract(new_click, click) + np.subtract(new_box, box)) / 2
        for k, (image, scale) in enumerate(looks_at(p.image, rng)):
            share = 1 / np.sqrt(count[group])
            rows.append((see(image, scale), more, share, p.kind, k == 0))
    return Rows(*(np.array(column) for column in zip(*rows, strict=True)))


def plane(
    rows: Rows, penalty: float, losses: float, unsure: float
) -> tuple[NDArray[np.float64], float]:
    """Weights and bias of a logistic regression in which pictures count by their gain.

    Parameters
    ----------
    rows : Rows
    penalty : float
        On the squared weights of standardised statistics.
    losses : float
        How much more a loss counts than a gain.
    unsure : float
        What a picture that neither gains nor loses counts as: a loss so large.
    """
    middle, spread = rows.seen.mean(0), rows.seen.std(0) + 1e-3
    x = (rows.seen - middle) / spread
    gains = rows.gain > unsure
    cost = rows.share * np.where(gains, rows.gain, losses * (unsure - rows.gain))
    cost /= cost.sum()
    sign = np.where(gains, 1.0, -1.0)

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (x @ w[:-1] + w[-1])
        value = (cost * np.logaddexp(0, -margin)).sum() + penalty * (w[:-1] ** 2).sum()
        slope = -cost * sign / (1 + np.exp(margin))
        return value, np.append(slope @ x + 2 * penalty * w[:-1], slope.sum())

    w = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B").x
    weights = w[:-1] / spread
    return weights, float(w[-1] - weights @ middle)


def fit(args: argparse.Namespace) -> None:
    """Fit, print what it does to kinds that were left out, write the gate."""
    rows = read_rows(args)
    settings = (args.penalty, args.losses, args.unsure)
    print("| kind | pictures | gain of the second | taken, kind left out | gain | taken | gain |")
    print("|-|-|-|-|-|-|-|")
    weights, bias = plane(rows, *settings)
    for kind in sorted(set(rows.kind)):
        part = rows.some((rows.kind == kind) & rows.whole)
        cells = [kind, str(len(part.gain)), f"{part.gain.mean():+.3f}"]
        for w, b in (plane(rows.some(rows.kind != kind), *settings), (weights, bias)):
            taken = part.seen @ w + b - args.margin > 0
            cells += [f"{taken.mean():.2f}", f"{(part.gain * taken).mean():+.3f}"]
        print("| " + " | ".join(cells) + " |")
    told = {
        "levels": [LEVELS[level] for level in args.levels],
        "weights": [float(f"{w:.6g}") for w in weights],
        "bias": round(bias - args.margin, 6),
    }
    args.out.write_text(json.dumps(told) + "\n", encoding="utf-8")


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    commands = p.add_subparsers(dest="command", required=True)
    one = commands.add_parser("measure")
    one.add_argument("--second", type=Path, required=True, help="folder of the other pair")
    one.add_argument("--pictures", type=int, default=14, help="of a group, at most")
    one.add_argument("--objects", type=int, default=8, help="of a picture, at most")
    one.add_argument("--threads", type=int, default=1)
    other = commands.add_parser("fit")
    other.add_argument("--levels", nargs="+", choices=list(LEVELS), default=["s4"])
    other.add_argument("--penalty", type=float, default=1e-3)
    other.add_argument("--losses", type=float, default=3.0)
    other.add_argument("--unsure", type=float, default=0.01)
    other.add_argument("--margin", type=float, default=1.0, help="how sure")
    other.add_argument("--out", type=Path, required=True)
    for command in (one, other):
        command.add_argument("--data", type=Path, required=True)
        command.add_argument("--cache", type=Path, required=True, help="drawn, of another seed")
        command.add_argument("--first", type=Path, required=True, help="folder of a pair")
        command.add_argument("--rows", type=Path, required=True, help="file of measured pictures")
    args = p.parse_args()
    (measure if args.command == "measure" else fit)(args)


if __name__ == "__main__":
    main()
