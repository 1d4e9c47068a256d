"""Pack the real pictures into one small file for training in a device's memory.

    python pack.py --data DATA --out PACK

Only what is trained on is packed. Large pictures are cut into tiles; pictures of a wide range of
grey values are stored as fine JPEG, the others without loss.
"""

from __future__ import annotations

import argparse
import json
import lzma
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from data import Picture, input_scale, read_real
from scipy import ndimage

TILE = 512
LOST = 64  # pixels of a side that may be lost rather than cut it once more
EMPTY = 0.01  # of a tile in objects, below which it is left out
LARGE = 170_000  # pixels of a tile, from which on it is stored less finely
WIDE = 120  # range of grey values from which on JPEG loses nothing that counts
# Shares of the kinds among the crops of real pictures; within a kind by the square root of a
# group's tiles.
SHARES = {
    "fluorescence_gray": 26,
    "stain_purple_on_purple_rgb": 10,
    "stain_purple_on_white_rgb": 9,
    "HE_pink_rgb": 6,
    "brightfield_gray": 9,
    "phase": 7,
    "axons": 7,
    "codex": 6,
    "volume_nuclei": 6,
    "membrane_rods": 3,
    "yeast_traps": 3,
    "neurons": 3,
    "chloroplasts": 4,
    "eggs": 1,
}


def parts(length: int) -> list[slice]:
    """Cut a side into parts of at most ``TILE``; some pixels of a slightly longer one are lost."""
    count = -(-max(length - LOST, 1) // TILE)
    step = min(length // count, TILE)
    return [slice(k * step, (k + 1) * step) for k in range(count)]


def around(where: tuple[slice, slice], shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the square of side ``TILE`` about an object, moved into the picture."""
    found = []
    for part, length in zip(where, shape, strict=True):
        start = (part.start + part.stop - TILE) // 2
        start = max(0, min(start, length - TILE))
        found.append(slice(start, start + TILE))
    return found[0], found[1]


def tiles(picture: Picture) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cut a picture into tiles that hold objects, each with labels numbered from 1.

    Where labels leave objects out, a tile lies about each object.
    """
    shape = picture.labels.shape
    places = [(rows, columns) for rows in parts(shape[0]) for columns in parts(shape[1])]
    if picture.partial:
        places = [around(w, shape) for w in ndimage.find_objects(picture.labels) if w]
    found = []
    for where in places:
        labels = picture.labels[where]
        if (labels > 0).mean() >= EMPTY:
            ids, flat = np.unique(labels, return_inverse=True)
            number = np.cumsum(ids > 0) * (ids > 0)
            found.append(
                (picture.image[where], number[flat.reshape(labels.shape)].astype(np.uint16))
            )
    return found


def squeeze(image: np.ndarray, labels: np.ndarray) -> tuple[bytes, bytes]:
    """Compress a tile's picture and its labels, these as differences along rows."""
    low, high = np.percentile(image, (0.1, 99.9))
    grey = bool((image == image[..., :1]).all())
    flat = np.ascontiguousarray(image[..., 0] if grey else image[..., ::-1])
    if high - low >= WIDE and labels.size > 20_000:
        fine = [cv2.IMWRITE_JPEG_QUALITY, 95 if labels.size < LARGE else 89]
        fine += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
        coded = cv2.imencode(".jpg", flat, fine)[1]
    else:
        coded = cv2.imencode(".png", flat, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    inner = np.diff(labels, axis=1, prepend=np.uint16(0))
    return coded.tobytes(), lzma.compress(inner.tobytes(), preset=6)


def unsqueeze(data: tuple[bytes, bytes], shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Undo ``squeeze``: (H, W, 3) uint8 and (H, W) uint16."""
    image = cv2.imdecode(np.frombuffer(data[0], np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    inner = np.frombuffer(lzma.decompress(data[1]), np.uint16).reshape(shape)
    return np.ascontiguousarray(image), np.cumsum(inner, axis=1, dtype=np.uint16)


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    args = p.parse_args()
    facts, files = [], []
    for picture in read_real(args.data, "final"):
        for image, labels in [] if picture.held else tiles(picture):
            data = squeeze(image, labels)
            facts.append(
                {
                    "shape": labels.shape,
                    "bytes": [len(d) for d in data],
                    "scale": input_scale(*picture.labels.shape),
                    "diameter": picture.diameter,
                    "kind": picture.kind,
                    "group": picture.group,
                    "partial": picture.partial,
                }
            )
            files += data
    size = Counter(f["group"] for f in facts)
    each = [size[f["group"]] ** -0.5 for f in facts]
    total: Counter[str] = Counter()
    for fact, weight in zip(facts, each, strict=True):
        total[fact["kind"]] += weight
    for fact, weight in zip(facts, each, strict=True):
        fact["chance"] = SHARES[fact["kind"]] * weight / total[fact["kind"]]
    head = json.dumps(facts).encode()
    with args.out.open("wb") as out:
        out.write(len(head).to_bytes(8, "little") + head)
        out.writelines(files)
    print(f"{len(facts)} tiles of {len(size)} groups, {args.out.stat().st_size / 1e6:.1f} MB")
    for kind, count in Counter(f["kind"] for f in facts).items():
        print(f"{kind}: {count} tiles, {sum(f['bytes'][0] for f in facts if f['kind'] == kind)}")


if __name__ == "__main__":
    main()
