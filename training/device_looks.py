"""How a crop may look, for whole batches on a device: what ``augment.py`` does on the CPU.

Compression is left out. Needs torch alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def some(x: Tensor, share: float) -> Tensor:
    """Choose a share of the pictures of a batch: (n, 1, 1, 1) bool."""
    return torch.rand((len(x), 1, 1, 1), device=x.device) < share


def draw(x: Tensor, low: float, high: float, channels: int = 1) -> Tensor:
    """Draw a number for each picture (or channel): (n, channels, 1, 1)."""
    return low + (high - low) * torch.rand((len(x), channels, 1, 1), device=x.device)


def field(x: Tensor, cells: int) -> Tensor:
    """Smooth random fields in 0-1: (n, 1, S, S)."""
    coarse = torch.rand((len(x), 1, cells, cells), device=x.device)
    return F.interpolate(coarse, size=x.shape[-2:], mode="bicubic").clamp(0, 1)


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Blur by a Gaussian."""
    reach = int(3 * sigma + 0.5)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=x.device) / sigma) ** 2)
    line = (line / line.sum()).to(x.dtype).expand(x.shape[1], 1, 1, -1)
    x = F.conv2d(F.pad(x, (reach,) * 4, "reflect"), line, groups=x.shape[1])
    return F.conv2d(x, line.transpose(2, 3), groups=x.shape[1])


def recolour(x: Tensor) -> Tensor:
    """Change colours: grey, shuffled channels, tints, one channel, a distracting channel."""
    grey = ((x - x[:, :1]).abs().amax((1, 2, 3), keepdim=True) < 1).float()
    one = F.one_hot(torch.randint(3, (len(x),), device=x.device), 3).float()[..., None, None]
    share = torch.rand((len(x), 3, 1, 1), device=x.device)
    share = share / share.sum(1, keepdim=True)
    u = torch.rand((len(x), 1, 1, 1), device=x.device)
    tinted = x * share * 1.5
    other = x * one + field(x, int(torch.randint(3, 30, ()))) * 255 * (1 - one) * draw(x, 0.2, 1)
    for_grey = torch.where(u < 0.12, tinted, torch.where(u < 0.2, x * one, x))
    for_grey = torch.where((u >= 0.2) & (u < 0.32), other, for_grey)
    mixed = (x * share).sum(1, keepdim=True).expand_as(x)
    moved = x * draw(x, 0.75, 1.25, 3) + draw(x, -25, 25, 3)
    shuffled = x[:, torch.randperm(3, device=x.device)]
    for_colour = torch.where(u < 0.15, mixed, torch.where(u < 0.35, shuffled, x))
    for_colour = torch.where((u >= 0.35) & (u < 0.6), moved, for_colour)
    return (grey * for_grey + (1 - grey) * for_colour).clamp(0, 255)


def change_looks(x: Tensor, mild: float) -> Tensor:
    """Change the looks of crops (n, 3, S, S) in 0-255, geometry untouched.

    Of a share ``mild`` only contrast and gamma change.
    """
    x = x.clamp(0, 255)
    few = x[:, :, ::4, ::4].flatten(1)
    low = few.quantile(float(0.03 * torch.rand(())), 1)[:, None, None, None]
    high = few.quantile(float(0.975 + 0.025 * torch.rand(())), 1)[:, None, None, None]
    stretched = ((x - low) / (high - low).clamp(min=4)).clamp(0, 1) * 255
    x = torch.where(some(x, 0.45), stretched, x)
    gamma = torch.exp(0.4 * torch.randn((len(x), 1, 1, 1), device=x.device))
    x = torch.where(some(x, 0.6), 255 * (x / 255) ** gamma, x)
    plain = x
    x = recolour(x)
    x = torch.where(some(x, 0.18), 255 - x, x)
    x = torch.where(some(x, 0.25), x * (0.5 + field(x, int(torch.randint(2, 5, ())))), x)
    x = torch.where(some(x, 0.1), x + draw(x, 10, 90) * field(x, int(torch.randint(2, 6, ()))), x)
    contrast = torch.exp(draw(x, -2.12, 0.0))
    x = torch.where(some(x, 0.45), x * contrast + 255 * (1 - contrast) * draw(x, 0, 1), x)
    soft = blurred(x, float(0.4 + 1.6 * torch.rand(())))
    u = torch.rand((len(x), 1, 1, 1), device=x.device)
    x = torch.where(u < 0.25, soft, torch.where(u < 0.35, x + draw(x, 0.3, 1.5) * (x - soft), x))
    noise = torch.randn_like(x)
    noise = torch.where(some(x, 0.3), noise, noise[:, :1].expand_as(noise))
    strength = torch.exp(draw(x, 0, 3.2)) * (0.2 + x.std((1, 2, 3), keepdim=True) / 64)
    x = torch.where(some(x, 0.3), x + noise * strength, x)
    return torch.where(some(x, mild), plain, x).clamp(0, 255)
