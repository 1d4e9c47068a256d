"""Training crops made where the network runs: pictures as uint8 in the device's memory.

Responsible for what ``crops.py`` does on the CPU, in whole batches of torch operations: crops at
any scale, dense targets, first prompts. Left out: copies of objects pushed together, and
neighbours as first negative clicks. Needs torch and numpy alone.
"""

from __future__ import annotations

import json
import lzma
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from device_looks import change_looks
from prompts import SLOTS, SPARE, Batch
from torch import Tensor

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

STRIDE = 4  # of the dense targets
SMALLEST = 14  # pixels of an object that is asked for
DEEPEST = 200  # pixels from the border, up to which depth is told apart


@dataclass(slots=True, eq=False)
class Store:
    """N tiles of one size on a device; what lies beyond a smaller one is 0."""

    images: Tensor  # (N, 3, T, T) uint8
    labels: Tensor  # (N, T, T) int16
    depth: Tensor  # (N, T, T) uint8, distance to the own border
    sides: Tensor  # (N, 2) rows and columns that count
    scale: Tensor  # (N,) of the resize rule
    diameter: Tensor  # (N,)
    chance: Tensor  # (N,)
    partial: Tensor  # (N,) bool


def unsqueeze(raw: bytes, fact: dict) -> tuple[np.ndarray, np.ndarray]:
    """Undo ``pack.squeeze``: (3, H, W) uint8 and (H, W) uint16."""
    h, w = fact["shape"]
    channels = 1 if fact["grey"] else 3
    flat = lzma.decompress(raw)
    steps = np.frombuffer(flat[: channels * h * w], np.uint8).reshape(channels, h, w)
    inner = np.frombuffer(flat[channels * h * w :], np.uint16).reshape(h, w)
    image = np.cumsum(steps, axis=2, dtype=np.uint8)
    return np.repeat(image, 3 // channels, 0), np.cumsum(inner, axis=1, dtype=np.uint16)


def depth_of(labels: Tensor) -> Tensor:
    """Distance to the own border by octagonal rings, (N, T, T) uint8 of (N, T, T) labels."""
    here = labels.float()[:, None]
    high, low = F.max_pool2d(here, 3, 1, 1), -F.max_pool2d(-here, 3, 1, 1)
    inside = ((high == low) & (here > 0)).float()
    total = (here > 0).float() + inside
    for k in range(DEEPEST):
        if not inside.any():
            break
        if k % 2:  # a square ring, then a cross: together nearly round
            inside = -F.max_pool2d(-inside, 3, 1, 1)
        else:
            across = -F.max_pool2d(-inside, (1, 3), 1, (0, 1))
            inside = torch.minimum(across, -F.max_pool2d(-inside, (3, 1), 1, (1, 0)))
        total += inside
    return total[:, 0].to(torch.uint8)


def read_pack(path: Path, device: torch.device) -> Store:
    """Read what ``pack.py`` wrote into a device's memory."""
    with path.open("rb") as file:
        facts = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        tiles = [unsqueeze(file.read(fact["bytes"]), fact) for fact in facts]
    side, n = max(max(fact["shape"]) for fact in facts), len(facts)
    images = torch.zeros((n, 3, side, side), dtype=torch.uint8)
    labels = torch.zeros((n, side, side), dtype=torch.int16)
    for k, (image, truth) in enumerate(tiles):
        h, w = truth.shape
        images[k, :, :h, :w] = torch.from_numpy(image)
        labels[k, :h, :w] = torch.from_numpy(truth.astype(np.int16))
    images, labels = images.to(device), labels.to(device)
    depth = torch.cat([depth_of(part) for part in labels.split(64)])
    column = {
        k: torch.tensor([f[k] for f in facts], device=device)
        for k in ("scale", "diameter", "chance", "partial")
    }
    sides = torch.tensor([f["shape"] for f in facts], device=device)
    return Store(images, labels, depth, sides, **column)


def uniform(n: int, low: float, high: float, device: torch.device) -> Tensor:
    """Draw n numbers."""
    return low + (high - low) * torch.rand(n, device=device)


def cut(store: Store, which: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cut, scale, turn and flip: pictures (n, 3, S, S) float, labels and depths (n, S, S).

    A crop lies within its tile; so small tiles are enlarged more.
    """
    at, n = which.device, len(which)
    diameter, sides = store.diameter[which], store.sides[which].float()
    scale = store.scale[which] * torch.exp(uniform(n, -0.6, 0.6, at))
    other = torch.exp(uniform(n, float(np.log(8)), float(np.log(200)), at)) / diameter
    scale = torch.where(torch.rand(n, device=at) < 0.7, scale, other)
    scale = scale.clamp(min=6 / diameter, max=400 / diameter)
    scale = torch.maximum(scale, size / (sides.amin(1) - 0.5))
    span = size / scale  # pixels of the tile
    room = sides - span[:, None]
    corner = torch.rand((n, 100, 2), device=at) * room[:, None]
    middle = (corner + span[:, None, None] / 2).long()
    on = store.labels[which[:, None], middle[..., 0], middle[..., 1]] > 0
    best = (on & (torch.rand(n, 1, device=at) < 0.85)).float().argmax(1)  # the first on an object
    corner = corner[torch.arange(n, device=at), best]
    line = (torch.arange(2 * size, device=at) + 0.5) / 2  # two points a pixel, then their mean
    y = corner[:, :1] + line / scale[:, None]
    x = corner[:, 1:] + line / scale[:, None]
    grid = torch.stack(
        [x[:, None, :].expand(-1, 2 * size, -1), y[:, :, None].expand(-1, -1, 2 * size)], -1
    )
    turned = torch.rand(n, device=at) < 0.5
    grid = torch.where(turned[:, None, None, None], grid.transpose(1, 2), grid)
    for axis in (1, 2):
        back = torch.rand(n, device=at) < 0.5
        grid = torch.where(back[:, None, None, None], grid.flip(axis), grid)
    edge = store.images.shape[-1]
    seen = F.grid_sample(
        store.images[which].float(), grid * (2 / edge) - 1, "bilinear", "border", False
    )
    spot = grid[:, ::2, ::2].floor().long().clamp(0, edge - 1)
    places = (which[:, None, None], spot[..., 1], spot[..., 0])
    depth = store.depth[places].float() * scale[:, None, None]
    return F.avg_pool2d(seen, 2), store.labels[places].long(), depth


def boxes_of(labels: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Edge boxes (n, count, 4) and areas (n, count) of the labels of crops."""
    n, size = labels.shape[:2]
    flat = labels.flatten(1)
    line = torch.arange(size, device=labels.device)
    xs = line.repeat(size).expand(n, -1).float()
    ys = line.repeat_interleave(size).expand(n, -1).float()
    ends = []
    for values, how in ((xs, "amin"), (ys, "amin"), (xs + 1, "amax"), (ys + 1, "amax")):
        start = torch.full((n, count), 1e6 if how == "amin" else -1e6, device=labels.device)
        ends.append(start.scatter_reduce(1, flat, values, how))
    areas = torch.zeros((n, count), device=labels.device)
    return torch.stack(ends, -1), areas.scatter_add(1, flat, torch.ones_like(xs))


def targets(labels: Tensor, depth: Tensor, boxes: Tensor, partial: Tensor) -> tuple[Tensor, Tensor]:
    """Dense targets at stride 4, as ``data.dense_targets`` makes them."""
    size, flat = labels.shape[1], labels.flatten(1)
    peak = torch.ones(boxes.shape[:2], device=labels.device)
    peak = peak.scatter_reduce(1, flat, depth.flatten(1), "amax")
    inside = (labels > 0).float()
    centre = (depth / peak.gather(1, flat).reshape(labels.shape)) ** 2 * inside
    pooled = [F.max_pool2d(centre[:, None], STRIDE), F.avg_pool2d(inside[:, None], STRIDE)]
    objectness = torch.cat(pooled, 1)
    empty = partial[:, None, None, None] & (objectness[:, 1:] == 0)
    objectness = torch.where(empty, torch.full_like(objectness, -1.0), objectness)
    cell = labels[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
    box = boxes.gather(1, cell.flatten(1)[..., None].expand(-1, -1, 4)).reshape(*cell.shape, 4)
    middle = (torch.arange(size // STRIDE, device=labels.device) + 0.5) * STRIDE
    x, y = middle[None, None, :], middle[None, :, None]
    extent = torch.stack([x - box[..., 0], y - box[..., 1], box[..., 2] - x, box[..., 3] - y], 1)
    extent = torch.where((cell > 0)[:, None], extent.clamp(min=0.5), torch.zeros_like(extent))
    return objectness, extent


def first_prompts(
    labels: Tensor, depth: Tensor, boxes: Tensor, areas: Tensor, partial: Tensor, per: int
) -> Batch:
    """Draw ``per`` prompts a crop: clicks anywhere inside, loose boxes, masks, background."""
    n, size = labels.shape[:2]
    at, b = labels.device, n * per
    able = (areas >= SMALLEST) & (torch.arange(areas.shape[1], device=at) > 0)
    order = torch.where(able, torch.rand(areas.shape, device=at), -1.0).argsort(1, descending=True)
    turn = torch.arange(per, device=at)[None] % able.sum(1, keepdim=True).clamp(min=1)
    target = order.gather(1, turn).flatten()
    crop = torch.arange(n, device=at).repeat_interleave(per)
    empty = (areas[:, 0] > 50) & ~partial
    none = ~able.any(1)[crop] | (empty[crop] & (torch.rand(b, device=at) < 0.08))
    target = torch.where(none, 0, target)
    here = labels[crop].flatten(1) == target[:, None]  # of background: where a click may fall
    here |= ~here.any(1, keepdim=True)
    power = torch.tensor([0.5, 2.0, 20.0], device=at)
    power = power[torch.multinomial(torch.tensor([0.45, 0.45, 0.1], device=at), b, True)]
    liking = power[:, None] * depth[crop].flatten(1).clamp(min=0.5).log()
    liking = torch.where(none[:, None], torch.zeros_like(liking), liking)
    noise = -torch.log(-torch.log(torch.rand(liking.shape, device=at).clamp(1e-6, 1 - 1e-6)))
    pick = torch.where(here, liking + noise, torch.full_like(noise, -1e9)).argmax(1)
    spare = torch.where(here, noise, torch.full_like(noise, -1e9)).topk(SPARE, 1).indices

    def point(pixel: Tensor) -> Tensor:
        return torch.stack([pixel % size, pixel // size], -1).float()

    click = point(pick) + (torch.rand((b, 2), device=at) - 0.5) * 0.8
    box = boxes[crop, target]
    ends = (box[:, 2:] - box[:, :2]).repeat(1, 2)
    way = torch.tensor([-1.0, -1.0, 1.0, 1.0], device=at)
    loose = torch.rand((b, 4), device=at) * 0.2 * ends * way * (torch.rand(b, 1, device=at) < 0.5)
    shaken = box + loose + (torch.randn((b, 4), device=at) * 0.05).clamp(-0.12, 0.12) * ends
    shaken += torch.rand((b, 4), device=at) * 2 - 1
    coords = torch.zeros((b, SLOTS, 2), device=at)
    tags = torch.full((b, SLOTS), -1.0, device=at)
    u = torch.rand(b, device=at)
    boxed = (u >= 0.62) & (u < 0.92) & ~none
    clicked = none | (u < 0.62) | ((u > 0.84) & (u <= 0.97))
    coords[:, :2] = torch.where(boxed[:, None], shaken - 0.5, 0.0).reshape(b, 2, 2)
    tags[:, 0], tags[:, 1] = torch.where(boxed, 2.0, -1.0), torch.where(boxed, 3.0, -1.0)
    coords[:, 2] = torch.where(clicked[:, None], click, 0.0)
    tags[:, 2] = torch.where(clicked, 1.0, -1.0)
    real = ~none
    return Batch(
        coords,
        tags,
        torch.where(real, target, -1).float(),
        areas[crop, target] * real,
        torch.where(real[:, None], box, torch.full_like(box, torch.nan)),
        point(spare) * real[:, None, None],
        ((u > 0.92) & real).float(),
    )


class DeviceCrops:
    """Batches of training crops, made in the device's memory."""

    def __init__(self, store: Store, args: argparse.Namespace) -> None:
        self.store, self.args = store, args
        self.count = int(store.labels.max()) + 1

    @torch.no_grad()
    def batch(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Batch]:
        """Return pictures, labels, dense targets, prompts."""
        store, args = self.store, self.args
        which = torch.multinomial(store.chance, args.images, True)
        image, labels, depth = cut(store, which, args.size)
        image = change_looks(image, args.mild)
        boxes, areas = boxes_of(labels, self.count)
        partial = store.partial[which]
        objectness, extent = targets(labels, depth, boxes, partial)
        prompts = first_prompts(labels, depth, boxes, areas, partial, args.prompts)
        return image, labels.int(), objectness, extent, prompts
