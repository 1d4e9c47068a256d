"""Any array -> the RGB picture that a model sees.

Axes are named by the caller, never guessed: ``"YX"``, ``"YXC"``, ``"TZCYX"``. Contrast
limits belong to a channel of the whole picture or stack, never to a tile, so that the same
object looks the same wherever it lies. Channels are mixed additively, each with a colour and
a weight, as napari's additive blending shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.arguments import as_numbers, require
from napari_sam_onnx.errors import UserError
from napari_sam_onnx.memory import cut_strips
from napari_sam_onnx.pictures.contrast import measure_limits, sample_channels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

AXES = "TZCYX"
# Pixels that are mixed at once: what lies between is float32, twelve bytes each.
STRIP_PIXELS = 1_000_000
WHITE = (1.0, 1.0, 1.0)
# Red, green, blue, then the mixed colours: what additive microscopy displays use.
CHANNEL_COLORS = (
    (1.0, 0.0, 0.0),
    (0.0, 1.0, 0.0),
    (0.0, 0.0, 1.0),
    (0.0, 1.0, 1.0),
    (1.0, 0.0, 1.0),
    (1.0, 1.0, 0.0),
)


class ImageError(UserError, ValueError):
    """A picture that cannot be used; the message says what to change."""


class BlankError(ImageError):
    """A plane without a finite value: padding of a mosaic, a lost frame."""


@dataclass(frozen=True, slots=True)
class Channel:
    """How one channel is shown to a model.

    Parameters
    ----------
    index : int
        Position along the C axis; 0 for a picture without one.
    color : (r, g, b)
        Each 0 to 1: where the channel's intensity goes.
    weight : float
        Multiplies the intensity.
    limits : (low, high) or None
        Values shown as black and as full colour. None: from percentiles of the whole array.
    gamma : float
        Power that the intensity between the limits is raised to, as viewers do.
    ramp : tuple of (r, g, b)
        Colours from the lower limit to the upper one, in even steps, instead of `color`.

    Raises
    ------
    ImageError
        If the gamma is not positive, or the ramp of one colour.
    """

    index: int
    color: tuple[float, float, float] = WHITE
    weight: float = 1.0
    limits: tuple[float, float] | None = None
    gamma: float = 1.0
    ramp: tuple[tuple[float, float, float], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what shows nothing."""
        if not 0 < self.gamma < float("inf"):
            raise ImageError(f"The gamma of a channel is a positive number; got {self.gamma}.")
        if len(self.ramp) == 1:
            raise ImageError("The colours of a channel are two at least, from low to high.")


def check_axes(axes: str, ndim: int, letters: str = AXES) -> str:
    """Normalise named axes and check that they describe an array.

    Parameters
    ----------
    axes : str
        One letter of ``TZCYX`` per dimension, in the array's order.
    ndim : int
        Dimensions of the array.
    letters : str
        Those that are allowed.

    Returns
    -------
    str
        The axes in upper case.

    Raises
    ------
    ImageError
        If a letter is unknown, repeated, or Y or X is missing, or their number is not ``ndim``.
    """
    require(axes, str, f"Axes are text, one letter of {letters} per dimension", ImageError)
    named = axes.upper()
    if len(named) != ndim:
        plural = "s" * (len(named) != 1)
        raise ImageError(
            f"The axes {named!r} name {len(named)} dimension{plural} but the picture has {ndim}; "
            f"give one letter of {AXES} per dimension."
        )
    if set(named) - set(letters) or len(set(named)) != len(named):
        raise ImageError(f"The axes {named!r} are not distinct letters of {AXES}.")
    if not {"Y", "X"} <= set(named):
        raise ImageError(f"The axes {named!r} lack Y or X; a plane needs both.")
    return named


def insert_axes(array: Any, axes: str, wanted: str) -> Any:
    """Give an array the axes of one pixel that it is said to have and that were left out.

    Parameters
    ----------
    array : array
    axes : str
        Its own.
    wanted : str
        These and others, in any order that keeps theirs.

    Returns
    -------
    array
        With the axes wanted; as it was where they are not its own and others.
    """
    if [axis for axis in wanted if axis in axes] != list(axes):
        return array
    return array[tuple(slice(None) if axis in axes else None for axis in wanted)]


def infer_axes(shape: Sequence[int]) -> str:
    """Name the axes of an array where its shape leaves no doubt.

    Two dimensions are ``YX``; three are ``YXC`` where the last holds 3 or 4 samples (RGB or
    RGBA) and the others are larger.

    Raises
    ------
    ImageError
        If more than one reading is possible: name the axes then.
    """
    if len(shape) == 2:
        return "YX"
    if len(shape) == 3 and shape[-1] in (3, 4) and min(shape[:2]) > 4:
        return "YXC"
    raise ImageError(
        f"A picture of shape {tuple(shape)} can be read in more than one way; name its axes, "
        f"one letter of {AXES} per dimension (for example ZYX, TYX, CYX or TZCYX)."
    )


def default_channels(
    count: int, dtype: np.dtype[Any] | None = None, *, samples: bool = False
) -> tuple[Channel, ...]:
    """Map channels to colours where the user has not.

    One channel is gray. Three or four samples of a colour picture are red, green and blue, alpha
    left out; 8-bit ones have the limits 0 and 255. Two to six channels get one colour each.

    Parameters
    ----------
    count : int
    dtype : dtype, optional
    samples : bool
        Whether they are samples (RGB, RGBA) and not channels that were recorded one by one.

    Raises
    ------
    ImageError
        If there are more channels than colours: choose them then.
    """
    if count == 1:
        return (Channel(0),)
    if samples and count in (3, 4):
        limits = (0.0, 255.0) if dtype == np.uint8 else None
        return tuple(Channel(i, CHANNEL_COLORS[i], limits=limits) for i in range(3))
    if count > len(CHANNEL_COLORS):
        raise ImageError(
            f"The picture has {count} channels and only {len(CHANNEL_COLORS)} can be mapped by "
            "default; name the channels to show."
        )
    return tuple(Channel(i, CHANNEL_COLORS[i]) for i in range(count))


def fix_limits(
    array: Any, axes: str, channels: Sequence[Channel] | None = None
) -> tuple[Channel, ...]:
    """Choose the channels of an array and give each its contrast limits.

    Do this once for a whole picture or stack, and pass the result to `to_rgb` for each plane.

    Parameters
    ----------
    array : array of any dtype
        May be lazy.
    axes : str
        Names of its axes, see `check_axes`.
    channels : sequence of Channel, optional
        `default_channels` where omitted.

    Returns
    -------
    tuple of Channel
        With limits.
    """
    axes = check_axes(axes, array.ndim)
    count = array.shape[axes.index("C")] if "C" in axes else 1
    chosen = choose_channels(array.dtype, count, channels, samples=axes.endswith("C"))
    return measure_open(chosen, array, axes)


def choose_channels(
    dtype: np.dtype[Any],
    count: int,
    channels: Sequence[Channel] | None = None,
    *,
    samples: bool = False,
) -> tuple[Channel, ...]:
    """Take the channels that are given, or the usual ones, and check that they exist.

    Parameters
    ----------
    dtype : dtype
        Of the picture.
    count : int
        How many channels it has.
    channels : sequence of Channel, optional
        `default_channels` where omitted.
    samples : bool
        See `default_channels`.

    Raises
    ------
    ImageError
        If the picture is not of numbers, or a channel does not exist, or none is chosen.
    """
    if np.dtype(dtype).kind not in "buif":
        raise ImageError(f"Pictures of type {dtype} cannot be shown; convert to numbers.")
    usual = channels is None
    if channels is not None:
        require(channels, (list, tuple), "Channels are a list of Channel", ImageError)
        for channel in channels:
            require(channel, Channel, "Channels are a list of Channel", ImageError)
    chosen = default_channels(count, dtype, samples=samples) if usual else tuple(channels or ())
    if not chosen:
        raise ImageError("No channel is chosen; choose at least one to show to the model.")
    for channel in chosen:
        if not 0 <= channel.index < count:
            raise ImageError(
                f"Channel {channel.index} does not exist; the picture has {count}, "
                f"numbered 0 to {count - 1}."
            )
    return chosen


def measure_open(channels: tuple[Channel, ...], array: Any, axes: str) -> tuple[Channel, ...]:
    """Give the channels that have no contrast limits those of the whole array."""
    open_ones = sorted({channel.index for channel in channels if channel.limits is None})
    if not open_ones:
        return channels
    samples = sample_channels(array, axes, open_ones)
    limits = {
        index: measure_limits(sample.values, peak=sample.peak)
        for index, sample in zip(open_ones, samples, strict=True)
    }
    return tuple(
        channel if channel.limits is not None else replace(channel, limits=limits[channel.index])
        for channel in channels
    )


def _take_channel(array: Any, axes: str, index: int) -> Any:
    if "C" not in axes:
        return array
    return array[(slice(None),) * axes.index("C") + (index,)]


def to_rgb(
    image: Any, axes: str | None = None, channels: Sequence[Channel] | None = None
) -> NDArray[np.uint8]:
    """Show one plane to a model.

    Parameters
    ----------
    image : array of bool, integer or float
        One plane: the axes Y, X and, optionally, C. NaN and infinities count as black and
        full colour.
    axes : str, optional
        Names of its axes; inferred where only one reading is possible.
    channels : sequence of Channel, optional
        `default_channels` where omitted; limits that are None are measured on this plane.

    Returns
    -------
    (H, W, 3) uint8

    Raises
    ------
    ImageError
        If the picture is empty, complex, holds no finite value, is no plane, or its axes or
        channels do not fit.
    """
    wanted = "A picture is an array of numbers"
    array = image if hasattr(image, "ndim") else as_numbers(image, wanted, ImageError)
    named = infer_axes(array.shape) if axes is None else check_axes(axes, array.ndim)
    if set(named) - set("YXC"):
        raise ImageError(f"One plane has the axes Y, X and C only; got {named!r}.")
    if 0 in array.shape:
        raise ImageError(f"The picture is empty: its shape is {tuple(array.shape)}.")
    chosen = fix_limits(array, named, channels)
    height, width = (array.shape[named.index(axis)] for axis in "YX")
    upright = named.index("Y") < named.index("X")
    planes = []
    for channel in chosen:
        plane = np.asarray(_take_channel(array, named, channel.index))
        planes.append(plane if upright else plane.T)
    if all(plane.dtype.kind == "f" and not np.isfinite(plane).any() for plane in planes):
        raise BlankError("The picture holds no finite value (all NaN or infinite).")
    rgb = np.empty((height, width, 3), np.uint8)
    for strip in cut_strips((height, width), STRIP_PIXELS):
        rgb[strip] = _mix([plane[strip] for plane in planes], chosen)
    return rgb


def _mix(planes: Sequence[NDArray[Any]], channels: Sequence[Channel]) -> NDArray[np.uint8]:
    """Show some rows of each channel in one picture, ``(h, w, 3)``; all limits are known."""
    mixed = np.zeros((*planes[0].shape, 3), np.float32)
    for plane, channel in zip(planes, channels, strict=True):
        # One constant channel is mid-gray; in a mixture it has nothing to show.
        shown = _stretch(plane, channel, constant=0.5 if len(channels) == 1 else 0.0)
        if channel.color == WHITE and len(channels) == 1 and not channel.ramp:
            mixed = (shown * np.float32(channel.weight))[
                ..., None
            ]  # gray: computed once, shown three times
            break
        if channel.ramp:
            _add_ramp(mixed, shown, channel)
            continue
        for sample, amount in enumerate(channel.color):
            if amount:
                mixed[..., sample] += shown * np.float32(amount * channel.weight)
    return (np.clip(mixed, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _stretch(plane: NDArray[Any], channel: Channel, constant: float) -> NDArray[np.float32]:
    """Map a channel's limits to 0 and 1, by its gamma; `constant` stands for equal limits."""
    assert channel.limits is not None  # `fix_limits` saw to it
    low, high = channel.limits
    values: NDArray[Any] = plane.astype(np.float32 if plane.dtype.itemsize < 4 else np.float64)
    if high <= low:
        shown = np.where(values > high, 1.0, np.where(values < low, 0.0, constant))
        shown[np.isnan(values)] = 0.0
    else:
        shown = np.clip((values - low) / (high - low), 0, 1)
    finite = np.nan_to_num(shown, nan=0.0).astype(np.float32)
    return finite if channel.gamma == 1 else finite ** np.float32(channel.gamma)


def _add_ramp(mixed: NDArray[np.float32], shown: NDArray[np.float32], channel: Channel) -> None:
    """Add a channel that has colours of its own for each intensity."""
    steps = np.linspace(0, 1, len(channel.ramp))
    for sample, values in enumerate(zip(*channel.ramp, strict=True)):
        if any(values):
            mixed[..., sample] += np.interp(shown, steps, values) * channel.weight
