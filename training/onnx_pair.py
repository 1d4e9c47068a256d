"""Run the exported pair on a picture: resize rule, prompts, windows, masks on the picture's pixels.

A reference in numpy of what a caller has to do; positions are ``(x, y)`` in the picture's own
pixels, pixel centres at integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnxruntime as ort
from data import input_scale
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pathlib import Path

LEVELS = ["detail", "features", "context", "extent"]
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """One encoded picture."""

    maps: dict[str, Array]
    shape: tuple[int, int]  # of the picture
    scale: tuple[float, float]  # input pixels per picture pixel, (x, y)


@dataclass(slots=True, eq=False)
class Answer:
    """B answers: logits (B, m, m) of the best mask, predicted IoU (B,), windows (B, 4)."""

    logits: Array
    iou: Array
    windows: Array  # input pixels, edge coordinates
    all_iou: Array  # (B, 3)
    all_logits: Array  # (B, 3, m, m)


class Pair:
    """The two ONNX sessions."""

    def __init__(self, folder: Path, threads: int = 2, looks: int = 2, batch: int = 64) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.encoder = ort.InferenceSession(str(folder / "encoder.onnx"), options)
        self.decoder = ort.InferenceSession(str(folder / "decoder.onnx"), options)
        shape = next(i.shape for i in self.decoder.get_inputs() if i.name == "mask_input")
        self.m, self.looks, self.chunk = int(shape[2]), looks, batch

    def encode(self, image: NDArray[np.uint8], scale: float | None = None) -> Embedded:
        """Scale by the resize rule (or as told) and encode an (H, W, 3) picture."""
        h, w = image.shape[:2]
        s = input_scale(h, w) if scale is None else scale
        size = (max(1, round(w * s)), max(1, round(h * s)))
        how = cv2.INTER_AREA if s < 1 else cv2.INTER_LINEAR
        x = cv2.resize(image, size, interpolation=how) if s != 1 else image
        names = [o.name for o in self.encoder.get_outputs()]
        maps = dict(zip(names, self.encoder.run(None, {"image": x}), strict=True))
        return Embedded(maps, (h, w), (size[0] / w, size[1] / h))

    def decode(
        self, e: Embedded, coords: Array, labels: Array, earlier: Answer | None = None
    ) -> Answer:
        """Answer prompts (B, N, 2), (B, N); look again where a mask touches its window's rim."""
        scale = np.asarray(e.scale, np.float32)
        inner = ((coords + 0.5) * scale - 0.5).astype(np.float32)
        answer = self._run(e, inner, labels, earlier)
        height, width = (n * s for n, s in zip(e.shape, e.scale[::-1], strict=True))
        for _ in range(self.looks - 1):
            on, win = answer.logits > 0, answer.windows
            rim = (
                (on[:, :, 0].any(1) & (win[:, 0] > 0))
                | (on[:, 0].any(1) & (win[:, 1] > 0))
                | (on[:, :, -1].any(1) & (win[:, 2] < width))
                | (on[:, -1].any(1) & (win[:, 3] < height))
            )
            again = np.flatnonzero(rim)
            if again.size == 0:
                break
            part = Answer(*(getattr(answer, k)[again] for k in Answer.__slots__))
            part = self._run(e, inner[again], labels[again], part)
            for k in Answer.__slots__:
                getattr(answer, k)[again] = getattr(part, k)
        return answer

    def _run(self, e: Embedded, coords: Array, labels: Array, earlier: Answer | None) -> Answer:
        """One call per batch; keep the mask with the largest predicted IoU."""
        n, m = len(coords), self.m
        outs = []
        for a in range(0, n, self.chunk):
            b = min(n, a + self.chunk)
            feeds = {k: e.maps[k] for k in LEVELS} | {
                "point_coords": coords[a:b].astype(np.float32),
                "point_labels": labels[a:b].astype(np.float32),
                "mask_input": np.zeros((b - a, 1, m, m), np.float32),
                "mask_window": np.zeros((b - a, 4), np.float32),
                "has_mask_input": np.zeros(b - a, np.float32),
            }
            if earlier is not None:
                feeds["mask_input"] = earlier.logits[a:b, None]
                feeds["mask_window"] = earlier.windows[a:b]
                feeds["has_mask_input"] += 1
            outs.append(self.decoder.run(None, feeds))
        masks, iou, windows = (np.concatenate(o) for o in zip(*outs, strict=True))
        rows, best = np.arange(n), iou.argmax(1)
        return Answer(masks[rows, best], iou[rows, best], windows, iou, masks)


def paste(logits: Array, window: Array, e: Embedded) -> tuple[tuple[slice, slice], Array]:
    """Bring one mask's logits (m, m) onto the picture's pixels.

    Returns
    -------
    where : (slice, slice)
        Rows and columns of the picture that the window covers.
    logits : (h, w)
        Interpolated bilinearly at those pixels' centres.
    """
    m = logits.shape[-1]
    sx, sy = e.scale
    x0, y0, x1, y1 = window / np.array([sx, sy, sx, sy])
    left, right = max(0, int(np.ceil(x0 - 0.5))), min(e.shape[1], int(np.floor(x1 - 0.5)) + 1)
    top, bottom = max(0, int(np.ceil(y0 - 0.5))), min(e.shape[0], int(np.floor(y1 - 0.5)) + 1)
    where = (slice(top, max(top, bottom)), slice(left, max(left, right)))
    if bottom <= top or right <= left:
        return where, np.zeros((max(0, bottom - top), max(0, right - left)), np.float32)
    gx = ((np.arange(left, right) + 0.5 - x0) / (x1 - x0) * m - 0.5).astype(np.float32)
    gy = ((np.arange(top, bottom) + 0.5 - y0) / (y1 - y0) * m - 0.5).astype(np.float32)
    mx, my = np.meshgrid(gx, gy)
    out = cv2.remap(logits, mx, my, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return where, out
