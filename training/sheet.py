"""Put the worst, the median and the best overlay of every kind on one page.

    python sheet.py OVERLAYS --out page.png

File names are those of ``evaluate.py --overlays``: score, kind, name.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

SIDE = 300


def tile(path: Path) -> np.ndarray:
    """Top left square of an overlay with its score."""
    image = cv2.imread(str(path))[:560, :560]
    s = min(image.shape[:2])
    image = cv2.resize(image[:s, :s], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    text = f"mSA {path.name.split('_')[0]}"
    for colour, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(image, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, colour, width)
    return image


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    kinds: dict[str, list[Path]] = {}
    for path in sorted(args.folder.glob("*.png")):
        kinds.setdefault("_".join(path.stem.split("_")[1:3]), []).append(path)
    rows = []
    for paths in kinds.values():
        pick = [paths[0], paths[len(paths) // 2], paths[-1]]
        rows.append(np.concatenate([tile(p) for p in pick], 1))
    half = -(-len(rows) // 2)
    blank = np.zeros_like(rows[0])
    columns = [np.concatenate(([*rows, blank])[i : i + half]) for i in (0, half)]
    page = np.concatenate(columns, 1)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 80]
    cv2.imwrite(str(args.out), page, quality if args.out.suffix == ".jpg" else [])


if __name__ == "__main__":
    main()
