"""How maps are brought onto the window of a prompt, and boxes read off points and masks.

Coordinates are ``(x, y)`` in encoder-input pixels. *Edge* coordinates put 0 at the outer corner of
the first pixel, so a pixel centre at integer ``i`` lies at ``i + 0.5``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BIG = 1e6


def number(value: Tensor | int, like: Tensor) -> Tensor:
    """Return a size as a tensor: a traced one stays traced, a plain one waits for no device."""
    return value.to(like) if isinstance(value, Tensor) else like.new_full((), float(value))


class _RoiAlign(torch.autograd.Function):
    """Stands for ONNX ``RoiAlign`` while tracing."""

    @staticmethod
    def forward(ctx, x, rois, index, size, scale):  # type: ignore[no-untyped-def]
        return x.new_zeros((rois.shape[0], x.shape[1], size, size))

    @staticmethod
    def symbolic(g, x, rois, index, size, scale):  # type: ignore[no-untyped-def]
        return g.op(
            "RoiAlign",
            x,
            rois,
            index,
            coordinate_transformation_mode_s="half_pixel",
            mode_s="avg",
            output_height_i=size,
            output_width_i=size,
            sampling_ratio_i=1,
            spatial_scale_f=scale,
        )


def roi_sample(x: Tensor, windows: Tensor, size: int, stride: float, each: bool = False) -> Tensor:
    """Sample maps bilinearly on a ``size`` x ``size`` grid over each window.

    Parameters
    ----------
    x : (I, C, h, w)
        Maps of I pictures; B is a multiple of I and prompts are ordered by picture.
    windows : (B, 4)
        ``x0, y0, x1, y1``, edge coordinates in pixels.
    size : int
    stride : float
        Pixels per cell of ``x``.
    each : bool
        Whether every window has its own map (I == B).

    Returns
    -------
    (B, C, size, size), zero farther than one cell outside the map, as ONNX ``RoiAlign`` does it.
    """
    if torch.onnx.is_in_onnx_export():
        n = windows.shape[0]
        index = torch.arange(n) if each else torch.zeros(n, dtype=torch.int64)
        return _RoiAlign.apply(x, windows, index, size, 1.0 / stride)
    i, c, h, w = x.shape
    b = windows.shape[0]
    steps = (torch.arange(size, device=x.device) + 0.5) / size
    lo, hi = windows[:, None, :2], windows[:, None, 2:]
    p = (lo + (hi - lo) * steps[None, :, None]) / stride - 0.5  # (B, size, 2) in cells
    px, py = p[..., 0], p[..., 1]
    gx, gy = (2 * px + 1) / w - 1, (2 * py + 1) / h - 1
    grid = torch.stack(
        [gx[:, None, :].expand(b, size, size), gy[:, :, None].expand(b, size, size)], -1
    )
    grid = grid.reshape(i, b // i * size, size, 2)
    out = F.grid_sample(x.float(), grid, "bilinear", "border", align_corners=False)
    out = out.reshape(i, c, b // i, size, size).transpose(1, 2).reshape(b, c, size, size)
    near_x, near_y = (px >= -1) & (px <= w), (py >= -1) & (py <= h)
    return out * (near_y[:, None, :, None] & near_x[:, None, None, :])


def gather_cells(x: Tensor, coords: Tensor, stride: float) -> tuple[Tensor, Tensor]:
    """Read maps at the cell nearest to each point.

    Parameters
    ----------
    x : (I, C, h, w)
    coords : (B, N, 2)
        Edge coordinates in pixels, ``(x, y)``; B is a multiple of I.
    stride : float

    Returns
    -------
    values : (B, N, C)
    centres : (B, N, 2)
        Edge coordinates of the cells' centres in pixels.
    """
    i, c, h, w = x.shape
    b, n = coords.shape[0], coords.shape[1]
    cell = (coords / stride).floor().clamp(min=0.0)
    last_x, last_y = number(w - 1, cell), number(h - 1, cell)
    cx, cy = torch.minimum(cell[..., 0], last_x), torch.minimum(cell[..., 1], last_y)
    centres = (torch.stack([cx, cy], -1) + 0.5) * stride
    flat = (cy * (last_x + 1) + cx).long()
    if torch.onnx.is_in_onnx_export():  # one picture: no transpose of the large map
        values = x.reshape(c, -1).index_select(1, flat.reshape(-1)).reshape(c, -1, n)
        return values.permute(1, 2, 0), centres
    idx = flat.reshape(i, 1, -1).expand(i, c, -1)
    values = x.reshape(i, c, -1).gather(2, idx).reshape(i, c, b // i, n)
    return values.permute(0, 2, 3, 1).reshape(b, n, c), centres


def span(on: Tensor, coords: Tensor) -> tuple[Tensor, Tensor]:
    """Box of the points where ``on`` (B, N); +-BIG where there is none."""
    lo = torch.where(on[..., None], coords, torch.full_like(coords, BIG)).amin(1)
    hi = torch.where(on[..., None], coords, torch.full_like(coords, -BIG)).amax(1)
    return lo, hi


def mask_box(logits: Tensor, window: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Box of the earlier mask in pixels (edge coordinates) and whether there is one."""
    m = logits.shape[-1]
    on = (logits[:, 0] > 0).float()
    cols, rows = on.amax(1), on.amax(2)  # (B, m)
    k = torch.arange(m, device=logits.device).float()
    lo = torch.stack([(k + BIG * (1 - v)).amin(1) for v in (cols, rows)], -1)
    hi = torch.stack([(k + 1 - BIG * (1 - v)).amax(1) for v in (cols, rows)], -1)
    origin, cell = window[:, :2], (window[:, 2:] - window[:, :2]) / m
    return origin + lo * cell, origin + hi * cell, cols.amax(1) > 0


def agreement(extent: Tensor, window: Tensor, expected: Tensor) -> Tensor:
    """IoU of the box that every cell predicts for its own object with the expected box.

    Cells of a touching neighbour predict the neighbour's box and so stand out.

    Parameters
    ----------
    extent : (B, 4, n, n)
        Sampled over the window: distances to the left, top, right and bottom in pixels.
    window, expected : (B, 4)

    Returns
    -------
    (B, 1, n, n)
    """
    n = extent.shape[-1]
    steps = (torch.arange(n, device=extent.device).float() + 0.5) / n
    side = window[:, 2:3] - window[:, :1]
    x = (window[:, :1] + side * steps)[:, None, :]
    y = (window[:, 1:2] + side * steps)[:, :, None]
    left, top, right, bottom = extent.unbind(1)
    x0, y0, x1, y1 = (v[:, None, None] for v in expected.unbind(1))
    width = torch.minimum(x + right, x1) - torch.maximum(x - left, x0)
    height = torch.minimum(y + bottom, y1) - torch.maximum(y - top, y0)
    both = width.clamp(min=0.0) * height.clamp(min=0.0)
    union = (left + right) * (top + bottom) + (x1 - x0) * (y1 - y0) - both
    return (both / (union + 1.0))[:, None]
