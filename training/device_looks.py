"""How a crop may look, for whole batches on a device: what ``augment.py`` does on the CPU.

Stains are mixed anew as well. Needs torch alone.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# What two stains of H&E, and what remains, take of red, green and blue (optical density; Ruifrok
# and Johnston 2001), a row each of length 1.
INKS = F.normalize(torch.tensor([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]]))
LIGHT = 100  # mean from which on a picture in colour may be a stained section


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


def is_grey(x: Tensor) -> Tensor:
    """Tell which pictures have no colour: (n, 1, 1, 1) bool."""
    return (x - x[:, :1]).abs().amax((1, 2, 3), keepdim=True) < 1


def restain(x: Tensor) -> Tensor:
    """Part stained sections into their stains, change how much there is of each, and its colour."""
    n = len(x)
    inks, parting = (m.to(x, non_blocking=True) for m in (INKS, torch.linalg.inv(INKS)))
    density = -torch.log((x.clamp(0, 255) + 1) / 256)
    amount = torch.einsum("nchw,ck->nkhw", density, parting)
    strong = 0.15 + 0.35 * torch.rand((n, 1, 1, 1), device=x.device)
    amount = amount * torch.exp(strong * torch.randn((n, 3, 1, 1), device=x.device))
    other = inks + 0.3 * strong[:, 0] * torch.randn((n, 3, 3), device=x.device)
    other = other.clamp(min=0.02)
    other = other / other.norm(dim=2, keepdim=True)
    mixed = torch.einsum("nkhw,nkc->nchw", amount, other)
    return (256 * torch.exp(-mixed.clamp(min=0)) - 1).clamp(0, 255)


def compress(x: Tensor) -> Tensor:
    """Round the cosines of 8 x 8 pixels, as JPEG does, coarser towards fine ones."""
    n, c, h, w = x.shape
    k = torch.arange(8, device=x.device, dtype=x.dtype)
    wave = torch.cos((2 * k[None] + 1) * k[:, None] * (torch.pi / 16)) / 2
    wave = torch.where(k[:, None] == 0, wave * 0.5**0.5, wave)
    blocks = x.reshape(n, c, h // 8, 8, w // 8, 8)
    parts = torch.einsum("ui,ncyixj,vj->ncyuxv", wave, blocks, wave)
    coarse = draw(x, 1.0, 7.0)[..., None, None] * (1 + 0.6 * (k[:, None, None] + k))
    parts = (parts / coarse).round() * coarse
    return torch.einsum("ui,ncyuxv,vj->ncyixj", wave, parts, wave).reshape(x.shape)


def recolour(x: Tensor) -> Tensor:
    """Change colours: grey, shuffled channels, tints, one channel, a distracting channel."""
    grey = is_grey(x).float()
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

    Of a share ``mild`` only contrast, gamma and stains change.
    """
    x = x.clamp(0, 255)
    section = ~is_grey(x) & (x.mean((1, 2, 3), keepdim=True) > LIGHT)
    x = torch.where(section & some(x, 0.6), restain(x), x)
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
    x = torch.where(some(x, 0.12), compress(x.clamp(0, 255)), x)
    return torch.where(some(x, mild), plain, x).clamp(0, 255)
