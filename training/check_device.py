"""Compare crops made on a device with what ``data.py`` makes of the same labels.

    python check_device.py --pack PACK

Raises where foreground, extents, areas or boxes differ, or a click misses its object; prints how
far the centre map is off, whose distances are counted in rings.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from data import dense_targets, inner_distance
from device_crops import DeviceCrops, Store, read_pack
from scipy import ndimage

if TYPE_CHECKING:
    from prompts import Batch


def check_prompts(labels: np.ndarray, batch: Batch, rows: range) -> None:
    """Look at the prompts of one crop."""
    for k in rows:
        target = int(batch.target[k])
        if target <= 0:
            continue
        ys, xs = np.nonzero(labels == target)
        box = xs.min(), ys.min(), xs.max() + 1, ys.max() + 1
        np.testing.assert_allclose(batch.box[k], box)
        np.testing.assert_allclose(batch.area[k], len(ys))
        points = [*batch.spare[k], *batch.coords[k, 2:3][batch.labels[k, 2:3] == 1]]
        for x, y in torch.stack(points).round().long().clamp(0, labels.shape[0] - 1).tolist():
            if labels[y, x] != target:
                raise ValueError(f"A click of prompt {k} lies beside its object.")


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--pack", type=Path, required=True)
    p.add_argument("--batches", type=int, default=4)
    args = p.parse_args()
    torch.manual_seed(0)
    prompts = 6
    store = Store(*read_pack(args.pack), None, 0, 0.0, torch.device("cpu"))
    crops = DeviceCrops(store, argparse.Namespace(mild=0.5))
    off, objects = [], 0
    for _ in range(args.batches):
        (_, labels, objectness, extent), batch = crops.batch(256, 6, prompts)
        for k, crop in enumerate(labels.numpy().astype(np.uint16)):
            where = ndimage.find_objects(crop)
            objects += sum(w is not None for w in where)
            wanted, reach = dense_targets(crop, inner_distance(crop), where)
            got = objectness[k].numpy()
            known = got[1] >= 0
            np.testing.assert_allclose(got[1][known], wanted[1][known], atol=1e-5)
            np.testing.assert_allclose(extent[k], reach, atol=1e-3)
            off.append(np.abs(got[0] - wanted[0])[known & (wanted[1] > 0)].mean())
            check_prompts(crop, batch, range(k * prompts, (k + 1) * prompts))
    print(f"{objects} objects; the centre map is off by {np.nanmean(off):.3f} inside objects")


if __name__ == "__main__":
    main()
