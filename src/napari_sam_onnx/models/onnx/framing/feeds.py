"""From prompts to a decoder's inputs: points, labels, boxes, earlier masks.

Prompts that a family cannot answer are refused here, in the words of the user's tools.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.models.onnx.framing.frame import resample_mask
from napari_sam_onnx.prompts import NEGATIVE, PromptError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import LowResMask
    from napari_sam_onnx.models.onnx.contracts.families import DecoderContract
    from napari_sam_onnx.models.onnx.framing.frame import Frame
    from napari_sam_onnx.prompts import Prompts

BOX_START, BOX_END, NO_POINT = 2, 3, -1
"""SAM's labels for the corners of a box, and for a point that is none."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """One prompt in a decoder's own terms.

    Parameters
    ----------
    points : (N, 2) float32
        ``(x, y)`` in the frame, corners of the box and padding included.
    labels : (N,) float32
        See `BOX_START`.
    box : (4,) float32 or None
        ``(x0, y0, x1, y1)`` in the frame, where the decoder takes boxes apart.
    mask : LowResMask or None
        An earlier answer, where the decoder takes one.
    """

    points: NDArray[np.float32]
    labels: NDArray[np.float32]
    box: NDArray[np.float32] | None = None
    mask: LowResMask | None = None

    @property
    def kind(self) -> tuple[int, bool, bool]:
        """What must be equal for two questions to be asked at once."""
        return len(self.points), self.box is not None, self.mask is not None


def wire(
    outputs: Mapping[str, NDArray[np.generic]], wiring: Mapping[str, Sequence[str]]
) -> dict[str, NDArray[np.generic]]:
    """Name what an encoder gave as the decoder does, by a contract's wiring."""
    return {
        name: outputs[parts[0]] if len(parts) == 1 else np.stack([outputs[p] for p in parts])
        for name, parts in wiring.items()
    }


def ask(prompts: Prompts, decoder: DecoderContract, frame: Frame) -> Question:
    """Put a prompt in a decoder's terms.

    An earlier mask is a hint: a decoder that takes none answers the points and the box
    alone. Everything else that a decoder cannot take is refused.

    Raises
    ------
    PromptError
        If the decoder knows no clicks, no boxes, no background or fewer points.
    """
    _refuse_unanswerable(prompts, decoder)
    points, labels = prompts.points, prompts.labels.astype(np.float32)
    box = None
    if prompts.box is not None:
        corners = prompts.box.reshape(2, 2)
        if decoder.box_as == "labels":
            points = np.concatenate([points, corners])
            labels = np.append(labels, [BOX_START, BOX_END])
        else:
            box = frame.points_to_frame(corners).astype(np.float32).reshape(4)
    in_frame = frame.points_to_frame(points)
    if decoder.exact_points:
        padding = decoder.exact_points - len(labels)
    else:
        without_box = decoder.pad == "without box" and prompts.box is None
        padding = int(without_box or (decoder.pad == "always" and box is None))
    in_frame = np.concatenate([in_frame, np.zeros((padding, 2))])
    labels = np.append(labels, [NO_POINT] * padding)
    mask = prompts.mask if decoder.takes_masks else None
    return Question(in_frame.astype(np.float32), labels.astype(np.float32), box, mask)


def _refuse_unanswerable(prompts: Prompts, decoder: DecoderContract) -> None:
    family = decoder.summary
    if len(prompts.points) and not decoder.points:
        raise PromptError(f"This model ({family}) takes boxes only; draw a box instead.")
    if prompts.box is not None and decoder.box_as == "none":
        raise PromptError(f"This model ({family}) takes no boxes; click on the object instead.")
    labelled = decoder.negatives and bool(decoder.labels)
    if (prompts.labels == NEGATIVE).any() and not labelled:
        raise PromptError(
            f"This model ({family}) knows no background clicks; remove them, or draw a box."
        )
    count = len(prompts.points) + 2 * (prompts.box is not None)
    if decoder.max_points and count > decoder.max_points:
        raise PromptError(
            f"This model ({family}) reads {decoder.max_points} points at most, and a box "
            f"counts as two; remove {count - decoder.max_points} of them."
        )
    if not count and not decoder.takes_masks:
        raise PromptError(f"This model ({family}) refines no masks; add a point or a box.")
    if not count and decoder.frame == "window":  # prompts say where the window lies
        raise PromptError(
            f"This model ({family}) refines a mask together with a point or a box; add one."
        )


def group(
    questions: Sequence[Question], decoder: DecoderContract, most: int
) -> Iterator[list[int]]:
    """Sort questions into batches that the decoder answers as it would answer each alone.

    A batch holds as many points in every question. Filling up with padding points would
    change the answers: the decoder attends to them.

    Yields
    ------
    list of int
        Positions in `questions`.
    """
    kinds: dict[tuple[int, bool, bool], list[int]] = {}
    for position, question in enumerate(questions):
        kinds.setdefault(question.kind, []).append(position)
    for (_, box, mask), positions in kinds.items():
        step = most if decoder.batch else 1
        if mask and decoder.mask_batch == "one":
            step = 1
        if box and decoder.leading_axis and len(questions[positions[0]].points):
            step = 1  # Hugging Face's boxes and points share an axis only one by one
        for start in range(0, len(positions), step):
            yield positions[start : start + step]


def build_feeds(
    questions: Sequence[Question], decoder: DecoderContract, frame: Frame
) -> dict[str, NDArray[Any]]:
    """Stack questions of one kind into a decoder's inputs, embedding not included."""
    feeds: dict[str, NDArray[Any]] = {}
    lead = (None, ...) if decoder.leading_axis else (...,)
    points = np.stack([question.points for question in questions])  # (B, N, 2)
    labels = np.stack([question.labels for question in questions])  # (B, N)
    if decoder.points:
        feeds[decoder.points] = points[lead]
    if decoder.labels:
        feeds[decoder.labels] = labels[lead]
    if decoder.boxes:
        boxes = [question.box for question in questions if question.box is not None]
        array = np.array(boxes, np.float32).reshape(-1, 4)
        feeds[decoder.boxes] = array[None] if decoder.leading_axis else array[:, None]
    if decoder.mask_input:
        feeds.update(_build_mask_feeds(questions, decoder, frame))
    if decoder.size_input:
        feeds[decoder.size_input] = np.array(decoder.size_value)
    return feeds


def _build_mask_feeds(
    questions: Sequence[Question], decoder: DecoderContract, frame: Frame
) -> dict[str, NDArray[Any]]:
    side = decoder.mask_side
    count = len(questions) if decoder.mask_batch == "each" else 1
    masks = np.zeros((count, 1, side, side), np.float32)
    windows = np.zeros((count, 4), np.float32)
    for row, question in enumerate(questions[:count]):
        if question.mask is not None:
            # A decoder with windows takes the mask where it is, others in their own frame.
            window = question.mask.window if decoder.mask_window else frame.window
            masks[row, 0] = resample_mask(question.mask, window, side)
            windows[row] = frame.windows_to_frame(window)
    flags = len(questions) if decoder.flag_batch == "each" else 1
    refined = float(questions[0].mask is not None)
    feeds: dict[str, NDArray[Any]] = {decoder.mask_input: masks}
    feeds[decoder.has_mask] = np.full(flags, refined, np.float32)
    if decoder.mask_window:
        feeds[decoder.mask_window] = windows
    return feeds
