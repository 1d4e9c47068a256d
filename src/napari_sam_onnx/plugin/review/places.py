"""Places that deserve a look, the most doubtful first, and which of them is looked at.

Pure: no Qt and no viewer. Whoever finds places fills in its own and leaves those of others alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psygnal import Signal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam_onnx.plugin.picture.plane import Plane


@dataclass(frozen=True, slots=True)
class Place:
    """Something that may be wrong.

    Parameters
    ----------
    layer : napari Labels layer
        Whose object it is.
    plane : Plane
        Of the layer: where to look.
    center : (y, x)
        There, in pixels of the plane.
    label : int
        The object; 0 where there is none, as for one that may have been missed.
    reason : str
        What is odd, a sentence for the user.
    score : float
        How doubtful: places with more of it come first.
    """

    layer: Any
    plane: Plane
    center: tuple[float, float]
    label: int
    reason: str
    score: float


class ReviewQueue:
    """Places in the order in which they are looked at.

    Attributes
    ----------
    changed : Signal
        There are other places, or another one is looked at.
    current : Place or None
        The one that is looked at.
    """

    changed = Signal()

    def __init__(self) -> None:
        self.current: Place | None = None
        self._of: dict[str, tuple[Place, ...]] = {}
        self._sorted: tuple[Place, ...] = ()
        self._seen: set[Place] = set()

    @property
    def places(self) -> tuple[Place, ...]:
        """All places, the most doubtful first."""
        return self._sorted

    @property
    def index(self) -> int:
        """Where `current` stands among `places`; -1 where nothing is looked at."""
        return -1 if self.current is None else self._sorted.index(self.current)

    @property
    def left(self) -> int:
        """How many places were not looked at yet."""
        return sum(place not in self._seen for place in self._sorted)

    def is_seen(self, place: Place) -> bool:
        """Whether a place was looked at."""
        return place in self._seen

    def fill(self, source: str, places: Iterable[Place]) -> None:
        """Take the places that somebody found instead of those that it found before.

        Parameters
        ----------
        source : str
            Who found them; places of other sources stay.
        places : iterable of Place
        """
        self._of[source] = tuple(places)
        self._sort()

    def clear(self, source: str) -> None:
        """Drop the places that somebody found."""
        if self._of.pop(source, ()):
            self._sort()

    def drop_layer(self, layer: Any) -> None:
        """Drop the places of a label image."""
        if any(place.layer is layer for place in self._sorted):
            self._keep(lambda place: place.layer is not layer)

    def settle(self, label: int, layer: Any) -> None:
        """Drop the places of an object: it was corrected, or is gone."""
        self._keep(lambda place: place.layer is not layer or place.label != label)

    def look_at(self, place: Place) -> None:
        """Look at a place of the queue."""
        self.current = place
        self._seen.add(place)
        self.changed.emit()

    def step(self, by: int) -> Place | None:
        """Look at the place so many further; None where there is none at all.

        Nothing comes after the last one and before the first: it stays there.
        """
        if not self._sorted:
            return None
        start = self.index if self.current is not None else (-1 if by > 0 else 0)
        self.look_at(self._sorted[min(max(0, start + by), len(self._sorted) - 1)])
        return self.current

    def _keep(self, wanted: Any) -> None:
        self._of = {
            source: tuple(place for place in places if wanted(place))
            for source, places in self._of.items()
        }
        self._sort()

    def _sort(self) -> None:
        """Put all places in order; where the current one is gone, the next takes its place."""
        at = self.index
        every = dict.fromkeys(place for places in self._of.values() for place in places)
        self._sorted = tuple(sorted(every, key=lambda place: -place.score))
        self._seen &= set(self._sorted)
        if self.current not in self._sorted:
            # so that one step further shows what has moved up
            before = self._sorted[:at]
            self.current = before[-1] if before and at > 0 else None
        self.changed.emit()
