"""The shared folders beyond nuclei, and how each becomes pictures.

Responsible for axes, channels, planes of volumes and for which part is held out: ``split.toml``
names groups; where a kind has one picture or one volume, a part of it is cut off for measuring.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

SPLIT = tomllib.loads(Path(__file__).with_name("split.toml").read_text(encoding="utf-8"))
SMALLEST = 16  # pixels; slivers of objects that end in a plane are left out
# folder: kind, whether the labels leave objects out (then only prompts are learnt from it)
FOLDERS = {
    "axondeepseg_sem": ("axons", False),
    "baby_yeast_brightfield": ("yeast_traps", False),
    "bcm3d_myxo": ("membrane_rods", False),
    "pfc_neurons": ("neurons", True),
    "eggchambers_ovary": ("eggs", True),
}
VOLUMES = {
    "zstack_nuclei_stardist": "volume_nuclei",
    "zstack_nuclei_qcanet": "volume_nuclei",
    "zstack_nuclei_plantseg": "volume_nuclei",
}
# Labels made by a machine: never trained on, held out as "tune".
TUNE = {"000": "bacteria", "002": "packed_rods", "004": "packed_rods"}
Part = tuple[str, str, str, NDArray[np.uint8], NDArray[np.uint16], str, bool]


def stretch(image: NDArray[np.generic], low: float = 0.1, high: float = 99.9) -> NDArray[np.uint8]:
    """Scale an array of any number type to uint8 between two percentiles."""
    lo, hi = np.percentile(image, (low, high))
    scaled = (image.astype(np.float32) - lo) / max(float(hi - lo), 1e-6)
    return (np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def to_rgb(image: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Make (H, W, 3) uint8 of (H, W), (H, W, 3) or (3, H, W)."""
    if image.ndim == 2:
        return np.repeat(stretch(image)[..., None], 3, 2)
    if image.shape[-1] == 3:
        return np.ascontiguousarray(image.astype(np.uint8))
    return np.stack([stretch(channel) for channel in image], -1)


def without_slivers(labels: NDArray[np.generic]) -> NDArray[np.uint16]:
    """Renumber labels, leaving out what covers less than ``SMALLEST`` pixels."""
    ids, packed, counts = np.unique(labels, return_inverse=True, return_counts=True)
    number = np.zeros(len(ids), np.uint16)
    stays = (counts >= SMALLEST) & (ids > 0)
    number[stays] = np.arange(1, stays.sum() + 1)
    return number[packed.reshape(labels.shape)]


def folder_parts(data: Path, name: str) -> list[Part]:
    """Pictures of a folder of pairs ``*_image.tif``, ``*_labels.tif``."""
    kind, partial = FOLDERS[name]
    folder, parts = data / name, []
    listing = json.loads((folder / "README.json").read_text(encoding="utf-8"))
    group_of = {f["file"]: f["group"] for f in listing.get("files", [])}
    for path in sorted(folder.glob("*_image.tif")):
        stem = path.name.removesuffix("_image.tif")
        group = f"{name}/{group_of.get(stem, stem)}"
        held = "group" if any(group.startswith(h) for h in SPLIT["beyond"]) else ""
        labels = tifffile.imread(folder / f"{stem}_labels.tif")
        image = to_rgb(tifffile.imread(path))
        parts.append((f"{name}_{stem}", kind, group, image, without_slivers(labels), held, partial))
    return parts


def volume_parts(data: Path, name: str) -> list[Part]:
    """Planes of a volume in three views; the last quarter of the rows is held out in all."""
    image = stretch(tifffile.imread(data / name / "000_image.tif"))
    labels = tifffile.imread(data / name / "000_labels.tif")
    cut = image.shape[1] * 3 // 4
    parts = []
    for held, rows in (("", slice(0, cut - 2)), ("picture", slice(cut + 2, None))):
        for axis in range(3):
            views = (np.moveaxis(x[:, rows], axis, 0) for x in (image, labels))
            for k, (plane, truth) in enumerate(zip(*views, strict=True)):
                few = without_slivers(truth)
                if k % 4 == 1 and few.max() >= 2 and min(few.shape) >= 20:
                    stem = f"{name}_{held or 'train'}_{'zyx'[axis]}{k}"
                    parts.append((stem, VOLUMES[name], name, to_rgb(plane), few, held, False))
    return parts


def tissue_parts(data: Path) -> list[Part]:
    """Tissue in three channels, and its nuclear channel alone; the right quarter is held out."""
    name = "multichannel_codex"
    image = to_rgb(tifffile.imread(data / name / "000_image.tif"))
    labels = tifffile.imread(data / name / "000_labels.tif")
    cut, parts = labels.shape[1] * 3 // 4, []
    for held, columns in (("", slice(0, cut - 10)), ("picture", slice(cut + 10, None))):
        some = without_slivers(labels[:, columns])
        rgb = np.ascontiguousarray(image[:, columns])
        grey = np.repeat(rgb[..., :1], 3, 2)
        for look, x in (("rgb", rgb), *((("nuclear", grey),) if not held else ())):
            stem = f"{name}_{held or 'train'}_{look}"
            parts.append((stem, "codex", f"{name}_{look}", x, some, held, False))
    return parts


def organelle_parts(data: Path) -> list[Part]:
    """Planes of chloroplasts by electron microscopy; the right quarter is held out."""
    name = "zstack_em_chloroplast"
    image = tifffile.imread(data / name / "000_image.tif")
    labels = tifffile.imread(data / name / "000_labels.tif")
    cut, parts = labels.shape[2] * 3 // 4, []
    for k in (0, 3, 6, 9):
        for held, columns in (("", slice(0, cut - 10)), ("picture", slice(cut + 10, None))):
            rgb = to_rgb(np.ascontiguousarray(image[k, :, columns]))
            few = without_slivers(labels[k, :, columns])
            if not held or k == 3:
                stem = f"{name}_{held or 'train'}_{k}"
                parts.append((stem, "chloroplasts", name, rgb, few, held, False))
    return parts


def tune_parts(data: Path) -> list[Part]:
    """Bacteria: single cells in ``000``, packed microcolonies of rods in the others."""
    name, parts = "bacteria_omnipose", []
    for stem, kind in TUNE.items():
        image = to_rgb(tifffile.imread(data / name / f"{stem}_image.tif"))
        labels = without_slivers(tifffile.imread(data / name / f"{stem}_labels.tif"))
        parts.append((f"{name}_{stem}", kind, f"{name}/{stem}", image, labels, "tune", False))
    return parts


def beyond_nuclei(data: Path) -> list[Part]:
    """All pictures of the folders that are there: the fields of ``data.Picture`` in order."""
    parts: list[Part] = []
    for name in FOLDERS:
        parts += folder_parts(data, name) if (data / name).exists() else []
    for name in VOLUMES:
        parts += volume_parts(data, name) if (data / name).exists() else []
    if (data / "multichannel_codex").exists():
        parts += tissue_parts(data)
    if (data / "zstack_em_chloroplast").exists():
        parts += organelle_parts(data)
    if (data / "bacteria_omnipose").exists():
        parts += tune_parts(data)
    return parts
