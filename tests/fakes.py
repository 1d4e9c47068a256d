"""Models without ONNX, whose answers are known, for everything that stands on the seam."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_sam_onnx.embedding import Embedding, LowResMasks, Proposals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.prompts import Prompts


class ComponentModel:
    """Answers with the bright connected component under the first click or in the box.

    Candidates: the component itself, the component dilated by 2 px, everything bright; their
    predicted IoUs are `scores`. Negative clicks cut the component that they hit out of every
    candidate. ``encoded`` and ``decoded`` count the calls.
    """

    def __init__(
        self,
        id: str = "component",
        scores: tuple[float, float, float] = (0.95, 0.7, 0.5),
        threshold: int = 127,
    ) -> None:
        self.id = self.name = id
        self.gives_maps = False
        self.scores = scores
        self.threshold = threshold
        self.encoded = 0
        self.decoded = 0
        self.takes_points = True
        self.runs_on = "cpu, 1 thread"
        self.description = "a fake that finds bright components"
        self.closed = False

    def close(self) -> None:
        self.closed = True

    def encode(self, image: NDArray[np.uint8]) -> Embedding:
        assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
        self.encoded += 1
        components, _ = ndimage.label(image.max(axis=2) > self.threshold)
        shape = (image.shape[0], image.shape[1])
        return Embedding({"components": components.astype(np.int32)}, shape, shape, self.id)

    def decode(self, embedding: Embedding, prompts: Sequence[Prompts]) -> LowResMasks:
        self.decoded += 1
        components = np.asarray(embedding.tensors["components"])
        height, width = components.shape
        logits = np.stack([self._answer(components, prompt) for prompt in prompts])
        count = len(prompts)
        return LowResMasks(
            logits=logits.astype(np.float32),
            predicted_iou=np.tile(np.float32(self.scores), (count, 1)),
            windows=np.tile(np.float32([0, 0, height, width]), (count, 1)),
            best=np.full(count, int(np.argmax(self.scores))),
            ambiguity_set=(0, 1, 2),
        )

    def propose(self, embedding: Embedding) -> Proposals | None:
        components = np.asarray(embedding.tensors["components"])
        found = [s for s in ndimage.find_objects(components) if s is not None]
        boxes = np.array([[y.start, x.start, y.stop - 1, x.stop - 1] for y, x in found], float)
        boxes = boxes.reshape(-1, 4)
        ids = range(1, len(found) + 1)
        points = np.array([np.argwhere(components == i)[0] for i in ids], float).reshape(-1, 2)
        return Proposals(points, boxes, np.ones(len(found), np.float32))

    def _answer(self, components: NDArray[np.int32], prompt: Prompts) -> NDArray[np.float64]:
        wanted = {self._under(components, p) for p in prompt.points[prompt.labels == 1]}
        if not wanted and prompt.box is not None:
            y0, x0, y1, x1 = np.round(prompt.box).astype(int).clip(0)
            inside = components[y0 : y1 + 1, x0 : x1 + 1]
            counts = np.bincount(inside[inside > 0], minlength=1)
            wanted = {int(np.argmax(counts))}
        unwanted = {self._under(components, p) for p in prompt.points[prompt.labels == 0]}
        exact = np.isin(components, list(wanted - {0}))
        away = np.isin(components, list(unwanted - {0}))
        wide = ndimage.binary_dilation(exact, iterations=2)
        everything = components > 0
        return np.stack([np.where(m & ~away, 8.0, -8.0) for m in (exact, wide, everything)])

    @staticmethod
    def _under(components: NDArray[np.int32], point: NDArray[np.float64]) -> int:
        y, x = np.clip(np.round(point).astype(int), 0, np.array(components.shape) - 1)
        return int(components[y, x])


def draw_discs(
    shape: tuple[int, int], centers: Sequence[tuple[float, float]], radius: float
) -> NDArray[np.uint8]:
    """A dark picture with bright discs, ``(H, W)`` uint8."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    picture = np.zeros(shape, np.uint8)
    for cy, cx in centers:
        picture[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = 255
    return picture
