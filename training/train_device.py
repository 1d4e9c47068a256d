"""Train with all data in a device's memory, for minutes on a large GPU.

    python pack.py --data DATA --out PACK
    python train_device.py --pack PACK --start START.pt --run RUN --minutes 12 --drawers 14

Other processors draw pictures meanwhile. A checkpoint is written each minute, and when the time is
up; called again with the same ``--run`` it goes on. ``export.py --checkpoint RUN/last.pt`` makes
the ONNX pair of it.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from device_crops import DeviceCrops, Store, read_pack
from drawn import Drawers
from loop import average, begin, drop_bad, keep, make_optimisers, rate_at, resume
from model import Pebble
from step import step_loss
from torch import nn

LARGE, LITTLE = 384, (64, 128)  # sides of larger and smaller crops


def halved(ema: nn.Module) -> dict[str, torch.Tensor]:
    """Averaged weights with float16 filters, as they will be stored."""
    return {k: v.half().cpu() if v.ndim > 1 else v.cpu() for k, v in ema.state_dict().items()}


def shape_of_batch(args: argparse.Namespace, rng: np.random.Generator) -> tuple[int, int, int]:
    """Side of the crops of a step, how many there are, and prompts of each."""
    size, u = args.size, rng.random()
    if u < args.large:
        size = LARGE
    elif u > 1 - args.little:
        size = int(rng.choice(LITTLE))
    images = args.images * args.size // size
    if size > args.size:
        images = images * args.size // size  # as many pixels; smaller ones have fewer prompts
    return size, images, max(2, args.prompts * size // args.size)


def train(args: argparse.Namespace, crops: DeviceCrops, device: torch.device) -> int:
    """Run the loop until the time or the steps are up; return how many steps were made."""
    rng = np.random.default_rng(args.seed)
    model = Pebble()
    if args.start:
        begin(model, args.start)
    model = model.to(device, memory_format=torch.channels_last).train()
    ema = copy.deepcopy(model)
    optimisers = make_optimisers(model, args)
    weights = list(model.parameters())
    args.run.mkdir(parents=True, exist_ok=True)
    last = args.run / "last.pt"
    step, spent = resume(last, model, ema, optimisers, device)
    if last.exists():
        torch.manual_seed(args.seed + step)
    moments = sorted(m for m in args.moments if m > spent / (60 * args.minutes))
    began, saved, shown, first = time.time() - spent, time.time(), time.time(), step
    while True:
        spent = time.time() - began
        done = max(spent / (60 * args.minutes), step / args.steps if args.steps else 0.0)
        if moments and done >= moments[0]:
            torch.save({"ema": halved(ema)}, args.run / f"at{round(100 * moments.pop(0))}.pt")
        if time.time() - saved > args.save_every or done >= 1 or spent > args.until:
            keep(last, model, ema, optimisers, step, spent)
            saved = time.time()
        if done >= 1 or spent > args.until:
            return step
        for group in (g for o in optimisers for g in o.param_groups):
            group["lr"] = rate_at(done, args.lr)
        if step % 3 == 0:
            crops.store.refresh()
        data, batch = crops.batch(*shape_of_batch(args, rng))
        loss, stats = step_loss(model, tuple(data), batch, args, 1.0 if args.start else done)
        model.zero_grad(set_to_none=True)
        loss.backward()
        drop_bad(weights, nn.utils.clip_grad_norm_(weights, 5.0))
        for optimiser in optimisers:
            optimiser.step()
        step += 1
        average(ema, model, step, args.average)
        if step % args.report == 0:
            line = " ".join(f"{k} {float(v):.3f}" for k, v in sorted(stats.items()))
            pace = (step - first) / max(time.time() - shown, 1e-6)
            first, shown = step, time.time()
            drawn = f"{crops.store.taken} drawn, {pace:.2f} steps/s"
            print(f"{step} {spent / 60:.2f} min {line}; {drawn}", flush=True)


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--pack", type=Path, required=True, help="file that pack.py wrote")
    p.add_argument("--run", type=Path, required=True, help="checkpoints")
    p.add_argument("--start", type=Path, help="checkpoint whose averaged weights to start from")
    p.add_argument("--minutes", type=float, default=12)
    p.add_argument("--until", type=float, default=1e9, help="stop after so many seconds of it")
    p.add_argument("--steps", type=int, default=0, help="end after so many steps")
    p.add_argument("--save-every", type=float, default=60, help="seconds")
    p.add_argument("--moments", type=float, nargs="*", default=[0.6, 0.8, 0.9, 1.0],
                   help="shares of the time at which averaged weights are kept")  # fmt: skip
    p.add_argument("--report", type=int, default=50, help="steps")
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--average", type=float, default=0.9985, help="of averaged weights kept a step")
    p.add_argument("--muon", action=argparse.BooleanOptionalAction, default=True)
    p.add_argument("--images", type=int, default=96, help="per step")
    p.add_argument("--prompts", type=int, default=8, help="per picture")
    p.add_argument("--size", type=int, default=256, help="crop side, of 32n")
    p.add_argument("--large", type=float, default=0.2, help=f"share of steps with {LARGE} pixels")
    p.add_argument("--little", type=float, default=0.2, help=f"of steps with {LITTLE} pixels")
    p.add_argument("--mild", type=float, default=0.5, help="share of mildly augmented crops")
    p.add_argument("--drawers", type=int, default=0, help="processes that draw pictures")
    p.add_argument("--ring", type=int, default=4096, help="drawn pictures that are kept")
    p.add_argument("--simulated", type=float, default=0.45, help="share of drawn pictures")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    args = p.parse_args()
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    began = time.time()
    tiles, chances = read_pack(args.pack)
    drawers = Drawers(tiles, args.drawers, args.seed + int(began)) if args.drawers else None
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    cv2.setNumThreads(1)
    store = Store(tiles, chances, drawers, args.ring, args.simulated, device)
    store.refresh(min(args.ring, 512) // 16, wait=True)
    print(f"{len(tiles)} tiles on {device} after {time.time() - began:.1f} s", flush=True)
    try:
        train(args, DeviceCrops(store, args), device)
    finally:
        if drawers:
            drawers.end()


if __name__ == "__main__":
    main()
