"""The one class that runs any two rows of the tables of contracts.

    plane ─ preprocess ─▶ encoder ─▶ Embedding ─┐
    Prompts ─ feeds.ask, group, build_feeds ────┴▶ decoder ─▶ LowResMasks

Masks stay at the decoder's resolution; who needs pixels of the plane upscales them. The
masks at plane size that some graphs offer are never read: many public files stretch them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.embedding import Embedding, LowResMasks
from napari_sam_onnx.memory import give_back_memory
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.candidates import choose_candidates
from napari_sam_onnx.models.onnx.compile.runner import CompiledDecoder
from napari_sam_onnx.models.onnx.framing.feeds import ask, build_feeds, group, wire
from napari_sam_onnx.models.onnx.framing.frame import find_frame
from napari_sam_onnx.models.onnx.framing.preprocess import check_plane, prepare_plane
from napari_sam_onnx.models.onnx.framing.resting import make_prompt, rest, rest_encoder
from napari_sam_onnx.models.onnx.lazy_logits import LazyLogits
from napari_sam_onnx.models.onnx.pebble import find_proposals, look_again, look_closer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Proposals
    from napari_sam_onnx.models.onnx.contracts.detect import Contract
    from napari_sam_onnx.models.onnx.framing.feeds import Question
    from napari_sam_onnx.models.onnx.framing.frame import Frame
    from napari_sam_onnx.models.onnx.sessions.runtime import Session
    from napari_sam_onnx.prompts import Prompts

_KEPT_INPUT = 1024
"""Longest side that an encoder of free size encodes in memory which it keeps, some 60 MB: tiles and
small frames come in long rows, and to take that memory anew costs up to a third of their time."""

_MOST_PROMPTS = 64
_MOST_LARGE_PROMPTS = 16  # SAM's decoders keep 32 channels of 256 × 256 for each prompt
_MOST_COMPILED_PROMPTS = 4  # more of them do not fit the processor's caches and take longer each


@dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    """A decoder's answer to questions of one kind: (B, M, h, w), (B, M), (B, 4)."""

    logits: NDArray[np.float32] | LazyLogits
    scores: NDArray[np.float32]
    windows: NDArray[np.float32]


class OnnxModel:
    """Two sessions and the contract between them. Safe to call from several threads.

    Parameters
    ----------
    encoder : Session or None
        None where one file encodes and decodes at once; the embedding is then the picture.
    decoder : Session or CompiledDecoder
    contract : Contract
        What the two agree on, probes included.
    model_id : str
        Identifies the weights.
    name : str
        What users call the model.
    findings : tuple of str
        What loading found out by trying, one sentence each.
    """

    def __init__(
        self,
        encoder: Session | None,
        decoder: Session | CompiledDecoder,
        contract: Contract,
        *,
        model_id: str,
        name: str = "",
        findings: tuple[str, ...] = (),
    ) -> None:
        self._encoder = encoder
        self._decoder = decoder
        self._id = model_id
        self.contract = contract
        self.name = name or model_id
        self.findings = findings
        self._twin: OnnxModel | None = None
        self._draws_padding = True
        self._splitting = Lock()

    @property
    def id(self) -> str:
        """Identifies the weights, not only the name: equal ids give equal embeddings."""
        return self._id

    @property
    def contract_name(self) -> str:
        """The letters of the two rows, such as ``E1 + A``."""
        return self.contract.name

    @property
    def takes_points(self) -> bool:
        """Whether it answers clicks; other models want a box."""
        return bool(self.contract.decoder.points)

    @property
    def takes_masks(self) -> bool:
        """Whether an earlier answer refines the next."""
        return self.contract.decoder.takes_masks

    @property
    def takes_batches(self) -> bool:
        """Whether many prompts cost one run, and not one run each."""
        return self.contract.decoder.batch

    @property
    def gives_maps(self) -> bool:
        """Whether what it proposes comes with maps of centres and foreground."""
        return bool(self.contract.decoder.centers)

    @property
    def description(self) -> str:
        """The contract, and where the two graphs run and why."""
        encoder = self._encoder.description if self._encoder else "none"
        return (
            f"{self.name}: contract {self.contract.name}; encoder on {encoder}; "
            f"decoder on {self._decoder.description}"
        )

    @property
    def runs_on(self) -> str:
        """Where the graphs run now, in short, such as ``cpu, 2 threads``."""
        session = self._encoder or self._decoder
        where = f"{session.provider}, {session.threads} thread{'s' * (session.threads != 1)}"
        if self._decoder.provider != session.provider:
            where += f"; decoder on {self._decoder.provider}"
        return where

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}, contract {self.contract.name}>"

    @property
    def largest_input(self) -> int:
        """Longest side in pixels that the encoder takes; 0 where it has one size alone."""
        row = self.contract.encoder
        return max(row.size) if row.resize == "bounded" and row.size is not None else 0

    def encode(self, image: NDArray[np.uint8], scale: float | None = None) -> Embedding:
        """Encode a plane.

        Parameters
        ----------
        image : (H, W, 3) uint8
            RGB.
        scale : float, optional
            Encoder pixels per plane pixel, for an encoder of free size; by its own rule where
            omitted.

        Raises
        ------
        ModelError
            If the picture has another shape or type, the encoder fails, or the plane does not
            fit into it at this scale.
        """
        if scale is not None:
            check_plane(image)
            height, width = (max(1, round(side * scale)) for side in image.shape[:2])
            if max(height, width) > self.largest_input:
                raise ModelError(
                    f"{self.name} cannot look at a plane of {image.shape[0]} × {image.shape[1]} "
                    f"pixels {scale:.3g} times as large; look at parts of it."
                )
            return self._encode(image, (height, width))
        embedding = self._encode(image)
        if not self.contract.decoder.centers:
            return embedding
        closer = look_closer(embedding, self._frame(embedding), self.contract.encoder)
        return self._encode(image, closer) if closer else embedding

    def _encode(self, image: NDArray[np.uint8], shape: tuple[int, int] | None = None) -> Embedding:
        """Encode a plane in a size, or in the one that suits it."""
        row = self.contract.encoder
        tensor, input_shape = prepare_plane(image, row, shape)
        outputs = {row.input: tensor}
        if self._encoder is not None:
            outputs = self._run_encoder(tensor, max(input_shape))
        tensors = wire(outputs, self.contract.wiring)
        if isinstance(self._decoder, CompiledDecoder):
            self._decoder.prepare(tensors)
        return Embedding(tensors, (image.shape[0], image.shape[1]), input_shape, self._id)

    def _run_encoder(
        self, tensor: NDArray[np.generic], longest: int
    ) -> dict[str, NDArray[np.generic]]:
        """Run the encoder, and give back the memory that is too large to be kept for the next."""
        assert self._encoder is not None
        row = self.contract.encoder
        keeps = self.largest_input > 0 and longest <= _KEPT_INPUT
        if not keeps:
            give_back_memory()  # what reading and resizing left, before the most is taken
        outputs = self._encoder.run({row.input: tensor}, release=not keeps)
        if keeps:  # embeddings are kept for long: not in memory that the next run uses again
            return {name: np.array(answer) for name, answer in outputs.items()}
        if self.largest_input:  # its answers held most of the memory until now
            rest_encoder(self._encoder, row)
        return outputs

    def rest(self) -> None:
        """Give back the memory that a model whose encoder is of free size keeps."""
        if self._encoder is None or not self.largest_input:
            return
        decoders = [self._decoder] if self._twin is None else [self._decoder, self._twin._decoder]
        sessions = [each for each in decoders if not isinstance(each, CompiledDecoder)]
        rest(self._encoder, sessions, self.contract)

    def decode(self, embedding: Embedding, prompts: Sequence[Prompts]) -> LowResMasks:
        """Answer B prompts, each for one object of the plane.

        Parameters
        ----------
        embedding : Embedding
            Of this model.
        prompts : sequence of Prompts
            Prompts with equally many points are answered in one run where the graph can.

        Raises
        ------
        ModelError
            If the embedding is another model's, or the decoder fails.
        PromptError
            If the model's family cannot take such a prompt.
        """
        self._check(embedding)
        decoder = self.contract.decoder
        frame = self._frame(embedding)
        questions = [ask(prompt, decoder, frame) for prompt in prompts]
        if not questions:
            raise ModelError("There are no prompts to answer; give at least one.")
        answers = self._answer(embedding, questions, frame)
        if decoder.frame == "window" and isinstance(answers.logits, np.ndarray):
            again, larger = look_again(
                questions, answers.logits, answers.scores, answers.windows, embedding.plane_shape
            )
            if again:
                second = self._answer(embedding, larger, frame)
                answers.logits[again] = np.asarray(second.logits)
                answers.scores[again] = second.scores
                answers.windows[again] = second.windows
        candidates = answers.logits.shape[1]
        four = decoder.choose == "token" and candidates == 4
        return LowResMasks(
            answers.logits,
            answers.scores,
            answers.windows,
            choose_candidates(answers.logits, answers.scores, prompts, decoder.choose),
            (1, 2, 3) if four else tuple(range(candidates)),
            decoder.prompt_size if decoder.frame == "padded" else 0,
        )

    def propose(self, embedding: Embedding) -> Proposals | None:
        """Objects that the encoder saw, or None where the model has no such output."""
        self._check(embedding)
        if not self.contract.decoder.centers:
            return None
        return find_proposals(embedding, self._frame(embedding))

    def split(self) -> tuple[OnnxModel, int]:
        """Give a model that answers as this one does, and how many threads may ask it at once.

        A graph whose parts are small is run best by one thread, and another run beside it. Its
        logits are far below 0 beyond the plane, where this one's are the decoder's own: of use
        where an answer refines the next, which is not asked where there is much to ask.
        """
        with self._splitting:
            if self._twin is None and self.contract.decoder.batch:
                opened = self._decoder.open_alone()
                if opened is not None:
                    self._twin = OnnxModel(
                        self._encoder,
                        opened,
                        self.contract,
                        model_id=self._id,
                        name=self.name,
                        findings=self.findings,
                    )
                    self._twin._draws_padding = False
        return (self, 1) if self._twin is None else (self._twin, self._decoder.threads)

    def warm_up(self) -> None:
        """Run once on an empty picture, so that the first real one does not wait."""
        shape = 64, 64
        prompt = make_prompt(self.contract.decoder, shape)
        self.decode(self.encode(np.zeros((*shape, 3), np.uint8)), [prompt])

    def close(self) -> None:
        """Free the memory of both graphs; the model cannot be used any more."""
        if self._twin is not None:
            self._twin._decoder.close()
        if self._encoder is not None:
            self._encoder.close()
        self._decoder.close()

    def _frame(self, embedding: Embedding) -> Frame:
        return find_frame(self.contract, embedding.plane_shape, embedding.input_shape)

    def _check(self, embedding: Embedding) -> None:
        if embedding.model_id != self._id:
            raise ModelError(
                f"The embedding was made by {embedding.model_id}; encode the plane again "
                f"with {self._id}."
            )

    def _answer(
        self, embedding: Embedding, questions: Sequence[Question], frame: Frame
    ) -> _Answers:
        """Answer every question, batch by batch, in the order asked."""
        decoder = self.contract.decoder
        if isinstance(self._decoder, CompiledDecoder):
            return self._answer_lazily(self._decoder, embedding, questions, frame)
        tensors = {name: embedding.tensors[name] for name in decoder.embeddings}
        parts: list[tuple[list[int], _Answers]] = []
        most = _MOST_PROMPTS if decoder.mask_side <= 64 else _MOST_LARGE_PROMPTS
        for positions in group(questions, decoder, most):
            asked = [questions[position] for position in positions]
            feeds = build_feeds(asked, decoder, frame)
            parts.append((positions, self._run(tensors | feeds, len(asked), frame)))
        order = np.argsort(np.concatenate([positions for positions, _ in parts]))
        return _Answers(
            np.concatenate([np.asarray(part.logits) for _, part in parts])[order],
            np.concatenate([part.scores for _, part in parts])[order],
            np.concatenate([part.windows for _, part in parts])[order],
        )

    def _answer_lazily(
        self,
        compiled: CompiledDecoder,
        embedding: Embedding,
        questions: Sequence[Question],
        frame: Frame,
    ) -> _Answers:
        """Answer every question with scores; logits are made when they are looked at."""
        decoder = self.contract.decoder
        tensors = {name: embedding.tensors[name] for name in decoder.embeddings}
        scores: list[NDArray[np.float32]] = [np.zeros(0, np.float32)] * len(questions)
        draw: list[Callable[[], NDArray[np.float32]]] = [_nothing] * len(questions)
        part = 1.0 if self._draws_padding else embedding.plane_shape[0] / float(frame.window[2])
        for positions in group(questions, decoder, _MOST_COMPILED_PROMPTS):
            asked = [questions[position] for position in positions]
            answer = compiled.answer(tensors | build_feeds(asked, decoder, frame))
            values = np.asarray(answer.values, np.float32).reshape(len(asked), -1)
            self._check_numbers(values)
            for row, position in enumerate(positions):
                scores[position] = values[row]
                draw[position] = partial(compiled.draw, answer, row, part)
        windows = np.tile(frame.window, (len(questions), 1))
        shape = (len(questions), len(scores[0]), *compiled.mask_shape)
        return _Answers(LazyLogits(shape, draw), np.stack(scores), windows)

    def _check_numbers(self, scores: NDArray[np.float32]) -> None:
        if not np.isfinite(scores).all():
            raise ModelError(
                f"{self.name} answers with values that are no numbers; on this machine its "
                "precision does not suffice: take the full precision files or provider='cpu'."
            )

    def _run(self, feeds: dict[str, NDArray[np.generic]], count: int, frame: Frame) -> _Answers:
        decoder = self.contract.decoder
        wanted = [name for name in (decoder.masks, decoder.scores, decoder.windows) if name]
        outputs = self._decoder.run(feeds, wanted)
        logits = np.asarray(outputs[decoder.masks], np.float32)
        logits = logits.reshape(count, -1, *logits.shape[-2:])  # (1, B, M, h, w) in some
        scores = np.asarray(outputs[decoder.scores], np.float32).reshape(count, -1)
        self._check_numbers(scores)
        if decoder.middle or decoder.gain != 1.0:
            logits = (logits - np.float32(decoder.middle)) * np.float32(decoder.gain)
        if decoder.windows:
            windows = frame.windows_to_plane(outputs[decoder.windows])
        else:
            windows = np.tile(frame.window, (count, 1))
        return _Answers(logits, scores, windows)


def _nothing() -> NDArray[np.float32]:
    raise AssertionError("every question is in one batch")
