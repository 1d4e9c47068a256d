"""A part of a plane, perhaps looked at smaller than it is; what moves into it and out of it.

Crops of a grid, tiles of a large plane and looks at a single object are all regions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.prompts import POSITIVE, PromptError, Prompts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import LowResMask, LowResMasks
    from napari_sam_onnx.masks.mask import Mask


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a plane, and how large it is looked at.

    Parameters
    ----------
    box : (y0, x0, y1, x1)
        Half-open, in plane pixels.
    scale : float
        Pixels that are looked at per plane pixel, 0 to 1: 0.5 sees half the side.
    """

    box: tuple[int, int, int, int]
    scale: float = 1.0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Where the part lies in the plane."""
        y0, x0, y1, x1 = self.box
        return slice(y0, y1), slice(x0, x1)

    @property
    def shape(self) -> tuple[int, int]:
        """``(h, w)`` in plane pixels."""
        y0, x0, y1, x1 = self.box
        return y1 - y0, x1 - x0

    @property
    def area(self) -> int:
        """Plane pixels."""
        return self.shape[0] * self.shape[1]

    @property
    def seen_shape(self) -> tuple[int, int]:
        """``(h, w)`` as it is looked at."""
        height, width = (max(1, round(side * self.scale)) for side in self.shape)
        return height, width

    def clip(self, plane_shape: tuple[int, int]) -> Region:
        """Cut off what lies beyond a plane."""
        y0, x0, y1, x1 = self.box
        height, width = plane_shape
        box = max(0, y0), max(0, x0), min(height, y1), min(width, x1)
        return replace(self, box=box)

    def points_in(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) plane coordinates -> coordinates of what is looked at, ``(y, x)`` both."""
        seen: NDArray[np.float64] = (points - np.array(self.box[:2]) + 0.5) * self._ratio - 0.5
        return seen

    def points_out(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) coordinates of what is looked at -> plane coordinates, ``(y, x)`` both."""
        there: NDArray[np.float64] = (points + 0.5) / self._ratio - 0.5 + np.array(self.box[:2])
        return there

    def boxes_in(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 4) boxes ``(y0, x0, y1, x1)`` of the plane -> of what is looked at."""
        return self.points_in(boxes.reshape(-1, 2)).reshape(-1, 4)

    def low_res_in(self, mask: LowResMask) -> LowResMask:
        """Logits whose window lies in the plane -> in what is looked at."""
        ratio, corner = np.tile(self._ratio, 2), np.tile(self.box[:2], 2)
        return replace(mask, window=((mask.window - corner) * ratio).astype(np.float32))

    @property
    def _ratio(self) -> NDArray[np.float64]:
        """Pixels looked at per plane pixel along each axis, after rounding."""
        ratio: NDArray[np.float64] = np.array(self.seen_shape) / np.array(self.shape)
        return ratio


def whole_region(plane_shape: tuple[int, int], scale: float = 1.0) -> Region:
    """Return a whole plane as a region."""
    return Region((0, 0, *plane_shape), scale)


def cut_region(rgb: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """Cut a region out of a plane, and shrink it as the region says.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        The plane as the model sees it.
    region : Region
        Inside the plane.

    Returns
    -------
    (h, w, 3) uint8
        Of the region's ``seen_shape``.
    """
    return shrink(np.ascontiguousarray(rgb[region.slices]), region.seen_shape)


def shrink(
    rgb: NDArray[np.uint8], shape: tuple[int, int], rows: tuple[float, float] | None = None
) -> NDArray[np.uint8]:
    """Resize a picture so that each pixel is the mean of the area that it stands for.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
    shape : (h, w)
        Pixels wanted.
    rows : (first, last), optional
        The edges of the rows that are shown, which may lie inside a pixel; all where omitted.
    """
    from PIL import Image

    height, width = rgb.shape[:2]
    top, bottom = (0.0, float(height)) if rows is None else rows
    if (height, width) == shape and (top, bottom) == (0, height):
        return rgb
    box = 0.0, top, float(width), bottom
    small = Image.fromarray(rgb).resize((shape[1], shape[0]), Image.Resampling.BOX, box)
    return np.asarray(small)


def move_prompts_in(prompts: Prompts, region: Region) -> Prompts:
    """Prompts of a plane -> prompts of what is looked at.

    Background points beyond the region say nothing there and are left out; a box is cut at its
    edge.

    Raises
    ------
    PromptError
        If a point on the object, or the whole box, lies beyond the region.
    """
    points = region.points_in(prompts.points)
    edge = np.array(region.seen_shape) - 0.5
    inside = ((points >= -0.5) & (points <= edge)).all(axis=1)
    if (prompts.labels[~inside] == POSITIVE).any():
        raise PromptError("A point lies outside the part of the picture that is looked at.")
    box = prompts.box
    if box is not None:
        corners = region.boxes_in(box[None])[0]
        box = np.concatenate([np.clip(corners[:2], -0.5, edge), np.clip(corners[2:], -0.5, edge)])
        if (box[2:] <= box[:2]).any():
            raise PromptError("The box lies outside the part of the picture that is looked at.")
    mask = None if prompts.mask is None else region.low_res_in(prompts.mask)
    return Prompts(points[inside], prompts.labels[inside], box, mask)


def unshrink(answer: LowResMasks, region: Region) -> LowResMasks:
    """Answers in pixels of what is looked at -> in the region's own plane pixels.

    The region's corner stays the origin: masks are upscaled to ``region.shape``, so that nothing
    reaches beyond what was seen, and then moved, see `move_mask`.
    """
    ratio = np.tile(np.array(region.shape) / np.array(region.seen_shape), 2)
    return replace(answer, windows=(answer.windows * ratio).astype(np.float32))


def move_mask(mask: Mask, region: Region, plane_shape: tuple[int, int]) -> Mask:
    """Move a mask of a region's own pixels to its place in the plane.

    Parameters
    ----------
    mask : Mask
        Of ``region.shape``, in plane pixels whose first is the region's.
    region : Region
    plane_shape : (H, W)

    Returns
    -------
    Mask
        Its ``crop_box`` is the region.
    """
    y0, x0 = region.box[:2]
    low_res = mask.low_res
    if low_res is not None:
        low_res = replace(low_res, window=low_res.window + np.array([y0, x0, y0, x0], np.float32))
    point = None if mask.point is None else (mask.point[0] + y0, mask.point[1] + x0)
    origin = (mask.origin[0] + y0, mask.origin[1] + x0) if mask else (0, 0)
    return replace(
        mask,
        shape=plane_shape,
        origin=origin,
        point=point,
        crop_box=region.box,
        low_res=low_res,
    )
