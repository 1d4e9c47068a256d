"""Pictures with ground truth, their split, and augmented crops.

Responsible for reading the shared pictures and the simulated ones, for saying which are held out,
and for turning a picture into a training crop with its dense targets. It refuses to choose prompts
(``prompts.py``) and to change looks (``augment.py``).
"""

from __future__ import annotations

import csv
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import tifffile
from sources import beyond_nuclei, stretch

if TYPE_CHECKING:
    from numpy.typing import NDArray

Where = tuple[slice, slice]
STRIDE = 4  # of the dense targets
SPLIT = tomllib.loads(Path(__file__).with_name("split.toml").read_text(encoding="utf-8"))
# Kinds that are drawn more often than their number of groups says, rare or hard ones.
MORE = {
    "brightfield_gray": 3.0,
    "HE_pink_rgb": 5.0,
    "phase": 8.0,
    "stain_purple_on_purple_rgb": 3.0,
    "stain_purple_on_white_rgb": 3.0,
    "sim_rods": 2.0,
    "sim_em": 1.5,
    "sim_tissue": 1.5,
    "sim_phase": 1.5,
    "sim_flat": 0.5,
    "sim_microcolony": 5.0,
    "sim_yeast_colony": 2.5,
    "sim_dense_tissue": 2.5,
    "sim_neurons": 1.5,
    "sim_fibres": 1.5,
    "sim_neurites": 1.5,
    "sim_blood": 1.5,
    "sim_localisations": 1.5,
    "axons": 1.5,
    "yeast_traps": 0.5,
    "membrane_rods": 0.5,
    "neurons": 0.3,
    "volume_nuclei": 0.7,
    "codex": 4.0,
    "chloroplasts": 3.0,
}
# Kinds whose objects are copied against each other; whether they are brighter than the ground.
CROWDED = {
    "fluorescence_gray": True,
    "sim_nuclei": True,
    "stain_purple_on_white_rgb": False,
    "stain_purple_on_purple_rgb": False,
    "brightfield_gray": False,
}


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture and its instance labels."""

    name: str
    kind: str
    group: str
    image: NDArray[np.uint8]  # (H, W, 3)
    labels: NDArray[np.uint16]  # (H, W), 0 is background
    held: str  # "", "group" (its group is not trained on) or "picture" (only this picture)
    partial: bool = False  # some objects have no label: what is no object is not known

    @cached_property
    def diameter(self) -> float:
        """Median equivalent diameter of the objects in pixels."""
        areas = np.bincount(self.labels.ravel())[1:]
        areas = areas[areas > 0]
        return float(np.sqrt(np.median(areas) * 1.273)) if areas.size else 20.0


def held_out(group: str, index: int, split: str) -> str:
    """Say why the index-th picture of a group is held out, or return an empty string."""
    if group in SPLIT["held"] or (split == "strict" and group in SPLIT["strict"]):
        return "group"
    fifth = group in SPLIT["strict"] or group in SPLIT["alone"]
    return "picture" if fifth and index % 5 == 2 else ""


def read_real(folder: Path, split: str) -> list[Picture]:
    """Read the shared pictures.

    Parameters
    ----------
    folder : Path
        Holds ``dsb2018/``, ``phase_usiigaci/`` and any of the folders of ``sources.py``.
    split : {"strict", "final"}
    """
    pictures = []
    count: dict[str, int] = {}
    with (folder / "dsb2018" / "index.csv").open() as f:
        rows = sorted(csv.DictReader(f), key=lambda r: r["id"])
    for row in rows:
        stem = folder / "dsb2018" / row["id"]
        image = cv2.imread(f"{stem}_image.png", cv2.IMREAD_COLOR)[..., ::-1]
        labels = cv2.imread(f"{stem}_labels.png", cv2.IMREAD_UNCHANGED)
        index = count.get(row["group"], 0)
        count[row["group"]] = index + 1
        held = held_out(row["group"], index, split)
        image = np.ascontiguousarray(image)
        pictures.append(Picture(row["id"], row["kind"], row["group"], image, labels, held))
    for index, path in enumerate(sorted((folder / "phase_usiigaci").glob("*_image.tif"))):
        image = np.repeat(stretch(tifffile.imread(path))[..., None], 3, 2)
        labels = tifffile.imread(str(path).replace("_image", "_labels"))
        held = held_out("phase_usiigaci", index, split)
        pictures.append(Picture(path.stem, "phase", "phase_usiigaci", image, labels, held))
    pictures += [Picture(*part) for part in beyond_nuclei(folder)]
    return pictures


def read_simulated(folder: Path) -> list[Picture]:
    """Read the pictures that ``simulate.py`` wrote."""
    pictures = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as z:
            images, labels, kind = z["images"], z["labels"], str(z["kind"])
        for i in range(len(images)):
            name = f"{path.stem}_{i}"
            pictures.append(Picture(name, f"sim_{kind}", "sim", images[i], labels[i], ""))
    return pictures


def weights(pictures: list[Picture], simulated: float = 0.4) -> NDArray[np.float64]:
    """Return sampling weights: rare groups more often than their number, by its square root.

    Parameters
    ----------
    simulated : float
        Share of simulated pictures.
    """
    groups = np.array([p.group if p.group != "sim" else p.kind for p in pictures])
    fake = np.array([p.group == "sim" for p in pictures])
    w = np.zeros(len(pictures))
    for g in np.unique(groups):
        here = groups == g
        w[here] = 1 / np.sqrt(here.sum()) if not fake[here][0] else 1 / here.sum()
    w *= [MORE.get(p.kind, 1.0) for p in pictures]
    share = simulated if fake.any() else 0.0
    w[~fake] *= (1 - share) / w[~fake].sum()
    if share:
        w[fake] *= share / w[fake].sum()
    return w


def input_scale(height: int, width: int) -> float:
    """Scale of a picture before the encoder: the resize rule of MODEL_CARD.md."""
    longest = max(height, width)
    if longest <= 512:
        return 2.0
    return min(1.0, 2048 / longest)


def mirror(labels: NDArray[np.uint16], bottom: int, right: int) -> NDArray[np.uint16]:
    """Extend labels by reflection; a mirrored object is a new one unless it touches the mirror."""
    h, w = labels.shape
    out = cv2.copyMakeBorder(labels, 0, bottom, 0, right, cv2.BORDER_REFLECT)
    tile = (np.arange(h + bottom) >= h)[:, None] * 2 + (np.arange(w + right) >= w)[None]
    joined = np.union1d(labels[-1] if bottom else [], labels[:, -1] if right else [])
    fresh = (tile > 0) & (out > 0) & ~np.isin(out, joined)
    out[fresh] += (tile[fresh] * (int(labels.max()) + 1)).astype(np.uint16)
    return out


def crop(
    picture: Picture, size: int, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Cut, scale, turn and flip: a (size, size, 3) float crop and its labels."""
    image, labels = picture.image, picture.labels
    h, w = labels.shape
    diameter = picture.diameter
    if rng.random() < 0.7:
        scale = input_scale(h, w) * np.exp(rng.uniform(-0.6, 0.6))
    else:
        scale = np.exp(rng.uniform(np.log(8), np.log(200))) / diameter
    scale = float(np.clip(scale, 6 / diameter, 400 / diameter))
    aspect = np.exp(rng.uniform(-0.15, 0.15))
    sh = int(np.clip(size / scale * aspect, 24, 2 * h))
    sw = int(np.clip(size / scale / aspect, 24, 2 * w))
    ys, xs = rng.integers(h, size=200), rng.integers(w, size=200)
    on = np.flatnonzero(labels[ys, xs])
    if rng.random() < 0.85 and on.size:
        y, x = ys[on[0]] - rng.integers(sh), xs[on[0]] - rng.integers(sw)
    else:
        y, x = rng.integers(-sh // 2, h), rng.integers(-sw // 2, w)
    y, x = int(np.clip(y, 0, max(h - sh, 0))), int(np.clip(x, 0, max(w - sw, 0)))
    image, labels = image[y : y + sh, x : x + sw], labels[y : y + sh, x : x + sw]
    pad = (0, sh - image.shape[0], 0, sw - image.shape[1])
    if max(pad) > 0:
        image = cv2.copyMakeBorder(image, *pad, cv2.BORDER_REFLECT)
        labels = mirror(labels, pad[1], pad[3])
    out = image.astype(np.float32)
    if rng.random() < 0.25:  # noise of the camera, before any resampling
        out += rng.normal(0, rng.uniform(1, 18), (*out.shape[:2], 1)).astype(np.float32)
    small = sh > size
    how = cv2.INTER_AREA if small else (cv2.INTER_LINEAR, cv2.INTER_CUBIC)[rng.random() < 0.25]
    out = cv2.resize(out, (size, size), interpolation=how)
    labels = cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST)
    k = int(rng.integers(4))
    out, labels = np.rot90(out, k), np.rot90(labels, k)
    if rng.random() < 0.5:
        out, labels = out[:, ::-1], labels[:, ::-1]
    return np.ascontiguousarray(out), np.ascontiguousarray(labels)


def inner_distance(labels: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Distance of every object pixel to its own object's border, in pixels."""
    border = np.zeros(labels.shape, bool)
    dy, dx = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    border[1:] |= dy
    border[:-1] |= dy
    border[:, 1:] |= dx
    border[:, :-1] |= dx
    inside = ((labels > 0) & ~border).astype(np.uint8)
    return cv2.distanceTransform(inside, cv2.DIST_L2, 3) + (labels > 0)


def dense_targets(
    labels: NDArray[np.uint16], distance: NDArray[np.float32], objects: list[Where | None]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make targets at stride 4.

    Parameters
    ----------
    labels : (H, W)
    distance : (H, W)
        ``inner_distance`` of the labels.
    objects : list
        Rows and columns of label k + 1 at place k, as ``scipy.ndimage.find_objects`` says.

    Returns
    -------
    objectness : (2, h, w)
        Centre map (squared distance to the border over the object's largest) and foreground.
    extent : (4, h, w)
        Distances of the cell's centre to the box of its object; 0 outside objects.
    """
    n = len(objects) + 1
    peak, boxes = np.ones(n, np.float32), np.zeros((n, 4), np.float32)
    for k, where in enumerate(objects, 1):
        if where is not None:
            peak[k] = distance[where][labels[where] == k].max()
            rows, columns = where
            boxes[k] = columns.start, rows.start, columns.stop, rows.stop
    centre = (distance / peak[labels]) ** 2
    s = STRIDE
    h, w = labels.shape[0] // s, labels.shape[1] // s
    centre = centre.reshape(h, s, w, s).max((1, 3))
    cover = cv2.resize((labels > 0).astype(np.float32), (w, h), interpolation=cv2.INTER_AREA)
    cell = labels[s // 2 :: s, s // 2 :: s]
    at_y, at_x = (np.mgrid[:h, :w] + 0.5) * s
    box = boxes[cell]  # (h, w, 4)
    extent = np.stack(
        [at_x - box[..., 0], at_y - box[..., 1], box[..., 2] - at_x, box[..., 3] - at_y]
    )
    extent = np.where(cell > 0, np.maximum(extent, 0.5), 0)
    return np.stack([centre, cover]).astype(np.float32), extent.astype(np.float32)
