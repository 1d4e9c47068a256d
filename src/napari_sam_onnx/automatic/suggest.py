"""Which channels, stains and views of a picture a model sees most in: tried, and ranked."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.automatic.scale import Sight, look_around
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.image import CHANNEL_COLORS, Channel, ImageError, infer_axes, to_rgb
from napari_sam_onnx.views import INVERTED, STAINS, show_view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from napari_sam_onnx.models import Model

SIDE = 768
"""Side of the part of a large plane that is tried, in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Suggestion:
    """A way to show a picture to a model, and what the model sees then.

    Parameters
    ----------
    name : str
        In words.
    channels : tuple of Channel or None
        What `to_rgb` is to be given; None: its default.
    view : str
        What `show_view` is to be given; empty: nothing.
    rgb : (h, w, 3) uint8
        The part that was tried, shown so.
    sight : Sight
        What the model sees.
    """

    name: str
    channels: tuple[Channel, ...] | None
    view: str
    rgb: NDArray[np.uint8]
    sight: Sight

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
        The best first: each channel, each pair, all of them, each stain of a colour picture, and
        what is inverted, each looked at in the scale that suits it. The rank is the sum of how
        much the ratings of the objects exceed one half.

    Raises
    ------
    ImageError
        If the picture cannot be shown, or the model proposes no objects.
    """
    array = np.asarray(image)
    named = infer_axes(array.shape) if axes is None else axes.upper()
    ways = list(_list_ways(array, named))
    where = _middle(array, named)
    cache = EmbeddingCache(max_bytes=0)
    tried = []
    for done, (name, channels, view) in enumerate(ways):
        rgb = np.ascontiguousarray(to_rgb(array, named, channels)[where])
        shown = show_view(rgb, view)
        if done == 0 and model.propose(model.encode(shown)) is None:
            raise ImageError(
                f"The model {model.id!r} proposes no objects by itself, so that it cannot say what "
                "it sees best; use pebble to choose."
            )
        tried.append(Suggestion(name, channels, view, shown, look_around(shown, model, cache)))
        if progress is not None:
            progress(done + 1, len(ways))
    return sorted(tried, key=lambda suggestion: -suggestion.sight.worth)


def _list_ways(
    array: NDArray[Any], axes: str
) -> Iterator[tuple[str, tuple[Channel, ...] | None, str]]:
    """List names, channels and views; the usual way first."""
    count = array.shape[axes.index("C")] if "C" in axes else 1
    colour = count in (3, 4) and array.dtype == np.uint8
    usual = count <= len(CHANNEL_COLORS)
    if usual:
        yield "as it is", None, ""
        yield "inverted", None, INVERTED
    if colour:
        for stain in STAINS:
            yield stain, None, stain
            yield f"{stain}, inverted", None, f"{stain}-inverted"
        count = 3
    if count == 1:
        return
    for index in range(count):
        yield f"channel {index}", (Channel(index),), ""
        yield f"channel {index}, inverted", (Channel(index),), INVERTED
    if colour or count == 2:
        return
    for a, b in combinations(range(count), 2):
        pair = Channel(a, CHANNEL_COLORS[0]), Channel(b, CHANNEL_COLORS[1])
        yield f"channels {a} and {b}", pair, ""


def _middle(array: NDArray[Any], axes: str) -> tuple[slice, slice]:
    """Return the middle of the plane, as large as is tried."""
    starts = [max(0, (array.shape[axes.index(axis)] - SIDE) // 2) for axis in "YX"]
    return slice(starts[0], starts[0] + SIDE), slice(starts[1], starts[1] + SIDE)
