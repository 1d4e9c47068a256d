"""The mask that is shown before it is accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_sam_onnx.plugin.layers.geometry import MARK, geometry_of, place
from napari_sam_onnx.plugin.layers.plane import Plane, take_plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.masks import Mask
    from napari_sam_onnx.plugin.layers.picture import Picture

PREVIEW_COLOR = "#ffd500"
# Up to this size the layer holds the plane, of which a mask changes a few pixels; beyond, the
# object's own box, so that a huge plane costs no more than a small one.
WHOLE_PLANE_PIXELS = 2048 * 2048


class Preview:
    """One mask on one plane of a picture, in a layer of its own.

    Parameters
    ----------
    picture : Picture
        What the layer lies on.
    """

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._data: NDArray[np.uint8] = np.zeros((1,) * picture.main.ndim, np.uint8)
        self._place: tuple[Any, ...] | None = None
        self._shown: NDArray[np.uint8] | None = None
        self.layer = Labels(
            self._data,
            name="SAM preview",
            opacity=0.7,
            colormap=DirectLabelColormap(color_dict={None: "transparent", 1: PREVIEW_COLOR}),
            metadata={MARK: {"role": "preview"}},
            **geometry_of(picture),
        )
        self.layer.editable = False

    def show(self, mask: Mask, plane: Plane) -> None:
        """Show a mask on its plane instead of what was shown."""
        if not mask:
            self.clear()
            return
        height, width = mask.shape
        whole = height * width <= WHOLE_PLANE_PIXELS
        region = (0, 0, height, width) if whole else mask.bbox
        fits = (plane, region) == self._place
        if fits:
            self._wipe()
        else:
            self._place = plane, region
            self._data = np.zeros(_shape(plane, region), np.uint8)
        flat = take_plane(self._data, Plane(plane.axes, (0,) * len(plane.position)))
        top, left = mask.origin[0] - region[0], mask.origin[1] - region[1]
        rows, columns = mask.crop.shape
        self._shown = flat[top : top + rows, left : left + columns]
        self._shown[mask.crop] = 1
        if fits:
            self._redraw()
        else:
            self.layer.data = self._data
            self._follow()

    def clear(self) -> None:
        """Show nothing."""
        if self._shown is not None:
            self._wipe()
            self._redraw()

    def refit(self, picture: Picture) -> None:
        """Follow the picture where the user moved, turned or scaled it."""
        self._picture = picture
        for name, value in geometry_of(picture).items():
            setattr(self.layer, name, value)
        self._follow()

    def _wipe(self) -> None:
        if self._shown is not None:
            self._shown[...] = 0
            self._shown = None

    def _redraw(self) -> None:
        """Show the array's new pixels; its extent is the same."""
        self.layer.refresh(extent=False, thumbnail=False, highlight=False)

    def _follow(self) -> None:
        """Put the layer where its plane and region lie in the picture."""
        if self._place is not None:
            plane, region = self._place
            offset = np.array(plane.position, dtype=float)
            offset[list(plane.axes)] = region[:2]
            self.layer.translate = place(self._picture, offset)


def _shape(plane: Plane, region: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of an array that holds a region of one plane."""
    shape = [1] * len(plane.position)
    for axis, start, stop in zip(plane.axes, region[:2], region[2:], strict=True):
        shape[axis] = stop - start
    return tuple(shape)
