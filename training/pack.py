"""Pack pictures into one small file for training in a device's memory.

    python pack.py --data DATA --cache CACHE --out PACK --megabytes 50

Groups take turns until the file is full: rare ones are in it whole, of large ones a part. Large
pictures are cut into tiles. Reading it back needs numpy alone.
"""

from __future__ import annotations

import argparse
import json
import lzma
from pathlib import Path

import numpy as np
from data import Picture, input_scale, read_real, read_simulated
from data import weights as sampling_weights

TILE = 384
EMPTY = 0.02  # of a tile in objects, below which it is left out


def tiles(picture: Picture) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cut a picture into tiles that hold objects, each with labels numbered from 1."""
    h, w = picture.labels.shape
    found = []
    for y in range(0, max(1, h - TILE // 2), TILE):
        for x in range(0, max(1, w - TILE // 2), TILE):
            where = np.s_[max(0, min(y, h - TILE)) : y + TILE, max(0, min(x, w - TILE)) : x + TILE]
            labels = picture.labels[where]
            if (labels > 0).mean() >= EMPTY:
                ids, flat = np.unique(labels, return_inverse=True)
                number = np.cumsum(ids > 0) * (ids > 0)
                compact = number[flat.reshape(labels.shape)].astype(np.uint16)
                found.append((np.ascontiguousarray(picture.image[where]), compact))
    return found


def squeeze(image: np.ndarray, labels: np.ndarray) -> bytes:
    """Compress a tile: grey pictures as one channel, differences along rows."""
    grey = bool((image == image[..., :1]).all())
    flat = image[..., :1] if grey else image
    steps = np.diff(flat, axis=1, prepend=np.uint8(0))
    inner = np.diff(labels, axis=1, prepend=np.uint16(0))
    raw = steps.transpose(2, 0, 1).tobytes() + inner.tobytes()
    return lzma.compress(raw, preset=2)


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--cache", type=Path, help="folder that simulate.py filled")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--megabytes", type=float, default=50)
    p.add_argument("--simulated", type=float, default=0.4, help="share of drawn pictures")
    p.add_argument("--pictures", type=int, help="of a group, at most")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args()
    pictures = [q for q in read_real(args.data, "final") if not q.held]
    pictures += read_simulated(args.cache) if args.cache else []
    chance = sampling_weights(pictures, args.simulated)
    groups = [q.kind if q.group == "sim" else q.group for q in pictures]
    order, turns, count = np.random.default_rng(args.seed).permutation(len(pictures)), {}, {}
    for i in order:
        turns[i] = count.get(groups[i], 0)
        count[groups[i]] = turns[i] + 1
    facts, parts, size = [], [], 0
    for i in sorted(turns, key=turns.__getitem__):
        if args.pictures and turns[i] >= args.pictures:
            break
        picture = pictures[i]
        cut = tiles(picture)
        for image, labels in cut:
            data = squeeze(image, labels)
            size += len(data)
            facts.append(
                {
                    "shape": labels.shape,
                    "grey": bool((image == image[..., :1]).all()),
                    "bytes": len(data),
                    "scale": input_scale(*picture.labels.shape),
                    "diameter": picture.diameter,
                    "group": groups[i],
                    "chance": float(chance[i] * count[groups[i]]),
                    "partial": picture.partial,
                }
            )
            parts.append(data)
        if size > 1e6 * args.megabytes:
            break
    here = {g: sum(f["group"] == g for f in facts) for g in {f["group"] for f in facts}}
    for fact in facts:  # a group's chance is shared by what is here of it
        fact["chance"] /= here[fact["group"]]
    head = json.dumps(facts).encode()
    with args.out.open("wb") as out:
        out.write(len(head).to_bytes(8, "little") + head)
        out.writelines(parts)
    print(f"{len(facts)} tiles of {len(here)} groups, {args.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
