"""How fast a model is on this computer: measured when asked for, and remembered.

Nothing is measured secretly. What was measured lies in one small JSON in the data folder, by
the model's id, with where it ran.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from napari_sam_onnx.models.store.disk import explain_write_error
from napari_sam_onnx.models.store.places import data_dir
from napari_sam_onnx.prompts import make_prompts
from napari_sam_onnx.writing import write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_sam_onnx.models.model import Model

SIDE = 1024
"""Pixels along each side of the plane that is timed."""

_DECODES = 5
_SLOW = 5.0  # seconds; an encoder slower than this is not run twice


@dataclass(frozen=True, slots=True)
class Speed:
    """How long a model took.

    Parameters
    ----------
    encode_ms : float
        Milliseconds to encode a plane of `SIDE` × `SIDE` pixels.
    decode_ms : float
        Milliseconds from one prompt to its low-resolution masks, the median of several.
    runs_on : str
        Where it ran, such as ``cpu, 2 threads``.
    """

    encode_ms: float
    decode_ms: float
    runs_on: str = ""


def measure_speed(model: Model) -> Speed:
    """Time a model on a drawn plane, after one run to warm it up.

    Parameters
    ----------
    model : Model

    Raises
    ------
    ModelError
        If the model fails.
    """
    plane = _draw_plane()
    seconds, embedding = _time(lambda: model.encode(plane))
    if seconds < _SLOW:
        seconds, embedding = _time(lambda: model.encode(plane))
    box = (SIDE * 0.4, SIDE * 0.4, SIDE * 0.6, SIDE * 0.6)
    clicks = model.takes_points
    prompt = make_prompts(
        [(SIDE / 2, SIDE / 2)] if clicks else None,
        box=None if clicks else box,
        plane_shape=(SIDE, SIDE),
    )

    def decode() -> None:
        np.asarray(model.decode(embedding, [prompt]).logits)  # some masks are made when looked at

    decodes = [_time(decode)[0] for _ in range(_DECODES + 1)]
    return Speed(1000 * seconds, 1000 * median(decodes[1:]), model.runs_on)


def read_speeds() -> dict[str, Speed]:
    """Read what was measured, by model id; what is damaged counts as not measured."""
    speeds = {}
    for model_id, entry in _read().items():
        try:
            speed = Speed(
                float(entry["encode_ms"]), float(entry["decode_ms"]), str(entry["runs_on"])
            )
        except (KeyError, TypeError, ValueError):
            continue
        speeds[model_id] = speed
    return speeds


def remember_speed(model_id: str, speed: Speed | None) -> None:
    """Keep what was measured, or forget it.

    Raises
    ------
    ModelError
        If the data folder cannot be written.
    """
    folder = data_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "speeds.lock"):
            content = _read()
            content.pop(model_id, None)
            if speed is not None:
                content[model_id] = asdict(speed)
            write_bytes(folder / "speeds.json", json.dumps(content, indent=1).encode())
    except OSError as error:
        raise explain_write_error(error, folder / "speeds.json") from error


def _read() -> dict[str, Any]:
    try:
        content = json.loads((data_dir() / "speeds.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _draw_plane() -> NDArray[np.uint8]:
    """Draw bright discs on a dark plane, (1024, 1024, 3) uint8."""
    y, x = np.mgrid[:SIDE, :SIDE]
    inside = (y % 128 - 64) ** 2 + (x % 128 - 64) ** 2 < 40**2
    return np.repeat(np.where(inside, 200, 30).astype(np.uint8)[..., None], 3, axis=2)


def _time(run: Callable[[], Any]) -> tuple[float, Any]:
    start = perf_counter()
    result = run()
    return perf_counter() - start, result
