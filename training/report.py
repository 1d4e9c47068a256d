"""Set a pair beside the one that ships: the table by kind, the rule, overlays, curves.

    python report.py --data DATA --today ../src/napari_sam_onnx/models/pebble --model NEW --out OUT

Writes ``table.md``, ``overlays.jpg`` (best, median and worst picture of every kind, the pair that
ships on the left of each) and, with ``--logs``, ``curves.png``. Measurements are kept in OUT by
the files' content, so a pair is measured once. The rule: a new pair ships if the mean over kinds
gains and no kind of ``WORKS`` loses more than 0.01 of one click, box or mSA.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from data import read_real
from evaluate import KINDS, measure
from onnx_pair import Pair
from propose import CENTRE_THRESHOLD, OVERLAP, RATING_THRESHOLD

COLUMNS = {"click": "one click", "box": "box", "plus_2": "two corrections"}
ERROR, BACKGROUND = "iou_error", "background"
WORKS = 0.7  # one click with the pair that ships, from which on a kind is said to work
FEW = 10  # objects under which a kind's figure says nothing about a loss
LOSS = 0.01
SEEN, SIDE = 640, 320  # pixels of an overlay that a tile shows, and of the tile

Rows = list[dict]


def content(folder: Path) -> str:
    """Short hash of a pair's files."""
    digest = hashlib.sha256()
    for name in ("encoder.onnx", "decoder.onnx"):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:12]


def measured(folder: Path, args: argparse.Namespace) -> Rows:
    """Measure a pair on the held-out pictures, or read what was measured before."""
    where = args.out / f"{content(folder)}_{args.objects}"
    kept = where / "rows.json"
    if not kept.exists():
        pictures = [p for p in read_real(args.data, args.split) if p.held]
        settings = argparse.Namespace(
            scale=None, centre=CENTRE_THRESHOLD, rating=RATING_THRESHOLD, overlap=OVERLAP,
            overlays=where, objects=args.objects, seed=0,
        )  # fmt: skip
        rows = measure(Pair(folder, args.threads), pictures, settings)
        kept.write_text(json.dumps(rows))
    rows = json.loads(kept.read_text())
    keep = {"even": 0, "odd": 1}.get(args.part)
    if keep is not None:
        count: dict[str, int] = {}
        for row in rows:
            row["place"] = count.get(row["kind"], 0)
            count[row["kind"]] = row["place"] + 1
        rows = [r for r in rows if count[r["kind"]] == 1 or r["place"] % 2 == keep]
    return [row | {"overlays": where} for row in rows]


def pairs(today: Rows, new: Rows, name: str) -> np.ndarray:
    """(N, 2) figures of the same prompts or pictures with both pairs."""
    if name in ("mSA", "AP50"):
        both = [(a[name], b[name]) for a, b in zip(today, new, strict=True)]
    else:
        both = [
            pair
            for a, b in zip(today, new, strict=True)
            for pair in zip(a["scores"].get(name, []), b["scores"].get(name, []), strict=True)
        ]
    return np.array(both, float).reshape(-1, 2)


def cell(both: np.ndarray) -> str:
    """Today's mean, the new one, and the standard error of the difference."""
    if not len(both):
        return ""
    before, after = both.mean(0)
    if len(both) < 2:
        return f"{before:.3f} → {after:.3f}"
    error = (both[:, 1] - both[:, 0]).std(ddof=1) / np.sqrt(len(both))
    return f"{before:.3f} → {after:.3f} ± {error:.3f}"


def compare(today: Rows, new: Rows) -> str:
    """Markdown: the table by kind with both pairs, the means over kinds, the rule."""
    heads = ["kind", "held out", "pictures", "objects", *COLUMNS.values()]
    heads += ["error of the predicted IoU", "predicted on background", "mSA", "AP@0.5"]
    lines = ["| " + " | ".join(heads) + " |", "|-" * len(heads) + "|"]
    means: dict[str, list[np.ndarray]] = {}
    losses = []
    for kind, held in sorted({(r["kind"], r["held"]) for r in today}):
        parts = [
            [r for r in rows if (r["kind"], r["held"]) == (kind, held)] for rows in (today, new)
        ]
        names = [*COLUMNS, ERROR, BACKGROUND, "mSA", "AP50"]
        figures = {n: pairs(*parts, n) for n in names}
        count = len(figures["click"])
        label = KINDS.get(kind, kind)
        cells = [label, held, str(len(parts[0])), str(count), *(cell(figures[n]) for n in names)]
        lines.append("| " + " | ".join(cells) + " |")
        if held == "tune":
            continue
        for n in names:
            if len(figures[n]):
                means.setdefault(n, []).append(figures[n].mean(0))
        if count >= FEW and figures["click"][:, 0].mean() >= WORKS:
            for n in ("click", "box", "mSA"):
                before, after = figures[n].mean(0)
                if after < before - LOSS:
                    losses.append(f"{label} ({held}) {n} {after - before:+.3f}")
    both = {n: np.mean(v, 0) for n, v in means.items()}
    cells = ["mean over kinds", "", "", "", *(f"{a:.3f} → {b:.3f}" for a, b in both.values())]
    lines += ["| " + " | ".join(cells) + " |", ""]
    gains = all(both[n][1] > both[n][0] for n in ("click", "box", "mSA"))
    lines.append(f"Means gain: {'yes' if gains else 'no'}. Losses: {'; '.join(losses) or 'none'}.")
    return "\n".join(lines)


def tile(row: dict) -> np.ndarray:
    """Return the overlay of a picture with its score: a square from its middle."""
    path = next(row["overlays"].glob(f"*_{row['kind']}_{row['name']}.png"))
    image = cv2.imread(str(path))
    h, w = image.shape[:2]
    side = min(h, w, SEEN)
    top, left = (h - side) // 2, (w - side) // 2
    image = image[top : top + side, left : left + side]
    image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    text = f"{KINDS.get(row['kind'], row['kind'])[:16]} mSA {row['mSA']:.2f}"
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(image, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, width)
    return image


def page(today: Rows, new: Rows) -> np.ndarray:
    """Best, median and worst picture of every kind, by the new pair; both pairs side by side."""
    lines = []
    for kind in sorted({r["kind"] for r in new}):
        places = [k for k, r in enumerate(new) if r["kind"] == kind]
        places.sort(key=lambda k: -new[k]["mSA"])
        shown = dict.fromkeys((places[0], places[len(places) // 2], places[-1]))
        tiles = [tile(rows[k]) for k in shown for rows in (today, new)]
        tiles += [np.zeros_like(tiles[0])] * (6 - len(tiles))
        lines.append(np.concatenate(tiles, 1))
    return np.concatenate(lines)


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--today", type=Path, required=True, help="folder of the pair that ships")
    p.add_argument("--model", type=Path, required=True, help="folder of the new pair")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--split", choices=["strict", "final"], default="final")
    part = "every other picture of a kind: even to choose by, odd to report"
    p.add_argument("--part", choices=["all", "even", "odd"], default="all", help=part)
    p.add_argument("--objects", type=int, default=40, help="at most so many prompts per picture")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--logs", type=Path, nargs="+", help="log.csv of the runs, for the curves")
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    today, new = (measured(m, args) for m in (args.today, args.model))
    text = compare(today, new)
    print(text)
    (args.out / "table.md").write_text(text + "\n", encoding="utf-8")
    quality = [cv2.IMWRITE_JPEG_QUALITY, 80]
    cv2.imwrite(str(args.out / "overlays.jpg"), page(today, new), quality)
    if args.logs:
        curves = Path(__file__).with_name("curves.py")
        command = [sys.executable, str(curves), *map(str, args.logs)]
        subprocess.run([*command, "--out", str(args.out / "curves.png")], check=True)


if __name__ == "__main__":
    main()
