"""Maps of centres and foreground, and the picture -> labels of a volume.

Every maximum of the smoothed centres begins a basin (watershed); basins whose border is as high as
the lower of their maxima are one object; what is too faint, too pale or too small goes. Each
object ends where it has faded to a part of its own contrast, since objects of one volume differ in
brightness and a model's foreground does not know how sharp an outline is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.stacks.volumes.grid import resize, resize_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.stacks.volumes.parameters import VolumeParameters

FOREGROUND = 0.5
"""Probability from which on a cell belongs to an object: as likely as not."""

_REACH = 0.4  # basins reach as far, so that what lies between objects is divided early
_CENTER_SIGMA = 0.1  # smoothing of the centres, in diameters
_PICTURE_SIGMA = 0.05  # smoothing of the picture for outlines, in diameters
_QUANTILE = 0.75  # how bright an object is: of its voxels


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Basins of a volume, on the cells of its maps.

    Parameters
    ----------
    basins : (z, y, x) int32
        0 where there is no object.
    foreground : (z, y, x) float32
    background : (z, y, x) float32
        What the picture would be without objects, there and around.
    contrast : (N + 1,) float64
        By basin, how far its object rises above that; 0 for those that are left out.
    peaks : (N + 1, 3) float64
        By basin, where its centre is, in cells.
    """

    basins: NDArray[np.int32]
    foreground: NDArray[np.float32]
    background: NDArray[np.float32]
    contrast: NDArray[np.float64]
    peaks: NDArray[np.float64]


def find_basins(
    centers: NDArray[np.float32],
    foreground: NDArray[np.float32],
    picture: NDArray[np.float32],
    diameter: float,
    contrast: float,
    parameters: VolumeParameters,
) -> Partition:
    """Divide the foreground among objects.

    Parameters
    ----------
    centers, foreground : (z, y, x) float32
        See `iterate_views`.
    picture : (z, y, x) float32
        Intensity of the same cells.
    diameter : float
        Of the usual object, in cells.
    contrast : float
        Of the usual object, see `Survey`; 0 where intensity tells nothing.
    parameters : VolumeParameters
    """
    from scipy import ndimage
    from skimage.segmentation import watershed

    height = ndimage.gaussian_filter(centers, _CENTER_SIGMA * diameter)
    inside = foreground > _REACH
    tops = (height >= ndimage.maximum_filter(height, 3)) & inside
    markers, _ = ndimage.label(tops, np.ones((3, 3, 3)))
    basins = watershed(-height, markers, mask=inside).astype(np.int32)
    basins = merge_basins(basins, height, parameters.separation)
    count = int(basins.max()) + 1
    background = _background(picture, foreground, diameter)
    core = np.where(foreground > FOREGROUND, basins, 0)
    sizes = np.bincount(core.ravel(), minlength=count)
    bright = _quantiles(picture - background, core, count, contrast < 0)
    kept = sizes > 0
    kept[0] = False
    if contrast:
        kept &= bright / contrast >= parameters.min_contrast
    peaks = np.zeros((count, 3))
    if count > 1:
        peaks[1:] = ndimage.maximum_position(height, basins, np.arange(1, count))
    return Partition(
        np.where(kept[basins], basins, 0).astype(np.int32),
        foreground,
        background,
        np.where(kept, bright, 0.0),
        peaks,
    )


def merge_basins(
    basins: NDArray[np.int32], height: NDArray[np.float32], separation: float
) -> NDArray[np.int32]:
    """Merge basins that no valley divides.

    Parameters
    ----------
    basins : (z, y, x) int32
    height : (z, y, x) float32
        What the basins were made of.
    separation : float
        A valley is one where the height falls by this part of the lower of the two maxima
        (the dynamics of Grimaud 1992, relative to the maximum).

    Returns
    -------
    (z, y, x) int32
        Each object has the number of its highest basin.
    """
    from scipy import ndimage

    count = int(basins.max()) + 1
    tops = np.asarray(ndimage.maximum(height, basins, np.arange(count)))
    a, b, pass_height = _find_passes(basins, height)
    parent = np.arange(count)

    def find(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = int(parent[one])
        return one

    for index in np.argsort(-pass_height):
        x, y = find(int(a[index])), find(int(b[index]))
        if x != y and pass_height[index] > (1 - separation) * min(tops[x], tops[y]):
            low, high = (x, y) if tops[x] < tops[y] else (y, x)
            parent[low] = high
    merged: NDArray[np.int32] = np.array([find(i) for i in range(count)], np.int32)[basins]
    return merged


def _find_passes(
    basins: NDArray[np.int32], height: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Neighbouring basins and the highest point of the border between them."""
    keys, levels = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    count = int(basins.max()) + 1
    for axis in range(basins.ndim):
        a, b = (np.moveaxis(basins, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        border = (a != b) & (a > 0) & (b > 0)
        low, high = (
            np.moveaxis(height, axis, 0)[part][border] for part in (slice(None, -1), slice(1, None))
        )
        first, second = a[border].astype(np.int64), b[border].astype(np.int64)
        keys.append(np.minimum(first, second) * count + np.maximum(first, second))
        levels.append(np.minimum(low, high))
    key, level = np.concatenate(keys), np.concatenate(levels)
    order = np.lexsort((-level, key))
    key, level = key[order], level[order]
    first_of = np.ones(len(key), bool)
    first_of[1:] = key[1:] != key[:-1]
    key = key[first_of]
    return key // count, key % count, level[first_of]


def _background(
    picture: NDArray[np.float32], foreground: NDArray[np.float32], diameter: float
) -> NDArray[np.float32]:
    """Mean of what lies around and is no object, by a Gaussian one diameter wide."""
    from scipy import ndimage

    outside = (foreground < 0.3).astype(np.float32)
    weight = ndimage.gaussian_filter(outside, diameter)
    value = ndimage.gaussian_filter(picture * outside, diameter)
    anywhere = float(np.percentile(picture, 10)) if picture.size else 0.0
    # Where nothing near is background, the darkest there is has to do.
    blend = np.float32(1e-3)
    result: NDArray[np.float32] = (value + blend * np.float32(anywhere)) / (weight + blend)
    return result


def _quantiles(
    picture: NDArray[np.float32], labels: NDArray[np.int32], count: int, dark: bool
) -> NDArray[np.float64]:
    """How bright each object is: a high quantile of its voxels, a low one where they are dark."""
    inside = labels > 0
    values, owner = picture[inside], labels[inside]
    order = np.lexsort((values, owner))
    values, owner = values[order], owner[order]
    begin = np.searchsorted(owner, np.arange(count))
    end = np.searchsorted(owner, np.arange(count), side="right")
    share = 1 - _QUANTILE if dark else _QUANTILE
    place = begin + ((end - begin - 1) * share).astype(np.intp)
    result = np.zeros(count)
    some = end > begin
    result[some] = values[place[some]]
    return result


def draw_objects(
    partition: Partition,
    picture: NDArray[np.float32],
    thickness: float,
    diameter: float,
    contrast: float,
    smoothing: float,
    parameters: VolumeParameters,
) -> NDArray[np.int32]:
    """Draw the objects of a partition on the voxels of the picture itself.

    Parameters
    ----------
    partition : Partition
    picture : (Z, Y, X) float32
        Intensity, of the same part of the volume.
    thickness : float
        Distance between planes in pixels.
    diameter : float
        Of the usual object, in pixels.
    contrast : float
        See `find_basins`.
    smoothing : float
        See `Survey`: noise is not to fray outlines.
    parameters : VolumeParameters

    Returns
    -------
    (Z, Y, X) int32
        With the numbers of the basins; every object in one piece.
    """
    from scipy import ndimage
    from skimage.segmentation import watershed

    shape = picture.shape
    inside = resize(partition.foreground, shape) > FOREGROUND
    basins = partition.basins
    # Where neighbours meet is decided on the finer grid.
    same = ndimage.minimum_filter(basins, 3) == ndimage.maximum_filter(basins, 3)
    coarse = resize_labels(basins, shape)
    sure = resize_labels(np.where(same, basins, 0).astype(np.int32), shape)
    seen = np.unique(sure)
    lost = ~np.isin(coarse, seen)  # objects too small to have an inside
    markers = np.where(lost, coarse, sure)
    markers[~inside] = 0
    near = inside & (ndimage.maximum_filter(coarse, 3) > 0)
    labels = watershed(-resize(partition.foreground, shape), markers, mask=near).astype(np.int32)
    if parameters.cut > 0 and contrast:
        sigma = max(_PICTURE_SIGMA * diameter, smoothing)
        calm = ndimage.gaussian_filter(picture, (sigma / thickness, sigma, sigma))
        rise = calm - resize(partition.background, shape)
        least = parameters.cut * partition.contrast[labels]
        labels[(rise < least) if contrast > 0 else (rise > least)] = 0
    least_voxels = parameters.min_volume * diameter**3 / thickness
    return keep_largest_pieces(labels, least_voxels)


def keep_largest_pieces(labels: NDArray[np.int32], least: float) -> NDArray[np.int32]:
    """Keep the largest piece of every object, filled, if it has that many voxels."""
    from scipy import ndimage

    kept = np.zeros_like(labels)
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        if place is None:
            continue
        pieces, count = ndimage.label(labels[place] == number)
        if count == 0:
            continue
        sizes = np.bincount(pieces.ravel())[1:]
        largest = int(np.argmax(sizes))
        if sizes[largest] < least:
            continue
        piece = ndimage.binary_fill_holes(pieces == largest + 1)
        target = kept[place]
        target[piece & (target == 0)] = number
    return kept
