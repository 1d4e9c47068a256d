"""A model that answers prompts on a plane and remembers the object on the planes that follow.

    plane ─ encoder ─▶ Embedding ─┐             ┌─▶ remember ─▶ Bank ─┐
    Prompts ──────────────────────┴▶ decoder ───┴─▶ Sighting          │
    next plane ─ encoder ─▶ Embedding ─ recall ◀──────────────────────┘ ─▶ decoder ─▶ …

As a `Model` it answers like any other. `start_track` gives a `Track`: the memory of one object,
which is asked plane by plane. Several tracks share the embedding of a plane.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.embedding import Embedding, LowResMask, LowResMasks, Sighting
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.framing.feeds import ask, build_feeds
from napari_sam_onnx.models.onnx.framing.frame import find_frame
from napari_sam_onnx.models.onnx.framing.preprocess import prepare_plane
from napari_sam_onnx.models.onnx.memory.bank import Memory
from napari_sam_onnx.models.onnx.memory.fixed import FixedMemory
from napari_sam_onnx.models.onnx.memory.layouts import (
    COARSE,
    CURRENT,
    CURRENT_POSITIONS,
    DECODER,
    ENCODER,
    FINE,
    MIDDLE,
    PRESENCE_IN,
    RECALL,
    REMEMBER,
)
from napari_sam_onnx.models.onnx.memory.recall import build_memory, choose_ages
from napari_sam_onnx.models.onnx.memory.shapes import (
    fill_sides,
    make_contract,
    read_side,
    shape_of,
    take_one,
    to_rows,
)
from napari_sam_onnx.models.onnx.memory.track import Answer, Track

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Proposals
    from napari_sam_onnx.models.onnx.memory.bank import Bank
    from napari_sam_onnx.models.onnx.memory.constants import MemoryConstants
    from napari_sam_onnx.models.onnx.memory.layouts import MemoryLayout
    from napari_sam_onnx.models.onnx.sessions.runtime import Session
    from napari_sam_onnx.prompts import Prompts


class MemoryModel:
    """Four or five graphs and the numbers beside them. Safe to call from several threads.

    Parameters
    ----------
    layout : MemoryLayout
        How the graphs are laid out.
    graphs : mapping of str to Session
        See `napari_sam_onnx.models.onnx.memory.layouts.sort_graphs`.
    constants : MemoryConstants
        What is learned and in no graph.
    model_id : str
        Identifies the weights.
    name : str
        What users call the model.

    Raises
    ------
    ModelError
        If a number that the layout needs is in no file, or sizes disagree.
    """

    takes_points = True
    takes_masks = False
    takes_batches = False
    gives_maps = False
    largest_input = 0

    def __init__(
        self,
        layout: MemoryLayout,
        graphs: Mapping[str, Session],
        constants: MemoryConstants,
        *,
        model_id: str,
        name: str = "",
    ) -> None:
        self._id = model_id
        self.name = name or model_id
        self.layout = layout
        self.constants = constants
        self._graphs = graphs
        self._positions: NDArray[np.float32] | None = None
        self._token_positions: NDArray[np.float32] | None = None
        self._side = read_side(graphs[ENCODER])
        tokens = shape_of(graphs[REMEMBER], layout.tokens)
        width = constants.ages.shape[1]
        cells = shape_of(graphs[ENCODER], COARSE)[-1]
        compressed = bool(tokens[0] and cells and tokens[0] < cells * cells)
        self._encode_ages = choose_ages(layout, constants, graphs, width, compressed)
        if not layout.start and constants.start is None:
            raise ModelError(
                f"This export ({layout.name}) states in no file what is added to the features of "
                "a plane without memory; no_memory_embedding of the checkpoint belongs into a "
                "parameters.json beside the graphs."
            )
        self.contract = make_contract(layout, constants, self._side)
        self._fixed: FixedMemory | None = None
        if not layout.any_length:
            pointer_width = shape_of(graphs[DECODER], layout.pointer)[-1] or 0
            self._fixed = FixedMemory(
                graphs[RECALL],
                layout,
                tokens[0] or (cells or 0) ** 2,
                constants.pointers,
                pointer_width,
            )
        finding = self._fixed.finding if self._fixed else ""
        self.findings: tuple[str, ...] = (finding,) if finding else ()

    @property
    def id(self) -> str:
        """Identifies the weights, not only the name: equal ids give equal embeddings."""
        return self._id

    @property
    def contract_name(self) -> str:
        """The letter of the layout, see docs/contracts.md."""
        return self.layout.name

    @property
    def description(self) -> str:
        """The layout, and where the graphs run and why."""
        encoder, decoder = self._graphs[ENCODER], self._graphs[DECODER]
        return (
            f"{self.name}: contract {self.layout.name}, follows objects through planes; encoder "
            f"on {encoder.description}; decoder and memory on {decoder.description}"
        )

    @property
    def runs_on(self) -> str:
        """Where the graphs run now, in short, such as ``cpu, 2 threads``."""
        session = self._graphs[ENCODER]
        return f"{session.provider}, {session.threads} thread{'s' * (session.threads != 1)}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}, contract {self.layout.name}>"

    def encode(self, image: NDArray[np.uint8]) -> Embedding:
        """Encode a plane, (H, W, 3) uint8 RGB.

        Raises
        ------
        ModelError
            If the picture has another shape or type, or the encoder fails.
        """
        tensor, shape = prepare_plane(image, self.contract.encoder)
        session = self._graphs[ENCODER]
        wanted = [FINE, MIDDLE, COARSE, *filter(None, [self.layout.start])]
        first = self._positions is None
        given = session.run(
            {session.inputs[0].name: tensor},
            [*wanted, *([self.layout.positions] if first else [])],
            release=True,
        )
        if first:  # they are the same for every plane
            self._positions = to_rows(given.pop(self.layout.positions))
        tensors = {name: np.asarray(given[name], np.float32) for name in wanted}
        return Embedding(tensors, (image.shape[0], image.shape[1]), shape, self._id)

    def decode(self, embedding: Embedding, prompts: Sequence[Prompts]) -> LowResMasks:
        """Answer prompts on one plane, without memory; one mask each.

        Raises
        ------
        ModelError
            If the embedding is another model's, there are no prompts, or the decoder fails.
        PromptError
            If a prompt cannot be answered.
        """
        if not prompts:
            raise ModelError("There are no prompts to answer; give at least one.")
        features = self.start(embedding)
        seen = [self.look(embedding, features, prompt).sighting for prompt in prompts]
        return LowResMasks(
            np.stack([sighting.low_res.logits for sighting in seen])[:, None],
            np.array([[sighting.predicted_iou] for sighting in seen], np.float32),
            np.stack([sighting.low_res.window for sighting in seen]),
            np.zeros(len(seen), np.int64),
            (0,),
        )

    def propose(self, embedding: Embedding) -> Proposals | None:
        """Return None: the encoder sees no objects by itself."""
        self._check(embedding)
        return None

    @property
    def remembered(self) -> int:
        """How many planes are remembered in full, the present one included."""
        most = len(self.constants.ages)
        return min(most, self._fixed.planes) if self._fixed else most

    def start_track(self, planes: int) -> Track:
        """Begin to follow an object.

        Parameters
        ----------
        planes : int
            How many planes there are; the ages of what is remembered are counted in them.
        """
        return Track(self, planes)

    def warm_up(self) -> None:
        """Run once on an empty picture, so that the first real one does not wait."""
        from napari_sam_onnx.prompts import make_prompts

        empty = self.encode(np.zeros((64, 64, 3), np.uint8))
        self.decode(empty, [make_prompts([(32, 32)], plane_shape=(64, 64))])

    def close(self) -> None:
        """Free the memory of all graphs; the model cannot be used any more."""
        for session in self._graphs.values():
            session.close()
        if self._fixed:
            self._fixed.close()

    def _check(self, embedding: Embedding) -> None:
        if embedding.model_id != self._id:
            raise ModelError(
                f"The embedding was made by {embedding.model_id}; encode the plane again "
                f"with {self._id}."
            )

    def start(self, embedding: Embedding) -> NDArray[np.float32]:
        """Coarse features of a plane on which nothing is remembered yet, (1, C, h, w)."""
        self._check(embedding)
        if self.layout.start:
            return np.asarray(embedding.tensors[self.layout.start], np.float32)
        assert self.constants.start is not None
        coarse = np.asarray(embedding.tensors[COARSE], np.float32)
        return coarse + self.constants.start.reshape(1, -1, 1, 1)

    def recall(
        self, embedding: Embedding, bank: Bank, position: int, reverse: bool
    ) -> NDArray[np.float32]:
        """Coarse features of a plane, conditioned on what is remembered, (1, C, h, w)."""
        self._check(embedding)
        if self._positions is None:  # the embedding comes from a store
            self.encode(np.zeros((self._side, self._side, 3), np.uint8))
        assert self._positions is not None and self._token_positions is not None
        coarse = np.asarray(embedding.tensors[COARSE], np.float32)
        recollection = bank.recall(position, reverse=reverse)
        slots, session = (
            self._fixed.make_room(recollection) if self._fixed else (None, self._graphs[RECALL])
        )
        memory = build_memory(
            recollection,
            self._token_positions,
            self.layout,
            self.constants,
            self._encode_ages,
            bank.pointers - 1,
            slots,
        )
        feeds = {CURRENT: to_rows(coarse), CURRENT_POSITIONS: self._positions, **memory}
        given = session.run(feeds, [self.layout.recalled])
        recalled = np.asarray(given[self.layout.recalled], np.float32)
        if recalled.shape == coarse.shape:
            return recalled
        rows = recalled.reshape(-1, coarse.shape[1])
        return np.ascontiguousarray(rows.T).reshape(coarse.shape)

    def look(
        self, embedding: Embedding, features: NDArray[np.float32], prompts: Prompts | None
    ) -> Answer:
        """Ask the decoder; without prompts where the object is followed."""
        layout, row = self.layout, self.contract.decoder
        frame = find_frame(self.contract, embedding.plane_shape, embedding.input_shape)
        if prompts is None:
            points: dict[str, NDArray[np.generic]] = {
                row.points: np.zeros((1, 1, 1, 2), np.float32),
                row.labels: np.full((1, 1, 1), -1),
            }
        else:
            points = build_feeds([ask(prompts, row, frame)], row, frame)
        feeds = {
            FINE: embedding.tensors[FINE],
            MIDDLE: embedding.tensors[MIDDLE],
            layout.conditioned: features,
            **points,
        }
        wanted = [layout.masks, layout.sharp, layout.scores, layout.pointer, layout.presence]
        given = {
            name: np.asarray(array, np.float32)
            for name, array in self._graphs[DECODER].run(feeds, wanted).items()
        }
        scores, presence = given[layout.scores].ravel(), float(given[layout.presence].ravel()[0])
        if not (np.isfinite(scores).all() and np.isfinite(presence)):
            raise ModelError(
                f"{self.name} answers with values that are no numbers; on this machine its "
                "precision does not suffice: take the full precision files or provider='cpu'."
            )
        best = int(np.argmax(scores))
        masks, sharp, pointers = (
            take_one(given[name], best, kept)
            for name, kept in ((layout.masks, 2), (layout.sharp, 2), (layout.pointer, 1))
        )
        seen = LowResMask(masks, frame.window)
        return Answer(Sighting(seen, float(scores[best]), presence), sharp, pointers)

    def remember(self, embedding: Embedding, answer: Answer, *, pointed: bool) -> Memory:
        """Turn an answer into memory; a mask that the user pointed at counts as certain."""
        layout, session = self.layout, self._graphs[REMEMBER]
        values = {
            layout.features: embedding.tensors[COARSE],
            layout.mask: answer.sharp[None, None],
            layout.prompted: np.array(pointed),
            PRESENCE_IN: np.array(answer.sighting.presence, np.float32),
        }
        feeds = {
            spec.name: values[spec.name].reshape(fill_sides(spec.shape, values[spec.name]))
            for spec in session.inputs
            if spec.name in values
        }
        given = session.run(feeds, [layout.tokens, layout.token_positions])
        width = self.constants.ages.shape[1]
        tokens = np.asarray(given[layout.tokens], np.float32)
        if tokens.shape[-1] != width:
            raise ModelError(
                f"{session.path.name} gives tokens of {tokens.shape[-1]} numbers and the table "
                f"beside it has {width}; the files do not belong together."
            )
        if self._token_positions is None:
            positions = np.asarray(given[layout.token_positions], np.float32)
            self._token_positions = positions.reshape(-1, width)
        return Memory(tokens.reshape(-1, width).astype(np.float16), answer.pointer)
