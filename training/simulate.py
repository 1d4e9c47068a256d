"""Simulated pictures of what the shared data lack, written to a cache of ``.npz`` files.

    python simulate.py --out CACHE --count 60 --seed 0

Responsible for what is drawn: which shapes (``shapes.py``) with which looks (``looks.py``) in which
sizes, and the scenes of ``scenes.py``. One file per kind holds ``images`` (n, S, S, 3) uint8 and
``labels`` (n, S, S) uint16.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from looks import (
    SIZE,
    Image,
    Rng,
    bodies,
    brightfield,
    cells_with_nuclei,
    electron,
    flat,
    fluorescence,
    membranes,
    phase,
    relief,
    smear,
    stain,
    two_channels,
)
from scenes import filaments, microcolony, neurons, yeast_colony
from shapes import Labels, blobs, discs, rods, spread_cells, tiling, yeast
from tissue import blood, crowds, fibres, localisations, neurites, tissue, two_stains

if TYPE_CHECKING:
    from numpy.typing import NDArray

Look = Callable[[Labels, Rng, float], Image]
# kind: shapes, looks, range of diameters
KINDS: dict[str, tuple[list[Callable[..., Labels]], list[Look], tuple[float, float]]] = {
    "nuclei": ([blobs], [fluorescence], (8, 90)),
    "puncta": ([discs, blobs], [fluorescence, fluorescence, two_channels], (5, 11)),
    "large": (
        [spread_cells, blobs],
        [fluorescence, phase, cells_with_nuclei, brightfield],
        (90, 260),
    ),
    "rods": ([rods], [phase, brightfield, fluorescence, phase, membranes], (9, 36)),
    "yeast": ([yeast], [brightfield, phase, relief, fluorescence], (16, 70)),
    "phase": ([spread_cells], [phase], (40, 130)),
    "brightfield": ([blobs, discs, spread_cells], [brightfield, relief], (15, 90)),
    "tissue": ([tiling], [membranes], (18, 90)),
    "em": ([tiling], [electron], (30, 150)),
    "bodies": ([blobs], [bodies], (18, 70)),
    "stain": ([blobs], [stain], (12, 60)),
    "smear": ([blobs], [smear], (12, 50)),
    "channels": ([blobs, spread_cells], [two_channels, cells_with_nuclei], (15, 100)),
    "flat": ([blobs, discs, spread_cells, tiling], [flat, relief], (15, 150)),
}

SCENES: dict[str, Callable[[Rng], tuple[Image, Labels]]] = {
    "microcolony": microcolony,
    "yeast_colony": yeast_colony,
    "filaments": filaments,
    "neurons": neurons,
    "dense_tissue": tissue,
    "crowds": crowds,
    "localisations": localisations,
    "blood": blood,
    "fibres": fibres,
    "neurites": neurites,
    "two_stains": two_stains,
}


def shape_of(kind: str, rng: Rng) -> tuple[Labels, float]:
    """Draw a label map and its typical diameter."""
    makers, _, (low, high) = KINDS[kind]
    diameter = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    make = makers[rng.integers(len(makers))]
    if make is blobs:
        rough, long = float(rng.uniform(0.03, 0.25)), float(rng.uniform(1.1, 1.8))
        labels = blobs(rng, SIZE, diameter, rough, long, float(rng.uniform(0.08, 0.9)))
    elif make is tiling:
        labels = tiling(rng, SIZE, diameter, float(rng.uniform(0.5, 1.0) if kind == "em" else 0.3))
    else:
        labels = make(rng, SIZE, diameter)
    return labels, diameter


def picture(kind: str, rng: Rng) -> tuple[NDArray[np.uint8], Labels]:
    """Draw one simulated picture and its labels."""
    labels = np.zeros((SIZE, SIZE), np.uint16)
    while labels.max() == 0:
        if kind in SCENES:
            x, labels = SCENES[kind](rng)
        else:
            labels, diameter = shape_of(kind, rng)
            if labels.max():
                looks = KINDS[kind][1]
                x = looks[rng.integers(len(looks))](labels, rng, diameter)
    if x.ndim == 2:
        x = np.repeat(x[..., None], 3, 2)
    return (np.clip(x, 0, 1) * 255).astype(np.uint8), labels


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=60, help="pictures of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=[*KINDS, *SCENES], help="not all kinds")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for k, kind in enumerate([*KINDS, *SCENES]):
        if args.kinds and kind not in args.kinds:
            continue
        rng = np.random.default_rng([args.seed, k])
        made = [picture(kind, rng) for _ in range(args.count)]
        images, labels = (np.stack(x) for x in zip(*made, strict=True))
        path = args.out / f"{kind}_{args.seed}.npz"
        np.savez_compressed(path, images=images, labels=labels, kind=kind)
        print(f"{kind}: {args.count} pictures, {sum(int(x.max()) for x in labels)} objects")


if __name__ == "__main__":
    main()
