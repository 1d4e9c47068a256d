"""Losses of the masks, of their predicted IoU, and of the encoder's dense maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from model import DETAIL_STRIDE, FEATURE_STRIDE, STEPS
from torch import Tensor


def true_iou(logits: Tensor, truth: Tensor, windows: Tensor, area: Tensor, side: int) -> Tensor:
    """IoU of each mask with the whole object, its part outside of the window included.

    Parameters
    ----------
    logits : (B, 3, m, m)
    truth : (B, 1, m, m), soft by area
    windows : (B, 4)
    area : (B,)
        Pixels of the object.
    side : int
        Side of the (square) picture; what lies outside counts as no mask.
    """
    m = logits.shape[-1]
    cell = (windows[:, 2:] - windows[:, :2]) / m  # (B, 2)
    steps = torch.arange(m, device=logits.device) + 0.5
    p = windows[:, None, :2] + cell[:, None] * steps[None, :, None]
    inside = ((p > 0) & (p < side)).float()  # (B, m, 2)
    inside = inside[:, None, :, None, 1] * inside[:, None, None, :, 0]
    on = (logits > 0).float() * inside
    unit = (cell[:, 0] * cell[:, 1])[:, None]
    both = (on * truth).sum((2, 3)) * unit
    union = on.sum((2, 3)) * unit + area[:, None] - both
    return (both / union.clamp(min=1.0)).clamp(0, 1)


def mask_loss(
    logits: Tensor, truth: Tensor, others: Tensor, exists: Tensor, chosen: Tensor
) -> Tensor:
    """Cross-entropy plus dice of the best mask and of the one that is shown; a little of all: (B,).

    Spilling over into a neighbour (``others``, as ``truth``) costs four times as much.

    ``exists`` (B,) is 0 for clicks on background, where all masks should be empty; ``chosen`` (B,)
    is the mask with the highest predicted IoU.
    """
    t = truth.expand_as(logits)
    bce = F.binary_cross_entropy_with_logits(logits, t, reduction="none")
    bce = (bce * (1 + 3 * others)).mean((2, 3))
    p = torch.sigmoid(logits)
    both = (p * t).sum((2, 3))
    dice = 1 - (2 * both + 1) / (p.sum((2, 3)) + t.sum((2, 3)) + 1)
    each = 2.0 * bce + dice  # (B, 3)
    shown = each.gather(1, chosen[:, None])[:, 0]
    best = 0.8 * each.amin(1) + 0.4 * shown + 0.1 * each.mean(1)
    return exists * best + (1 - exists) * bce.mean(1)


def dense_loss(
    objectness: Tensor, extent: Tensor, target_objectness: Tensor, target_extent: Tensor
) -> tuple[Tensor, Tensor]:
    """Losses of the centre and foreground maps and of the extents (inside objects only).

    Parameters
    ----------
    objectness, target_objectness : (I, 2, h, w); the former logits, the latter -1 where not known
    extent, target_extent : (I, 4, h, w); pixels
    """
    known = (target_objectness >= 0).float()
    target_objectness = target_objectness.clamp(min=0.0)
    bce = F.binary_cross_entropy_with_logits(objectness, target_objectness, reduction="none")
    weight = (1 + 3 * target_objectness[:, :1]) * known
    maps = (bce * weight).mean()
    inside = (target_extent.sum(1) > 0).float()
    near = F.smooth_l1_loss(
        torch.log(extent + 1), torch.log(target_extent + 1), reduction="none", beta=0.2
    ).mean(1)
    w1, h1 = extent[:, 0] + extent[:, 2], extent[:, 1] + extent[:, 3]
    w2 = target_extent[:, 0] + target_extent[:, 2]
    h2 = target_extent[:, 1] + target_extent[:, 3]
    low = torch.minimum(extent, target_extent)
    both = (low[:, 0] + low[:, 2]) * (low[:, 1] + low[:, 3])
    iou = both / (w1 * h1 + w2 * h2 - both + 1.0)
    boxes = ((near + (1 - iou)) * inside).sum() / (inside.sum() + 1.0)
    return maps, boxes


def neighbour_loss(kinship: Tensor, outline: Tensor, labels: Tensor, known: Tensor) -> Tensor:
    """Loss of the maps that only training has: same object or not, foreground, borders.

    Pairs of cells in two different objects, which are rare and decide whether touching objects
    come apart, count eight times.

    Parameters
    ----------
    kinship : (I, 8, h, w)
        Logits at stride 4, a channel per step of ``STEPS``.
    outline : (I, 2, 2h, 2w)
        Logits of foreground and of borders at stride 2.
    labels : (I, 4h, 4w)
    known : (I,)
        0 for pictures whose labels leave objects out.
    """
    known = known[:, None, None]
    cell = labels[:, FEATURE_STRIDE // 2 :: FEATURE_STRIDE, FEATURE_STRIDE // 2 :: FEATURE_STRIDE]
    h, w = cell.shape[1:]
    total = kinship.new_zeros(())
    for k, (dy, dx) in enumerate(STEPS):
        left = max(0, -dx)
        a = cell[:, : h - dy, left : w - max(0, dx)]
        b = cell[:, dy:, left + dx : left + dx + a.shape[2]]
        same = ((a == b) & (a > 0)).float()
        apart = ((a != b) & (a > 0) & (b > 0)).float()
        logits = kinship[:, k, : h - dy, left : w - max(0, dx)]
        bce = F.binary_cross_entropy_with_logits(logits, same, reduction="none")
        total = total + (bce * (1 + 7 * apart) * known).mean()
    fine = labels[:, DETAIL_STRIDE // 2 :: DETAIL_STRIDE, DETAIL_STRIDE // 2 :: DETAIL_STRIDE]
    border = torch.zeros_like(fine, dtype=torch.bool)
    down, across = fine[:, 1:] != fine[:, :-1], fine[:, :, 1:] != fine[:, :, :-1]
    border[:, 1:] |= down
    border[:, :-1] |= down
    border[:, :, 1:] |= across
    border[:, :, :-1] |= across
    target = torch.stack([fine > 0, border], 1).float()
    bce = F.binary_cross_entropy_with_logits(outline, target, reduction="none")
    return total / len(STEPS) + (bce * known[..., None]).mean()
