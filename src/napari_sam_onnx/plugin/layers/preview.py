"""The masks that are shown before they are accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap

from napari_sam_onnx.plugin.layers.colors import PLAIN, Tint, usual_colors
from napari_sam_onnx.plugin.picture.geometry import MARK, geometry_of, place
from napari_sam_onnx.plugin.picture.plane import Plane, take_plane

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.plugin.picture.picture import Picture

REFUSED = (0.604, 0.604, 0.604)
FILL, DOUBTFUL_FILL, REFUSED_FILL = 0.35, 0.12, 0.0
DOUBTFUL_EDGE = 0.6
DASH = 4
"""A doubtful or refused outline has gaps of so many times its width."""

# The layer's values: four per colour, outline and fill where sure, then where doubtful; the last
# two are those of what is refused. A palette of all usual colours is made once, not per click.
_LOOKS = ("sure", "doubtful")
_KINDS = 2 * len(_LOOKS)
_MOST_COLORS = 63
_REFUSED_VALUE = 1 + _KINDS * _MOST_COLORS

# Up to this size the layer holds the plane, of which masks change a few pixels; beyond, the blocks
# that objects lie in, so that a huge plane costs no more than a small one. The next object in them
# costs a few pixels too: napari takes 40 ms to show other data in another place.
WHOLE_PLANE_PIXELS = 2048 * 2048
BLOCK = 512
SCREEN_PIXELS = 1200
"""An outline is this part of the plane wide, so that it is seen at the first zoom."""


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One object of the preview.

    Parameters
    ----------
    mask : Mask
    look : {"sure", "doubtful", "refused"}
        How it looks; what is refused is gray, and not written when it is accepted.
    tint : Tint
        In which colour.
    """

    mask: Mask
    look: Literal["sure", "doubtful", "refused"] = "sure"
    tint: Tint = PLAIN


class Preview:
    """Masks on one plane of a picture, in a layer of its own: outlines and a light fill.

    Parameters
    ----------
    picture : Picture
        What the layer lies on.
    """

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._data: NDArray[np.uint8] = np.zeros((1,) * picture.main.ndim, np.uint8)
        self._place: tuple[Any, ...] | None = None
        self._drawn: list[tuple[NDArray[np.uint8], tuple[int, int, int, int]]] = []
        self._stale: tuple[int, int, int, int] | None = None  # pixels that have changed
        self._look = (FILL, True)
        usual = [Tint(), *(Tint(color) for color in usual_colors())]
        self._palette = {tint: slot for slot, tint in enumerate(dict.fromkeys(usual))}
        self.layer = Labels(
            self._data,
            name="SAM preview",
            opacity=1.0,
            colormap=_make_colormap(self._palette, *self._look),
            metadata={MARK: {"role": "preview"}},
            **geometry_of(picture),
        )
        self._lock()
        self.layer.events.editable.connect(self._lock)

    def show(self, objects: Sequence[Shown], plane: Plane) -> None:
        """Show masks on their plane instead of what was shown."""
        seen = [shown for shown in objects if shown.mask]
        if not seen:
            self.clear()
            return
        height, width = seen[0].mask.shape
        boxes = np.array([shown.mask.bbox for shown in seen])
        around = (*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())
        region = self._choose_region(plane, (height, width), around)
        fits = (plane, region) == self._place
        self._stale = None
        if fits:
            self._wipe()
        else:
            self._place = plane, region
            self._data = np.zeros(_shape(plane, region), np.uint8)
            self._drawn = []
        flat = take_plane(self._data, Plane(plane.axes, (0,) * len(plane.position)))
        line = max(1, round(max(height, width) / SCREEN_PIXELS))
        slots = self._take_tints([shown.tint for shown in seen if shown.look != "refused"])
        for shown in seen:
            value = _REFUSED_VALUE
            if shown.look != "refused":
                value = 1 + _KINDS * slots[shown.tint] + 2 * _LOOKS.index(shown.look)
            self._draw(flat, region, shown, value, line)
        if fits:
            self._redraw(flat)
        else:
            self.layer.data = self._data
            self._follow()

    def _choose_region(
        self, plane: Plane, shape: tuple[int, int], around: Sequence[int]
    ) -> tuple[int, int, int, int]:
        """Say what part of a plane the layer holds: the one that it holds where objects fit in."""
        height, width = shape
        if height * width <= WHOLE_PLANE_PIXELS:
            return 0, 0, height, width
        y0, x0, y1, x1 = around
        if self._place is not None and self._place[0] == plane:
            top, left, bottom, right = self._place[1]
            if top <= y0 and left <= x0 and y1 <= bottom <= height and x1 <= right <= width:
                return top, left, bottom, right
        return (
            y0 // BLOCK * BLOCK,
            x0 // BLOCK * BLOCK,
            min(height, -(-y1 // BLOCK) * BLOCK),
            min(width, -(-x1 // BLOCK) * BLOCK),
        )

    def choose_look(self, fill: float, outline: bool) -> None:
        """Choose how objects look.

        Parameters
        ----------
        fill : float
            How opaque they are inside, 0 to 1.
        outline : bool
            Whether their outlines are drawn.
        """
        self._look = fill, outline
        self.layer.colormap = _make_colormap(self._palette, *self._look)

    def clear(self) -> None:
        """Show nothing."""
        if self._drawn and self._place is not None:
            self._stale = None
            self._wipe()
            plane = self._place[0]
            self._redraw(take_plane(self._data, Plane(plane.axes, (0,) * len(plane.position))))

    def refit(self, picture: Picture) -> None:
        """Follow the picture where the user moved, turned or scaled it."""
        self._picture = picture
        for name, value in geometry_of(picture).items():
            setattr(self.layer, name, value)
        self._follow()

    def _lock(self, *_: Any) -> None:
        """Keep brushes off: what is painted here would be lost."""
        self.layer.editable = False

    def _draw(
        self,
        flat: NDArray[np.uint8],
        region: tuple[int, ...],
        shown: Shown,
        value: int,
        line: int,
    ) -> None:
        mask = shown.mask
        top, left = mask.origin[0] - region[0], mask.origin[1] - region[1]
        rows, columns = mask.crop.shape
        there = flat[top : top + rows, left : left + columns]
        thin = min(line, 1 + min(rows, columns) // 16)
        edge = mask.crop & ~erode(mask.crop, thin)
        if shown.look != "sure":  # stripes that no upright, level or diagonal edge runs along
            y, x = np.ogrid[:rows, :columns]
            edge &= (2 * y + x) // (DASH * thin) % 2 == 0
        there[mask.crop] = value + 1
        there[edge] = value
        self._drawn.append((there, (top, left, top + rows, left + columns)))
        self._note(self._drawn[-1][1])

    def _take_tints(self, tints: Sequence[Tint]) -> Mapping[Tint, int]:
        """Have colours in the palette, and say where; those that are not needed make room.

        Of more than it can hold, the last ones share the places of the first.
        """
        wanted = list(dict.fromkeys(tints))
        if any(tint not in self._palette for tint in wanted[:_MOST_COLORS]):
            kept = list(dict.fromkeys([*wanted, *self._palette]))[:_MOST_COLORS]
            self._palette = {tint: slot for slot, tint in enumerate(kept)}
            self.layer.colormap = _make_colormap(self._palette, *self._look)
        slots = [self._palette[tint] for tint in wanted[:_MOST_COLORS]]
        return {tint: slots[number % _MOST_COLORS] for number, tint in enumerate(wanted)}

    def _wipe(self) -> None:
        for there, box in self._drawn:
            there[...] = 0
            self._note(box)
        self._drawn = []

    def _note(self, box: tuple[int, int, int, int]) -> None:
        """Remember that pixels in a box of the array have changed."""
        if self._stale is None:
            self._stale = box
        else:
            old = self._stale
            first, last = map(min, old[:2], box[:2]), map(max, old[2:], box[2:])
            y0, x0, y1, x1 = (*first, *last)
            self._stale = y0, x0, y1, x1

    def _redraw(self, flat: NDArray[np.uint8]) -> None:
        """Show the array's new pixels: those that have changed, as napari shows its brush's."""
        if self._stale is not None:
            y0, x0, y1, x1 = self._stale
            self.layer.events.labels_update(data=flat[y0:y1, x0:x1], offset=[y0, x0])

    def _follow(self) -> None:
        """Put the layer where its plane and region lie in the picture."""
        if self._place is not None:
            plane, region = self._place
            offset = np.array(plane.position, dtype=float)
            offset[list(plane.axes)] = region[:2]
            self.layer.translate = place(self._picture, offset)


def erode(crop: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Keep the pixels of an object whose four neighbours at a distance belong to it as well.

    One pass however wide the rim is; parts thinner than that are rim altogether, or nearly so.
    """
    inner = crop.copy()
    for axis in (0, 1):
        there, kept = np.moveaxis(crop, axis, 0), np.moveaxis(inner, axis, 0)
        kept[steps:] &= there[:-steps]
        kept[:-steps] &= there[steps:]
        kept[:steps] = kept[-steps:] = False
    return inner


def _make_colormap(palette: Mapping[Tint, int], fill: float, outline: bool) -> CyclicLabelColormap:
    """Say how each value of the layer looks; what is refused is outlined in any case.

    (A colormap that names each value is compiled by numba when it is first drawn, for 0.4 s.)
    """
    colors = np.zeros((_REFUSED_VALUE + 2, 4), np.float32)
    doubtful = fill * DOUBTFUL_FILL / FILL
    edge, doubtful_edge = (1.0, DOUBTFUL_EDGE) if outline else (fill, doubtful)
    for tint, slot in palette.items():
        first = 1 + _KINDS * slot
        colors[first : first + _KINDS, :3] = tint.edge, tint.color, tint.edge, tint.color
        colors[first : first + _KINDS, 3] = edge, fill, doubtful_edge, doubtful
    colors[_REFUSED_VALUE:, :3] = REFUSED
    colors[_REFUSED_VALUE:, 3] = 1.0, REFUSED_FILL
    return CyclicLabelColormap(colors=colors)


def _shape(plane: Plane, region: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of an array that holds a region of one plane."""
    shape = [1] * len(plane.position)
    for axis, start, stop in zip(plane.axes, region[:2], region[2:], strict=True):
        shape[axis] = stop - start
    return tuple(shape)
