"""Grounding DINO: a plane and words -> boxes (Liu et al. 2023).

Two layouts of its graph are public: Hugging Face's (``pixel_values``, ``pixel_mask``) and the
authors' own (``img``, ``text_token_mask``, ``position_ids``). Each phrase is asked alone:
exports that were traced with one phrase answer several ones wrongly and do not say so.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.contracts.families import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    EncoderContract,
)
from napari_sam_onnx.models.onnx.framing.preprocess import prepare_plane
from napari_sam_onnx.models.text.boxes import check_numbers, keep_boxes, to_corners
from napari_sam_onnx.models.text.sam3_masks import to_probability
from napari_sam_onnx.models.text.tokens import BERT, TextTokenizer, find_tokenizer
from napari_sam_onnx.prompts import PromptError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Proposals
    from napari_sam_onnx.models.onnx.sessions.runtime import Session
    from napari_sam_onnx.models.onnx.sessions.tensors import TensorSpec
    from napari_sam_onnx.models.text.tokens import Tokens

SCORE_THRESHOLD = 0.3
"""The authors' demonstration keeps boxes above 0.3."""

OPEN_SIZES: Mapping[str, tuple[int, int]] = {"pixel_values": (800, 800), "img": (800, 1200)}
"""Pixels (h, w) for graphs that say they take any, by the name of the picture's input: what the
public exports were traced at, as far as their clients' settings tell. At other sizes such
graphs fail, or answer wrongly."""

SIZE_FILE = "preprocessor_config.json"
"""Hugging Face's settings, whose size counts where the graph states none."""

MOST_TOKENS = 256
_BETWEEN_PHRASES = re.compile(r"[.,;?\n]+")
_TEXT_INPUTS = frozenset(
    ("input_ids", "attention_mask", "token_type_ids", "position_ids", "text_token_mask")
)
_LOGITS, _BOXES = ("logits", "pred_logits"), ("pred_boxes", "boxes")


class GroundingDino:
    """Finds what phrases name. See `load_detector`.

    Parameters
    ----------
    session : Session
        The graph.
    tokenizer : Path, optional
        BERT's ``tokenizer.json``; looked for near the graph where omitted.

    Raises
    ------
    ModelError
        If the graph is no Grounding DINO in a known layout, or there is no tokenizer.
    """

    def __init__(self, session: Session, tokenizer: Path | None = None) -> None:
        self._session = session
        self.name = session.path.name
        given = {spec.name for spec in session.outputs}
        pictures = [s for s in session.inputs if len(s.shape) == 4 and s.shape[1] in (3, None)]
        others = {spec.name for spec in session.inputs} - _TEXT_INPUTS - {"pixel_mask"}
        logits = [name for name in _LOGITS if name in given]
        boxes = [name for name in _BOXES if name in given]
        if len(pictures) != 1 or others != {pictures[0].name} or not logits or not boxes:
            found = ", ".join(map(str, session.inputs))
            raise ModelError(
                f"{self.name} is no Grounding DINO that is known: it takes {found} and gives "
                f"{', '.join(sorted(given))}."
            )
        self._picture = pictures[0]
        self._logits, self._boxes = logits[0], boxes[0]
        self._size = _input_size(session.path, pictures[0])
        self._length = next(s.shape[-1] for s in session.inputs if s.name == "input_ids")
        self._words = TextTokenizer(tokenizer or find_tokenizer(session.path, BERT), BERT)

    @property
    def reads_text(self) -> bool:
        """True: it must be told what to look for."""
        return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    def propose_boxes(
        self,
        rgb: NDArray[np.uint8],
        text: str | None = None,
        *,
        threshold: float | None = None,
    ) -> Proposals:
        """Find what phrases name on a plane.

        Parameters
        ----------
        rgb : (H, W, 3) uint8
        text : str
            One phrase, such as "nucleus", or several with commas or full stops between
            them; each costs one run.
        threshold : float, optional
            Boxes with a score at or below it are dropped; `SCORE_THRESHOLD` where omitted.

        Returns
        -------
        Proposals
            At most 320, most certain first; ``points`` are the boxes' centres. Boxes for
            different phrases suppress each other.

        Raises
        ------
        PromptError
            If there is no text, or a phrase is too long.
        ModelError
            If the graph fails.
        """
        phrases = split_phrases(text)
        tensor, shape = prepare_plane(rgb, self._row())
        plane_shape = rgb.shape[0], rgb.shape[1]
        picture = {self._picture.name: tensor, "pixel_mask": np.ones((1, *shape), np.int64)}
        corners, scores = [], []
        for phrase in phrases:
            # every phrase ends in a full stop: the mark that its words belong together
            tokens = self._words.encode(
                f"{phrase}.", min(self._length or MOST_TOKENS, MOST_TOKENS), length=self._length
            )
            found, sure = self._ask(picture | describe_text(tokens))
            corners.append(found)
            scores.append(sure)
        edges = np.concatenate(corners)[:, [1, 0, 3, 2]] * np.tile(plane_shape, 2)
        limit = SCORE_THRESHOLD if threshold is None else threshold
        return keep_boxes(edges, np.concatenate(scores), plane_shape, limit)

    def close(self) -> None:
        """Free the graph's memory; the detector cannot be used any more."""
        self._session.close()

    def _row(self) -> EncoderContract:
        """How a plane enters: squashed, so that the boxes' unit is the plane in every export."""
        return EncoderContract(
            "Grounding DINO",
            "a squashed plane with ImageNet's colours",
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            resize="squash",
            size=self._size,
            input=self._picture.name,
        )

    def _ask(self, feeds: dict[str, NDArray[Any]]) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Boxes (N, 4) as (x0, y0, x1, y1), 0 to 1, and scores (N,), for one phrase."""
        names = {spec.name for spec in self._session.inputs}
        outputs = self._session.run(
            {name: array for name, array in feeds.items() if name in names},
            [self._logits, self._boxes],
        )
        logits = np.asarray(outputs[self._logits], np.float32)[0]
        boxes = np.asarray(outputs[self._boxes], np.float64)[0].T
        finite = np.isfinite(boxes).all() and not np.isnan(logits).any()
        check_numbers(self.name, bool(finite))
        # logits of padding are minus infinity
        return to_corners(boxes), to_probability(logits.max(axis=1))


def _input_size(graph: Path, picture: TensorSpec) -> tuple[int, int]:
    """Pixels (h, w) that a graph takes: as it states, as is written near it, or as is usual."""
    height, width = picture.shape[-2:]
    usual = OPEN_SIZES.get(picture.name, OPEN_SIZES["pixel_values"])
    for folder in (graph.parent, graph.parent.parent):
        try:
            size = json.loads((folder / SIZE_FILE).read_text(encoding="utf-8"))["size"]
            usual = int(size["height"]), int(size["width"])
            break
        except (OSError, ValueError, KeyError, TypeError):
            continue  # no such file, or one that only states the sides of training
    return height or usual[0], width or usual[1]


def split_phrases(text: str | None) -> list[str]:
    """Split a text at commas, full stops and the like, without repeats.

    Raises
    ------
    PromptError
        If nothing is left.
    """
    parts = (part.strip().lower() for part in _BETWEEN_PHRASES.split(text or ""))
    phrases = list(dict.fromkeys(part for part in parts if part))
    if not phrases:
        raise PromptError("Write what to look for, such as nucleus.")
    return phrases


def describe_text(tokens: Tokens) -> dict[str, NDArray[Any]]:
    """All inputs that one phrase fills, of either layout.

    The authors' graph is told which tokens see each other: the words of the phrase and its
    full stop do, marks and padding see themselves. Positions count from the first word.

    Parameters
    ----------
    tokens : Tokens
        Start mark, words, full stop, end mark, padding.

    Returns
    -------
    dict of str to array
        ``input_ids``, ``attention_mask``, ``token_type_ids``, ``position_ids`` of (1, L) and
        ``text_token_mask`` (1, L, L).
    """
    length = tokens.ids.shape[1]
    stop = int(tokens.mask.sum()) - 1  # of the phrase with its full stop: the end mark's place
    seen = np.eye(length, dtype=bool)
    seen[1:stop, 1:stop] = True
    positions = np.zeros((1, length), np.int64)
    positions[0, 1:stop] = np.arange(stop - 1)
    return {
        "input_ids": tokens.ids,
        "attention_mask": tokens.mask,
        "token_type_ids": np.zeros_like(tokens.ids),
        "position_ids": positions,
        "text_token_mask": seen[None],
    }
