"""Models and embeddings behind the session: what runs in the worker thread.

Knows neither napari nor Qt. Loading, encoding and decoding happen here and nowhere else in the
plugin, one call at a time.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from threading import RLock
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.cache import EmbeddingCache, TieredCache, embedding_key, encode_through
from napari_sam_onnx.memory import give_back_memory
from napari_sam_onnx.models.model import ModelError, RestingModel
from napari_sam_onnx.plugin.picture.plane import plane_shape
from napari_sam_onnx.prompting.near import Neighbourhoods, is_large
from napari_sam_onnx.prompting.segmenter import answer_plane
from napari_sam_onnx.prompting.style import Style, take_style
from napari_sam_onnx.prompts import make_prompts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.picture.reader import Reader
    from napari_sam_onnx.prompts import Prompts


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A question to a model: some objects of one plane.

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
    prompts : tuple of Prompts
        One per object, in plane pixels, as the user drew them; none where the plane is only to
        be encoded.
    style : Style
        How answers are taken.
    """

    number: int
    source: Any
    reader: Reader
    plane: Plane
    prompts: tuple[Prompts, ...] = ()
    style: Style = field(default_factory=Style)

    @property
    def answerable(self) -> bool:
        """Whether there is anything to decode, and not only a plane to encode."""
        return bool(self.prompts)

    @property
    def place(self) -> tuple[Any, ...]:
        """Identifies what is encoded: the model, the picture and the plane."""
        return self.source, self.reader.version, self.plane

    @property
    def keys(self) -> tuple[tuple[Any, ...], ...]:
        """Identify the question about each object, without what it refines."""
        return tuple((*self.place, *prompt_key(prompts)) for prompts in self.prompts)

    def asks_same(self, other: Request) -> bool:
        """Whether another request asks the same, whichever models are asked."""
        mine, theirs = ([key[1:] for key in request.keys] for request in (self, other))
        return mine == theirs and self.place[1:] == other.place[1:]


def prompt_key(prompts: Prompts) -> tuple[Any, ...]:
    """Identify prompts by where they lie, and by the mask that they were given."""
    box = b"" if prompts.box is None else prompts.box.tobytes()
    mask = None if prompts.mask is None else id(prompts.mask)  # kept alive by who keeps the key
    return prompts.points.tobytes(), prompts.labels.tobytes(), box, mask


class Engine:
    """Loads models, keeps embeddings, answers requests.

    Parameters
    ----------
    load : callable
        Takes a source and returns a `Model`; `napari_sam_onnx.load_model` where omitted.
    cache : EmbeddingStore, optional
        Shared by all models and by automatic masks.
    """

    def __init__(
        self,
        load: Callable[[Any], Model] | None = None,
        cache: EmbeddingStore | None = None,
    ) -> None:
        self._load = load
        self.cache: EmbeddingStore = EmbeddingCache() if cache is None else cache
        self._lock = RLock()
        self._source: Any = None
        self._model: Model | None = None
        self._embedded: dict[tuple[Any, ...], str] = {}
        self._near: tuple[tuple[Any, ...], Neighbourhoods] | None = None
        self._borrowed: list[Model] = []
        self._ids: dict[Any, str] = {}

    @contextmanager
    def use(self, source: Any) -> Iterator[Model]:
        """Make a model the current one for a long run; it stays open though another is chosen."""
        with self._lock:
            model = self.model(source)
            self._borrowed.append(model)
        try:
            yield model
        finally:
            self._borrowed.remove(model)
            if isinstance(model, RestingModel) and model is self._model:
                with suppress(ModelError):  # it was closed meanwhile
                    model.rest()

    @contextmanager
    def borrow(self, source: Any) -> Iterator[Model]:
        """Lend a model beside the current one; where it is not that, it is closed again."""
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
            model.close()

    def model(self, source: Any) -> Model:
        """Return the model of a source, loaded where it is not the current one.

        Raises
        ------
        ModelError
            If it cannot be found, read or run.
        """
        with self._lock:
            if self._model is None or self._source != source:
                self._let_go()
                self._model = self._find_loader()(source)
                self._source, self._ids[source] = source, self._model.id
            return self._model

    def loaded(self, source: Any) -> Model | None:
        """Return the model of a source where it is loaded already; never waits."""
        model = self._model
        return model if model is not None and self._source == source else None

    def id_of(self, source: Any) -> str:
        """Return the `id` that the model of a source had when it was loaded; "" if it never was."""
        return self._ids.get(source, "")

    def ready(self, request: Request) -> bool:
        """Whether a request can be answered without loading or encoding; never waits."""
        if self.loaded(request.source) is None:
            return False
        if is_large(plane_shape(request.reader.shape, request.plane)):
            near = self._near
            known = near is not None and near[0] == request.place
            return not request.answerable or (
                known and near is not None and near[1].knows(request.prompts)
            )
        return self._find_embedding(request) is not None

    def answer(self, request: Request) -> list[Mask]:
        """Encode a request's plane where that is needed, and decode its prompts.

        Returns
        -------
        list of Mask
            One per object; empty where the request asks only to encode.
        """
        with self._lock:
            model = self.model(request.source)
            if is_large(plane_shape(request.reader.shape, request.plane)):
                return self._answer_near(model, request) if request.answerable else []
            embedding = self._find_embedding(request)
            if embedding is None:
                embedding = self._encode(request, model, request.reader.read(request.plane))
                give_back_memory()
            if not request.answerable:
                return []
            read = partial(request.reader.read, request.plane)
            return answer_plane(model, embedding, request.prompts, request.style, read, self.cache)

    def _answer_near(self, model: Model, request: Request) -> list[Mask]:
        """Answer prompts on a large plane, of which only their neighbourhood is encoded."""
        shape = plane_shape(request.reader.shape, request.plane)
        if self._near is None or self._near[0] != request.place:
            read = partial(request.reader.read, request.plane)
            self._near = request.place, Neighbourhoods(model, shape, read, self.cache)
        prompts = [
            make_prompts(asked.points, asked.labels, asked.box, asked.mask, plane_shape=shape)
            for asked in request.prompts
        ]
        return take_style(
            self._near[1].answer(prompts, request.style.diameter), prompts, request.style
        )

    def scale_of(self, request: Request) -> float | None:
        """Return how many pixels the encoder sees per pixel of a plane; None where not known."""
        embedding = self._find_embedding(request)
        if embedding is None:
            return None
        return max(embedding.input_shape) / max(embedding.plane_shape)

    def is_encoded(self, request: Request) -> bool:
        """Whether a request's plane need not be encoded any more; never waits."""
        large = is_large(plane_shape(request.reader.shape, request.plane))
        return large or self._find_embedding(request) is not None

    def encode_ahead(self, request: Request, wanted: Callable[[], bool]) -> bool:
        """Encode a plane that nobody has asked for yet; whether it was.

        Other requests are answered meanwhile: the model is lent, not held.

        Parameters
        ----------
        request : Request
        wanted : callable
            Asked before anything that takes long; where it says no, nothing is done.
        """
        if self.loaded(request.source) is None or not wanted():
            return False
        with self.borrow(request.source) as model:
            rgb = request.reader.read(request.plane)
            if not wanted():
                return False
            self._encode(request, model, rgb)
        return True

    def drop_large(self) -> None:
        """Let go of what is kept of large planes, whose clicks see their own neighbourhood."""
        if isinstance(self.cache, EmbeddingCache | TieredCache):
            self.cache.drop(lambda embedding: is_large(embedding.plane_shape))

    def close(self) -> None:
        """Let go of the model and the embeddings; never waits for a call that runs."""
        self._source = self._model = None
        self._embedded.clear()
        self._near = None
        self.cache.clear()

    def _encode(self, request: Request, model: Model, rgb: NDArray[np.uint8]) -> Embedding:
        """Encode a request's plane and remember under which key it lies."""
        embedding = encode_through(rgb, model, self.cache)
        self._embedded[request.place] = embedding_key(embedding.content, model.id)
        return embedding

    def _find_embedding(self, request: Request) -> Embedding | None:
        """Return the embedding of a request's plane where the cache still has it."""
        key = self._embedded.get(request.place)
        embedding = None if key is None else self.cache.get(key)
        if embedding is None:
            self._embedded.pop(request.place, None)
        return embedding

    def _let_go(self) -> None:
        """Close the model, so that its memory is free before the next one is opened."""
        model, self._source, self._model = self._model, None, None
        self._near = None
        if model is not None and model not in self._borrowed:
            model.close()

    def _find_loader(self) -> Callable[[Any], Model]:
        if self._load is None:
            from napari_sam_onnx.models import load_model

            self._load = load_model
        return self._load
