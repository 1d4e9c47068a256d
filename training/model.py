"""The network: a thin convolutional encoder and a decoder that works in a window.

Responsible for the layers and for which window a prompt looks at; ``windows.py`` brings maps onto
it and explains coordinates. It refuses to know about losses, pictures on disk or ONNX files;
``export.py`` traces exactly this code.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from windows import BIG, agreement, gather_cells, mask_box, number, roi_sample, span

DETAIL, FEATURES, CONTEXT = 12, 32, 48  # channels of the three levels handed to the decoder
DETAIL_STRIDE, FEATURE_STRIDE, CONTEXT_STRIDE = 2, 4, 16
MULTIPLE = 32  # the encoder's sides are padded to this
MASKS = 3
GRID = 48  # side of the decoder's grid
MARGIN = 1.6  # window side over the longer side of the expected object
MIN_WINDOW = 20.0  # pixels
# Neighbours (rows, columns) of a cell at stride 4 that may belong to the same object.
STEPS = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 3), (3, 0), (3, 3), (3, -3))


def conv(cin: int, cout: int, k: int = 3, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    pad = dilation * (k // 2)
    return nn.Sequential(
        nn.Conv2d(cin, cout, k, stride, pad, dilation=dilation, bias=False),
        nn.BatchNorm2d(cout, momentum=0.03),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Two 3x3 convolutions with a skip; a ``late`` one begins as the identity."""

    def __init__(self, c: int, dilation: int = 1, late: bool = False) -> None:
        super().__init__()
        self.a = conv(c, c, dilation=dilation)
        self.b = nn.Conv2d(c, c, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(c, momentum=0.03)
        if late:
            nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, C, H, W)`` to the same shape."""
        return F.relu(x + self.norm(self.b(self.a(x))))


def up(x: Tensor) -> Tensor:
    """Nearest x2 upsampling (the cheapest that ONNX Runtime has)."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def normalise(x: Tensor) -> Tensor:
    """One mean and one standard deviation per picture, then a soft limit at +-4.

    Parameters
    ----------
    x : (B, 3, H, W) float, 0-255.
    """
    mean = x.mean((1, 2, 3), keepdim=True)
    var = (x * x).mean((1, 2, 3), keepdim=True) - mean * mean
    z = (x - mean) / (torch.sqrt(var.clamp(min=0.0)) + 2.0)
    return z / (1.0 + 0.25 * z.abs())


class Encoder(nn.Module):
    """A U-Net/FPN from stride 2 to 32; most of its capacity sits at strides 8-32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 16, 3, 2)
        self.s2 = conv(16, 16)
        self.s4 = nn.Sequential(conv(16, 32, 3, 2), Residual(32))
        self.s8 = nn.Sequential(conv(32, 80, 3, 2), Residual(80), Residual(80))
        self.s16 = nn.Sequential(
            conv(80, 128, 3, 2), *(Residual(128) for _ in range(3)), Residual(128, 2, late=True)
        )
        self.s32 = nn.Sequential(
            conv(128, 176, 3, 2),
            Residual(176),
            Residual(176, 2),
            *(Residual(176, k, late=True) for k in (4, 1)),
        )
        self.l32, self.l16 = conv(176, 96, 1), conv(128, 96, 1)
        self.u16, self.r16 = conv(96, 96), Residual(96, late=True)
        self.l8, self.d8 = conv(80, 80, 1), conv(96, 80, 1)
        self.u8 = conv(80, 80)
        self.l4, self.d4 = conv(32, 48, 1), conv(80, 48, 1)
        self.u4 = conv(48, 48)
        self.d2, self.l2 = nn.Conv2d(48, DETAIL, 1), nn.Conv2d(16, DETAIL, 1)
        self.features = nn.Conv2d(48, FEATURES, 1)
        self.context = nn.Conv2d(96, CONTEXT, 1)
        self.head = conv(48, 32)
        self.objectness = nn.Conv2d(32, 2, 1)
        self.extent = nn.Conv2d(32, 4, 1)
        nn.init.constant_(self.objectness.bias, -2.0)  # type: ignore[arg-type]
        nn.init.zeros_(self.extent.weight)
        nn.init.constant_(self.extent.bias, 2.5)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Embed normalised pictures whose sides are multiples of 32.

        Returns
        -------
        detail : (B, 12, H/2, W/2)
        features : (B, 32, H/4, W/4)
        context : (B, 48, H/16, W/16)
        objectness : (B, 2, H/4, W/4)
            Logits of the centre map and of the foreground.
        extent : (B, 4, H/4, W/4)
            Distances in pixels from the cell's centre to the left, top, right and bottom edge of
            the object's box.
        """
        x2 = self.s2(self.stem(x))
        x4 = self.s4(x2)
        x8 = self.s8(x4)
        x16 = self.s16(x8)
        x32 = self.s32(x16)
        y16 = self.r16(self.u16(self.l16(x16) + up(self.l32(x32))))
        y8 = self.u8(self.l8(x8) + up(self.d8(y16)))
        y4 = self.u4(self.l4(x4) + up(self.d4(y8)))
        detail = F.relu(self.l2(x2) + up(self.d2(y4)))
        h = self.head(y4)
        extent = torch.exp(self.extent(h).clamp(-1.0, 7.0))
        return detail, self.features(y4), self.context(y16), self.objectness(h), extent


class Decoder(nn.Module):
    """A small U-Net on a fixed grid over the window of each prompt."""

    def __init__(self) -> None:
        super().__init__()
        c0, c1, c2, c3 = 24, 48, 80, 112
        self.e0 = conv(DETAIL + 9, c0)
        self.down1 = conv(c0, c1, 3, 2)
        self.e1 = nn.Sequential(conv(c1 + FEATURES + 9, c1), Residual(c1))
        self.down2 = conv(c1, c2, 3, 2)
        self.e2 = conv(c2 + CONTEXT, c2)
        self.film = nn.Sequential(nn.Linear(2 * FEATURES + 3, 64), nn.ReLU(), nn.Linear(64, 2 * c2))
        self.e2b = nn.Sequential(conv(c2, c2), Residual(c2), Residual(c2, late=True))
        self.down3 = conv(c2, c3, 3, 2)
        self.e3, self.e3b = Residual(c3), Residual(c3, late=True)
        self.to2, self.u2 = conv(c3, c2, 1), conv(c2, c2)
        self.to1, self.u1 = conv(c2, c1, 1), conv(c1, c1)
        self.to0, self.u0 = conv(c1, c0, 1), conv(c0, c0)
        self.masks = nn.Conv2d(c0, MASKS, 1)
        self.like_pos = nn.Linear(FEATURES, FEATURES)
        self.like_neg = nn.Linear(FEATURES, FEATURES)
        self.iou = nn.Sequential(nn.Linear(c3 + c1 + 4 + MASKS, 64), nn.ReLU(), nn.Linear(64, 1))
        self.seen = nn.Conv2d(MASKS, 32, 4, 4)  # masks at the scale of y2
        self.judge = nn.Sequential(conv(c2 + 32, 64), conv(64, 64, 3, 2))
        self.verdict = nn.Linear(128, MASKS)
        nn.init.constant_(self.masks.bias, -1.0)  # type: ignore[arg-type]
        nn.init.zeros_(self.verdict.weight)

    def window(
        self,
        extent: Tensor,
        coords: Tensor,
        labels: Tensor,
        mask: Tensor,
        mask_window: Tensor,
        has_mask: Tensor,
        hint: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Square window of each prompt; see ``forward`` for the arguments.

        ``hint`` (B, 4), training only: boxes that replace the predicted extents where not NaN.

        Returns
        -------
        window : (B, 4), box of the expected object : (B, 4), given box : (B, 4), has_box : (B,)
        """
        pos, corner = labels == 1, labels >= 2
        any_pos = pos.any(1, keepdim=True)
        clicks = pos | ((labels == 0) & ~any_pos)
        ext, at = gather_cells(extent, coords, FEATURE_STRIDE)
        elo = torch.where(clicks[..., None], at - ext[..., :2], torch.full_like(at, BIG)).amin(1)
        ehi = torch.where(clicks[..., None], at + ext[..., 2:], torch.full_like(at, -BIG)).amax(1)
        if hint is not None:
            known = ~torch.isnan(hint[:, :1])
            elo, ehi = torch.where(known, hint[:, :2], elo), torch.where(known, hint[:, 2:], ehi)
        blo, bhi = span(corner, coords)
        has_box = corner.any(1)
        mlo, mhi, filled = mask_box(mask, mask_window)
        use_mask = ((has_mask > 0) & filled)[:, None]
        mlo = torch.where(use_mask, mlo, torch.full_like(mlo, BIG))
        mhi = torch.where(use_mask, mhi, torch.full_like(mhi, -BIG))
        given = has_box[:, None] | use_mask
        lo = torch.where(given, torch.minimum(blo, mlo), elo)
        hi = torch.where(given, torch.maximum(bhi, mhi), ehi)
        plo, phi = span(pos, coords)
        lo, hi = torch.minimum(lo, plo - 1.0), torch.maximum(hi, phi + 1.0)
        h, w = extent.shape[-2] * FEATURE_STRIDE, extent.shape[-1] * FEATURE_STRIDE
        full = torch.zeros_like(lo) + torch.stack([number(w, lo), number(h, lo)])
        none = (lo[:, :1] > hi[:, :1]).expand_as(lo)  # nothing was said: the whole picture
        lo, hi = torch.where(none, torch.zeros_like(lo), lo), torch.where(none, full, hi)
        centre = (lo + hi) / 2
        side = ((hi - lo).amax(1, keepdim=True) * MARGIN + 4.0).clamp(min=MIN_WINDOW)
        window = torch.cat([centre - side / 2, centre + side / 2], 1)
        return window, torch.cat([lo, hi], 1), torch.cat([blo, bhi], 1), has_box

    def forward(
        self,
        detail: Tensor,
        features: Tensor,
        context: Tensor,
        extent: Tensor,
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        mask_window: Tensor,
        has_mask_input: Tensor,
        hint: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Answer B prompts on I pictures (B a multiple of I, ordered by picture; I = 1 in ONNX).

        Parameters
        ----------
        detail, features, context, extent
            The encoder's tensors.
        point_coords : (B, N, 2)
            ``(x, y)`` in encoder-input pixels, pixel centres at integers.
        point_labels : (B, N)
            1 object, 0 background, 2 and 3 corners of a box, -1 padding.
        mask_input : (B, 1, m, m)
            Logits of an earlier answer; ``mask_window`` (B, 4) is the window it covers;
            ``has_mask_input`` (B,) is 1 where it counts.

        Returns
        -------
        low_res_masks : (B, 3, m, m) logits, iou_predictions : (B, 3), windows : (B, 4)
        """
        m = GRID
        coords = point_coords + 0.5
        use = (has_mask_input > 0).float()
        mask_window = torch.where(
            (has_mask_input > 0)[:, None],
            mask_window,
            (torch.arange(4, device=coords.device) > 1).float().expand_as(mask_window),
        )
        window, expected, box, has_box = self.window(
            extent, coords, point_labels, mask_input, mask_window, has_mask_input, hint
        )
        side = window[:, 2:3] - window[:, :1]  # (B, 1)
        steps = (torch.arange(m, device=coords.device).float() + 0.5) / m
        gx = window[:, :1] + side * steps  # (B, m)
        gy = window[:, 1:2] + side * steps

        maps = []
        for label in (1, 0):
            on = point_labels == label
            dx = (gx[:, None] - coords[..., :1]) / side[:, :, None]  # (B, N, m)
            dy = (gy[:, None] - coords[..., 1:]) / side[:, :, None]
            d2 = dy[..., :, None] ** 2 + dx[..., None, :] ** 2
            d2 = torch.where(on[..., None, None], d2, torch.full_like(d2, BIG)).amin(1)
            maps += [torch.exp(-d2 * k) for k in (400.0, 20.0)]
        in_x = ((gx > box[:, :1]) & (gx < box[:, 2:3])).float()
        in_y = ((gy > box[:, 1:2]) & (gy < box[:, 3:])).float()
        flag = has_box.float()[:, None, None]
        maps.append((in_y[:, :, None] * in_x[:, None, :] * 2 - 1) * flag)
        mask_side = mask_window[:, 2:] - mask_window[:, :2]
        shift = torch.cat([mask_window[:, :2], mask_window[:, :2]], 1)
        scaled = (window - shift) / torch.cat([mask_side, mask_side], 1) * m
        earlier = roi_sample(torch.sigmoid(mask_input), scaled, m, 1.0, each=True)[:, 0]
        flag = use[:, None, None]
        maps += [(earlier * 2 - 1) * flag, torch.zeros_like(earlier) + flag]
        h, w = extent.shape[-2] * FEATURE_STRIDE, extent.shape[-1] * FEATURE_STRIDE
        in_x, in_y = ((gx > 0) & (gx < w)).float(), ((gy > 0) & (gy < h)).float()
        maps.append(in_y[:, :, None] * in_x[:, None, :])
        size = torch.log2(side / 64.0) / 3.0
        maps.append(torch.zeros_like(earlier) + size[:, :, None])

        pos, neg = (point_labels == 1).float(), (point_labels == 0).float()
        at_points, _ = gather_cells(features, coords, FEATURE_STRIDE)  # (B, N, C)
        centre = (expected[:, None, :2] + expected[:, None, 2:]) / 2
        at_centre, _ = gather_cells(features, centre, FEATURE_STRIDE)
        n_pos, n_neg = pos.sum(1, keepdim=True), neg.sum(1, keepdim=True)
        f_pos = (at_points * pos[..., None]).sum(1) / n_pos.clamp(min=1.0)
        f_pos = torch.where(n_pos > 0, f_pos, at_centre[:, 0])
        f_neg = (at_points * neg[..., None]).sum(1) / n_neg.clamp(min=1.0)

        x0 = torch.cat([roi_sample(detail, window, m, DETAIL_STRIDE), torch.stack(maps, 1)], 1)
        y0 = self.e0(x0)
        f1 = roi_sample(features, window, m // 2, FEATURE_STRIDE)
        like = []
        for f, layer in ((f_pos, self.like_pos), (f_neg, self.like_neg)):
            product = f1 * layer(f)[:, :, None, None]
            like.append(product.reshape(-1, 4, FEATURES // 4, m // 2, m // 2).mean(2))
        around = roi_sample(extent, window, m // 2, FEATURE_STRIDE)
        like.append(agreement(around, window, expected))
        y1 = self.e1(torch.cat([self.down1(y0), f1, *like], 1))
        f2 = roi_sample(context, window, m // 4, CONTEXT_STRIDE)
        y2 = self.e2(torch.cat([self.down2(y1), f2], 1))
        facts = torch.cat([f_pos, f_neg, size, use[:, None], has_box.float()[:, None]], 1)
        gain, bias = self.film(facts).chunk(2, 1)
        y2 = self.e2b(y2 * (1 + gain[:, :, None, None]) + bias[:, :, None, None])
        y3 = self.e3b(self.e3(self.down3(y2)))
        y2 = self.u2(y2 + up(self.to2(y3)))
        y1 = self.u1(y1 + up(self.to1(y2)))
        y0 = self.u0(y0 + up(self.to0(y1)))
        masks = self.masks(y0)
        return masks, self.rate(masks.detach(), y3, y2, y1), window

    def rate(self, masks: Tensor, deep: Tensor, middle: Tensor, fine: Tensor) -> Tensor:
        """Predict the IoU of each mask.

        Two opinions are added: one from pooled features and the mask's own statistics, one from
        convolutions that see the masks upon the features, where borders do or do not fit.
        """
        p = torch.sigmoid(masks.float())
        small = F.avg_pool2d(p, 2)  # (B, 3, m/2, m/2)
        area = small.mean((2, 3))
        weight = small.flatten(2) / (small.flatten(2).sum(2, keepdim=True) + 1.0)
        inside = torch.matmul(weight, fine.flatten(2).transpose(1, 2))  # (B, 3, c1)
        stable = torch.sigmoid(masks - 2.0).mean((2, 3)) / (
            torch.sigmoid(masks + 2.0).mean((2, 3)) + 1e-4
        )
        doubt = (p * (1 - p)).mean((2, 3)) / (area + 1e-2)
        rim = p[:, :, 0].mean(2) + p[:, :, -1].mean(2) + p[..., 0].mean(2) + p[..., -1].mean(2)
        stats = torch.stack([area, stable, doubt, rim], -1)  # (B, 3, 4)
        wide = deep.mean((2, 3))[:, None].expand(-1, MASKS, -1)
        which = torch.eye(MASKS, device=masks.device)[None] + torch.zeros_like(stats[..., :1])
        pooled = self.iou(torch.cat([wide, inside, stats, which], -1))[..., 0]
        z = self.judge(torch.cat([middle, self.seen(2 * p - 1)], 1))
        return torch.sigmoid(pooled + self.verdict(torch.cat([z.mean((2, 3)), z.amax((2, 3))], 1)))


class Pebble(nn.Module):
    """Encoder and decoder together, as they are trained.

    ``kinship`` and ``outline`` are read off the encoder's maps in training alone: whether
    neighbouring cells belong to the same object, and foreground and borders at stride 2.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.kinship = nn.Conv2d(FEATURES, len(STEPS), 1)
        self.outline = nn.Conv2d(DETAIL, 2, 1)
