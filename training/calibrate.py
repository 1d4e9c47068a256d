"""Ask whether a monotone remapping of the predicted IoU would bring it nearer to the truth.

    python calibrate.py OUT/WEIGHTS_40/rows.json

Reads what ``report.py`` measured. A scale and a shift of the logit, which could be folded into the
last layers of the decoder, are fitted to all kinds but one and tried on that one; ``itself`` is
what the best remapping of that kind alone would reach.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

import numpy as np
from evaluate import KINDS

PROMPTS = ["anywhere", "box", "click", "plus_1", "plus_2"]  # in the order of ``predicted``


def remapped(predicted: np.ndarray, scale: float, shift: float) -> np.ndarray:
    """Scale and shift the logits of predictions."""
    p = np.clip(predicted, 1e-3, 1 - 1e-3)
    return 1 / (1 + np.exp(-(scale * np.log(p / (1 - p)) + shift)))


def error(parts: list[np.ndarray], scale: float, shift: float) -> float:
    """Mean over kinds of the mean absolute error; each part holds predicted and reached."""
    return float(np.mean([np.abs(remapped(p, scale, shift) - t).mean() for p, t in parts]))


def fit(parts: list[np.ndarray]) -> tuple[float, float]:
    """Best scale and shift on a grid."""
    grid = itertools.product(np.arange(0.6, 1.61, 0.1), np.arange(-1, 1.01, 0.1))
    return min(grid, key=lambda g: error(parts, *g))


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("rows", type=Path)
    args = p.parse_args()
    found: dict[str, list[np.ndarray]] = {}
    for row in json.loads(args.rows.read_text()):
        scores = row["scores"]
        if row["held"] != "tune" and "click" in scores:
            reached = np.concatenate([scores[name] for name in PROMPTS])
            both = np.stack([scores["predicted"], reached])
            found.setdefault(f"{KINDS.get(row['kind'], row['kind'])} ({row['held']})", []).append(
                both
            )
    kinds = {k: np.concatenate(v, 1) for k, v in found.items()}
    print(
        "| kind | answers | bias | error | fitted to the others | fitted to itself |\n|-|-|-|-|-|-|"
    )
    for kind, part in kinds.items():
        others = fit([q for k, q in kinds.items() if k != kind])
        errors = [error([part], *g) for g in ((1.0, 0.0), others, fit([part]))]
        figures = " | ".join(f"{e:.3f}" for e in errors)
        print(f"| {kind} | {part.shape[1]} | {(part[0] - part[1]).mean():+.3f} | {figures} |")


if __name__ == "__main__":
    main()
