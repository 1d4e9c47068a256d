"""Draw the training curves of one or more runs.

    python curves.py RUN/log.csv [RUN2/log.csv ...] --out curves.png

Runs are drawn one after the other, as they were trained.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

PANELS = {
    "mean IoU on training crops": ["click", "box", "round1", "round2", "round3"],
    "losses": ["mask", "maps", "boxes", "kin"],
    "error of the predicted IoU": ["rate"],
}


def read(path: Path) -> list[dict[str, float]]:
    """Read the lines of a log: step, seconds, then ``name=value``."""
    rows = []
    for line in path.read_text().splitlines():
        step, seconds, *rest = line.split(",")
        row = {k: float(v) for k, v in (r.split("=") for r in rest)}
        rows.append(row | {"step": float(step), "minutes": float(seconds) / 60})
    return rows


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("logs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    figure, axes = plt.subplots(1, len(PANELS), figsize=(12, 3.4), layout="constrained")
    start = 0.0
    for log in args.logs:
        rows = read(log)
        for axis, (title, names) in zip(axes, PANELS.items(), strict=True):
            for k, name in enumerate(names):
                points = [(start + r["minutes"], r[name]) for r in rows if name in r]
                if points:
                    known = axis.get_legend_handles_labels()[1]
                    label = None if name in known else name
                    axis.plot(*zip(*points, strict=True), color=f"C{k}", label=label, lw=1)
            axis.set(title=title, xlabel="minutes")
            axis.axvline(start, color="0.85", lw=0.8, zorder=0)
        start += rows[-1]["minutes"]
    for axis in axes:
        axis.legend(fontsize=8)
    figure.savefig(args.out, dpi=90)


if __name__ == "__main__":
    main()
