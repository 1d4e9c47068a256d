"""Training crops made where the network runs: pictures as uint8 in the device's memory.

Responsible for what ``crops.py`` does on the CPU, in whole batches of torch operations that never
wait for the device: crops at any scale, dense targets, first prompts.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from data import mirror
from device_looks import change_looks
from drawn import CHUNK, DEPTH, FACTS, LABELS, TILE, Chunk, Drawers, Tile
from pack import unsqueeze
from prompts import SLOTS, SPARE, Batch
from torch import Tensor

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

STRIDE = 4  # of the dense targets
SMALLEST = 14  # pixels of an object that is asked for
NARROW = 256  # sides below this are extended by reflection
TRIES = 100  # places looked at for one on an object
STAGES = 4  # chunks on their way to the device


def widened(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Extend narrow pictures by reflection, at most once their own size at a time."""
    while min(labels.shape) < NARROW:
        h, w = labels.shape
        bottom, right = (min(n, max(0, NARROW - n)) for n in (h, w))
        image = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REFLECT)
        labels = mirror(labels, bottom, right)
    return image, labels


def read_pack(path: Path) -> tuple[list[Tile], list[float]]:
    """Read what ``pack.py`` wrote: tiles, and the chance of each."""
    tiles, chances = [], []
    with path.open("rb") as file:
        facts = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        for fact in facts:
            parts = (file.read(fact["bytes"][0]), file.read(fact["bytes"][1]))
            image, labels = widened(*unsqueeze(parts, tuple(fact["shape"])))
            facts_of = (fact["kind"], fact["scale"], fact["diameter"], fact["partial"])
            tiles.append(Tile(image, labels, *facts_of))
            chances.append(fact["chance"])
    return tiles, chances


class Store:
    """Squares on a device: the real pictures, then a ring of drawn ones that are replaced.

    Parameters
    ----------
    tiles, chances
        What ``read_pack`` returns.
    drawers
        Where drawn pictures come from, if any are wanted.
    ring : int
        Drawn pictures that are kept.
    share : float
        Of drawn pictures among the crops.
    """

    def __init__(
        self, tiles: list[Tile], chances: list[float], drawers: Drawers | None, ring: int,
        share: float, device: torch.device,
    ) -> None:  # fmt: skip
        self.real, self.ring, self.drawers, self.device = len(tiles), ring, drawers, device
        n = -(-self.real // CHUNK) * CHUNK + (ring if drawers else 0)
        self.images = torch.zeros((n, 3, TILE, TILE), dtype=torch.uint8, device=device)
        self.labels = torch.zeros((n, TILE, TILE), dtype=torch.int16, device=device)
        self.depth = torch.zeros((n, TILE, TILE), dtype=torch.int16, device=device)
        self.facts = torch.ones((n, len(FACTS)), device=device)
        self.share, self.taken = share if drawers else 0.0, 0
        pin = device.type == "cuda"
        self.stages = [torch.zeros(Chunk.size(), dtype=torch.uint8) for _ in range(STAGES)]
        self.stages = [s.pin_memory() if pin else s for s in self.stages]
        self.events: list[torch.cuda.Event | None] = [None] * STAGES
        self.turn = 0
        stage = Chunk(memoryview(bytearray(Chunk.size())))
        for start in range(0, self.real, CHUNK):
            for k, tile in enumerate(tiles[start : start + CHUNK]):
                stage.put(k, tile)
            self.load(stage, start)
        self.chance = torch.tensor(chances) / sum(chances)
        self.reckon()

    def load(self, chunk: Chunk, start: int) -> None:
        """Copy a chunk to the places from ``start`` on, without waiting for the device."""
        stage, event = self.stages[self.turn], self.events[self.turn]
        if event is not None:
            event.synchronize()  # this stage's last copy, some chunks ago
        view = Chunk(memoryview(stage.numpy()))
        for to, source in ((self.images, "images"), (self.labels, "labels"), (self.depth, "depth")):
            np.copyto(getattr(view, source), getattr(chunk, source))
            part = torch.from_numpy(getattr(view, source))
            to[start : start + CHUNK].copy_(part, non_blocking=True)
        np.copyto(view.facts, chunk.facts)
        self.facts[start : start + CHUNK].copy_(torch.from_numpy(view.facts), non_blocking=True)
        if self.device.type == "cuda":
            self.events[self.turn] = torch.cuda.Event()
            self.events[self.turn].record()
        self.turn = (self.turn + 1) % STAGES

    def reckon(self) -> None:
        """Sum the chances up, so that a number drawn says which picture is meant."""
        drawn = min(self.taken, self.ring)
        start = len(self.images) - (self.ring if self.drawers else 0)
        every = torch.zeros(len(self.images))
        every[: self.real] = self.chance * (1 - (self.share if drawn else 0.0))
        if drawn:
            every[start : start + drawn] = self.share / drawn
        sums = every.cumsum(0).clamp(max=1.0)
        sums[max(self.real, start + drawn if drawn else 0) - 1 :] = 2.0
        self.sums = sums.to(self.device, non_blocking=True)

    def refresh(self, most: int = 1, wait: bool = False) -> int:
        """Take up to ``most`` chunks that are ready; return how many there were."""
        if self.drawers is None:
            return 0
        start = len(self.images) - self.ring
        for count in range(most):
            if not wait and self.drawers.ready.empty():
                return count
            place = self.drawers.ready.get()
            self.load(self.drawers.chunks[place], start + self.taken % self.ring)
            self.drawers.free.put(place)
            grows = self.taken < self.ring
            self.taken += CHUNK
            if grows:
                self.reckon()
        return most

    def some(self, n: int) -> Tensor:
        """Draw n places."""
        return torch.searchsorted(self.sums, torch.rand(n, device=self.device), right=True)


def uniform(n: int, low: float, high: float, device: torch.device) -> Tensor:
    """Draw n numbers."""
    return low + (high - low) * torch.rand(n, device=device)


def cut(store: Store, which: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cut, scale, stretch, turn and flip: pictures (n, 3, S, S) float, labels, depths (n, S, S).

    A crop lies within its square; so small pictures are enlarged more. A third is turned by any
    angle.
    """
    at, n = which.device, len(which)
    rows, columns, scale, diameter, _ = store.facts[which].unbind(1)
    sides = torch.stack([rows, columns], 1)
    scale = scale * torch.exp(uniform(n, -0.6, 0.6, at))
    other = torch.exp(uniform(n, float(np.log(8)), float(np.log(200)), at)) / diameter
    scale = torch.where(torch.rand(n, device=at) < 0.7, scale, other)
    scale = torch.minimum(torch.maximum(scale, 6 / diameter), (400 / diameter).clamp(max=8))
    angle = uniform(n, -np.pi / 4, np.pi / 4, at) * (torch.rand(n, device=at) < 0.33)
    aspect = torch.exp(uniform(n, -0.12, 0.12, at))
    wide = angle.cos() + angle.sin().abs()
    most = torch.maximum(aspect, 1 / aspect)
    scale = torch.maximum(scale, size * wide * most / (sides.amin(1) - 0.5))
    half = (size * wide * most / scale / 2)[:, None]  # pixels of the square
    centre = half[:, None] + torch.rand((n, TRIES, 2), device=at) * (sides - 2 * half)[:, None]
    spot = centre.long()
    on = store.labels[which[:, None], spot[..., 0], spot[..., 1]] > 0
    off = (torch.rand((n, TRIES, 2), device=at) - 0.5) * half[:, None]  # not always in the middle
    centre = (centre + off).clamp(min=0)
    centre = torch.minimum(torch.maximum(centre, half[:, None]), (sides - half)[:, None])
    best = (on & (torch.rand(n, 1, device=at) < 0.85)).float().argmax(1)  # the first on an object
    centre = centre[torch.arange(n, device=at), best]
    line = (torch.arange(2 * size, device=at) + 0.5) / 2 - size / 2  # two points a pixel
    y, x = (line / scale[:, None] * aspect[:, None]), (line / scale[:, None] / aspect[:, None])
    y, x = y[:, :, None], x[:, None, :]
    sin, cos = angle.sin()[:, None, None], angle.cos()[:, None, None]
    grid = torch.stack([cos * x - sin * y, sin * x + cos * y], -1)
    grid = grid + centre.flip(1)[:, None, None]
    turned = torch.rand(n, device=at) < 0.5
    grid = torch.where(turned[:, None, None, None], grid.transpose(1, 2), grid)
    for axis in (1, 2):
        back = torch.rand(n, device=at) < 0.5
        grid = torch.where(back[:, None, None, None], grid.flip(axis), grid)
    seen = F.grid_sample(
        store.images[which].float(), grid * (2 / TILE) - 1, "bilinear", "border", False
    )
    middle = (grid[:, ::2, ::2] + grid[:, 1::2, 1::2]) / 2  # of the crop's pixels
    spot = middle.floor().long().clamp(0, TILE - 1)
    labels = store.labels[which[:, None, None], spot[..., 1], spot[..., 0]].int()
    depth = store.depth[which][:, None].float()
    depth = F.grid_sample(depth, middle * (2 / TILE) - 1, "bilinear", "border", False)[:, 0]
    depth = depth * (labels > 0) * scale[:, None, None] / DEPTH
    return F.avg_pool2d(seen, 2), labels, depth


def slots(labels: Tensor) -> Tensor:
    """Where each pixel's label is summed up, (n, S * S): background is spread, nobody needs it."""
    flat = labels.flatten(1).long()
    spread = LABELS + torch.arange(flat.shape[1], device=flat.device) % LABELS
    return torch.where(flat > 0, flat, spread)


def boxes_of(labels: Tensor, flat: Tensor) -> tuple[Tensor, Tensor]:
    """Edge boxes (n, LABELS, 4) and areas (n, LABELS) of the labels of crops; 0 is background."""
    n, size = labels.shape[:2]
    line = torch.arange(size, device=labels.device)
    xs = line.repeat(size).expand(n, -1).float()
    ys = line.repeat_interleave(size).expand(n, -1).float()
    ends = []
    for values, how in ((xs, "amin"), (ys, "amin"), (xs + 1, "amax"), (ys + 1, "amax")):
        start = torch.full((n, 2 * LABELS), 1e6 if how == "amin" else -1e6, device=labels.device)
        ends.append(start.scatter_reduce(1, flat, values, how)[:, :LABELS])
    areas = torch.zeros((n, 2 * LABELS), device=labels.device)
    areas = areas.scatter_add(1, flat, torch.ones_like(xs))[:, :LABELS].contiguous()
    areas[:, 0] = (labels == 0).sum((1, 2))
    return torch.stack(ends, -1), areas


def touching(labels: Tensor) -> Tensor:
    """Tell which labels share a border with another one, (n, LABELS) bool."""
    n = len(labels)
    found = torch.zeros((n, LABELS), device=labels.device)
    for a, b in ((labels[:, 1:], labels[:, :-1]), (labels[:, :, 1:], labels[:, :, :-1])):
        on = (a != b) & (a > 0) & (b > 0)
        for side in (a, b):
            found.scatter_(1, (side * on).reshape(n, -1).long(), 1.0)
    found[:, 0] = 0
    return found > 0


def targets(
    labels: Tensor, flat: Tensor, depth: Tensor, boxes: Tensor, partial: Tensor
) -> tuple[Tensor, Tensor]:
    """Dense targets at stride 4, as ``data.dense_targets`` makes them."""
    size = labels.shape[1]
    peak = torch.ones((len(labels), 2 * LABELS), device=labels.device)
    peak = peak.scatter_reduce(1, flat, depth.flatten(1), "amax")
    inside = (labels > 0).float()
    centre = (depth / peak.gather(1, flat).reshape(labels.shape)) ** 2 * inside
    pooled = [F.max_pool2d(centre[:, None], STRIDE), F.avg_pool2d(inside[:, None], STRIDE)]
    objectness = torch.cat(pooled, 1)
    empty = (partial > 0)[:, None, None, None] & (objectness[:, 1:] == 0)
    objectness = torch.where(empty, torch.full_like(objectness, -1.0), objectness)
    cell = labels[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].long()
    box = boxes.gather(1, cell.flatten(1)[..., None].expand(-1, -1, 4)).reshape(*cell.shape, 4)
    middle = (torch.arange(size // STRIDE, device=labels.device) + 0.5) * STRIDE
    x, y = middle[None, None, :], middle[None, :, None]
    extent = torch.stack([x - box[..., 0], y - box[..., 1], box[..., 2] - x, box[..., 3] - y], 1)
    extent = torch.where((cell > 0)[:, None], extent.clamp(min=0.5), torch.zeros_like(extent))
    return objectness, extent


def gumbel(shape: torch.Size, device: torch.device) -> Tensor:
    """Noise, with which the largest of logarithms is drawn by their numbers."""
    return -torch.log(-torch.log(torch.rand(shape, device=device).clamp(1e-6, 1 - 1e-6)))


def first_prompts(
    labels: Tensor, depth: Tensor, boxes: Tensor, areas: Tensor, partial: Tensor, per: int
) -> Batch:
    """Draw ``per`` prompts a crop: clicks anywhere inside, loose boxes, masks, background.

    Touching objects are asked for three times as often.
    """
    n, size = labels.shape[:2]
    at, b = labels.device, n * per
    able = (areas >= SMALLEST) & (torch.arange(LABELS, device=at) > 0)
    liking = gumbel(areas.shape, at) + touching(labels) * float(np.log(3))
    order = torch.where(able, liking, -1e9).argsort(1, descending=True)
    turn = torch.arange(per, device=at)[None] % able.sum(1, keepdim=True).clamp(min=1)
    target = order.gather(1, turn).flatten()
    crop = torch.arange(n, device=at).repeat_interleave(per, output_size=b)
    empty = (areas[:, 0] > 50) & (partial == 0)
    none = ~able.any(1)[crop] | (empty[crop] & (torch.rand(b, device=at) < 0.08))
    target = torch.where(none, 0, target)
    here = labels[crop].flatten(1) == target[:, None]  # of background: where a click may fall
    here |= ~here.any(1, keepdim=True)
    u = torch.rand(b, device=at)
    power = torch.where(u < 0.45, 0.5, torch.where(u < 0.9, 2.0, 20.0))
    liking = power[:, None] * depth.clamp(min=0.5).log()[crop].flatten(1)
    liking = torch.where(none[:, None], torch.zeros_like(liking), liking)
    noise = gumbel(liking.shape, at)
    pick = torch.where(here, liking + noise, torch.full_like(noise, -1e9)).argmax(1)
    spare = torch.where(here, noise, torch.full_like(noise, -1e9)).topk(SPARE, 1).indices

    def point(pixel: Tensor) -> Tensor:
        return torch.stack([pixel % size, pixel // size], -1).float()

    click = point(pick) + (torch.rand((b, 2), device=at) - 0.5) * 0.8
    box = boxes[crop, target]
    ends = (box[:, 2:] - box[:, :2]).repeat(1, 2)
    way = (torch.arange(4, device=at) > 1).float() * 2 - 1
    loose = torch.rand((b, 1), device=at) * 0.2 * ends * way * (torch.rand(b, 1, device=at) < 0.5)
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
    other, there = neighbour(labels, depth, target[::per], box[::per])
    there &= (u[::per] < 0.62) & real[::per]
    coords[::per, 6], tags[::per, 6] = point(other), torch.where(there, 0.0, -1.0)
    return Batch(
        coords,
        tags,
        torch.where(real, target, -1).float(),
        areas[crop, target] * real,
        torch.where(real[:, None], box, torch.full_like(box, torch.nan)),
        point(spare) * real[:, None, None],
        ((u > 0.92) & real).float(),
    )


def neighbour(labels: Tensor, depth: Tensor, target: Tensor, box: Tensor) -> tuple[Tensor, Tensor]:
    """Return a pixel deep in an object near the target of each crop, and whether there is one."""
    size = labels.shape[1]
    reach = 0.3 * (box[:, 2:] - box[:, :2]).amax(1)
    line = torch.arange(size, device=labels.device) + 0.5
    lo, hi = box[:, :2] - reach[:, None], box[:, 2:] + reach[:, None]
    in_x = (line > lo[:, :1]) & (line < hi[:, :1])
    in_y = (line > lo[:, 1:]) & (line < hi[:, 1:])
    near = in_y[:, :, None] & in_x[:, None, :] & (labels > 0) & (labels != target[:, None, None])
    liking = 3 * depth.clamp(min=0.5).log() + gumbel(depth.shape, labels.device)
    best, pixel = torch.where(near, liking, -1e9).flatten(1).max(1)
    return pixel, best > -1e8


class DeviceCrops:
    """Batches of training crops, made in the device's memory."""

    def __init__(self, store: Store, args: argparse.Namespace) -> None:
        self.store, self.args = store, args

    @torch.no_grad()
    def batch(self, size: int, images: int, prompts: int) -> tuple[list[Tensor], Batch]:
        """Return pictures, labels, dense targets; prompts."""
        store = self.store
        which = store.some(images)
        image, labels, depth = cut(store, which, size)
        image = change_looks(image, self.args.mild)
        flat = slots(labels)
        boxes, areas = boxes_of(labels, flat)
        partial = store.facts[which, 4]
        objectness, extent = targets(labels, flat, depth, boxes, partial)
        asked = first_prompts(labels, depth, boxes, areas, partial, prompts)
        return [image, labels, objectness, extent], asked
