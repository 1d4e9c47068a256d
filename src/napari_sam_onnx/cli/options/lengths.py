"""Lengths on the command line: ``30``, ``30px`` or ``12um``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from napari_sam_onnx.automatic import ParameterError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LENGTH = re.compile(r"\s*(?P<number>\d+\.?\d*|\.\d+)\s*(?P<unit>px|um|µm|μm|nm|mm)?\s*", re.I)
_MICROMETRES = {"um": 1.0, "µm": 1.0, "μm": 1.0, "nm": 1e-3, "mm": 1e3}


def parse_length(text: str) -> tuple[float, str]:
    """Read a length and its unit.

    Returns
    -------
    value : float
        In pixels or micrometres.
    unit : {"px", "um"}

    Raises
    ------
    ParameterError
        If it cannot be read, or is not positive.
    """
    match = _LENGTH.fullmatch(text)
    if match is None or float(match["number"]) <= 0:
        raise ParameterError(f"The length {text!r} cannot be read; write 30, 30px or 12um.")
    unit = (match["unit"] or "px").lower()
    value = float(match["number"])
    return (value, "px") if unit == "px" else (value * _MICROMETRES[unit], "um")


def to_pixels(value: float, unit: str, pixel_size: Mapping[str, float]) -> float:
    """Turn a length in a plane into pixels.

    Parameters
    ----------
    value : float
    unit : {"px", "um"}
    pixel_size : mapping of str to float
        Micrometres by axis; Y and X are looked at.

    Raises
    ------
    ParameterError
        If it is in micrometres and the file does not say how large a pixel is.
    """
    if unit == "px":
        return value
    sizes = [pixel_size[axis] for axis in "YX" if axis in pixel_size]
    if not sizes:
        raise ParameterError(
            "The file does not say how large its pixels are; give the diameter in pixels."
        )
    return value * len(sizes) / sum(sizes)
