"""Train pebble for a given time; resume where a checkpoint stands; write the ONNX pair at the end.

    python train.py --data DATA --cache CACHE --run RUN --minutes 60 --out OUT

The learning rate follows the time spent, so a run ends when it was told to.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import numpy as np
import torch
from data import Picture, augment, crop, dense_targets, inner_distance, read_real, read_simulated
from data import weights as sampling_weights
from export import export
from losses import dense_loss, mask_loss, neighbour_loss, true_iou
from model import GRID, Pebble, normalise
from muon import Muon
from prompts import Batch, collect, correct, first_prompts, perturbed_mask, sample_truth
from scipy import ndimage
from torch import Tensor, nn
from torch import multiprocessing as mp
from torch.utils.data import DataLoader, IterableDataset


class Crops(IterableDataset):  # type: ignore[type-arg]
    """Endless augmented crops with their targets and first prompts, one batch at a time."""

    def __init__(self, pictures: list[Picture], args: argparse.Namespace, start: int) -> None:
        self.pictures, self.args, self.start = pictures, args, start
        self.chance = sampling_weights(pictures, args.simulated)

    def __iter__(self):  # type: ignore[no-untyped-def]
        info = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.args.seed, self.start, info.id if info else 0])
        while True:
            size = int(rng.choice(self.args.sizes))
            images = max(2, round(self.args.images * (self.args.sizes[0] / size) ** 2))
            yield self.batch(rng, size, images)

    def batch(self, rng: np.random.Generator, size: int, images: int) -> tuple[object, ...]:
        """Return pictures, labels, dense targets, prompts."""
        parts, prompts = [], []
        for k in rng.choice(len(self.pictures), images, p=self.chance):
            image, labels = crop(self.pictures[k], size, rng)
            image = augment(image, rng, mild=rng.random() < self.args.mild)
            distance, objects = inner_distance(labels), ndimage.find_objects(labels)
            objectness, extent = dense_targets(labels, distance, objects)
            prompts.append(first_prompts(labels, distance, objects, self.args.prompts, rng))
            parts.append((image.transpose(2, 0, 1), labels.astype(np.int32), objectness, extent))
        arrays = (torch.from_numpy(np.stack(p)) for p in zip(*parts, strict=True))
        return (*arrays, collect(prompts))


def take(batch: Batch, keep: Tensor) -> Batch:
    """Return some of the prompts."""
    return Batch(**{k: getattr(batch, k)[keep] for k in Batch.__slots__})


def hints(batch: Batch, share: float) -> Tensor:
    """Return true boxes, shaken, for a share of the prompts; NaN for the others."""
    sides = (batch.box[:, 2:] - batch.box[:, :2]).repeat(1, 2)
    boxes = batch.box + sides * 0.1 * torch.randn_like(batch.box)
    use = torch.rand(len(boxes), 1, device=boxes.device) < share
    return torch.where(use, boxes, torch.full_like(boxes, math.nan))


def step_loss(
    model: Pebble, data: tuple[Tensor, ...], batch: Batch, args: argparse.Namespace, done: float
) -> tuple[Tensor, dict[str, float]]:
    """Loss of one step: dense maps, first answers, and up to three rounds of corrections."""
    image, labels, objectness, extent = data
    device = image.device
    with torch.autocast(device.type, torch.bfloat16, enabled=args.bf16):
        x = normalise(image).contiguous(memory_format=torch.channels_last)
        detail, features, context, found, spread = model.encoder(x)
        kinship, outline = model.kinship(features), model.outline(detail)
    spread = spread.float()
    maps, boxes = dense_loss(found.float(), spread, objectness, extent)
    kin = neighbour_loss(kinship.float(), outline.float(), labels)
    stats = {"maps": maps.item(), "boxes": boxes.item(), "kin": kin.item()}
    total = 2.0 * maps + 0.5 * boxes + 0.5 * kin
    spread = spread.detach()

    n, m = batch.area.shape[0], GRID
    logits, window = (t.to(device) for t in perturbed_mask(batch, labels, m))
    use = batch.refine.clone()
    rounds = 1 + int(np.random.choice(4, p=[0.35, 0.3, 0.2, 0.15]))
    share = max(0.2, 1 - 12 * done)
    for r in range(rounds):
        hint = hints(batch, share) if r == 0 else None
        with torch.autocast(device.type, torch.bfloat16, enabled=args.bf16):
            masks, iou, window = model.decoder(
                detail.float(), features.float(), context.float(), spread,
                batch.coords, batch.labels, logits, window, use, hint,
            )  # fmt: skip
        masks, iou, window = masks.float(), iou.float(), window.detach()
        truth, others = sample_truth(labels, batch.target, window, m)
        exists = (batch.target > 0).float()
        loss = mask_loss(masks, truth, others, exists).mean()
        good = true_iou(masks.detach(), truth, window, batch.area, labels.shape[-1])
        rate = nn.functional.smooth_l1_loss(iou, good, beta=0.1)
        total = total + (loss + rate) * (1.0 if r == 0 else 0.6)
        best = iou.detach().argmax(1)
        rows = torch.arange(len(best), device=device)
        real = exists > 0
        got = good[rows, best]
        clicks = real & (batch.labels[:, 0] < 0) & (batch.refine == 0)
        if r == 0:
            stats |= {"mask": loss.item(), "rate": (iou - good).abs().mean().item()}
            if clicks.any():
                stats["click"] = got[clicks].mean().item()
            if (batch.labels[:, 0] > 0).any():
                stats["box"] = got[batch.labels[:, 0] > 0].mean().item()
        else:
            stats[f"round{r}"] = got[real].mean().item()
        if r + 1 == rounds:
            break
        chosen = masks.detach()[rows, best][:, None]
        if r == 0:  # corrections for half of the prompts of every picture
            per = n // image.shape[0]
            keep = (rows % per) < per // 2
            batch, chosen = take(batch, keep), chosen[keep]
            window, truth = window[keep], truth[keep]
        before = batch.labels.clone()
        correct(batch, 3 + r, chosen[:, 0] > 0, truth[:, 0], window)
        look = torch.rand(len(before), device=device) < 0.15  # second look: no new click
        batch.labels = torch.where(look[:, None], before, batch.labels)
        with_mask = look | (torch.rand(len(before), device=device) < 0.9)
        logits, use = chosen, with_mask.float()
    stats["total"] = total.item()
    return total, stats


def rate_at(done: float, peak: float) -> float:
    """Learning rate at a share of the time: short rise, cosine fall to 1 %."""
    rise = min(1.0, done / 0.02 + 0.02)
    return peak * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


class Middle:
    """Shared weights through which processes average theirs, without waiting for each other.

    Every ``every`` steps a process meets the shared copy halfway (elastic averaging, Zhang et al.
    2015, arXiv:1412.6651): on a busy machine this beats threads, which wait for the slowest.
    """

    def __init__(self, model: nn.Module, lock: object, every: int) -> None:
        self.weights = [p.detach().cpu().clone().share_memory_() for p in model.parameters()]
        self.lock, self.every = lock, every

    @torch.no_grad()
    def meet(self, model: nn.Module) -> None:
        """Move the model's and the shared weights to their mean."""
        with self.lock:  # type: ignore[attr-defined]
            for mine, ours in zip(model.parameters(), self.weights, strict=True):
                ours.lerp_(mine.detach().to(ours.device), 0.5)
                mine.copy_(ours)


def make_optimisers(model: nn.Module, args: argparse.Namespace) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions, unless told otherwise; AdamW for the rest."""
    inner = [p for p in model.parameters() if args.muon and p.ndim == 4 and p.shape[0] > 8]
    taken = {id(p) for p in inner}
    others = [p for p in model.parameters() if id(p) not in taken]
    groups = [
        {"params": [p for p in others if p.ndim > 1], "weight_decay": 0.02},
        {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.98))
    ]
    if inner:
        optimisers.append(Muon(inner, args.lr, weight_decay=0.02))
    return optimisers


def save(path: Path, state: dict[str, object]) -> None:
    """Write beside, then rename."""
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def train(rank: int, args: argparse.Namespace, middle: Middle | None) -> None:
    """Run the loop until the time is up; rank 0 averages, saves and reports."""
    torch.manual_seed(args.seed + rank)
    np.random.seed(args.seed + rank)
    first = rank == 0
    torch.set_num_threads(args.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pictures = [p for p in read_real(args.data, args.split) if not p.held]
    if args.cache:
        pictures += read_simulated(args.cache)
    if first:
        print(f"{len(pictures)} pictures on {device}", flush=True)
    model = Pebble().to(device, memory_format=torch.channels_last).train()
    if args.start:
        model.load_state_dict(torch.load(args.start, weights_only=True)["ema"])
    ema = copy.deepcopy(model)
    optimisers = make_optimisers(model, args)
    step, spent = 0, 0.0
    args.run.mkdir(parents=True, exist_ok=True)
    last = args.run / "last.pt"
    if last.exists():
        state = torch.load(last, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        ema.load_state_dict(state["ema"])
        for optimiser, was in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(was)
        step, spent = state["step"], state["spent"]
    if middle:
        with torch.no_grad():
            for mine, ours in zip(model.parameters(), middle.weights, strict=True):
                mine.copy_(ours)
    seed = step + 1_000_000 * rank
    loader = iter(DataLoader(Crops(pictures, args, seed), None, num_workers=args.workers))
    began, saved, shown = time.time() - spent, time.time(), step
    mean: dict[str, float] = {}
    log = (args.run / "log.csv").open("a")
    while True:
        spent = time.time() - began
        done = spent / (60 * args.minutes)
        if first and (time.time() - saved > 120 or done >= 1):
            nets = {"model": model.state_dict(), "ema": ema.state_dict()}
            states = [o.state_dict() for o in optimisers]
            save(last, {**nets, "optimisers": states, "step": step, "spent": spent})
            saved = time.time()
        if done >= 1:
            break
        for group in (g for o in optimisers for g in o.param_groups):
            group["lr"] = rate_at(done, args.lr)
        *data, batch = next(loader)
        data = tuple(t.to(device) for t in data)
        batch = Batch(**{k: getattr(batch, k).to(device) for k in Batch.__slots__})
        loss, stats = step_loss(model, data, batch, args, 1.0 if args.start else done)
        model.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        if not torch.isfinite(norm):
            print("skipped a step: the gradient is not finite", flush=True)
            continue
        for optimiser in optimisers:
            optimiser.step()
        step += 1
        if middle and step % middle.every == 0:
            middle.meet(model)
        if not first:
            continue
        keep = min(0.9985, (1 + step) / (10 + step))
        with torch.no_grad():
            for a, b in zip(ema.state_dict().values(), model.state_dict().values(), strict=True):
                if a.dtype.is_floating_point:
                    a.lerp_(b, 1 - keep)
                else:
                    a.copy_(b)
        for k, v in stats.items():
            mean[k] = 0.98 * mean[k] + 0.02 * v if k in mean else v
        if step - shown >= 50:
            shown = step
            line = " ".join(f"{k} {v:.3f}" for k, v in sorted(mean.items()))
            print(f"{step} {spent / 60:.1f} min {line}", flush=True)
            log.write(f"{step},{spent:.0f}," + ",".join(f"{k}={v:.4f}" for k, v in mean.items()))
            log.write("\n")
            log.flush()
    if not first:
        return
    final = ema.cpu().eval().to(memory_format=torch.contiguous_format)
    if args.out:
        export(final, args.out)


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--data", type=Path, required=True, help="folder with dsb2018, phase_usiigaci")
    p.add_argument("--cache", type=Path, help="folder that simulate.py filled")
    p.add_argument("--run", type=Path, required=True, help="checkpoints and log")
    p.add_argument("--out", type=Path, help="folder for the ONNX pair")
    p.add_argument("--start", type=Path, help="checkpoint whose averaged weights to start from")
    p.add_argument("--split", choices=["strict", "final"], default="final")
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--muon", action=argparse.BooleanOptionalAction, default=True)
    p.add_argument("--images", type=int, default=6, help="per step, at the first of --sizes")
    p.add_argument("--prompts", type=int, default=8, help="per picture")
    p.add_argument("--sizes", type=int, nargs="+", default=[256], help="crop sides, of 32n")
    p.add_argument("--simulated", type=float, default=0.4, help="share of simulated pictures")
    p.add_argument("--mild", type=float, default=0.5, help="share of mildly augmented crops")
    p.add_argument("--threads", type=int, default=1, help="2 only on an idle machine")
    p.add_argument("--workers", type=int, default=1)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    p.add_argument("--processes", type=int, default=1, help="CPU: one per core")
    args = p.parse_args()
    if args.processes == 1:
        train(0, args, None)
        return
    torch.manual_seed(args.seed)
    model = Pebble()
    state = args.run / "last.pt"
    if state.exists():
        model.load_state_dict(torch.load(state, weights_only=True)["model"])
    elif args.start:
        model.load_state_dict(torch.load(args.start, weights_only=True)["ema"])
    middle = Middle(model, mp.get_context("spawn").Lock(), every=8)
    mp.spawn(train, (args, middle), args.processes)


if __name__ == "__main__":
    main()
