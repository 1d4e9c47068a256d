"""One sentence about what is going on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
