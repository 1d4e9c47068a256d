"""One object that is followed through planes: what it answers, and what it remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.memory.bank import Bank

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Embedding, Sighting
    from napari_sam_onnx.models.onnx.memory.bank import Memory
    from napari_sam_onnx.models.onnx.memory.constants import MemoryConstants
    from napari_sam_onnx.prompts import Prompts


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What the decoder gives: the sighting, and what is kept of it."""

    sighting: Sighting
    sharp: NDArray[np.float32]
    pointer: NDArray[np.float32]


class Steps(Protocol):
    """What a model with memory does on one plane."""

    constants: MemoryConstants

    @property
    def remembered(self) -> int:
        """Count the planes that are remembered in full, the present one included."""

    def start(self, embedding: Embedding) -> NDArray[np.float32]:
        """Give the features of a plane on which nothing is remembered yet."""

    def recall(
        self, embedding: Embedding, bank: Bank, position: int, reverse: bool
    ) -> NDArray[np.float32]:
        """Give the features of a plane, conditioned on what is remembered."""

    def look(
        self, embedding: Embedding, features: NDArray[np.float32], prompts: Prompts | None
    ) -> Answer:
        """Ask the decoder."""

    def remember(self, embedding: Embedding, answer: Answer, *, pointed: bool) -> Memory:
        """Turn an answer into memory."""


class Track:
    """One object, followed through planes. Ask it plane by plane; positions number them.

    Parameters
    ----------
    model : Steps
        A model with memory.
    planes : int
        How many planes there are.
    """

    def __init__(self, model: Steps, planes: int) -> None:
        self._model = model
        self._bank = Bank(
            model.remembered,
            min(planes, model.constants.pointers),
            model.constants.most_pointed,
        )

    def point(
        self, position: int, embedding: Embedding, prompts: Prompts, *, reverse: bool = False
    ) -> Sighting:
        """Answer prompts on a plane, and remember the answer for all others.

        On a plane to which the object was followed already, prompts correct what is remembered;
        on any other they say what the object is.

        Parameters
        ----------
        position : int
        embedding : Embedding
            Of that plane.
        prompts : Prompts
        reverse : bool
            Whether a plane that is corrected was reached towards lower positions.
        """
        model = self._model
        if position in self._bank.followed:
            features = model.recall(embedding, self._bank, position, reverse)
        else:
            features = model.start(embedding)
        answer = model.look(embedding, features, prompts)
        self._bank.keep_pointed(position, model.remember(embedding, answer, pointed=True))
        return answer.sighting

    def follow(self, position: int, embedding: Embedding, *, reverse: bool = False) -> Sighting:
        """Find the object on the next plane, and remember how it looks there.

        Parameters
        ----------
        position : int
        embedding : Embedding
            Of that plane.
        reverse : bool
            Whether planes are followed towards lower positions.

        Raises
        ------
        ModelError
            If nobody has pointed at the object yet.
        """
        if not self._bank:
            raise ModelError("Point at the object on one plane before it is followed.")
        model = self._model
        features = model.recall(embedding, self._bank, position, reverse)
        answer = model.look(embedding, features, None)
        self._bank.keep_followed(position, model.remember(embedding, answer, pointed=False))
        return answer.sighting
