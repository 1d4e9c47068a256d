"""What one training step asks of the model, and what its answers cost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from losses import dense_loss, mask_loss, neighbour_loss, true_iou
from model import GRID, Pebble, normalise
from prompts import Batch, correct, perturbed_mask, sample_truth
from torch import Tensor, nn

if TYPE_CHECKING:
    import argparse


def take(batch: Batch, keep: Tensor) -> Batch:
    """Return some of the prompts."""
    return Batch(**{k: getattr(batch, k)[keep] for k in Batch.__slots__})


def mean_of(values: Tensor, which: Tensor) -> Tensor:
    """Mean of some of the values; 0 of none."""
    return (values * which).sum().detach() / which.sum().clamp(min=1)


def hints(batch: Batch, share: float) -> Tensor:
    """Return true boxes, shaken, for a share of the prompts; NaN for the others."""
    sides = (batch.box[:, 2:] - batch.box[:, :2]).repeat(1, 2)
    boxes = batch.box + sides * 0.1 * torch.randn_like(batch.box)
    use = torch.rand(len(boxes), 1, device=boxes.device) < share
    return torch.where(use, boxes, torch.full_like(boxes, math.nan))


def step_loss(
    model: Pebble, data: tuple[Tensor, ...], batch: Batch, args: argparse.Namespace, done: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of one step: dense maps, first answers, and up to three rounds of corrections.

    Nothing here waits for the device; what is said of the step are tensors, too.
    """
    image, labels, objectness, extent = data
    device = image.device
    with torch.autocast(device.type, torch.bfloat16, enabled=args.bf16):
        x = normalise(image).contiguous(memory_format=torch.channels_last)
        detail, features, context, found, spread = model.encoder(x)
        kinship, outline = model.kinship(features), model.outline(detail)
    spread = spread.float()
    maps, boxes = dense_loss(found.float(), spread, objectness, extent)
    known = (objectness.flatten(1).amin(1) >= 0).float()
    kin = neighbour_loss(kinship.float(), outline.float(), labels, known)
    stats = {"maps": maps.detach(), "boxes": boxes.detach(), "kin": kin.detach()}
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
        best = iou.detach().argmax(1)
        loss = mask_loss(masks, truth, others, exists, best).mean()
        good = true_iou(masks.detach(), truth, window, batch.area, labels.shape[-1])
        rate = nn.functional.smooth_l1_loss(iou, good, beta=0.1)
        total = total + (loss + rate) * (1.0 if r == 0 else 0.6)
        rows = torch.arange(len(best), device=device)
        real = exists > 0
        got = good[rows, best]
        clicks = real & (batch.labels[:, 0] < 0) & (batch.refine == 0)
        if r == 0:
            stats |= {"mask": loss.detach(), "rate": (iou - good).abs().mean().detach()}
            stats |= {"click": mean_of(got, clicks), "box": mean_of(got, batch.labels[:, 0] > 0)}
        else:
            stats[f"round{r}"] = mean_of(got, real)
        if r + 1 == rounds:
            break
        chosen = masks.detach()[rows, best][:, None]
        if r == 0:  # corrections for half of the prompts of every picture
            per = n // image.shape[0]
            keep = rows.reshape(-1, per)[:, : per // 2].flatten()
            batch, chosen = take(batch, keep), chosen[keep]
            window, truth = window[keep], truth[keep]
        before = batch.labels.clone()
        correct(batch, 3 + r, chosen[:, 0] > 0, truth[:, 0], window)
        look = torch.rand(len(before), device=device) < 0.15  # second look: no new click
        batch.labels = torch.where(look[:, None], before, batch.labels)
        with_mask = look | (torch.rand(len(before), device=device) < 0.9)
        logits, use = chosen, with_mask.float()
    stats["total"] = total.detach()
    return total, stats
