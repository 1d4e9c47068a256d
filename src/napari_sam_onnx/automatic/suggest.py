"""Which channels, stains and views of a picture a model sees most in: tried, and ranked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.automatic.scale import Sight, look_around
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.pictures.image import CHANNEL_COLORS, Channel, ImageError, infer_axes, to_rgb
from napari_sam_onnx.pictures.views import COLORS, INVERTED, STAINS, name_view, show_view

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from numpy.typing import NDArray

    from napari_sam_onnx.models import Model

SIDE = 768
"""Side of the part of a large plane that is tried, in pixels."""

PAIRED = 4
"""Channels of which each pair is tried: those that show most by themselves."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to show a picture to a model.

    Parameters
    ----------
    name : str
        In words.
    channels : tuple of Channel or None
        What `to_rgb` is to be given; None: its default.
    view : str
        What `show_view` is to be given; empty: nothing.
    """

    name: str
    channels: tuple[Channel, ...] | None = None
    view: str = ""

    @property
    def options(self) -> str:
        """The same as options of the command line."""
        parts = []
        if self.channels is not None:
            named = ",".join(f"{c.index}:{_NAMES.get(c.color, 'gray')}" for c in self.channels)
            parts.append(f"--channels {named}")
        if self.view:
            parts.append(f"--view {self.view}")
        return " ".join(parts) or "(no option)"


_NAMES = {CHANNEL_COLORS[0]: "red", CHANNEL_COLORS[1]: "green", CHANNEL_COLORS[2]: "blue"}


@dataclass(frozen=True, slots=True, eq=False)
class Suggestion:
    """A way to show a picture, and what a model sees then.

    Parameters
    ----------
    way : Way
    rgb : (h, w, 3) uint8
        The part that was tried, shown so.
    sight : Sight
        What the model sees.
    """

    way: Way
    rgb: NDArray[np.uint8]
    sight: Sight


def suggest_views(
    image: Any,
    model: Model,
    axes: str | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Suggestion]:
    """Try the ways to show a picture, and rank them by what the model sees with certainty.

    Parameters
    ----------
    image : array
        One plane, with its channels.
    model : Model
        One that proposes objects.
    axes : str, optional
        See `napari_sam_onnx.to_rgb`.
    progress : callable, optional
        Called with ``(done, total)`` ways.

    Returns
    -------
    list of Suggestion
        The best first: each channel, pairs of those that show most, all of them, each stain and
        colour of a colour picture, and what is inverted, each looked at in the scale that suits
        it. The rank is the sum of how much the ratings of the objects exceed one half.

    Raises
    ------
    ImageError
        If the picture cannot be shown, or the model proposes no objects.
    """
    array = np.asarray(image)
    named = infer_axes(array.shape) if axes is None else axes.upper()
    count = array.shape[named.index("C")] if "C" in named else 1
    colour = count in (3, 4) and array.dtype == np.uint8
    where = middle(tuple(array.shape[named.index(axis)] for axis in "YX"))

    def show(way: Way) -> NDArray[np.uint8]:
        rgb = np.ascontiguousarray(to_rgb(array, named, way.channels)[where])
        return show_view(rgb, way.view)

    tried = []
    usual = count <= len(CHANNEL_COLORS)
    total = count_ways(count, colour=colour, usual=usual)
    for suggestion in iterate_suggestions(show, model, count, colour=colour, usual=usual):
        tried.append(suggestion)
        if progress is not None:
            progress(len(tried), total)
    return rank(tried)


def rank(tried: list[Suggestion]) -> list[Suggestion]:
    """Put what shows most with certainty first."""
    return sorted(tried, key=lambda suggestion: -suggestion.sight.worth)


def iterate_suggestions(
    show: Callable[[Way], NDArray[np.uint8]],
    model: Model,
    count: int,
    *,
    colour: bool = False,
    usual: bool = True,
) -> Generator[Suggestion, None, None]:
    """Try one way after another.

    Parameters
    ----------
    show : callable
        Shows the part of the plane that is tried in a way, ``(h, w, 3)`` uint8.
    model : Model
    count : int
        How many channels the picture has.
    colour : bool
        Whether it is a colour picture, whose stains and colours are tried instead.
    usual : bool
        Whether it has a way in which it is shown without any choice.

    Yields
    ------
    Suggestion
        In the order in which they are tried, the usual way first.

    Raises
    ------
    ImageError
        If the model proposes no objects.
    """
    cache = EmbeddingCache(max_bytes=0)
    first, alone = True, []
    for way in _list_first(count, colour, usual):
        rgb = show(way)
        if first and model.propose(model.encode(rgb)) is None:
            raise ImageError(
                f"The model {model.id!r} proposes no objects by itself, so that it cannot say what "
                "it sees best; use pebble to choose."
            )
        first = False
        made = Suggestion(way, rgb, look_around(rgb, model, cache))
        if way.channels is not None and not way.view:
            alone.append((made.sight.worth, way.channels[0].index))
        yield made
    if colour or count < 3:  # two channels are a pair as they are
        return
    best = sorted(index for _, index in sorted(alone, key=lambda one: -one[0])[:PAIRED])
    for a, b in combinations(best, 2):
        pair = Channel(a, CHANNEL_COLORS[0]), Channel(b, CHANNEL_COLORS[1])
        rgb = show(way := Way(f"channels {a} and {b}", pair))
        yield Suggestion(way, rgb, look_around(rgb, model, cache))


def count_ways(count: int, *, colour: bool, usual: bool) -> int:
    """Count what `iterate_suggestions` tries."""
    paired = 0 if colour or count < 3 else min(count, PAIRED)
    return len(list(_list_first(count, colour, usual))) + paired * (paired - 1) // 2


def _list_first(count: int, colour: bool, usual: bool) -> Iterator[Way]:
    """List what is tried whatever is seen; the usual way first."""
    if usual:
        yield Way(name_view(""))
        yield Way(name_view(INVERTED), view=INVERTED)
    if colour:
        for view in (f"{part}{end}" for part in (*STAINS, *COLORS) for end in ("", "-inverted")):
            yield Way(name_view(view), view=view)
    elif count > 1:
        for index in range(count):
            yield Way(f"channel {index}", (Channel(index),))
            yield Way(f"channel {index}, inverted", (Channel(index),), INVERTED)


def middle(shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the middle of a plane ``(H, W)``, as large as is tried."""
    rows, columns = (
        slice(start, min(start + SIDE, length))
        for length in shape
        for start in (max(0, (length - SIDE) // 2),)
    )
    return rows, columns
