"""Train with all data in a device's memory, for minutes on a large GPU; torch and numpy are enough.

    python pack.py --data DATA --cache CACHE --out PACK
    python train_device.py --pack PACK --start START.pt --run RUN --minutes 12

A checkpoint is written each minute, and when the time is up; called again with the same ``--run``
it goes on. ``export.py --checkpoint RUN/last.pt`` makes the ONNX pair of it.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import torch
from device_crops import DeviceCrops, read_pack
from loop import average, keep, make_optimisers, rate_at, resume
from model import Pebble
from step import step_loss
from torch import nn


def train(args: argparse.Namespace) -> int:
    """Run the loop until the time or the steps are up; return how many steps were made."""
    torch.manual_seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    crops = DeviceCrops(read_pack(args.pack, device), args)
    print(f"{len(crops.store.chance)} tiles on {device}", flush=True)
    model = Pebble().to(device, memory_format=torch.channels_last).train()
    if args.start:
        model.load_state_dict(torch.load(args.start, weights_only=True)["ema"])
    ema = copy.deepcopy(model)
    optimisers = make_optimisers(model, args)
    args.run.mkdir(parents=True, exist_ok=True)
    last = args.run / "last.pt"
    step, spent = resume(last, model, ema, optimisers, device)
    if last.exists():
        torch.manual_seed(args.seed + step)
    began, saved = time.time() - spent, time.time()
    while True:
        spent = time.time() - began
        done = max(spent / (60 * args.minutes), step / args.steps if args.steps else 0.0)
        if time.time() - saved > args.save_every or done >= 1:
            keep(last, model, ema, optimisers, step, spent)
            saved = time.time()
        if done >= 1:
            return step
        for group in (g for o in optimisers for g in o.param_groups):
            group["lr"] = rate_at(done, args.lr)
        *data, batch = crops.batch()
        loss, stats = step_loss(model, tuple(data), batch, args, 1.0 if args.start else done)
        model.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        if not torch.isfinite(norm):
            print("skipped a step: the gradient is not finite", flush=True)
            continue
        for optimiser in optimisers:
            optimiser.step()
        step += 1
        average(ema, model, step)
        if step % args.report == 0:
            line = " ".join(f"{k} {v:.3f}" for k, v in sorted(stats.items()))
            print(f"{step} {spent / 60:.1f} min {line}", flush=True)


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--pack", type=Path, required=True, help="file that pack.py wrote")
    p.add_argument("--run", type=Path, required=True, help="checkpoints")
    p.add_argument("--start", type=Path, help="checkpoint whose averaged weights to start from")
    p.add_argument("--minutes", type=float, default=12)
    p.add_argument("--steps", type=int, default=0, help="end after so many steps")
    p.add_argument("--save-every", type=float, default=60, help="seconds")
    p.add_argument("--report", type=int, default=50, help="steps")
    p.add_argument("--lr", type=float, default=2e-3)
    p.add_argument("--muon", action=argparse.BooleanOptionalAction, default=True)
    p.add_argument("--images", type=int, default=48, help="per step")
    p.add_argument("--prompts", type=int, default=8, help="per picture")
    p.add_argument("--size", type=int, default=256, help="crop side, of 32n")
    p.add_argument("--mild", type=float, default=0.5, help="share of mildly augmented crops")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--bf16", action=argparse.BooleanOptionalAction, default=True)
    train(p.parse_args())


if __name__ == "__main__":
    main()
