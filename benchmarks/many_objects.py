"""What comparing 20,000 objects with each other costs: ``python -m benchmarks.many_objects``.

Boxes in suppression, few of which overlap; blobs of which each holds the centres of some others;
and all that finding blobs takes on a plane of that many, most of which is filtering.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import ndimage

from benchmarks.timing import describe_milliseconds, print_table, time_processor
from napari_sam_onnx.automatic.finders.blobs import _keep_stronger, find_blobs
from napari_sam_onnx.masks.nms import suppress_overlapping


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=4096)
    given = parser.parse_args()
    random = np.random.default_rng(0)
    corners = random.uniform(0, given.side, (given.count, 2))
    boxes = np.concatenate([corners, corners + random.uniform(8, 40, (given.count, 2))], axis=1)
    scores = random.random(given.count)
    places = random.uniform(0, given.side, (given.count, 2))
    blobs = np.column_stack([places, random.uniform(4, 20, given.count)])
    plane = np.zeros((given.side, given.side), np.float32)
    step = given.side / int(given.count**0.5)
    grid = np.arange(step / 2, given.side, step).astype(int)
    plane[np.ix_(grid, grid)] = 1.0
    plane = ndimage.maximum_filter(plane, footprint=np.hypot(*np.mgrid[-8:9, -8:9]) <= 8)
    rgb = np.repeat((60 + 120 * plane).astype(np.uint8)[..., None], 3, axis=2)
    rows = []
    for name, run in (
        (f"suppress {given.count} boxes", lambda: suppress_overlapping(boxes, scores, 0.7)),
        (f"the stronger of {given.count} blobs", lambda: _keep_stronger(blobs, scores)),
        (f"find {len(grid) ** 2} blobs on {given.side}²", lambda: find_blobs(rgb, 6, 12)),
    ):
        left = len(run())
        rows.append([name, str(left), *describe_milliseconds(time_processor(run, 3))])
    print_table(["", "left", "processor, median ms", "fastest", "slowest"], rows)


if __name__ == "__main__":
    main()
