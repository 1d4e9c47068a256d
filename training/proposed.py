"""Ask how many objects hold a proposal, by their size, and what a look twice as large brings.

    python proposed.py --data DATA --model MODEL --kind packed

An object without a peak of the centre map (stride 4) is lost to automatic masks whatever follows.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from data import Picture, read_real
from evaluate import matching
from onnx_pair import Embedded, Pair
from propose import automatic, encode, peaks

SIZES = (0, 8, 12, 20, 10_000)  # pixels of the encoder's input, equivalent diameter
LARGEST = 2500  # pixels of the longer side that are encoded


def report(pair: Pair, e: Embedded, picture: Picture) -> str:
    """Peaks, the share of objects that hold one, that share by size, and automatic masks."""
    points, _, _ = peaks(e)
    at = np.round(points).astype(int)
    areas = np.bincount(picture.labels.ravel())
    held = np.bincount(picture.labels[at[:, 1], at[:, 0]], minlength=len(areas)) > 0
    ids = np.flatnonzero(areas >= 12)
    ids = ids[ids > 0]
    side = np.sqrt(areas[ids] * 1.273) * e.scale[0]
    shares = [
        f"{held[ids][(side >= low) & (side < high)].mean():.2f}"
        if ((side >= low) & (side < high)).any()
        else "-"
        for low, high in itertools.pairwise(SIZES)
    ]
    match = matching(automatic(pair, e), picture.labels)
    return (
        f"x{e.scale[0]:.1f}: {len(points)} peaks, {held[ids].mean():.2f} of {len(ids)} objects "
        f"({' '.join(shares)}), mSA {match.mean():.3f}, AP@0.5 {match[0]:.3f}"
    )


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--model", type=Path, required=True)
    p.add_argument("--kind", default="", help="only kinds whose name begins so")
    p.add_argument("--pictures", type=int, default=4, help="per kind")
    args = p.parse_args()
    pair, count = Pair(args.model), {}
    for picture in read_real(args.data, "final"):
        count.setdefault(picture.kind, 0)
        if not (picture.held and picture.kind.startswith(args.kind)):
            continue
        count[picture.kind] += 1
        if count[picture.kind] <= args.pictures and picture.labels.any():
            e = encode(pair, picture.image)
            print(picture.kind, picture.name, report(pair, e, picture), flush=True)
            if 2 * max(picture.labels.shape) * e.scale[0] <= LARGEST:
                larger = pair.encode(picture.image, 2 * e.scale[0])
                print(" " * len(picture.kind), report(pair, larger, picture), flush=True)


if __name__ == "__main__":
    main()
