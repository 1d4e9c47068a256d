"""How things stand, in one sentence: what the session waits for, or what the user can do next.

Pure: it reads a session and changes nothing. "Ready" is said only where a click would be answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_onnx.labels.edits import is_background
from napari_sam_onnx.plugin.layers.objects import has_points
from napari_sam_onnx.plugin.picture.plane import plane_shape
from napari_sam_onnx.plugin.picture.sliders import explain_no_plane
from napari_sam_onnx.plugin.status import Status
from napari_sam_onnx.prompting.near import PART, is_large

if TYPE_CHECKING:
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.plugin.session.answers import Answer
    from napari_sam_onnx.plugin.session.scene import Asked

NO_PICTURE = Status("Open a picture to begin.")

DOUBTFUL_SCORE = 0.5
DOUBTFUL_STABILITY = 0.6
"""A mask with a lower predicted IoU or stability than these is shown and said to be doubtful."""


def is_doubtful(mask: Mask) -> bool:
    """Whether a mask is more likely wrong than right, by what its model says of it."""
    return mask.score < DOUBTFUL_SCORE or mask.stability < DOUBTFUL_STABILITY


def describe_scores(answer: Answer) -> str:
    """Write the score of a mask; those of the other candidates beside it once one was looked at."""
    shown = [f"{min(1.0, max(0.0, score)):.2f}" for score in answer.scores]
    doubtful = " doubtful" if is_doubtful(answer.mask) else ""
    if not answer.chosen:
        return shown[0] + doubtful
    others = (f"[{text}]" if n == answer.chosen else text for n, text in enumerate(shown))
    return "  ".join(others) + doubtful


def advise(session: Asked) -> Status:
    """Say how things stand."""
    if session.picture is None or session.layers is None:
        return NO_PICTURE
    if session.plane is None:
        return Status(explain_no_plane(session.viewer))
    asleep = session.layers.explain_sleep()
    if asleep:
        return Status(asleep)
    request = session.request
    if request is not None and not session.engine.ready(request):
        loaded = session.engine.loaded(request.source) is not None
        near = is_large(plane_shape(request.reader.shape, request.plane))
        encoding = "Encoding the neighbourhood …" if near else "Encoding this plane …"
        return Status(encoding if loaded else "Loading the model …", "busy")
    if session.answers:
        return _describe_answers(session)
    if session.prompts is not None and has_points(session.prompts, session.plane):
        return Status("Add a point on the object: background points alone say nothing.")
    return Status("Ready: click on an object.", "ready")


def _describe_answers(session: Asked) -> Status:
    """Say what is shown and how it can be taken."""
    masks = [answer.mask for answer in session.answers]
    problems = [fit.problem for fit in session.fitted]
    if len(masks) == 1:
        (mask,) = masks
        if problems and problems[0]:
            return Status(problems[0])
        if is_background(mask):
            return Status("This mask is the background: I takes what it leaves, inverted.")
        if is_doubtful(mask):
            return Status(
                f"A doubtful mask (score {_percent(mask)}): look at it, correct it by clicks, or "
                "press W for another candidate."
            )
        if _is_opened(session):
            return Status(
                "Clicks correct this object, N writes it in its place, Esc leaves it.", "ready"
            )
        seen = _describe_part(mask)
        return Status(
            f"N accepts, W shows the next candidate, right-click corrects.{seen}", "ready"
        )
    refused = sum(bool(problem) for problem in problems)
    doubtful = sum(
        not problem and is_doubtful(mask) for mask, problem in zip(masks, problems, strict=True)
    )
    text = f"{len(masks) - refused} objects: N accepts all of them, Esc discards them"
    notes = [f"{refused} cannot be written, grey"] if refused else []
    notes += [f"{doubtful} doubtful, dashed"] if doubtful else []
    return Status(f"{text} ({', '.join(notes)})." if notes else f"{text}.", "ready")


def _describe_part(mask: Mask) -> str:
    """Say at which size a part of a large plane was looked at, where not as it is."""
    if mask.crop_box is None:
        return ""
    y0, x0, y1, x1 = mask.crop_box
    part = max(y1 - y0, x1 - x0)
    if part == PART or part == max(mask.shape):
        return ""
    size = f"1/{part // PART} of its size" if part > PART else f"{PART // part} times its size"
    return f" (Looked at in {size}, for this object.)"


def _is_opened(session: Asked) -> bool:
    """Whether the one open object is one that exists."""
    plane, prompts = session.plane, session.prompts
    return plane is not None and prompts is not None and prompts.correction_on(plane) is not None


def _percent(mask: Mask) -> str:
    return f"{min(1.0, max(0.0, mask.score)):.2f}"
