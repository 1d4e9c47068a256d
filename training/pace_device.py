"""How fast steps are on a device, by the number of crops; a short run before a long one.

    python pace_device.py --pack PACK --start START.pt --drawers 12 --images 64 96 128

Says of each: steps and crops a second, how much of a step is waiting for the processor, memory,
and the last step's losses. Warns where the loop waits for the device.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from device_crops import DeviceCrops, Store, read_pack
from drawn import Drawers
from loop import average, begin, drop_bad, make_optimisers
from model import Pebble
from step import step_loss
from torch import nn

WARM = 8


def pace(crops: DeviceCrops, images: int, args: argparse.Namespace) -> None:
    """Time some steps of one size of batches."""
    torch.manual_seed(0)
    np.random.seed(0)
    device = crops.store.device
    model = Pebble()
    if args.start:
        begin(model, args.start)
    model = model.to(device, memory_format=torch.channels_last).train()
    ema, optimisers, weights = Pebble().to(device), make_optimisers(model, args), []
    weights = list(model.parameters())
    spent = {"crops": 0.0, "forward": 0.0, "backward": 0.0, "optimisers": 0.0}
    gpu = device.type == "cuda"
    began = time.time()
    for step in range(WARM + args.steps):
        if step == WARM:
            if gpu:
                torch.cuda.synchronize()
            began, spent = time.time(), dict.fromkeys(spent, 0.0)
        marks = [time.time()]
        crops.store.refresh()
        data, batch = crops.batch(args.size, images, args.prompts)
        marks.append(time.time())
        loss, stats = step_loss(model, tuple(data), batch, args, 1.0)
        marks.append(time.time())
        model.zero_grad(set_to_none=True)
        loss.backward()
        marks.append(time.time())
        drop_bad(weights, nn.utils.clip_grad_norm_(weights, 5.0))
        for optimiser in optimisers:
            optimiser.step()
        average(ema, model, step)
        marks.append(time.time())
        for name, a, b in zip(spent, marks, marks[1:], strict=False):
            spent[name] += b - a
    waited = time.time()
    if gpu:
        torch.cuda.synchronize()
    whole, waited = time.time() - began, time.time() - waited
    each = ", ".join(f"{k} {1000 * v / args.steps:.1f}" for k, v in spent.items())
    peak = torch.cuda.max_memory_allocated() / 1e9 if gpu else 0.0
    print(
        f"{images} crops: {args.steps / whole:.2f} steps/s,"
        f" {images * args.steps / whole:.0f} crops/s;"
        f" processor's ms a step: {each}; at the end the device was {1000 * waited:.0f} ms behind;"
        f" {peak:.1f} GB; loss {float(stats['total']):.3f}, click {float(stats['click']):.3f};"
        f" {crops.store.taken} drawn",
        flush=True,
    )


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--pack", type=Path, required=True)
    p.add_argument("--start", type=Path)
    p.add_argument("--images", type=int, nargs="+", default=[64, 96, 128])
    p.add_argument("--prompts", type=int, default=8)
    p.add_argument("--size", type=int, default=256)
    p.add_argument("--steps", type=int, default=24)
    p.add_argument("--drawers", type=int, default=0)
    p.add_argument("--lr", type=float, default=3e-3)
    args = p.parse_args()
    args.mild, args.muon, args.bf16 = 0.5, True, True
    began = time.time()
    tiles, chances = read_pack(args.pack)
    drawers = Drawers(tiles, args.drawers, 0) if args.drawers else None
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    store = Store(tiles, chances, drawers, 1024, 0.45, device)
    store.refresh(16, wait=True)
    print(f"{len(tiles)} tiles on {device} after {time.time() - began:.1f} s", flush=True)
    for benchmark in (False, True):
        torch.backends.cudnn.benchmark = benchmark
        print(f"cudnn.benchmark {benchmark}", flush=True)
        for images in args.images:
            pace(DeviceCrops(store, args), images, args)
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("warn")
        args.steps = 1
        pace(DeviceCrops(store, args), args.images[0], args)
    if drawers:
        drawers.end()


if __name__ == "__main__":
    main()
