"""What every training loop needs: rates, optimisers, averages, checkpoints; with torch alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from model import Residual
from muon import Muon
from torch import Tensor, nn

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def rate_at(done: float, peak: float) -> float:
    """Learning rate at a share of the time: short rise, cosine fall to 1 %."""
    rise = min(1.0, done / 0.02 + 0.02)
    return peak * rise * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def make_optimisers(model: nn.Module, args: argparse.Namespace) -> list[torch.optim.Optimizer]:
    """Muon for the convolutions, unless told otherwise; AdamW for the rest."""
    learnt = [p for p in model.parameters() if p.requires_grad]
    inner = [p for p in learnt if args.muon and p.ndim == 4 and p.shape[0] > 8]
    taken = {id(p) for p in inner}
    others = [p for p in learnt if id(p) not in taken]
    groups = [
        {"params": [p for p in others if p.ndim > 1], "weight_decay": 0.02},
        {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimisers: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            groups, lr=args.lr, betas=(0.9, 0.98), fused=next(model.parameters()).is_cuda
        )
    ]
    if inner:
        optimisers.append(Muon(inner, args.lr, weight_decay=0.02))
    return optimisers


@torch.no_grad()
def average(ema: nn.Module, model: nn.Module, step: int, most: float = 0.9985) -> None:
    """Move the averaged weights towards the model's; ``most`` of them is kept in a step."""
    keep = min(most, (1 + step) / (10 + step))
    pairs = zip(ema.state_dict().values(), model.state_dict().values(), strict=True)
    numbers = [pair for pair in pairs if pair[0].dtype.is_floating_point]  # norms count batches too
    torch._foreach_lerp_(*(list(some) for some in zip(*numbers, strict=True)), 1 - keep)


def begin(model: nn.Module, path: Path) -> None:
    """Start from a checkpoint's averaged weights; late blocks that it lacks stay identities.

    Raises
    ------
    ValueError
        If the checkpoint is of another network.
    """
    state = torch.load(path, map_location="cpu", weights_only=True)["ema"]
    late = {
        name
        for name, block in model.named_modules()
        if isinstance(block, Residual) and not block.norm.weight.any()
    }
    missing, other = model.load_state_dict(state, strict=False)
    strange = [k for k in missing if not any(k.startswith(f"{name}.") for name in late)]
    if strange or other:
        raise ValueError(f"{path} holds another network: {[*strange, *other][:3]}")


def drop_bad(parameters: list[nn.Parameter], norm: Tensor) -> None:
    """Set all gradients to zero if their norm is not finite, without waiting for the device."""
    good = torch.isfinite(norm)
    for p in parameters:
        if p.grad is not None:
            p.grad = torch.where(good, p.grad, 0.0)


def save(path: Path, state: dict[str, object]) -> None:
    """Write beside, then rename."""
    torch.save(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").replace(path)


def keep(
    path: Path,
    model: nn.Module,
    ema: nn.Module,
    optimisers: list[torch.optim.Optimizer],
    step: int,
    spent: float,
) -> None:
    """Write a checkpoint that `resume` goes on from; ``spent`` in seconds."""
    nets = {"model": model.state_dict(), "ema": ema.state_dict()}
    states = [o.state_dict() for o in optimisers]
    save(path, {**nets, "optimisers": states, "step": step, "spent": spent})


def resume(
    path: Path,
    model: nn.Module,
    ema: nn.Module,
    optimisers: list[torch.optim.Optimizer],
    device: torch.device,
) -> tuple[int, float]:
    """Go on where a checkpoint stands, if there is one; returns steps made and seconds spent."""
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, map_location=device, weights_only=True)
    model.load_state_dict(state["model"])
    ema.load_state_dict(state["ema"])
    for optimiser, was in zip(optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(was)
    return state["step"], state["spent"]
