"""SAM 3: a word -> a mask for every object that it names.

    plane ─ encoder ─▶ Embedding ──┐
    text ─ language encoder ───────┼─▶ decoder ─▶ masks with scores
    boxes around examples ─────────┘

This family differs in kind from the others: three files, text, and as many objects as there
are. Its exports differ among themselves in names, in how they say "no box", and in what
their masks hold; `sam3_layouts` states that as rows. Boxes in the output are not read, since the
masks say the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.embedding import Embedding
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.framing.preprocess import prepare_plane
from napari_sam_onnx.models.text.sam3_layouts import SIZE_INPUTS
from napari_sam_onnx.models.text.sam3_masks import read_masks, read_scores, requested_shape
from napari_sam_onnx.prompts import PromptError, make_prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.models.onnx.sessions.runtime import Session
    from napari_sam_onnx.models.text.sam3_layouts import Sam3Contract
    from napari_sam_onnx.models.text.tokens import TextTokenizer

NO_TEXT = "visual"
"""What SAM 3 is told where there are only boxes (Carion et al. 2025, its own predictor)."""

SCORE_THRESHOLD = 0.5
_REMEMBERED_TEXTS = 32


class Sam3:
    """SAM 3 with text and example boxes. See `load_text_model`.

    Safe to call from several threads. The features of the last texts are kept, so that the same
    word on the next plane costs only what is new; embeddings are the caller's to keep, see
    `napari_sam_onnx.cache.encode_through`.

    Attributes
    ----------
    name, contract : str, Sam3Contract
    """

    def __init__(
        self,
        encoder: Session,
        language: Session,
        decoder: Session,
        tokenizer: TextTokenizer,
        contract: Sam3Contract,
        *,
        model_id: str,
        name: str,
    ) -> None:
        self._encoder, self._language, self._decoder = encoder, language, decoder
        self._tokenizer = tokenizer
        self._id = model_id
        self.contract = contract
        self.name = name
        self._lock = threading.Lock()
        self._texts: OrderedDict[str, dict[str, NDArray[np.generic]]] = OrderedDict()

    @property
    def id(self) -> str:
        """Identifies the weights, not only the name: equal ids give equal embeddings."""
        return self._id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}, contract {self.contract.name}>"

    def encode(self, image: NDArray[np.uint8]) -> Embedding:
        """Encode a plane, ``(H, W, 3)`` uint8 RGB.

        Raises
        ------
        ModelError
            If the picture has another shape or type, or the encoder fails.
        """
        row = self.contract.encoder
        tensor, input_shape = prepare_plane(image, row)
        wanted = self.contract.embeddings
        tensors = self._encoder.run({row.input: tensor}, wanted, release=True)
        return Embedding(tensors, (image.shape[0], image.shape[1]), input_shape, self._id)

    def find(
        self,
        embedding: Embedding,
        text: str | None,
        *,
        boxes: ArrayLike | None = None,
        box_labels: Sequence[int] | None = None,
        threshold: float = SCORE_THRESHOLD,
    ) -> list[Mask]:
        """Find every object that a text names, or that looks like the ones in boxes.

        Parameters
        ----------
        embedding : Embedding
            Of this model.
        text : str or None
            One short noun phrase, such as "nucleus"; None where the boxes say it all.
        boxes : (K, 4) array-like, optional
            Examples, ``(y0, x0, y1, x1)`` in plane pixels.
        box_labels : sequence of K {0, 1}, optional
            1 where a box shows what is wanted (the default), 0 where it shows what is not.
        threshold : float
            Masks with a score at or below it are left out. Exports that filter inside the
            graph (samexporter's and osam's first ones, at 0.5) cannot give more than that.

        Returns
        -------
        list of Mask
            Most certain first; ``score`` is SAM 3's own, 0 to 1. They may overlap.

        Raises
        ------
        PromptError
            If there is neither text nor box, the text is too long, a box lies outside, or
            the files cannot take so many boxes.
        ModelError
            If the embedding is another model's, or a graph fails.
        """
        if embedding.model_id != self._id:
            raise ModelError(
                f"The embedding was made by {embedding.model_id}; encode the plane again "
                f"with {self._id}."
            )
        if text is None and boxes is None:
            raise PromptError("Write what to look for, such as nucleus, or draw a box around one.")
        plane_shape = embedding.plane_shape
        examples, labels = _check_boxes(boxes, box_labels, plane_shape)
        feeds = {name: embedding.tensors[name] for name in self.contract.embeddings}
        feeds |= self._text_features(NO_TEXT if text is None else text)
        feeds |= self._box_feeds(examples, labels, plane_shape)
        size = requested_shape(plane_shape)
        for spec in self._decoder.inputs:
            if spec.name in SIZE_INPUTS:
                feeds[spec.name] = np.array(size[SIZE_INPUTS.index(spec.name)]).reshape(
                    [1] * len(spec.shape)
                )
        outputs = self._decoder.run(feeds)
        scores = read_scores(outputs)
        if not np.isfinite(scores).all():
            raise ModelError(
                f"{self.name} answers with values that are no numbers; on this machine its "
                "precision does not suffice: take the full precision files or provider='cpu'."
            )
        return read_masks(outputs, scores, threshold, plane_shape)

    def segment_text(
        self, rgb: NDArray[np.uint8], text: str, *, threshold: float = SCORE_THRESHOLD
    ) -> list[Mask]:
        """Find every object that a text names. See `find`.

        Parameters
        ----------
        rgb : (H, W, 3) uint8
            The plane; it is encoded each time. For several texts on one plane call `encode`
            once, then `find` for each.
        text : str
        threshold : float

        Returns
        -------
        list of Mask
            Most certain first.
        """
        return self.find(self.encode(rgb), text, threshold=threshold)

    def close(self) -> None:
        """Free the memory of the three graphs; the model cannot be used any more."""
        for session in (self._encoder, self._language, self._decoder):
            session.close()
        with self._lock:
            self._texts.clear()

    def _text_features(self, text: str) -> dict[str, NDArray[np.generic]]:
        with self._lock:
            if text in self._texts:
                self._texts.move_to_end(text)
                return self._texts[text]
        layout = self.contract.layout
        pad = self._tokenizer.end if layout.pad_with_end else 0
        tokens = self._tokenizer.encode(text, layout.length, length=layout.length, pad=pad)
        feeds = {layout.tokens: tokens.ids}
        if layout.attention in {spec.name for spec in self._language.inputs}:
            feeds[layout.attention] = tokens.mask
        outputs = self._language.run(feeds, sorted(set(self.contract.text.values())))
        features = {name: outputs[output] for name, output in self.contract.text.items()}
        with self._lock:
            self._texts[text] = features
            while len(self._texts) > _REMEMBERED_TEXTS:
                self._texts.popitem(last=False)
        return features

    def _box_feeds(
        self,
        boxes: NDArray[np.float64],
        labels: NDArray[np.int64],
        plane_shape: tuple[int, int],
    ) -> dict[str, NDArray[np.generic]]:
        """Put examples in the decoder's terms; a slot without a box is marked as none."""
        layout, slots = self.contract.layout, self.contract.slots
        if slots is not None and len(boxes) > slots:
            raise PromptError(
                f"This model ({layout.summary}) takes {slots or 'no'} example box(es); "
                f"remove {len(boxes) - slots}."
            )
        if not layout.boxes:
            return {}
        count = max(1, len(boxes)) if slots is None else slots
        corners = (boxes + 0.5) / np.tile(plane_shape, 2)  # edges, normalised, y and x
        y0, x0, y1, x1 = corners.T
        coords = np.zeros((count, 4), np.float32)
        coords[: len(boxes)] = np.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], axis=1)
        marks = np.full(count, layout.no_box, np.int64)
        marks[: len(boxes)] = labels
        absent = np.arange(count) >= len(boxes)
        axis = 1 if layout.slots_first else 0
        feeds: dict[str, NDArray[np.generic]] = {
            layout.boxes: np.expand_dims(coords, axis),
            layout.box_labels: np.expand_dims(marks, axis),
        }
        if layout.box_masks:
            feeds[layout.box_masks] = absent[None]  # (1, K) in every layout
        return feeds


def _check_boxes(
    boxes: ArrayLike | None,
    labels: Sequence[int] | None,
    plane_shape: tuple[int, int],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Check and clip example boxes: (K, 4) and their labels (K,)."""
    given = [] if boxes is None else list(np.asarray(boxes, float).reshape(-1, 4))
    marks = np.ones(len(given), np.int64) if labels is None else np.asarray(labels, np.int64)
    if marks.shape != (len(given),) or not np.isin(marks, (0, 1)).all():
        raise PromptError(f"{len(given)} boxes need {len(given)} labels, each 1 or 0.")
    checked = [make_prompts(box=box, plane_shape=plane_shape).box for box in given]
    return np.array(checked, np.float64).reshape(-1, 4), marks
