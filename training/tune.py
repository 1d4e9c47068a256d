"""Choose the thresholds of automatic masks on trained pictures, never on held-out ones.

    python tune.py --data DATA --model MODEL --kind fluorescence

Every picture is encoded and its peaks are decoded once; thresholds are then tried on the answers.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from data import read_real
from evaluate import matching
from onnx_pair import Pair
from propose import assemble, encode, peaks


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--model", type=Path, required=True)
    p.add_argument("--kind", default="")
    p.add_argument("--pictures", type=int, default=6, help="per acquisition group")
    p.add_argument("--scale", type=float)
    args = p.parse_args()
    pair, count, runs = Pair(args.model), {}, []
    for q in read_real(args.data, "final"):
        if q.held or not q.kind.startswith(args.kind):
            continue
        count[q.group] = count.get(q.group, 0) + 1
        if count[q.group] > args.pictures:
            continue
        e = encode(pair, q.image, args.scale)
        points, heights, _ = peaks(e, 0.1)
        if len(points):
            answer = pair.decode(e, points[:, None], np.ones((len(points), 1), np.float32))
            runs.append((e, heights, answer, q.labels))
    print(f"{len(runs)} pictures: centre, rating, overlap, mSA, AP@0.5")
    for centre, rating, overlap in itertools.product(
        (0.3, 0.4, 0.5), (0.5, 0.55, 0.6, 0.65), (0.3, 0.5)
    ):
        scores = [
            matching(assemble(a, e, h > centre, rating, overlap), truth) for e, h, a, truth in runs
        ]
        mean = np.mean(scores, 0)
        print(f"{centre} {rating} {overlap} {mean.mean():.3f} {mean[0]:.3f}")


if __name__ == "__main__":
    main()
