"""One sentence about what is going on, and how to say an error in one sentence."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Literal

from napari_sam_onnx.image import ImageError
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.prompts import PromptError

_LOG = logging.getLogger("napari_sam_onnx")

Kind = Literal["info", "busy", "ready", "error"]


@dataclass(frozen=True, slots=True)
class Status:
    """What the dock's status line shows.

    Parameters
    ----------
    text : str
        One sentence.
    kind : {"info", "busy", "ready", "error"}
        How it is shown.
    """

    text: str
    kind: Kind = "info"


def explain(error: Exception) -> str:
    """Say an exception in one sentence; ours are sentences already."""
    text = " ".join(str(error).split())
    if isinstance(error, (ImageError, ModelError, PromptError, ValueError)) and text:
        return text
    if isinstance(error, MemoryError):
        return "There is not enough memory for this; choose a smaller picture or model."
    return f"{type(error).__name__}: {text}" if text else f"{type(error).__name__} occurred."


def log_failure(error: Exception) -> None:
    """Leave the traceback of a bug in the log; refusals of ours are said and no bugs."""
    ours = type(error).__module__.partition(".")[0] == "napari_sam_onnx"
    level = logging.DEBUG if ours else logging.ERROR
    _LOG.log(level, "%s: %s", type(error).__name__, error, exc_info=error)
