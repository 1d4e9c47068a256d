"""An encoder whose attentions make no squares of scores, where it has such; else as it is.

What was written, or that nothing was, is kept in a folder beside compiled decoders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.compile.keep import keep_files
from napari_sam_onnx.models.onnx.sessions.runtime import Session, choose_provider, runtime_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VERSION = 3
"""To be raised with every change of what is written."""

SMALLEST = 64 * 2**20  # bytes of a file; ViT-B takes 350 MB, and smaller ones take no gigabytes
_FILE, _AS_IT_IS = "encoder.onnx", "as_it_is.txt"
_NEAR = 1e-3  # of the range of an answer


def fuse_encoder(path: Path, place: Callable[[Path], Path], provider: str = "auto") -> bytes | None:
    """Write an encoder's graph anew, or read what was written.

    Parameters
    ----------
    path : Path
        An ONNX file.
    place : callable
        Says in which folder what is written of a file is kept; asked for large files alone.
    provider : str
        See `choose_provider`.

    Returns
    -------
    bytes or None
        What to run in place of the file's graph, beside the file, which has the weights; None
        where the file is to be run as it is.
    """
    if choose_provider(provider)[0] != "cpu":
        return None
    try:
        if path.stat().st_size < SMALLEST:
            return None
        folder = place(path) / f"{VERSION}-{runtime_version()}"
        if (folder / _AS_IT_IS).is_file():
            return None
        if (folder / _FILE).is_file():
            return (folder / _FILE).read_bytes()
        content = _write(path.resolve())
    except Exception:  # onnx's errors share no narrower base; who opens the file says what it is
        return None
    keep_files(folder, {_AS_IT_IS: b""} if content is None else {_FILE: content})
    return content


def _write(path: Path) -> bytes | None:
    """Write the graph; None where nothing in it is rewritten, or its first attention differs."""
    # onnx is imported here alone, since it is not needed once a graph is written
    import onnx

    from napari_sam_onnx.models.onnx.compile.encoders.apart import take_graph
    from napari_sam_onnx.models.onnx.compile.encoders.flash import fuse_attention, keep_only

    before = onnx.load_from_string(take_graph(path))
    after = type(before)()
    after.CopyFrom(before)
    fused = fuse_attention(after)
    if not fused:
        return None
    content = bytes(after.SerializeToString())
    answers = []
    try:
        for model in (before, after):
            keep_only(model, fused[0])
            answers.append(_run_once(path, bytes(model.SerializeToString())))
    except ModelError:
        return None
    apart = np.abs(answers[0] - answers[1]).max()
    return content if apart <= _NEAR * np.ptp(answers[0]) else None


def _run_once(path: Path, content: bytes) -> np.ndarray:
    """Run a graph on random values."""
    session = Session(path, provider="cpu", content=content)
    try:
        random = np.random.default_rng(0)
        feeds = {
            spec.name: random.uniform(0, 255, [side or 1024 for side in spec.shape])
            for spec in session.inputs
        }
        (answer,) = session.run(feeds).values()
    finally:
        session.close()
    return np.asarray(answer)
