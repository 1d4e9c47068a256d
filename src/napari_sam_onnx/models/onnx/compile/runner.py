"""Run a compiled decoder: once per picture, once per prompt, once per mask that is wanted."""

from __future__ import annotations

import math
import threading
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_sam_onnx.models.onnx.contracts.rows import DecoderContract
    from napari_sam_onnx.models.onnx.sessions.runtime import Session
    from napari_sam_onnx.models.onnx.sessions.tensors import TensorSpec

    Arrays = Mapping[str, NDArray[Any]]

_ROWS = 4  # of a mask for each row of the picture's tokens
_BY_ROWS = "p:z", "p:f"  # terms of the picture whose first axis is that of its pixels
_PICTURES = 2  # whose factors are kept, some 30 MB each: the one shown, and one in preparation


class Scores(NamedTuple):
    """A decoder's answer without its masks.

    Parameters
    ----------
    values : (B, M) float32
    feeds : mapping of str to array
        What the masks of these prompts are made of.
    """

    values: NDArray[Any]
    feeds: Arrays


class CompiledDecoder:
    """Three graphs that answer as the decoder they were compiled from. Safe in threads.

    It runs as a `Session` of that decoder would; besides, `answer` gives scores alone and
    `draw` the masks of one prompt.

    Parameters
    ----------
    original : Session
        Of the decoder; it is asked what it takes and gives, and is not needed afterwards.
    graphs : picture, tokens, masks
        Sessions of the three graphs.
    row : DecoderContract
    side : int
        Of its masks.
    open_alone : callable, optional
        Opens the graphs of tokens and masks once more, for one thread.

    Attributes
    ----------
    takes_batches : bool
        Whether several prompts can be asked at once.
    """

    def __init__(
        self,
        original: Session | CompiledDecoder,
        graphs: tuple[Session, Session, Session],
        row: DecoderContract,
        side: int,
        open_alone: Callable[[], tuple[Session, Session]] | None = None,
    ) -> None:
        self._picture, self._tokens, self._masks = graphs
        self._row = row
        self._side = side
        self.path: Path = original.path
        self.inputs: tuple[TensorSpec, ...] = original.inputs
        self.outputs: tuple[TensorSpec, ...] = original.outputs
        self.metadata: Mapping[str, str] = original.metadata
        self.threads: int = original.threads
        self.time_limit: float | None = original.time_limit
        self.takes_batches = True
        self._kept: list[tuple[tuple[weakref.ref[NDArray[Any]], ...], Arrays]] = []
        self._lock = threading.Lock()
        self._open_alone = open_alone

    @property
    def provider(self) -> str:
        """Where it runs."""
        return self._tokens.provider

    @property
    def description(self) -> str:
        """Where it runs and why, in one sentence."""
        return f"{self._tokens.description}; compiled"

    @property
    def mask_shape(self) -> tuple[int, int]:
        """Sides (h, w) of its masks."""
        return self._side, self._side

    def open_alone(self) -> CompiledDecoder | None:
        """Open the graphs once more, for runs of one thread each that go on side by side.

        They share what is known of pictures; None where there is one thread anyway.
        """
        if self.threads == 1 or self._open_alone is None:
            return None
        graphs = (self._picture, *self._open_alone())
        alone = CompiledDecoder(self, graphs, self._row, self._side)
        alone.takes_batches = self.takes_batches
        alone._kept, alone._lock = self._kept, self._lock
        return alone

    def close(self) -> None:
        """Free the memory of the graphs."""
        self._kept.clear()
        for session in (self._picture, self._tokens, self._masks):
            session.close()

    def prepare(self, tensors: Arrays) -> None:
        """Compute what all prompts of an embedding share, so that the first need not wait."""
        self._share({name: tensors[name] for name in self._row.embeddings})

    def run(
        self, feeds: Arrays, outputs: Sequence[str] | None = None, part: float = 1.0
    ) -> dict[str, NDArray[Any]]:
        """Answer with scores and masks, as a `Session` would; with `part` see `draw`.

        Raises
        ------
        ModelError
            If a graph refuses the arrays.
        """
        scores = self.answer(feeds)
        masks = [self._draw(scores, prompt, part) for prompt in range(len(scores.values))]
        return {self._row.scores: scores.values, self._row.masks: np.concatenate(masks)}

    def answer(self, feeds: Arrays) -> Scores:
        """Answer B prompts with their scores."""
        refined = bool(self._row.has_mask) and bool(np.any(feeds[self._row.has_mask]))
        embedding = {name: feeds[name] for name in self._row.embeddings}
        if refined:
            shared: Arrays = self._picture.run(_take(self._picture, feeds))
        else:
            shared = self._share(embedding)
        everything = {**feeds, **shared}
        outputs = self._tokens.run(_take(self._tokens, everything))
        kept = _take(self._masks, {**everything, **outputs})
        return Scores(outputs[self._row.scores], kept)

    def draw(self, scores: Scores, prompt: int, part: float = 1.0) -> NDArray[np.float32]:
        """Make the masks of one prompt, (M, h, w), on their usual scale.

        Parameters
        ----------
        scores : Scores
        prompt : int
        part : float
            Of the masks' rows, from the first on, that are needed; the others may be far below 0.

        Raises
        ------
        ModelError
            If the graph fails.
        """
        masks = np.asarray(self._draw(scores, prompt, part)[0], np.float32)
        row = self._row
        if row.middle or row.gain != 1.0:
            masks = (masks - np.float32(row.middle)) * np.float32(row.gain)
        return masks

    def _draw(self, scores: Scores, prompt: int, part: float = 1.0) -> NDArray[Any]:
        """Make the masks of one prompt as the decoder gives them, (1, M, h, w)."""
        count = len(scores.values)
        rows = self._side // _ROWS
        needed = min(rows, math.ceil(part * rows) + 1)  # the next one is looked at between them
        feeds = {
            name: array[prompt : prompt + 1]
            if self._is_per_prompt(name, array, count)
            else array[: len(array) // rows * needed]
            if name.startswith(_BY_ROWS)
            else array
            for name, array in scores.feeds.items()
        }
        return self._masks.run(feeds, [self._row.masks])[self._row.masks]

    def _is_per_prompt(self, name: str, array: NDArray[Any], count: int) -> bool:
        return len(array) == count and not name.startswith("p:") and name != self._row.size_input

    def _share(self, embedding: Arrays) -> Arrays:
        """Compute what all prompts of an embedding share, kept for the embeddings used last."""
        arrays = tuple(embedding.values())
        with self._lock:
            for known, shared in self._kept:
                if all(r() is a for r, a in zip(known, arrays, strict=True)):
                    return shared
        feeds = dict(embedding)
        for spec in self._picture.inputs:
            if spec.name not in feeds:  # an earlier mask that there is not
                feeds[spec.name] = np.zeros([side or 1 for side in spec.shape], np.float32)
        shared = self._picture.run(_take(self._picture, feeds))
        with self._lock:
            self._kept[:] = [
                ((*map(weakref.ref, arrays),), shared),
                *[entry for entry in self._kept if all(r() is not None for r in entry[0])],
            ][:_PICTURES]
        return shared


def _take(session: Session, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Choose those arrays that a graph takes."""
    return {spec.name: arrays[spec.name] for spec in session.inputs}
