"""How tight a user outlines and what counts as an object, learnt from what was accepted.

One click cannot say whether the rim belongs to a cell, nor whether a cell or its nucleus is meant.
A model's logits hold these answers: a threshold moves the outline, another candidate has another
extent. Both are chosen so that first answers would have agreed with what was accepted in the end.

    first answer, accepted object ─▶ agreement (candidates × thresholds) ─▶ Style ─▶ next answers

Only agreements are kept, some hundred numbers per object, no pictures and no masks.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_sam_onnx.errors import UserError
from napari_sam_onnx.masks.mask import widen
from napari_sam_onnx.masks.upscale import CandidateMasks, upscale_region

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import LowResMask
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.prompts import Prompts

    Kind = Literal["click", "box"]

THRESHOLDS = np.round(np.arange(-4.0, 4.01, 0.25), 2)
"""Logits at which an outline may be drawn; the models' own is 0."""

LEAST_OBJECTS = 6
"""So many objects have to be accepted before anything is learnt from them."""

LEAST_GAIN = 0.008
"""Mean IoU that a style has to gain to be taken, beyond 1 + `DOUBT` / n standard errors."""

DOUBT = 7
"""How little few objects say; see `choose`."""

MOST_GAIN = 0.7
"""Share of the objects that have to gain by it."""

LEAST_AGREEMENT = 0.1
"""An answer whose IoU with what was accepted is less was about something else."""

MEMORY = 50
"""The objects accepted last are learnt from, up to so many."""

OWN = -1
"""The candidate that the model itself would show."""


class StyleError(UserError, ValueError):
    """A style that cannot be read."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How first answers to one kind of prompt are taken.

    Parameters
    ----------
    candidate : int
        Which of the model's masks; `OWN`: the one that the model prefers.
    threshold : float
        The logit above which a pixel belongs to the object.
    objects : int
        How many accepted objects it was learnt from; 0 where nothing was learnt.
    """

    candidate: int = OWN
    threshold: float = 0.0
    objects: int = 0

    @property
    def plain(self) -> bool:
        """Whether it is the model's own way."""
        return self.candidate == OWN and self.threshold == 0


@dataclass(frozen=True, slots=True)
class Style:
    """How first answers are taken, by the kind of prompt.

    Parameters
    ----------
    click : Choice
        For points.
    box : Choice
    diameter : float
        Of a typical object in plane pixels: the plane is looked at in the scale that suits it.
        0: in the model's own scale.
    """

    click: Choice = field(default_factory=Choice)
    box: Choice = field(default_factory=Choice)
    diameter: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether it is the model's own."""
        return self.click.plain and self.box.plain

    def describe(self) -> str:
        """Say what was learnt, in a few words; "" where nothing was."""
        said = [
            f"{name}{_describe(choice)}, learnt from {choice.objects} objects"
            for name, choice in (("", self.click), ("boxes: ", self.box))
            if not choice.plain
        ]
        return "; ".join(said)

    def to_dict(self) -> dict[str, Any]:
        """Return it as values that JSON knows."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> Style:
        """Read what `to_dict` gives.

        Raises
        ------
        StyleError
            If it is no style.
        """
        try:
            made = {name: Choice(**values[name]) for name in ("click", "box")}
            for choice in made.values():
                if not (choice.candidate >= OWN and -100 < choice.threshold < 100):
                    raise ValueError(choice)
            diameter = float(values.get("diameter", 0.0))
            if not 0 <= diameter < float("inf"):
                raise ValueError(diameter)
            return cls(**made, diameter=diameter)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StyleError(f"This is no style of outlines: {error}.") from error


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """How well first answers about one object agree with what was accepted.

    Parameters
    ----------
    iou : (M, T) float32
        Of each candidate at each of `THRESHOLDS`.
    own : int
        The candidate that the model preferred.
    """

    iou: NDArray[np.float32]
    own: int


class StyleLearner:
    """Learns the style of one user with one model."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[Agreement]] = {
            "click": deque(maxlen=MEMORY),
            "box": deque(maxlen=MEMORY),
        }
        self.style = Style()

    @property
    def objects(self) -> int:
        """How many accepted objects it knows."""
        return sum(len(seen) for seen in self._seen.values())

    def learn(self, kind: Kind, agreement: Agreement) -> Style:
        """Take one more accepted object into account; the style from now on."""
        self._seen[kind].append(agreement)
        choice = choose(list(self._seen[kind]))
        box = kind == "box"
        self.style = replace(self.style, box=choice) if box else replace(self.style, click=choice)
        return self.style

    def adopt(self, style: Style) -> None:
        """Begin with a style that was learnt before; what is accepted from now on changes it."""
        self.reset()
        self.style = style

    def reset(self) -> None:
        """Forget everything: the model's own outlines again."""
        for seen in self._seen.values():
            seen.clear()
        self.style = Style()


def choose(agreements: list[Agreement]) -> Choice:
    """Choose candidate and threshold that would have served accepted objects best.

    The mean gain in IoU over the model's own answers, less its standard error (more than one where
    there are few objects), among choices by which most objects gain: what helped a few much and
    others not is not trusted. Where that is below `LEAST_GAIN`, the model's own way stays.
    """
    if len(agreements) < LEAST_OBJECTS:
        return Choice()
    fewest = min(len(a.iou) for a in agreements)
    zero = int(np.flatnonzero(THRESHOLDS == 0)[0])
    tables = np.stack([np.vstack([a.iou[a.own][None], a.iou[:fewest]]) for a in agreements])
    gains = tables - tables[:, :1, zero : zero + 1]
    count = len(agreements)
    error = gains.std(axis=0, ddof=1) / np.sqrt(count)
    trusted = gains.mean(axis=0) - (1 + DOUBT / count) * error
    trusted[(gains > 0).mean(axis=0) < MOST_GAIN] = -1
    candidate, threshold = np.unravel_index(int(np.argmax(trusted)), trusted.shape)
    if trusted[candidate, threshold] < LEAST_GAIN:
        return Choice(objects=len(agreements))
    return Choice(int(candidate) - 1, float(THRESHOLDS[threshold]), len(agreements))


def compare_answer(candidates: Sequence[Mask], accepted: Mask) -> Agreement | None:
    """Say how well a model's answer agrees with an accepted object, by candidate and threshold.

    Parameters
    ----------
    candidates : sequence of Mask
        The answer's, as a segmenter gives them.
    accepted : Mask
        On the same plane, not empty.

    Returns
    -------
    Agreement or None
        None where the answer has no logits to choose among, or was about something else.
    """
    if not isinstance(candidates, CandidateMasks) or not accepted:
        return None
    tables = [_measure(candidates.logits(i), accepted) for i in range(len(candidates))]
    made = Agreement(np.stack(tables), candidates.own)
    zero = int(np.flatnonzero(THRESHOLDS == 0)[0])
    return made if made.iou[made.own, zero] >= LEAST_AGREEMENT else None


def apply_style(answer: Mask, prompts: Prompts, style: Style) -> Mask:
    """Take a model's answer in a style.

    Another candidate is taken for a first answer alone; the threshold holds for corrections too.
    """
    choice = style.click if prompts.box is None else style.box
    candidates = answer.candidates
    if choice.plain or not isinstance(candidates, CandidateMasks):
        return answer
    first = prompts.mask is None and kind_of(prompts) is not None
    best = choice.candidate if first else OWN
    styled = candidates.restyle(None if best == OWN else best, choice.threshold)
    return replace(styled[styled.best], candidates=styled)


def take_style(masks: Sequence[Mask], prompts: Sequence[Prompts], style: Style) -> list[Mask]:
    """Take answers in a style, one for each of the prompts."""
    return [apply_style(mask, asked, style) for mask, asked in zip(masks, prompts, strict=True)]


def kind_of(prompts: Prompts) -> Kind | None:
    """Say of which kind a first prompt is: a single click on an object, or a box; else None."""
    if prompts.mask is not None:
        return None
    if prompts.box is not None:
        return None if len(prompts.points) else "box"
    return "click" if prompts.ambiguous and bool(prompts.labels[0]) else None


def _describe(choice: Choice) -> str:
    """Say how one kind of answer is taken."""
    said = []
    if choice.candidate != OWN:
        said.append(f"candidate {choice.candidate + 1} first")
    if choice.threshold:
        degree = "a little " if abs(choice.threshold) < 1 else ""
        degree = "much " if abs(choice.threshold) > 2.5 else degree
        way = "tighter" if choice.threshold > 0 else "wider"
        said.append(f"outlines {degree}{way}")
    return ", ".join(said)


def _measure(low_res: LowResMask, accepted: Mask) -> NDArray[np.float32]:
    """IoU of one candidate with an accepted object at each threshold, (T,).

    Pixels are made near the object alone; what a candidate covers elsewhere is counted in its own
    cells.
    """
    framed = widen(accepted, max(accepted.pixels.shape))
    top, left, bottom, right = framed.bbox
    corner = np.array([top, left, top, left], np.float32)
    near = replace(low_res, window=low_res.window - corner)
    lowest = float(THRESHOLDS[0])
    origin, logits = upscale_region(near, (bottom - top, right - left), lowest)
    part = framed.crop[
        origin[0] : origin[0] + logits.shape[0], origin[1] : origin[1] + logits.shape[1]
    ]
    shared = _count_above(logits[part])
    covered = _count_above(logits.ravel())
    covered += _count_beyond(low_res, accepted.shape, (top, left, bottom, right))
    union = accepted.area + covered - shared
    return np.asarray(shared / np.maximum(union, 1), np.float32)


def _count_above(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """How many values exceed each threshold, (T,)."""
    steps = np.searchsorted(THRESHOLDS, values, side="left")  # thresholds below each value
    counts = np.bincount(steps, minlength=len(THRESHOLDS) + 1)
    above: NDArray[np.float64] = (values.size - np.cumsum(counts)[:-1]).astype(np.float64)
    return above


def _count_beyond(
    low_res: LowResMask, shape: tuple[int, int], box: tuple[int, int, int, int]
) -> NDArray[np.float64]:
    """Pixels of a plane above each threshold that lie beyond a box of it, (T,)."""
    rows, columns = low_res.logits.shape
    y0, x0, y1, x1 = (float(edge) for edge in low_res.window)
    height, width = (y1 - y0) / rows, (x1 - x0) / columns
    y = (y0 + (np.arange(rows) + 0.5) * height)[:, None]
    x = (x0 + (np.arange(columns) + 0.5) * width)[None]
    on_plane = (y > 0) & (y < shape[0]) & (x > 0) & (x < shape[1])
    near = (y >= box[0]) & (y < box[2]) & (x >= box[1]) & (x < box[3])
    cells = _count_above(low_res.logits[on_plane & ~near])
    return np.asarray(cells * (height * width), np.float64)
