"""Which channels, stains and views a model sees most in on this plane: tried away from the dock.

    ways ─▶ the middle of the plane, seen so ─ model ─▶ rank ─ the best ─▶ small pictures ─▶ choice

A model that proposes no objects cannot say what it sees best; the embedded one says it then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam_onnx.automatic import automask
from napari_sam_onnx.automatic.suggest import (
    Suggestion,
    Way,
    count_ways,
    iterate_suggestions,
    middle,
    rank,
)
from napari_sam_onnx.masks.regions import Region
from napari_sam_onnx.pictures.image import BlankError, ImageError
from napari_sam_onnx.plugin.picture.plane import plane_shape
from napari_sam_onnx.plugin.runs.thumbnails import draw_labels
from napari_sam_onnx.plugin.runs.work import Work
from napari_sam_onnx.plugin.session.session import DEFAULT_MODEL

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from napari_sam_onnx.models import Model
    from napari_sam_onnx.plugin.picture.picture import Picture
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.picture.reader import Reader
    from napari_sam_onnx.plugin.session.engine import Engine
    from napari_sam_onnx.plugin.session.session import Session

SHOWN = 6
"""Ways that are drawn, the best first."""

SIDE = 200
"""Pixels of a small picture's longer side."""

ACROSS = 12
"""Typical objects that fit into a small picture side by side, so that outlines can be seen."""

LEAST = 96
"""Pixels of the plane that a small picture shows at least."""


@dataclass(frozen=True, slots=True, eq=False)
class Advice:
    """A way to show the picture, as it is offered.

    Parameters
    ----------
    suggestion : Suggestion
    drawn : (h, w, 3) uint8
        A small picture with the outlines of what the model finds.
    """

    suggestion: Suggestion
    drawn: NDArray[np.uint8]


class Advising:
    """Tries the ways to show the plane, and takes the one that is chosen.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    work : Work
        The trying itself: whether and how far it goes on.
    changed : Signal
        Something else is offered, or another way is in use.
    advices : tuple of Advice
        The best first.
    judge : str
        The model that was asked, where it is not the session's; else empty.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        self.session = session
        self.work = Work()
        self.advices: tuple[Advice, ...] = ()
        self.judge = ""
        self._picture: Picture | None = None
        session.detached.connect(self._forget)
        session.picture_changed.connect(self.changed.emit)

    def start(self) -> None:
        """Try all ways on the plane that is shown."""
        session = self.session
        picture, reader, plane = session.picture, session.reader, session.plane
        if self.work.busy:
            return
        if picture is None or reader is None or plane is None:
            session.say("Open a picture and show one of its planes in 2D first.", "error")
            return
        self._picture, self.advices, self.judge = picture, (), ""
        every = tuple(replace(choice, on=True, weight=1.0) for choice in picture.channels)
        whole = replace(picture, channels=every)
        steps = self._try(session.engine, session.source, whole.snapshot(), reader, plane)
        self.work.start(
            steps, "Suggest channels", "Opening the model …", self._on_step, self._on_finished
        )
        self.changed.emit()

    def take(self, number: int) -> None:
        """Show the picture to the model in one of the ways from now on."""
        session = self.session
        if session.picture is not None and self._picture is not None:
            session.choose_picture(see_as(self._picture, self.advices[number].suggestion.way))

    def in_use(self, number: int) -> bool:
        """Whether the model sees the picture in one of the ways now."""
        picture = self.session.picture
        if picture is None or self._picture is None:
            return False
        other = see_as(self._picture, self.advices[number].suggestion.way)
        return (picture.channels, picture.view) == (other.channels, other.view)

    def close(self) -> None:
        """Stop, and tell nobody."""
        self.work.close()

    # In the worker

    def _try(
        self, engine: Engine, source: Any, whole: Reader, now: Reader, plane: Plane
    ) -> Generator[tuple[str, float] | str | tuple[Advice, ...], None, None]:
        """Yield how far it has come, another model's name, and what is offered."""
        rows, columns = middle(plane_shape(whole.shape, plane))
        part = Region((rows.start, columns.start, rows.stop, columns.stop))

        def show(way: Way) -> NDArray[np.uint8]:
            reader = now if way.channels is None else whole
            try:
                return reader.seen_as(way.channels, way.view).read(plane, part)
            except BlankError:  # a channel without a value shows nothing
                return np.zeros((*part.shape, 3), np.uint8)

        for reader in (now, whole):  # limits of the whole picture are measured once
            reader.channels = reader.planes(plane.axes).channels
        with engine.use(source) as model:
            try:
                yield from self._rank(model, show, whole)
                return
            except ImageError:
                if source == DEFAULT_MODEL:
                    raise
        with engine.borrow(DEFAULT_MODEL) as model:
            yield DEFAULT_MODEL
            yield from self._rank(model, show, whole)

    def _rank(
        self, model: Model, show: Callable[[Way], NDArray[np.uint8]], whole: Reader
    ) -> Generator[tuple[str, float] | tuple[Advice, ...], None, None]:
        count = len(whole.channels)
        total = count_ways(count, colour=whole.rgb, usual=True)
        tried: list[Suggestion] = []
        for made in iterate_suggestions(show, model, count, colour=whole.rgb):
            tried.append(made)
            done = len(tried) / (total + SHOWN)
            yield f"{len(tried)} of {total} tried: {made.way.name}", done
        best = rank(tried)[:SHOWN]
        diameter = best[0].sight.diameter if best[0].sight.count else 0.0
        offered: tuple[Advice, ...] = ()
        for number, suggestion in enumerate(best):
            offered = (*offered, Advice(suggestion, draw_found(suggestion, model, diameter)))
            yield offered
            yield f"Outlines {number + 1} of {len(best)}", (total + number + 1) / (total + SHOWN)

    # In the interface

    def _on_step(self, step: Any) -> None:
        if self._picture is None:  # let go meanwhile
            return
        if isinstance(step, str):
            self.judge = step
        elif isinstance(step[0], Advice):
            self.advices = step
        else:
            self.work.tell(*step)
            return
        self.changed.emit()

    def _on_finished(self, error: Exception | None) -> None:
        if error is not None:
            self.session.fail(error)
        self.changed.emit()

    def _forget(self) -> None:
        """Drop what was tried: the picture was let go."""
        self.work.cancel()
        self._picture, self.advices, self.judge = None, (), ""
        self.changed.emit()


def see_as(picture: Picture, way: Way) -> Picture:
    """Return a picture as one of the ways shows it."""
    if way.channels is None:
        return replace(picture, view=way.view)
    chosen = {channel.index: channel for channel in way.channels}
    channels = tuple(
        replace(choice, on=True, color=chosen[i].color, weight=1.0, followed=False)
        if i in chosen
        else replace(choice, on=False)
        for i, choice in enumerate(picture.channels)
    )
    return replace(picture, channels=channels, view=way.view)


def draw_found(suggestion: Suggestion, model: Model, diameter: float) -> NDArray[np.uint8]:
    """Draw what a model finds in a way; about `ACROSS` objects of a diameter side by side."""
    height, width = suggestion.rgb.shape[:2]
    side = max(LEAST, round(ACROSS * diameter)) if diameter else max(height, width)
    top, left = (max(0, (length - side) // 2) for length in (height, width))
    part = np.ascontiguousarray(suggestion.rgb[top : top + side, left : left + side])
    sight = suggestion.sight
    labels = np.zeros(part.shape[:2], np.uint32)
    if sight.count:
        labels = automask(part, model, diameter=sight.diameter)
    return draw_labels(part, labels, SIDE)
