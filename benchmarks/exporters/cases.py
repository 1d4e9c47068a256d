"""The pictures and prompts that every family is asked, and the form of its answers.

The pictures are made here: coloured blobs on an uneven ground, in shapes for which wrong
resizing, padding or cropping shows. Prompts are given as parts of the picture, off the
pixel grid, and never on its axes of symmetry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

PICTURE_SHAPES = {
    "landscape": (480, 640),
    "portrait": (701, 403),
    "square": (512, 512),
    "large": (1400, 1101),  # shrunk on entering the encoder, where antialiasing counts
}
FEWER_CASES = ("square", "large")


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One object's prompts on one picture.

    Parameters
    ----------
    name : str
        What kind of prompt it is.
    points : (N, 2) float64
        Clicks, ``(y, x)`` in pixels.
    labels : (N,) int64
        1 object, 0 background.
    box : (4,) float64 or None
        ``(y0, x0, y1, x1)`` in pixels.
    refines : str
        The case whose best mask goes in as well; "" for none.
    """

    name: str
    points: NDArray[np.float64]
    labels: NDArray[np.int64]
    box: NDArray[np.float64] | None = None
    refines: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a model answers to a case.

    Parameters
    ----------
    logits : (M, h, w) float32
        The candidates at the decoder's own resolution, in the export's order.
    scores : (M,) float32
        Predicted IoU.
    masks : (M, H, W) bool
        The candidates on the picture's pixels.
    """

    logits: NDArray[np.float32]
    scores: NDArray[np.float32]
    masks: NDArray[np.bool_]


class Reference(Protocol):
    """A project's own PyTorch predictor. Call order: ``see``, then ``answer`` often."""

    def see(self, picture: NDArray[np.uint8]) -> None:
        """Encode a picture, ``(H, W, 3)`` uint8 RGB."""

    def answer(self, case: Case, earlier: NDArray[np.float32] | None) -> Answer:
        """Answer a case, given the earlier mask's logits ``(h, w)`` where it refines one."""


@dataclass(frozen=True, slots=True, eq=False)
class Export:
    """Two files and the PyTorch model that they were exported from.

    Parameters
    ----------
    encoder, decoder : Path
        The ONNX files.
    reference : Reference
        The predictor on the same weights.
    boxes, masks : bool
        Whether the export takes boxes, and earlier masks.
    """

    encoder: Path
    decoder: Path
    reference: Reference
    boxes: bool = True
    masks: bool = True


def make_picture(shape: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    """Paint blobs whose red, green and blue differ, ``(H, W, 3)`` uint8."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    height, width = shape
    ground = 40 + 50 * rows / height + 30 * columns / width
    picture = ground[..., None] * np.array([1.0, 0.7, 0.4])
    for _ in range(14):
        y, x = generator.uniform(0, height), generator.uniform(0, width)
        radius = generator.uniform(0.04, 0.14) * min(shape)
        inside = 1 / (1 + np.exp(np.clip((np.hypot(rows - y, columns - x) - radius) / 6, -30, 30)))
        picture += inside[..., None] * generator.uniform(-40, 110, 3)
    picture += generator.normal(0, 3, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def list_cases(picture: str, *, boxes: bool = True, masks: bool = True) -> list[Case]:
    """Make the cases for a picture, fewer where a family takes no boxes or no masks.

    Parameters
    ----------
    picture : str
        One of `PICTURE_SHAPES`; those in `FEWER_CASES` get the first of each kind.
    """
    size = np.array(PICTURE_SHAPES[picture], float)

    def make(name: str, points: list[tuple[float, float, int]], box: list[float] | None = None,
             refines: str = "") -> Case:  # fmt: skip
        yx = np.array([point[:2] for point in points]).reshape(-1, 2) * size
        labels = np.array([point[2] for point in points], dtype=np.int64)
        corners = None if box is None else np.array(box) * np.tile(size, 2)
        return Case(name, yx, labels, corners, refines)

    click = (0.271, 0.356, 1)
    other = (0.604, 0.582, 1)
    background = (0.817, 0.143, 0)
    box = [0.193, 0.247, 0.561, 0.732]
    cases = [make("click", [click]), make("clicks", [click, other, background])]
    if boxes:
        cases += [make("box", [], box), make("box and clicks", [other, background], box)]
    if masks:
        cases += [
            make("refined by a click", [click, background], refines="click"),
            make("refined twice", [click, background, other], refines="refined by a click"),
        ]
    if boxes and masks:
        cases.append(make("box refined", [background], box, refines="box"))
    if picture in FEWER_CASES:
        return [case for case in cases if case.name in ("click", "box", "refined by a click")]
    return cases


def choose_candidate(case: Case, scores: NDArray[np.float32]) -> int:
    """Pick a candidate as SAM's authors advise.

    Of four candidates, the first where the prompt says enough, else the best of the others
    by score; of fewer, the best by score.
    """
    if len(scores) != 4:
        return int(np.argmax(scores))
    if len(case.points) == 1 and case.box is None and not case.refines:
        return 1 + int(np.argmax(scores[1:]))
    return 0


def measure_iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union of two planes; 1 where both are empty."""
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0
