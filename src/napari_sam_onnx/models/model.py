"""The seam between models and everything that uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from napari_sam_onnx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Embedding, LowResMasks, Proposals, Sighting
    from napari_sam_onnx.prompts import Prompts


class ModelError(UserError, RuntimeError):
    """A model that cannot be found, read or run; the message says what to do."""


@runtime_checkable
class Model(Protocol):
    """A promptable model: encode a plane once, then decode prompts in milliseconds.

    Call order: ``encode`` per plane, then ``decode`` and ``propose`` as often as needed on
    the embedding; ``close`` last. All calls are thread-safe; an embedding belongs to the model
    that made it.
    """

    @property
    def id(self) -> str:
        """Identifies the weights, not only the name: equal ids give equal embeddings."""

    @property
    def name(self) -> str:
        """What people call it; sentences begin with it."""

    @property
    def takes_points(self) -> bool:
        """Whether it answers clicks; other models want a box."""

    @property
    def gives_maps(self) -> bool:
        """Whether its proposals come with maps of centres and foreground, see `Proposals`."""

    @property
    def runs_on(self) -> str:
        """Where it runs now, in short, such as ``cpu, 2 threads``."""

    @property
    def description(self) -> str:
        """What it is, and where it runs and why."""

    def encode(self, image: NDArray[np.uint8]) -> Embedding:
        """Encode a plane, ``(H, W, 3)`` uint8 RGB."""

    def decode(self, embedding: Embedding, prompts: Sequence[Prompts]) -> LowResMasks:
        """Answer B prompts, each for one object of the plane, in one batch where it can."""

    def propose(self, embedding: Embedding) -> Proposals | None:
        """Objects that the encoder saw, or None where the model has no such output."""

    def close(self) -> None:
        """Free the model's memory; it cannot be used any more."""


@runtime_checkable
class SplittingModel(Protocol):
    """A model that is quicker when several threads ask it at once."""

    def split(self) -> tuple[Model, int]:
        """Give a model that answers as this one does, and how many threads may ask it."""


@runtime_checkable
class RestingModel(Protocol):
    """A model that keeps memory for the next plane of a long run."""

    def rest(self) -> None:
        """Give that memory back, as nothing follows for now."""


class ObjectTrack(Protocol):
    """The memory of one object that is followed through planes; positions number them."""

    def point(
        self, position: int, embedding: Embedding, prompts: Prompts, *, reverse: bool = False
    ) -> Sighting:
        """Answer prompts on a plane, and remember the answer for all others.

        On a plane to which the object was followed already (towards lower positions if
        ``reverse``), they correct what is remembered.
        """

    def follow(self, position: int, embedding: Embedding, *, reverse: bool = False) -> Sighting:
        """Find the object on the next plane, and remember how it looks there."""


@runtime_checkable
class MemorisingModel(Model, Protocol):
    """A model that remembers objects, and finds them again on other planes."""

    def start_track(self, planes: int) -> ObjectTrack:
        """Begin to follow an object through so many planes; several tracks share embeddings."""
