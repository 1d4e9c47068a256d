"""Logits that are computed for a prompt when its masks are looked at, and not before."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import DTypeLike, NDArray

    Draw = Callable[[], NDArray[np.float32]]


class LazyLogits:
    """Reads like an array (B, M, h, w) of float32. Safe in threads.

    Of automatic masks most are turned down by their score alone; their logits are never made.

    Parameters
    ----------
    shape : (B, M, h, w)
    draw : sequence of B callables
        Each makes the logits (M, h, w) of a prompt; called once at most.
    """

    def __init__(self, shape: tuple[int, int, int, int], draw: Sequence[Draw]) -> None:
        self.shape = shape
        self._draw: list[Draw | None] = list(draw)
        self._drawn: list[NDArray[np.float32] | None] = [None] * len(draw)
        self._locks = [threading.Lock() for _ in draw]

    @property
    def drawn(self) -> int:
        """For how many prompts the logits have been made."""
        return sum(logits is not None for logits in self._drawn)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: int | tuple[int, int]) -> NDArray[np.float32]:
        """Logits of a prompt (M, h, w), or of a prompt and a candidate (h, w)."""
        if isinstance(key, tuple):
            prompt, candidate = key
            logits: NDArray[np.float32] = self[prompt][candidate]
            return logits
        with self._locks[key]:
            drawn = self._drawn[key]
            if drawn is None:
                draw = self._draw[key]
                assert draw is not None  # forgotten only once it was called
                drawn = self._drawn[key] = draw()
                self._draw[key] = None  # lets go of what the logits were made of
            return drawn

    def __array__(
        self, dtype: DTypeLike | None = None, copy: bool | None = None
    ) -> NDArray[np.generic]:
        """Make all logits, (B, M, h, w)."""
        array: NDArray[np.generic] = np.stack([self[prompt] for prompt in range(len(self))])
        return array if dtype is None else array.astype(dtype)
