"""From a name or files to a model that finds objects by text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from napari_sam_onnx.arguments import as_paths
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.contracts.families import EncoderContract
from napari_sam_onnx.models.onnx.sessions.runtime import Session
from napari_sam_onnx.models.store.cards import ModelCard
from napari_sam_onnx.models.store.catalog import find_card
from napari_sam_onnx.models.store.files import locate
from napari_sam_onnx.models.store.fingerprint import fingerprint
from napari_sam_onnx.models.text.sam3 import Sam3
from napari_sam_onnx.models.text.sam3_layouts import (
    LAYOUTS,
    SIZE_INPUTS,
    Sam3Contract,
    Sam3Layout,
)
from napari_sam_onnx.models.text.sam3_masks import MASKS, SCORES
from napari_sam_onnx.models.text.tokens import CLIP, TextTokenizer, find_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.masks.mask import Mask

    Paths = Sequence[str | PathLike[str]]

_HALF = (127.5, 127.5, 127.5)
_ROLES = ("encoder", "language_encoder", "decoder")
_LANGUAGE_INPUTS = frozenset(layout.tokens for layout in LAYOUTS)


@runtime_checkable
class TextModel(Protocol):
    """A model that finds every object that a text names.

    Call order: ``encode`` per plane, then ``find`` per text on the embedding; or
    ``segment_text``, which does both. All calls are thread-safe.
    """

    @property
    def id(self) -> str:
        """Identifies the weights: equal ids give equal embeddings."""

    def encode(self, image: NDArray[np.uint8]) -> Embedding:
        """Encode a plane, ``(H, W, 3)`` uint8 RGB."""

    def find(
        self,
        embedding: Embedding,
        text: str | None,
        *,
        boxes: ArrayLike | None = None,
        box_labels: Sequence[int] | None = None,
        threshold: float = 0.5,
    ) -> list[Mask]:
        """Find what a text names, or what looks like the boxes, most certain first."""

    def segment_text(
        self, rgb: NDArray[np.uint8], text: str, *, threshold: float = 0.5
    ) -> list[Mask]:
        """Find what a text names on a plane, most certain first."""

    def close(self) -> None:
        """Free the model's memory."""


def load_text_model(
    source: str | ModelCard | Paths,
    *,
    tokenizer: str | PathLike[str] | None = None,
    provider: str = "auto",
    threads: int | None = None,
) -> Sam3:
    """Open a SAM 3 that was exported with its language encoder.

    Parameters
    ----------
    source : str, ModelCard or sequence of paths
        The id of a model in the catalogue, a card, or three files in any order: the image
        encoder, the language encoder and the decoder. A ``tokenizer.json`` may be among
        them.
    tokenizer : path, optional
        CLIP's ``tokenizer.json``; looked for beside the language encoder where omitted.
    provider, threads
        See `napari_sam_onnx.models.load_model`.

    Returns
    -------
    Sam3
        Close it to free its memory.

    Raises
    ------
    ModelError
        If a file is missing or damaged, the files are no SAM 3 with text, or there is no
        tokenizer; the sentence says which.

    Examples
    --------
    >>> model = load_text_model("sam3")  # doctest: +SKIP
    >>> masks = model.segment_text(rgb, "nucleus")  # doctest: +SKIP
    """
    name, graphs, found = _resolve(source)
    sessions: list[Session] = []
    try:
        for path in graphs:
            sessions.append(Session(path, provider=provider, threads=threads))
        encoder, language, decoder = _tell_apart(sessions)
        contract = detect_text_contract(encoder, language, decoder)
        named = Path(tokenizer) if tokenizer is not None else found
        words = TextTokenizer(named or find_tokenizer(language.path, CLIP), CLIP)
    except BaseException:
        for session in sessions:
            session.close()
        raise
    model_id = f"{name}@{fingerprint([encoder.path], repr(contract.encoder))}"
    return Sam3(encoder, language, decoder, words, contract, model_id=model_id, name=name)


def detect_text_contract(encoder: Session, language: Session, decoder: Session) -> Sam3Contract:
    """Find the row that three graphs follow, from what they say of themselves.

    Raises
    ------
    ModelError
        If they follow no known row, or do not fit each other.
    """
    inputs = {spec.name: spec for spec in decoder.inputs}
    given = {spec.name for spec in encoder.outputs}
    layout = _find_layout(decoder, _count_tokens(language))
    spoken = {spec.name for spec in language.outputs}
    text = {name: output for name, output in layout.text.items() if name in inputs}
    absent = set(text.values()) - spoken
    heard = {spec.name for spec in language.inputs}
    surplus = heard - {layout.tokens, layout.attention}
    if absent or surplus or layout.tokens not in heard:
        raise ModelError(
            f"{language.path.name} does not fit {decoder.path.name}: it takes "
            f"{', '.join(sorted(heard))} and gives {', '.join(sorted(spoken))}; take the three "
            "files from one export."
        )
    embeddings = tuple(
        name
        for name in inputs
        if name not in text and name not in layout.box_inputs and name not in SIZE_INPUTS
    )
    missing = [name for name in embeddings if name not in given]
    if missing:
        raise ModelError(
            f"{encoder.path.name} does not give {', '.join(missing)}, which "
            f"{decoder.path.name} needs; take the three files from one export."
        )
    slots: int | None = 0
    if layout.boxes:
        slots = inputs[layout.boxes].shape[0 if layout.slots_first else 1]
    return Sam3Contract(_encoder_row(encoder), layout, embeddings, text, slots)


def _count_tokens(language: Session) -> int | None:
    """Tokens that a language encoder reads; None where it leaves that open."""
    for spec in language.inputs:
        if spec.name in {row.tokens for row in LAYOUTS} and len(spec.shape) == 2:
            return spec.shape[1]
    return None


def _find_layout(decoder: Session, length: int | None) -> Sam3Layout:
    names = {spec.name for spec in decoder.inputs}
    outputs = {spec.name for spec in decoder.outputs}
    answers = bool(outputs & set(MASKS)) and bool(outputs & set(SCORES))
    for layout in LAYOUTS:
        if length not in (None, layout.length):
            continue
        if answers and names.issuperset(layout.needs) and names.issuperset(layout.box_inputs):
            return layout
    found = ", ".join(map(str, decoder.inputs)) or "nothing"
    known = "; ".join(f"{row.name} ({row.summary})" for row in LAYOUTS)
    raise ModelError(
        f"{decoder.path.name} is no SAM 3 decoder that is known: it takes {found} and gives "
        f"{', '.join(sorted(outputs))}. Known are {known}."
    )


def _encoder_row(encoder: Session) -> EncoderContract:
    """Row E18 or E19: bytes, which the graph normalises, or floats, which it does not."""
    if len(encoder.inputs) == 1:
        image = encoder.inputs[0]
        channels, height, width = image.shape[-3:] if len(image.shape) >= 3 else (None,) * 3
        if channels == 3 and len(image.shape) in (3, 4):
            raw = image.dtype == "uint8"
            return EncoderContract(
                "E18" if len(image.shape) == 3 else "E19",
                "SAM 3",
                batched=len(image.shape) == 4,
                mean=(0.0, 0.0, 0.0) if raw else _HALF,
                std=(1.0, 1.0, 1.0) if raw else _HALF,
                resize="squash",
                size=(height or 1008, width or 1008),
                input=image.name,
            )
    found = ", ".join(map(str, encoder.inputs)) or "nothing"
    raise ModelError(
        f"{encoder.path.name} is no SAM 3 image encoder that is known: it takes {found}, and "
        "one picture of (3, 1008, 1008) or (1, 3, 1008, 1008) is expected."
    )


def _resolve(source: str | ModelCard | Paths) -> tuple[str, list[Path], Path | None]:
    """Name, the three graphs, and the tokenizer where the source brings one."""
    if isinstance(source, str):
        source = find_card(source)
    if isinstance(source, ModelCard):
        if not any(file.role == "language_encoder" for file in source.files):
            raise ModelError(f"{source.id} reads no text; choose a SAM 3 with a language encoder.")
        files = locate(source)
        graphs = [Path(files[role]) for role in _ROLES if role in files]
        return source.id, graphs, files.get("tokenizer")
    wanted = "A model that reads text is an id, a card, or the paths of its three files"
    paths = as_paths(source, wanted, ModelError)
    graphs = [path for path in paths if path.suffix.lower() != ".json"]
    words = [path for path in paths if path not in graphs]
    if len(graphs) != 3 or len(words) > 1:
        raise ModelError(
            "SAM 3 with text is three files, image encoder, language encoder and decoder, and "
            f"a tokenizer.json; got {len(graphs)} and {len(words)}."
        )
    return graphs[-1].stem, graphs, words[0] if words else None


def _tell_apart(sessions: Sequence[Session]) -> tuple[Session, Session, Session]:
    """Tell image encoder, language encoder and decoder, in any order."""
    parts: dict[str, Session] = {}
    for session in sessions:
        names = {spec.name for spec in session.inputs}
        image = len(session.inputs) == 1 and len(session.inputs[0].shape) >= 3
        role = "language" if names & _LANGUAGE_INPUTS else "encoder" if image else "decoder"
        if role in parts:
            raise ModelError(
                f"{parts[role].path.name} and {session.path.name} are both a SAM 3 {role}; "
                "give the image encoder, the language encoder and the decoder."
            )
        parts[role] = session
    if len(parts) != 3:
        raise ModelError(
            "SAM 3 with text needs its image encoder, its language encoder and its decoder; "
            f"got {len(parts)} of them."
        )
    return parts["encoder"], parts["language"], parts["decoder"]
