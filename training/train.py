"""Train pebble for a given time; resume where a checkpoint stands; write the ONNX pair at the end.

    python train.py --data DATA --cache CACHE --run RUN --minutes 60 --out OUT

The learning rate follows the time spent, so a run ends when it was told to.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import torch
from crops import Crops
from data import read_real, read_simulated
from export import export
from loop import average, begin, keep, make_optimisers, rate_at, resume
from model import Pebble
from prompts import Batch
from step import step_loss
from torch import multiprocessing as mp
from torch import nn
from torch.utils.data import DataLoader


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
        begin(model, args.start)
    if args.decoder_alone:  # the norms stay as they are, too
        model.eval().requires_grad_(False)
        model.decoder.requires_grad_(True)
    ema = copy.deepcopy(model)
    optimisers = make_optimisers(model, args)
    args.run.mkdir(parents=True, exist_ok=True)
    last = args.run / "last.pt"
    step, spent = resume(last, model, ema, optimisers, device)
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
        if first and (time.time() - saved > 60 or done >= 1):
            keep(last, model, ema, optimisers, step, spent)
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
        average(ema, model, step)
        for k, v in ((k, float(v)) for k, v in stats.items()):
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
    p.add_argument("--decoder-alone", action="store_true", help="the encoder stays as it is")
    p.add_argument("--muon", action=argparse.BooleanOptionalAction, default=True)
    p.add_argument("--images", type=int, default=6, help="per step, at the first of --sizes")
    p.add_argument("--prompts", type=int, default=8, help="per picture")
    p.add_argument("--sizes", type=int, nargs="+", default=[256], help="crop sides, of 32n")
    p.add_argument("--simulated", type=float, default=0.4, help="share of simulated pictures")
    p.add_argument("--mild", type=float, default=0.5, help="share of mildly augmented crops")
    p.add_argument("--crowd", type=float, default=0.5, help="share of crops with copied objects")
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
        begin(model, args.start)
    middle = Middle(model, mp.get_context("spawn").Lock(), every=8)
    mp.spawn(train, (args, middle), args.processes)


if __name__ == "__main__":
    main()
