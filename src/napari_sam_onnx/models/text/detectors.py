"""Boxes for models that read no text: detectors that look at a plane, or at a plane and a word.

    plane ─ detector ─▶ Proposals ─ boxes ─▶ any model of the catalogue

Two kinds are known: Grounding DINO (text -> boxes) and YOLOv8's detectors (boxes without
text, such as MobileSAMv2's object-aware model). Which one a file is, is read from its own
inputs and outputs. Which boxes are kept is the business of `boxes`.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from napari_sam_onnx.arguments import require
from napari_sam_onnx.models.model import ModelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Proposals
    from napari_sam_onnx.models.onnx.sessions.runtime import Session
    from napari_sam_onnx.models.store.cards import ModelCard


@runtime_checkable
class BoxProposer(Protocol):
    """A detector whose boxes become prompts. All calls are thread-safe."""

    @property
    def name(self) -> str:
        """Of the file, for messages."""

    @property
    def reads_text(self) -> bool:
        """Whether it must be told what to look for; others find all that they know."""

    def propose_boxes(
        self,
        rgb: NDArray[np.uint8],
        text: str | None = None,
        *,
        threshold: float | None = None,
    ) -> Proposals:
        """Find objects on a plane, ``(H, W, 3)`` uint8 RGB, most certain first."""

    def close(self) -> None:
        """Free the detector's memory."""


def load_detector(
    source: str | PathLike[str] | ModelCard,
    *,
    tokenizer: str | PathLike[str] | None = None,
    provider: str = "auto",
    threads: int | None = None,
) -> BoxProposer:
    """Open a detector.

    Parameters
    ----------
    source : path, str or ModelCard
        The ONNX file, a name that ends in ``.onnx``; or the id of a model in the catalogue,
        or a card, whose files have the roles ``detector`` and ``tokenizer``. The file is
        Grounding DINO as exported for transformers.js or by X-AnyLabeling, or a YOLOv8-style
        detector.
    tokenizer : path, optional
        The ``tokenizer.json`` of a detector that reads text; looked for beside it, and one
        folder up, where omitted.
    provider, threads
        See `napari_sam_onnx.models.load_model`.

    Returns
    -------
    BoxProposer
        Close it to free its memory.

    Raises
    ------
    ModelError
        If the file is missing, damaged or no detector that is known, or has no tokenizer;
        or if the catalogue has no such detector.

    Examples
    --------
    >>> detector = load_detector("grounding_dino.onnx")  # doctest: +SKIP
    >>> found = detector.propose_boxes(rgb, "nucleus")  # doctest: +SKIP
    >>> masks = generate_masks(rgb, model, mode="boxes", boxes=found.boxes)  # doctest: +SKIP
    """
    from napari_sam_onnx.models.onnx.sessions.runtime import Session
    from napari_sam_onnx.models.text.grounding_dino import GroundingDino
    from napari_sam_onnx.models.text.yolo import YoloDetector

    path, words = _resolve(source)
    words = words if tokenizer is None else Path(tokenizer)
    session = Session(path, provider=provider, threads=threads)
    try:
        if any(spec.name == "input_ids" for spec in session.inputs):
            return GroundingDino(session, words)
        if _looks_like_yolo(session):
            return YoloDetector(session)
    except BaseException:
        session.close()
        raise
    found = ", ".join(map(str, session.inputs)) or "nothing"
    gives = ", ".join(map(str, session.outputs)) or "nothing"
    session.close()
    raise ModelError(
        f"{session.path.name} is no detector that is known: it takes {found} and gives {gives}. "
        "Known are Grounding DINO, which takes a picture and input_ids, and YOLOv8-style "
        "detectors, which take a picture of (1, 3, S, S) and give (1, 4 + classes, boxes)."
    )


def _resolve(source: str | PathLike[str] | ModelCard) -> tuple[Path, Path | None]:
    """Find the graph, and the tokenizer where the source brings one."""
    from napari_sam_onnx.models.store.cards import ModelCard

    if isinstance(source, str) and not source.lower().endswith(".onnx"):
        from napari_sam_onnx.models.store.catalog import find_card

        source = find_card(source)
    if not isinstance(source, ModelCard):
        require(source, (str, PathLike), "A detector is an id, a card or a path", ModelError)
        return Path(source), None
    files = {file.role: file.path for file in source.files if file.path is not None}
    if not any(file.role == "detector" for file in source.files):
        raise ModelError(f"{source.id} is no detector; load it with load_model.")
    if len(files) < len(source.files):
        from napari_sam_onnx.models.store.files import locate

        files = dict(locate(source))
    return Path(files["detector"]), files.get("tokenizer")


def _looks_like_yolo(session: Session) -> bool:
    """One picture of (1, 3, h, w) in, and a first output of three axes."""
    if len(session.inputs) != 1 or not session.outputs:
        return False
    image = session.inputs[0]
    answers = [spec for spec in session.outputs if len(spec.shape) == 3]
    return len(image.shape) == 4 and image.shape[1] in (3, None) and bool(answers)
