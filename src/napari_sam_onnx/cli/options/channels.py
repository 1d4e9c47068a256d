"""How channels are named on the command line: ``0:red[100-4000]@0.5,2:#00ff88``."""

from __future__ import annotations

import math
import re

from napari_sam_onnx.pictures.image import Channel, ImageError

COLORS = {
    "gray": (1.0, 1.0, 1.0),
    "grey": (1.0, 1.0, 1.0),
    "white": (1.0, 1.0, 1.0),
    "red": (1.0, 0.0, 0.0),
    "green": (0.0, 1.0, 0.0),
    "blue": (0.0, 0.0, 1.0),
    "cyan": (0.0, 1.0, 1.0),
    "magenta": (1.0, 0.0, 1.0),
    "yellow": (1.0, 1.0, 0.0),
    "orange": (1.0, 0.5, 0.0),
}

SYNTAX = (
    "Channels to show to the model, separated by commas: INDEX[:COLOR][LOW-HIGH][^GAMMA][@WEIGHT]. "
    "COLOR is a name (gray, red, green, blue, cyan, magenta, yellow, orange) or #rrggbb; "
    "LOW-HIGH, in square brackets, are the values shown as black and as full color, and are "
    "measured where omitted; GAMMA is a power (below 1: brighter); WEIGHT multiplies the channel. "
    'Examples: "0:gray", "0:red,2:green@0.5", "0:red[100-4000]".'
)

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_CHANNEL = re.compile(
    rf"(?P<index>\d{{1,6}})(?::(?P<color>[a-z]+|#[0-9a-f]{{6}}))?"
    rf"(?:\[(?P<low>{_NUMBER})-(?P<high>{_NUMBER})\])?(?:\^(?P<gamma>{_NUMBER}))?(?:@(?P<weight>{_NUMBER}))?",
    re.IGNORECASE,
)


def parse_channels(text: str) -> tuple[Channel, ...]:
    """Read the channels that a user named.

    Parameters
    ----------
    text : str
        See `SYNTAX`.

    Raises
    ------
    ImageError
        If a part cannot be read; the sentence quotes it.
    """
    return tuple(_parse_channel(part.strip()) for part in text.split(","))


def _parse_channel(part: str) -> Channel:
    match = _CHANNEL.fullmatch(part)
    if match is None:
        raise ImageError(
            f"The channel {_shorten(part)!r} cannot be read; write "
            "INDEX[:COLOR][LOW-HIGH][^GAMMA][@WEIGHT], for example 0:red[100-4000]@0.5."
        )
    limits = None
    if match["low"] is not None:
        limits = float(match["low"]), float(match["high"])
        if limits[0] >= limits[1]:
            raise ImageError(f"The limits of the channel {part!r} are not in ascending order.")
    weight = 1.0 if match["weight"] is None else float(match["weight"])
    gamma = 1.0 if match["gamma"] is None else float(match["gamma"])
    if not all(map(math.isfinite, (weight, gamma, *(limits or ())))):
        raise ImageError(f"The channel {_shorten(part)!r} holds a number that is too large.")
    if weight <= 0:
        raise ImageError(f"The weight of the channel {part!r} is not positive.")
    color = _parse_color(match["color"] or "gray")
    return Channel(int(match["index"]), color, weight, limits, gamma)


def _shorten(part: str) -> str:
    return part if len(part) <= 60 else f"{part[:60]}…"


def _parse_color(name: str) -> tuple[float, float, float]:
    if name.startswith("#"):
        red, green, blue = bytes.fromhex(name[1:])
        return red / 255, green / 255, blue / 255
    if name.lower() not in COLORS:
        raise ImageError(
            f"There is no color {name!r}; use #rrggbb or one of {', '.join(sorted(COLORS))}."
        )
    return COLORS[name.lower()]
