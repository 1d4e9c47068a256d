"""Prompts as people give them, for training.

Responsible for first prompts drawn from labels (clicks anywhere inside, loose boxes, masks to
refine, clicks on background) and for corrective clicks drawn from the current error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from data import Where
    from numpy.typing import NDArray

SLOTS = 8  # two box corners, four clicks, two clicks on neighbours
SPARE = 8  # further points inside each object, for corrections outside of the window


@dataclass(slots=True, eq=False)
class Batch:
    """B prompts, ordered by picture; coordinates ``(x, y)`` with pixel centres at integers."""

    coords: Tensor  # (B, SLOTS, 2)
    labels: Tensor  # (B, SLOTS)
    target: Tensor  # (B,) instance label, -1 for background
    area: Tensor  # (B,) pixels of the object in the crop
    box: Tensor  # (B, 4) edge coordinates of the object, NaN for background
    spare: Tensor  # (B, SPARE, 2)
    refine: Tensor  # (B,) 1 where the first prompt brings a mask


def touching(labels: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Labels that share a border with another label."""
    found = []
    for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        on = (a != b) & (a > 0) & (b > 0)
        found += [a[on], b[on]]
    return np.unique(np.concatenate(found))


def neighbours(
    labels: NDArray[np.uint16],
    distance: NDArray[np.float32],
    objects: list[Where | None],
    target: int,
) -> NDArray[np.float32]:
    """Deepest points ``(x, y)`` of up to two objects that lie nearest to the target's box."""
    rows, columns = objects[target - 1]
    side = max(rows.stop - rows.start, columns.stop - columns.start)
    gaps = {}
    for k, where in enumerate(objects, 1):
        if where is None or k == target:
            continue
        dy = max(where[0].start - rows.stop, rows.start - where[0].stop, 0)
        dx = max(where[1].start - columns.stop, columns.start - where[1].stop, 0)
        if max(dy, dx) < 0.3 * side:
            gaps[k] = dy + dx
    points = []
    for k in sorted(gaps, key=gaps.__getitem__)[:2]:
        where = objects[k - 1]
        depth = distance[where] * (labels[where] == k)
        y, x = np.unravel_index(int(depth.argmax()), depth.shape)
        points.append((x + where[1].start, y + where[0].start))
    return np.array(points, np.float32).reshape(-1, 2)


def first_prompts(
    labels: NDArray[np.uint16],
    distance: NDArray[np.float32],
    objects: list[Where | None],
    count: int,
    rng: np.random.Generator,
    partial: bool = False,
) -> dict[str, NDArray[np.float32]]:
    """Draw ``count`` prompts on one picture; the fields of ``Batch`` as arrays.

    ``objects`` are the rows and columns of label k + 1 at place k. No background is clicked where
    the labels are ``partial``, unless there is no object.
    """
    areas = np.bincount(labels.ravel())
    ids = np.flatnonzero(areas >= 14)
    ids = ids[ids > 0]
    order = np.array([-1])
    if ids.size:  # touching objects are the hard ones: ask for them more often
        chance = np.where(np.isin(ids, touching(labels)), 3.0, 1.0)
        order = rng.choice(ids, len(ids), replace=False, p=chance / chance.sum())
    out = {
        "coords": np.zeros((count, SLOTS, 2), np.float32),
        "labels": np.full((count, SLOTS), -1, np.float32),
        "target": np.full(count, -1, np.float32),
        "area": np.zeros(count, np.float32),
        "box": np.full((count, 4), np.nan, np.float32),
        "spare": np.zeros((count, SPARE, 2), np.float32),
        "refine": np.zeros(count, np.float32),
    }
    empty = areas[0] > 50 and not partial
    size = labels.shape[0]
    for k in range(count):
        target = int(order[k % len(order)])
        if target < 0 or (empty and rng.random() < 0.08):
            target = -1
            for _ in range(50):
                y, x = rng.integers(size, size=2)
                if labels[y, x] == 0:
                    break
            out["coords"][k, 2], out["labels"][k, 2] = (x, y), 1
            continue
        where = objects[target - 1]
        ys, xs = np.nonzero(labels[where] == target)
        ys, xs = ys + where[0].start, xs + where[1].start
        depth = distance[ys, xs].astype(np.float64)
        u = rng.random()
        if u < 0.45:
            p = depth**0.5
        elif u < 0.9:
            p = depth**2
        else:
            p = (depth >= depth.max() - 0.5).astype(np.float64)
        p /= p.sum()
        pick = rng.choice(len(ys), p=p)
        click = np.array([xs[pick], ys[pick]], np.float32) + rng.uniform(-0.4, 0.4, 2)
        box = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], np.float32)
        out["target"][k], out["area"][k], out["box"][k] = target, len(ys), box
        some = rng.integers(len(ys), size=SPARE)
        out["spare"][k] = np.stack([xs[some], ys[some]], 1)
        u = rng.random()
        if u < 0.62 or u > 0.92:
            out["coords"][k, 2], out["labels"][k, 2] = click, 1
        if u < 0.15:  # the neighbours are said to be others
            others = neighbours(labels, distance, objects, target)
            out["coords"][k, 6 : 6 + len(others)] = others
            out["labels"][k, 6 : 6 + len(others)] = 0
        if 0.62 <= u < 0.92:
            sides = np.tile(box[2:] - box[:2], 2)
            loose = rng.uniform(0, 0.2) * sides * np.array([-1, -1, 1, 1])
            jitter = rng.normal(0, 0.05, 4) * sides
            loose = loose * (rng.random() < 0.5) + np.clip(jitter, -0.12 * sides, 0.12 * sides)
            loose += rng.uniform(-1, 1, 4)
            corners = (box + loose).reshape(2, 2) - 0.5
            out["coords"][k, :2], out["labels"][k, :2] = corners, (2, 3)
            if u > 0.84:
                out["coords"][k, 2], out["labels"][k, 2] = click, 1
        if u > 0.92:
            out["refine"][k] = 1
            if u > 0.97:  # a mask alone
                out["labels"][k, 2] = -1
    return out


def collect(each: list[dict[str, NDArray[np.float32]]]) -> Batch:
    """Join the prompts of several pictures."""
    joined = {k: torch.from_numpy(np.concatenate([e[k] for e in each])) for k in each[0]}
    return Batch(**joined)


def sample_truth(
    labels: Tensor, target: Tensor, windows: Tensor, m: int, sub: int = 2
) -> tuple[Tensor, Tensor]:
    """Sample the truth of each prompt, and its neighbours, on its window's grid, soft by area.

    Parameters
    ----------
    labels : (I, S, S) int
    target : (B,)
    windows : (B, 4)
    m : int
        Side of the grid; every cell is the mean of ``sub`` x ``sub`` points.

    Returns
    -------
    truth, others : (B, 1, m, m)
        Shares of the target and of other objects, zero outside of the picture.
    """
    i, h, w = labels.shape
    b = windows.shape[0]
    steps = (torch.arange(m * sub, device=windows.device) + 0.5) / (m * sub)
    p = windows[:, None, :2] + (windows[:, None, 2:] - windows[:, None, :2]) * steps[None, :, None]
    idx = p.floor().long()  # (B, m*sub, 2)
    x, y = idx[..., 0], idx[..., 1]
    inside = ((x >= 0) & (x < w))[:, None, :] & ((y >= 0) & (y < h))[:, :, None]
    flat = y.clamp(0, h - 1)[:, :, None] * w + x.clamp(0, w - 1)[:, None, :]
    got = labels.reshape(i, -1).gather(1, flat.reshape(i, -1)).reshape(b, m * sub, m * sub)
    mine = got == target[:, None, None]
    both = torch.stack([mine & inside, ~mine & (got > 0) & inside], 1).float()
    truth, others = F.avg_pool2d(both, sub).chunk(2, 1)
    return truth, others


def perturbed_mask(batch: Batch, labels: Tensor, m: int) -> tuple[Tensor, Tensor]:
    """Make an earlier answer that is wrong in size, place and detail: logits and window."""
    b = batch.area.shape[0]
    box = torch.nan_to_num(batch.box, nan=0.0)
    side = (box[:, 2:] - box[:, :2]).amax(1, keepdim=True).clamp(min=4.0)
    at = box.device
    scale = 1.1 + 0.8 * torch.rand(b, 1, device=at)
    centre = (box[:, :2] + box[:, 2:]) / 2 + side * 0.1 * torch.randn(b, 2, device=at)
    window = torch.cat([centre - side * scale / 2, centre + side * scale / 2], 1)
    slip = side * 0.06 * torch.randn(b, 2, device=at)
    truth, _ = sample_truth(labels, batch.target, window + torch.cat([slip, slip], 1), m, 1)
    noise = F.interpolate(torch.randn(b, 1, 7, 7, device=at), size=(m, m), mode="bicubic")
    soft = F.avg_pool2d(truth, 9, 1, 4)
    logits = (soft - 0.5) * 12 + 2.0 * noise + 1.5 * torch.randn(b, 1, 1, 1, device=at)
    return logits, window


def correct(batch: Batch, slot: int, mask: Tensor, truth: Tensor, windows: Tensor) -> None:
    """Put a click at about the centre of the largest error into slot ``slot``, in place.

    Parameters
    ----------
    mask : (B, m, m) bool
        The current answer on the grid.
    truth : (B, m, m) float
    windows : (B, 4)
    """
    b, m = mask.shape[0], mask.shape[-1]
    wanted = truth > 0.5
    errors = torch.stack([wanted & ~mask, mask & ~wanted], 1).float()  # (B, 2, m, m)
    score = errors * 0.02
    for k in (3, 7, 13, 23):
        rows = F.avg_pool2d(errors, (k, 1), 1, (k // 2, 0))  # separable
        score = score + F.avg_pool2d(rows, (1, k), 1, (0, k // 2))
    score = score * errors + errors * 0.15 * torch.rand_like(errors)
    best, at = score.flatten(1).max(1)
    cell = (windows[:, 2:] - windows[:, :2]) / m
    ij = torch.stack([at % m, (at % (m * m)) // m], 1)
    point = windows[:, :2] + (ij + 0.5 + 0.6 * (torch.rand_like(cell) - 0.5)) * cell - 0.5
    label = torch.where(at < m * m, 1.0, 0.0)
    label = torch.where(best > 0, label, -torch.ones_like(label))
    # The window misses much of the object: click there.
    seen = truth.sum((1, 2)) * cell[:, 0] * cell[:, 1]
    far = batch.spare + 0.5
    out = (far < windows[:, None, :2]).any(-1) | (far > windows[:, None, 2:]).any(-1)
    pick = out.float().argmax(1)
    use = out.any(1) & (seen < 0.85 * batch.area) & (batch.target > 0)
    spare = batch.spare[torch.arange(b, device=pick.device), pick]
    batch.coords[:, slot] = torch.where(use[:, None], spare, point)
    batch.labels[:, slot] = torch.where(use, torch.ones_like(label), label)
