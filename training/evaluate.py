"""Measure an ONNX pair on held-out pictures; the table of MODEL_CARD.md.

    python evaluate.py --data DATA --model MODEL --split final --overlays OUT

Means over objects for prompts (one object, one vote), over pictures for automatic masks. Pictures
held out as "tune" have labels that a machine made: they choose, they do not count.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from data import Picture, read_real, read_simulated
from onnx_pair import Answer, Array, Embedded, Pair, paste
from propose import CENTRE_THRESHOLD, OVERLAP, RATING_THRESHOLD, automatic, encode
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

THRESHOLDS = np.arange(0.5, 1.0, 0.05)
KINDS = {
    "fluorescence_gray": "fluorescence",
    "stain_purple_on_purple_rgb": "purple on purple",
    "stain_purple_on_white_rgb": "purple on white",
    "HE_pink_rgb": "H&E",
    "brightfield_gray": "brightfield",
    "phase": "phase contrast",
    "bacteria": "bacteria, single",
    "codex": "tissue, 3 channels",
    "eggs": "egg chambers",
    "membrane_rods": "membrane rods",
    "packed_rods": "packed rods",
    "volume_nuclei": "nuclei in volumes",
    "yeast_traps": "yeast in traps",
}


def deepest(mask: NDArray[np.bool_]) -> tuple[float, float]:
    """``(x, y)`` of the point farthest from the mask's border."""
    d = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(int(d.argmax()), d.shape)
    return float(x), float(y)


def full(answer: Answer, k: int, e: Embedded) -> NDArray[np.bool_]:
    """Return the k-th mask on the whole picture."""
    out = np.zeros(e.shape, bool)
    where, logits = paste(answer.logits[k], answer.windows[k], e)
    out[where] = logits > 0
    return out


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((a & b).sum() / max(1, (a | b).sum()))


def correction(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Click at the centre of the largest error: ``x, y, label``; label -1 where there is none."""
    parts, n = ndimage.label(mask ^ truth)
    if n == 0:
        return 0.0, 0.0, -1.0
    worst = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    x, y = deepest(worst)
    return x, y, float(truth[int(y), int(x)])


def prompt_scores(
    pair: Pair, e: Embedded, labels: NDArray[np.uint16], rng: np.random.Generator, most: int
) -> dict[str, list[float]]:
    """IoU of up to ``most`` objects per way of prompting, and the predicted IoU of one click."""
    ids = np.flatnonzero(np.bincount(labels.ravel()) >= 12)
    ids = ids[ids > 0]
    ids = np.sort(rng.permutation(ids)[:most])
    if ids.size == 0:
        return {}
    truths = [labels == i for i in ids]
    scores: dict[str, list[float]] = {}
    coords = np.zeros((len(ids), 3, 2), np.float32)
    tags = np.full((len(ids), 3), -1, np.float32)

    anywhere = coords.copy()
    boxes = np.zeros((len(ids), 2, 2), np.float32)
    for k, t in enumerate(truths):
        coords[k, 0], tags[k, 0] = deepest(t), 1
        ys, xs = np.nonzero(t)
        pick = rng.integers(len(ys))
        anywhere[k, 0] = xs[pick], ys[pick]
        boxes[k] = (xs.min() - 0.5, ys.min() - 0.5), (xs.max() + 0.5, ys.max() + 0.5)

    def note(name: str, answer: Answer) -> None:
        got = [iou(full(answer, k, e), t) for k, t in enumerate(truths)]
        scores[name] = got
        predicted = np.clip(answer.iou, 0, 1)
        scores.setdefault("iou_error", []).extend(np.abs(predicted - got).tolist())
        scores.setdefault("predicted", []).extend(predicted.tolist())

    note("anywhere", pair.decode(e, anywhere, tags))
    note("box", pair.decode(e, boxes, np.tile(np.float32([2, 3]), (len(ids), 1))))
    answer = pair.decode(e, coords, tags)
    note("click", answer)
    rows = np.arange(len(ids))
    best = np.zeros(len(ids), np.float32)
    for j in range(answer.all_iou.shape[1]):
        one = Answer(answer.all_logits[rows, j], answer.iou, answer.windows, answer.all_iou,
                     answer.all_logits)  # fmt: skip
        best = np.maximum(best, [iou(full(one, k, e), t) for k, t in enumerate(truths)])
    scores["best_of_3"] = best.tolist()
    for r in (1, 2):
        for k, t in enumerate(truths):
            x, y, tag = correction(full(answer, k, e), t)
            coords[k, r], tags[k, r] = (x, y), tag
        answer = pair.decode(e, coords, tags, answer)
        note(f"plus_{r}", answer)
    return scores


def background_scores(
    pair: Pair, e: Embedded, labels: NDArray[np.uint16], rng: np.random.Generator, count: int = 12
) -> list[float]:
    """Predicted IoU of ``count`` clicks at least 5 px away from every object."""
    far = cv2.distanceTransform((labels == 0).astype(np.uint8), cv2.DIST_L2, 3) >= 5
    ys, xs = np.nonzero(far)
    if len(ys) < 50:
        return []
    pick = rng.integers(len(ys), size=count)
    coords = np.stack([xs[pick], ys[pick]], 1).astype(np.float32)[:, None]
    return pair.decode(e, coords, np.ones((count, 1), np.float32)).iou.tolist()


def matching(labels: NDArray[np.int32], truth: NDArray[np.uint16]) -> NDArray[np.float64]:
    """TP/(TP+FP+FN) at every threshold of ``THRESHOLDS``."""
    n, m = int(truth.max()) + 1, int(labels.max()) + 1
    both = np.bincount(truth.ravel().astype(np.int64) * m + labels.ravel(), minlength=n * m)
    both = both.reshape(n, m)
    a, b = both.sum(1), both.sum(0)
    table = (both / np.maximum(a[:, None] + b[None] - both, 1))[1:, 1:]
    table = table[a[1:] > 0][:, b[1:] > 0]
    if 0 in table.shape:
        return np.full(len(THRESHOLDS), float(table.shape == (0, 0)))
    out = []
    for t in THRESHOLDS:
        hits = int((table.max(1) > t).sum())  # above 0.5 a match is unique
        out.append(hits / (sum(table.shape) - hits))
    return np.array(out)


def overlay(image: NDArray[np.uint8], labels: NDArray[np.int32], truth: Array) -> Array:
    """Picture with the truth's borders in green and ours in magenta, enlarged to at least 512."""
    k = max(1, round(512 / max(image.shape[:2])))
    big = np.kron(image, np.ones((k, k, 1), np.uint8))
    for map_, colour in ((truth, (0, 220, 0)), (labels, (255, 0, 255))):
        m = np.kron(map_, np.ones((k, k), map_.dtype))
        line = (m != np.roll(m, 1, 0)) | (m != np.roll(m, 1, 1))
        big[line] = colour
    return big


def measure(pair: Pair, pictures: list[Picture], args: argparse.Namespace) -> list[dict]:
    """One row of figures per picture."""
    rows = []
    for p in pictures:
        rng = np.random.default_rng(args.seed)
        e = encode(pair, p.image, args.scale)
        scores = prompt_scores(pair, e, p.labels, rng, args.objects)
        if not p.partial and p.labels.any():
            scores["background"] = background_scores(pair, e, p.labels, rng)
        labels = automatic(pair, e, args.centre, args.rating, args.overlap)
        match = matching(labels, p.labels)
        row = {
            "name": p.name,
            "kind": p.kind,
            "held": p.held,
            "mSA": match.mean(),
            "AP50": match[0],
        }
        rows.append(row | {"scores": scores})
        if args.overlays:
            args.overlays.mkdir(parents=True, exist_ok=True)
            low, high = np.percentile(p.image, (0.1, 99.9))
            shown = np.clip((p.image - low) / max(high - low, 1) * 255, 0, 255).astype(np.uint8)
            path = args.overlays / f"{match.mean():.3f}_{p.kind}_{p.name}.png"
            cv2.imwrite(str(path), overlay(shown, labels, p.labels)[..., ::-1])
    return rows


def table(rows: list[dict]) -> str:
    """Markdown table: means over objects for prompts, over pictures for automatic masks."""
    names = ["click", "anywhere", "best_of_3", "box", "plus_1", "plus_2", "iou_error", "background"]
    head = ["kind", "held out", "pictures", "objects", *names, "mSA", "AP50"]
    lines = ["| " + " | ".join(head) + " |", "|-" * len(head) + "|"]
    for kind, held in sorted({(r["kind"], r["held"]) for r in rows}):
        some = [r for r in rows if (r["kind"], r["held"]) == (kind, held)]
        cells = [KINDS.get(kind, kind), held or "no", str(len(some))]
        cells.append(str(sum(len(r["scores"].get("click", [])) for r in some)))
        for n in names:
            values = [v for r in some for v in r["scores"].get(n, [])]
            cells.append(f"{np.mean(values):.3f}" if values else "")
        cells += [f"{np.mean([r[n] for r in some]):.3f}" for n in ("mSA", "AP50")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--model", type=Path, required=True, help="folder of the ONNX pair")
    p.add_argument("--split", choices=["strict", "final"], default="final")
    p.add_argument("--part", choices=["held", "trained"], default="held", help="trained: to tune")
    p.add_argument("--kind", help="only kinds whose name begins so")
    p.add_argument("--simulated", type=Path, help="a cache made with another seed, measured too")
    p.add_argument("--objects", type=int, default=40, help="at most so many prompts per picture")
    p.add_argument("--pictures", type=int, default=1000, help="at most so many per kind and group")
    p.add_argument("--looks", type=int, default=2, help="1: no second look")
    p.add_argument("--scale", type=float, help="instead of the resize rule")
    p.add_argument("--centre", type=float, default=CENTRE_THRESHOLD)
    p.add_argument("--rating", type=float, default=RATING_THRESHOLD)
    p.add_argument("--overlap", type=float, default=OVERLAP)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--overlays", type=Path)
    p.add_argument("--json", type=Path)
    args = p.parse_args()
    count: dict[tuple[str, str], int] = {}
    pictures = []
    real = read_real(args.data, args.split)
    everything = [q for q in real if bool(q.held) == (args.part == "held")]
    if args.simulated:
        everything += read_simulated(args.simulated)
    for q in everything:
        if args.kind and not q.kind.startswith(args.kind):
            continue
        key = (q.kind, q.group)
        count[key] = count.get(key, 0) + 1
        if count[key] <= args.pictures:
            pictures.append(q)
    rows = measure(Pair(args.model, args.threads, args.looks), pictures, args)
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
