"""The pictures whose intensities are measured: several channels, read plane by plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Intensities(Protocol):
    """What `LabelStack` takes for a picture: an array, or `ChannelPlanes`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the labels, with a further last axis where there are channels."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return a plane, by its place along the axes before Y and X."""


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredChannel:
    """One channel of a picture.

    Parameters
    ----------
    name : str
    array : array, lazy or not
        Its first axes are those of the labels.
    axis, position : int, optional
        The axis of `array` along which channels lie, where labels have one pixel, and which of
        them is meant.
    sample : int, optional
        Which sample of a colour picture's last axis is meant.
    """

    name: str
    array: Any
    axis: int | None = None
    position: int = 0
    sample: int | None = None

    def read(self, index: Sequence[int]) -> NDArray[Any]:
        """Read a plane, (H, W)."""
        at = tuple(self.position if axis == self.axis else n for axis, n in enumerate(index))
        plane = np.asarray(self.array[at])
        return plane if self.sample is None else plane[..., self.sample]


@dataclass(frozen=True, slots=True, eq=False)
class ChannelPlanes:
    """Channels that lie on the same labels.

    Parameters
    ----------
    channels : tuple of MeasuredChannel
        One at least.
    label_shape : tuple of int
    """

    channels: tuple[MeasuredChannel, ...]
    label_shape: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """``(*label_shape, channels)``."""
        return (*self.label_shape, len(self.channels))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the channels, each different from the others."""
        names: list[str] = []
        for channel in self.channels:
            name, count = channel.name, 2
            while name in names:
                name, count = f"{channel.name} {count}", count + 1
            names.append(name)
        return tuple(names)

    def __getitem__(self, index: Any, /) -> NDArray[Any]:
        """Read a plane, (H, W, C)."""
        return np.stack([channel.read(index) for channel in self.channels], axis=-1)
