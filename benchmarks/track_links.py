"""How many links of tracks are right where every object is known.

    python -m benchmarks.track_links --data DATA

Simulated series: discs that wander, divide and are missing in some frames
(`tests/stacks/tracks/series.py`); links and divisions that are right, and others. Real series: the
truth's own labels, of every frame or of every second to fourth, so that objects move farther; with
and without what a model sees in them. A link is right where it joins an object of the truth
to the next frame in which that object is.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from benchmarks.timing import print_table
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.generators import drive
from napari_sam_onnx.models import load_model
from napari_sam_onnx.planes import ArrayLabels, ArrayPlanes
from napari_sam_onnx.stacks.tracks import TrackParameters
from napari_sam_onnx.stacks.tracks.follow import find_tracks
from napari_sam_onnx.stacks.tracks.link import link_tracks
from napari_sam_onnx.stacks.tracks.looks import describe_objects
from napari_sam_onnx.stacks.tracks.objects import measure_objects
from tests.stacks.tracks.series import simulate_series

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from napari_sam_onnx.models import Model
    from napari_sam_onnx.stacks.tracks.objects import FrameObjects

LOOKS = (0.0, 0.3, 1.0, 3.0)
ALL = {"min_frames": 1, "min_size": 0.0}


def list_links(objects: FrameObjects, numbers: NDArray[np.int64]) -> set[tuple[int, int]]:
    """List the rows that follow each other under one number."""
    links: set[tuple[int, int]] = set()
    for number in np.unique(numbers[numbers > 0]):
        rows = np.flatnonzero(numbers == number)
        rows = rows[np.argsort(objects.frames[rows], kind="stable")]
        links.update(zip(rows.tolist(), rows[1:].tolist(), strict=False))
    return links


def measure_simulated(seeds: Iterable[int]) -> None:
    """Print links and divisions of simulated series."""
    rows = []
    for seed in seeds:
        truth, parents, labels = simulate_series(seed)
        tracks = find_tracks(ArrayLabels(labels.astype(np.uint32), "TYX"), TrackParameters())
        objects = tracks.objects
        true_of = np.array([
            truth[t][labels[t] == label][0]
            for t, label in zip(objects.frames, objects.labels, strict=True)
        ])  # fmt: skip
        wanted, found = list_links(objects, true_of), list_links(objects, tracks.track)
        same = {int(n): int(true_of[tracks.track == n][0]) for n in tracks.ids}
        divided = {(same[child], same[mother]) for child, mother in tracks.parents.items()}
        rows.append([
            str(seed),
            f"{len(wanted & found)} of {len(wanted)}",
            str(len(found - wanted)),
            f"{len(divided & set(parents.items()))} of {len(parents)}",
            str(len(divided - set(parents.items()))),
        ])  # fmt: skip
    print_table(["series", "links", "wrong", "daughters", "wrong"], rows)


def measure_looks(model: Model, data: Path) -> None:
    """Print F1 of links on real series, by how much it counts what objects look like."""
    rows = []
    for folder in sorted(data.glob("timelapse_*")):
        frames = tifffile.imread(folder / "000_image.tif")
        truth = tifffile.imread(folder / "000_labels.tif").astype(np.int64)
        for step in (1, 2, 3, 4):
            some, labels = frames[::step], truth[::step]
            source = ArrayPlanes(some, "TYX")
            objects = measure_objects(labels.__getitem__, len(labels), 2)
            steps = describe_objects(
                objects,
                labels.__getitem__,
                lambda n, source=source: source.read((n,)),
                model,
                EmbeddingCache(),
            )
            objects = replace(objects, looks=drive(steps).looks)
            wanted = list_links(objects, objects.labels)
            for move in (0.6, 1.2, 2.5):
                scores = []
                for looks in LOOKS:
                    settings = TrackParameters(max_move=move, looks=looks, divide=0, **ALL)
                    found = list_links(objects, link_tracks(objects, settings).track)
                    scores.append(2 * len(wanted & found) / (len(wanted) + len(found)))
                cells = [f"{score:.3f}" for score in scores]
                rows.append([folder.name, str(step), f"{move}", *cells])
    print_table(["series", "frames apart", "max_move", *(f"looks {w:g}" for w in LOOKS)], rows)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, default=6)
    chosen = parser.parse_args()
    measure_simulated(range(chosen.seeds))
    if chosen.data:
        measure_looks(load_model("pebble"), chosen.data)


if __name__ == "__main__":
    main()
