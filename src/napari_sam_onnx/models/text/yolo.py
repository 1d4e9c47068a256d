"""YOLOv8-style detectors: a plane -> boxes, without text.

The plane is shrunk or grown to fit, centred on gray (a "letterbox"), and answered with boxes
in pixels of that picture. Two answers are read: (1, 4 + classes, boxes) with box centres and
sizes, and (1, boxes, 6) with corners, score and class, of exports that suppress duplicates
themselves. Graphs that mean something else by such shapes are refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.framing.preprocess import check_plane, resize_bilinear
from napari_sam_onnx.models.text.boxes import check_numbers, keep_boxes, to_corners
from napari_sam_onnx.prompts import PromptError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Proposals
    from napari_sam_onnx.models.onnx.sessions.runtime import Session

SCORE_THRESHOLD = 0.4
"""MobileSAMv2's confidence for object-aware prompts."""

GRAY = 114
_OPEN_SIZE = 1024  # of graphs that take any size and do not say which: MobileSAMv2's
_MOST_FINISHED = 1000  # boxes of exports that suppress duplicates themselves; 300 is usual


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a plane lies in a detector's picture.

    Parameters
    ----------
    scale : (sy, sx)
        Picture pixels per plane pixel.
    start : (top, left)
        Picture pixels of gray before the plane.
    """

    scale: tuple[float, float]
    start: tuple[int, int]


class YoloDetector:
    """Finds every object of the classes that it knows. See `load_detector`.

    Parameters
    ----------
    session : Session
        The graph.

    Raises
    ------
    ModelError
        If the graph is a YOLO of another kind.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.name = session.path.name
        self._size = _input_size(session)
        self._output = _check_graph(session)

    @property
    def reads_text(self) -> bool:
        """False: it finds all that it knows."""
        return False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}, {self._size[0]} × {self._size[1]}>"

    def propose_boxes(
        self,
        rgb: NDArray[np.uint8],
        text: str | None = None,
        *,
        threshold: float | None = None,
    ) -> Proposals:
        """Find objects on a plane.

        Parameters
        ----------
        rgb : (H, W, 3) uint8
        text : None
            Refused: these detectors read none.
        threshold : float, optional
            Boxes with a score at or below it are dropped; `SCORE_THRESHOLD` where omitted.

        Returns
        -------
        Proposals
            At most 320, most certain first; ``points`` are the boxes' centres.

        Raises
        ------
        ModelError
            If the graph fails or does not answer as a detector.
        PromptError
            If there is text.
        """
        check_plane(rgb)
        if text is not None and text.strip():
            raise PromptError(
                f"{self.name} finds all objects that it knows and reads no text; leave the text "
                "empty, or choose a Grounding DINO."
            )
        picture, box = letterbox(rgb, self._size)
        tensor = picture.transpose(2, 0, 1)[None].astype(np.float32) / 255
        feeds = {self._session.inputs[0].name: tensor}
        answer = self._session.run(feeds, [self._output])[self._output]
        corners, scores = self._read(np.asarray(answer, np.float32))
        edges = corners[:, [1, 0, 3, 2]] - np.tile(box.start, 2)
        return keep_boxes(
            edges / np.tile(box.scale, 2),
            scores,
            (rgb.shape[0], rgb.shape[1]),
            SCORE_THRESHOLD if threshold is None else threshold,
        )

    def close(self) -> None:
        """Free the graph's memory; the detector cannot be used any more."""
        self._session.close()

    def _read(self, answer: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Corners (N, 4) as (x0, y0, x1, y1) in the picture, and scores (N,)."""
        reason = _refuse_shape(answer.shape)
        if reason:
            raise ModelError(f"{self.name} {reason}.")
        rows = answer[0]
        if _is_finished(rows.shape):
            corners, scores = rows[:, :4], rows[:, 4]
        else:
            corners, scores = to_corners(rows[:4]), rows[4:].max(axis=0)
        check_numbers(self.name, bool(np.isfinite(rows).all()))
        if scores.size and (scores.min() < -0.01 or scores.max() > 1.01):
            raise ModelError(
                f"{self.name} answers with scores from {scores.min():g} to {scores.max():g}, not "
                "0 to 1: it is no plain detector; a model for poses or turned boxes cannot be "
                "used."
            )
        return corners, scores


def letterbox(rgb: NDArray[np.uint8], size: tuple[int, int]) -> tuple[NDArray[np.uint8], Letterbox]:
    """Fit a plane into a picture, centred on gray.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
    size : (h, w)

    Returns
    -------
    picture : (h, w, 3) uint8
    box : Letterbox
    """
    height, width = rgb.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    # an odd row or column of gray goes to the bottom or the right, as in Ultralytics' code
    top, left = ((whole - part) // 2 for whole, part in zip(size, inner, strict=True))
    picture = np.full((*size, 3), GRAY, np.uint8)
    picture[top : top + inner[0], left : left + inner[1]] = resize_bilinear(rgb, inner)
    return picture, Letterbox((inner[0] / height, inner[1] / width), (top, left))


def _input_size(session: Session) -> tuple[int, int]:
    """Pixels (h, w) that the graph takes: stated, written beside it, or MobileSAMv2's."""
    height, width = session.inputs[0].shape[-2:]
    try:
        written = json.loads(session.metadata.get("imgsz", "null"))
    except ValueError:
        written = None
    sides = written if isinstance(written, list) and len(written) == 2 else [_OPEN_SIZE] * 2
    return int(height or sides[0]), int(width or sides[1])


def _check_graph(session: Session) -> str:
    """Name of the output that holds the boxes; refuse YOLO graphs of another kind."""
    name, task = session.path.name, session.metadata.get("task", "detect")
    if task == "segment" or any(len(spec.shape) == 4 for spec in session.outputs):
        raise ModelError(
            f"{name} is a YOLO segmentation graph such as FastSAM's: it makes masks of its own "
            "and takes no prompts; export a detector instead, or choose a SAM model."
        )
    if task != "detect":
        raise ModelError(
            f"{name} is a YOLO graph for {task}, not for detection; export a detector."
        )
    answers = [spec for spec in session.outputs if len(spec.shape) == 3]
    reason = _refuse_shape(answers[0].shape)
    if reason:
        raise ModelError(f"{name} {reason}.")
    return answers[0].name


def _is_finished(rows: tuple[int | None, ...]) -> bool:
    """Whether (boxes, 6) holds corners, score and class."""
    return rows[1] == 6 and (rows[0] is None or rows[0] <= _MOST_FINISHED)


def _refuse_shape(shape: tuple[int | None, ...]) -> str:
    """Why an output of this shape holds no boxes that are understood; "" where it may."""
    count, rows, columns = shape
    stated = f"[{', '.join('?' if side is None else str(side) for side in shape)}]"
    if count not in (1, None):
        return f"answers {count} pictures at once, {stated}; export it for one"
    if _is_finished((rows, columns)) or rows is None or columns is None:
        return ""
    if rows > columns:
        return (
            f"answers with {stated}, boxes first, as YOLOv5 does, whose scores mean something "
            "else; export a YOLOv8 or later detector"
        )
    if rows < 5:
        return f"answers with {stated}, which leaves no scores; export a YOLOv8 or later detector"
    return ""
