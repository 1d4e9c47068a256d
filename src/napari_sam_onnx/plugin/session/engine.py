"""Models and embeddings behind the session: what runs in the worker thread.

Knows neither napari nor Qt. Loading, encoding and decoding happen here and nowhere else in the
plugin, one call at a time.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.prompts import make_prompts
from napari_sam_onnx.segmenter import Segmenter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import LowResMask
    from napari_sam_onnx.masks import Mask
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.plugin.layers.picture import Reader
    from napari_sam_onnx.plugin.layers.plane import Plane


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A question to a model.

    Parameters
    ----------
    number : int
        Grows with every request; an answer to an older one is not shown.
    source : hashable
        The model, as `napari_sam_onnx.load_model` takes it.
    reader : Reader
        The picture.
    plane : Plane
        Which plane of it.
    points : (N, 2) float64
        Clicks, ``(y, x)`` in plane pixels.
    labels : (N,) int64
        1 on the object, 0 on the background.
    box : (4,) float64 or None
        ``(y0, x0, y1, x1)``.
    refine : LowResMask or None
        The answer that the newest prompt corrects.
    """

    number: int
    source: Any
    reader: Reader
    plane: Plane
    points: NDArray[np.float64]
    labels: NDArray[np.int64]
    box: NDArray[np.float64] | None = None
    refine: LowResMask | None = None

    @property
    def answerable(self) -> bool:
        """Whether there is anything to decode, and not only a plane to encode."""
        return self.box is not None or bool((self.labels == 1).any())

    @property
    def key(self) -> tuple[Any, ...]:
        """Identifies the question, without the refinement."""
        box = b"" if self.box is None else self.box.tobytes()
        place = self.source, self.reader.version, self.plane
        return (*place, self.points.tobytes(), self.labels.tobytes(), box)


class Engine:
    """Loads models, keeps embeddings, answers requests.

    Parameters
    ----------
    load : callable
        Takes a source and returns a `Model`; `napari_sam_onnx.load_model` where omitted.
    cache : EmbeddingCache, optional
        Shared by all models and by automatic masks.
    """

    def __init__(
        self,
        load: Callable[[Any], Model] | None = None,
        cache: EmbeddingCache | None = None,
    ) -> None:
        self._load = load
        self.cache = EmbeddingCache() if cache is None else cache
        self._lock = RLock()
        self._source: Any = None
        self._segmenter: Segmenter | None = None
        self._encoded: tuple[Any, ...] | None = None
        self._borrowed: list[Model] = []

    @contextmanager
    def borrow(self, source: Any) -> Iterator[Model]:
        """Lend a model for a long run: it stays open though another is chosen meanwhile."""
        with self._lock:
            model = self.model(source)
            self._borrowed.append(model)
        try:
            yield model
        finally:
            self._borrowed.remove(model)

    @contextmanager
    def beside(self, source: Any) -> Iterator[Model]:
        """Lend a model without making it the current one; it is closed again where it is not."""
        with self._lock:
            model = self.loaded(source)
            if model is not None:
                self._borrowed.append(model)
        if model is not None:
            try:
                yield model
            finally:
                self._borrowed.remove(model)
            return
        model = self._find_loader()(source)
        try:
            yield model
        finally:
            close = getattr(model, "close", None)
            if close is not None:
                close()

    def model(self, source: Any) -> Model:
        """Return the model of a source, loaded where it is not the current one.

        Raises
        ------
        ModelError
            If it cannot be found, read or run.
        """
        return self._segmenter_for(source).model

    def loaded(self, source: Any) -> Model | None:
        """Return the model of a source where it is loaded already; never waits."""
        segmenter = self._segmenter
        return segmenter.model if segmenter is not None and self._source == source else None

    def ready(self, request: Request) -> bool:
        """Whether a request can be answered without loading or encoding."""
        return self._encoded == _plane_key(request)

    def answer(self, request: Request) -> Mask | None:
        """Encode a request's plane where that is needed, and decode its prompts.

        Returns
        -------
        Mask or None
            None where the request asks only to encode.
        """
        with self._lock:
            segmenter = self._segmenter_for(request.source)
            if not self.ready(request):
                self._encoded = None
                segmenter.set_rgb(request.reader.read(request.plane))
                self._encoded = _plane_key(request)
            if not request.answerable:
                return None
            prompts = make_prompts(
                request.points,
                request.labels,
                request.box,
                request.refine,
                plane_shape=segmenter.plane_shape,
            )
            return segmenter.answer([prompts])[0]

    def close(self) -> None:
        """Let go of the model and the embeddings; never waits for a call that runs."""
        self._source = self._segmenter = self._encoded = None
        self.cache.clear()

    def _segmenter_for(self, source: Any) -> Segmenter:
        with self._lock:
            if self._segmenter is None or self._source != source:
                self._let_go()
                model = self._find_loader()(source)
                self._segmenter = Segmenter(model, self.cache)
                self._source = source
            return self._segmenter

    def _let_go(self) -> None:
        """Close the model, so that its memory is free before the next one is opened."""
        segmenter = self._segmenter
        self._source = self._segmenter = self._encoded = None
        if segmenter is not None and segmenter.model not in self._borrowed:
            close = getattr(segmenter.model, "close", None)
            if close is not None:
                close()

    def _find_loader(self) -> Callable[[Any], Model]:
        if self._load is None:
            from napari_sam_onnx.models import load_model

            self._load = load_model
        return self._load


def _plane_key(request: Request) -> tuple[Any, ...]:
    return request.source, request.reader.version, request.plane
