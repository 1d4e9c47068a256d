"""What is remembered of one object, and which of it counts for a plane.

The rules are those of SAM 2's video predictor (Ravi et al. 2024, section 4): all planes on which
the user pointed at the object, the six planes that were followed last, and pointers of sixteen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT = 64
"""Planes that an object was followed to last, whose memory is kept whole for corrections: half a
megabyte each for a model of 1024 pixels. Of others the pointer is kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """What is remembered of an object on one plane.

    Parameters
    ----------
    tokens : (S, c) float16 or None
        Where it was and how it looked; None once it is too long ago.
    pointer : (C,) float32
        What it is.
    """

    tokens: NDArray[np.float16] | None
    pointer: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Recollection:
    """What counts for one plane.

    Parameters
    ----------
    spatial : list of (int, tokens)
        For each plane remembered, how many planes away it is (0 where the user pointed at the
        object there) and its tokens.
    pointers : list of (int, pointer)
        For each, how many planes away.
    """

    spatial: list[tuple[int, NDArray[np.float16]]]
    pointers: list[tuple[int, NDArray[np.float32]]]


class Bank:
    """The memory of one object. Positions number the planes.

    Parameters
    ----------
    planes : int
        How many planes are remembered in full, the present one included (7 in SAM 2).
    pointers : int
        How many pointers, the present one included (16 in SAM 2).
    most_pointed : int, optional
        How many planes on which the user pointed at the object count for one plane (4 in SAM 3);
        all where omitted.
    """

    def __init__(self, planes: int, pointers: int, most_pointed: int | None = None) -> None:
        self.planes = planes
        self.pointers = pointers
        self.most_pointed = most_pointed
        self.pointed: dict[int, Memory] = {}
        self.followed: dict[int, Memory] = {}

    def __bool__(self) -> bool:
        return bool(self.pointed)

    def keep_pointed(self, position: int, memory: Memory) -> None:
        """Remember a plane on which the user pointed at the object."""
        self.pointed[position] = memory
        self.followed.pop(position, None)

    def keep_followed(self, position: int, memory: Memory) -> None:
        """Remember a plane on which the object was followed; forget the tokens of old ones."""
        self.followed.pop(position, None)  # so that the latest comes last
        self.followed[position] = memory
        for place, kept in list(self.followed.items())[:-KEPT]:
            near = any(abs(place - pointed) < self.planes for pointed in self.pointed)
            if kept.tokens is not None and not near:
                self.followed[place] = replace(kept, tokens=None)

    def recall(self, position: int, *, reverse: bool) -> Recollection:
        """Choose what counts for a plane.

        Parameters
        ----------
        position : int
        reverse : bool
            Whether planes are followed towards lower positions.
        """
        step = 1 if reverse else -1
        nearest = self._choose_pointed(position)
        spatial = [(0, kept.tokens) for kept in nearest.values() if kept.tokens is not None]
        others = {place: kept for place, kept in self.pointed.items() if place not in nearest}
        for away in range(self.planes - 1, 0, -1):
            place = position + step * away
            kept = self.followed.get(place) or others.get(place)
            if kept is not None and kept.tokens is not None:
                spatial.append((away, kept.tokens))
        # pointers of planes that lie ahead do not count, wherever the user pointed
        behind = {
            place: kept
            for place, kept in self.pointed.items()
            if (place >= position if reverse else place <= position)
        }
        pointers = [(abs(position - place), kept.pointer) for place, kept in behind.items()]
        for away in range(1, self.pointers):
            kept = self.followed.get(position + step * away)
            if kept is not None:
                pointers.append((away, kept.pointer))
        return Recollection(spatial, pointers)

    def _choose_pointed(self, position: int) -> dict[int, Memory]:
        """Choose the planes that the user pointed at: the nearest on both sides, then any."""
        if self.most_pointed is None or len(self.pointed) <= self.most_pointed:
            return self.pointed
        before = max((place for place in self.pointed if place < position), default=None)
        after = min((place for place in self.pointed if place >= position), default=None)
        chosen = [place for place in (before, after) if place is not None]
        rest = [place for place in self.pointed if place not in chosen]
        rest.sort(key=lambda place: abs(place - position))
        chosen += rest[: max(0, self.most_pointed - len(chosen))]
        return {place: self.pointed[place] for place in chosen}
