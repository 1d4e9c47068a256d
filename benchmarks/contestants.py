"""Who competes in `benchmarks.sam_speed`: the same weights, run in four ways.

Each answers the same questions: one click or box on a picture that is encoded already, a grid of
clicks with SAM's filters, and clicks that are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Plane = NDArray[np.uint8]
    from napari_sam_onnx.masks.mask import Mask

    Found = list[tuple[tuple[int, int], NDArray[np.bool_] | Mask]]

SIDE = 1024
MAX_OVERLAP = 1.0
"""Of boxes: random weights see the whole picture in every mask, of which 0.7 would leave one."""


class Contestant(Protocol):
    """Call order: ``see``, then the others often."""

    def see(self, plane: Plane) -> None:
        """Encode a picture, ``(H, W, 3)`` uint8."""

    def click(self, y: float, x: float) -> NDArray[np.bool_]:
        """Answer a click with the best mask on the picture's pixels."""

    def box(self, y: float, x: float) -> NDArray[np.bool_]:
        """Answer a box of 200 pixels around a point."""

    def grid(self, side: int, min_iou: float, min_stability: float) -> Found:
        """Find masks with side × side clicks: where each begins, and what has its pixels."""

    def seeds(self, points: NDArray[np.float64]) -> int:
        """Make the best mask of each of many clicks (N, 2), and count those with pixels."""


class Official:
    """segment-anything's predictor and generator, in PyTorch, on random weights.

    The weights are those of ``benchmarks.exporters.make``, of the family that the folder is of.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        import torch

        from benchmarks.exporters.sam1 import build_mobile_sam, build_sam_b

        torch.set_num_threads(threads)
        self.sam = build_sam_b(seed=0) if folder.name == "sam-b" else build_mobile_sam(seed=1)

    def see(self, plane: Plane) -> None:
        """Encode a picture."""
        from segment_anything import SamPredictor

        self.plane = plane
        self.predictor = SamPredictor(self.sam)
        self.predictor.set_image(plane)

    def click(self, y: float, x: float) -> NDArray[np.bool_]:
        """Answer a click."""
        masks, scores, _ = self.predictor.predict(np.array([[x, y]]), np.array([1]))
        return masks[int(np.argmax(scores))]

    def box(self, y: float, x: float) -> NDArray[np.bool_]:
        """Answer a box."""
        masks, scores, _ = self.predictor.predict(box=_around(y, x))
        return masks[int(np.argmax(scores))]

    def seeds(self, points: NDArray[np.float64]) -> int:
        """Answer clicks, 64 at once, as the generator does."""
        import torch

        found = 0
        placed = self.predictor.transform.apply_coords(points[:, ::-1], self.plane.shape[:2])
        for start in range(0, len(points), 64):
            asked = torch.as_tensor(placed[start : start + 64, None])
            labels = torch.ones(len(asked), 1, dtype=torch.int)
            with torch.no_grad():
                masks, scores, _ = self.predictor.predict_torch(asked, labels)
            best = masks[torch.arange(len(asked)), scores.argmax(dim=1)]
            found += int(best.flatten(1).any(dim=1).sum())
        return found

    def grid(self, side: int, min_iou: float, min_stability: float) -> Found:
        """Find masks."""
        from segment_anything import SamAutomaticMaskGenerator, automatic_mask_generator

        automatic_mask_generator.batched_nms = _suppress_in_torch
        generator = SamAutomaticMaskGenerator(
            self.sam,
            points_per_side=side,
            pred_iou_thresh=min_iou,
            stability_score_thresh=min_stability,
            box_nms_thresh=MAX_OVERLAP,
        )
        return [((0, 0), mask["segmentation"]) for mask in generator.generate(self.plane)]


def _suppress_in_torch(boxes, scores, categories, iou_threshold):
    """``torchvision.ops.batched_nms`` for one category; its wheel may lack the operator."""
    import torch

    return torch.from_numpy(_suppress(boxes.numpy(), scores.numpy(), iou_threshold))


def _suppress(boxes: NDArray, scores: NDArray, limit: float) -> NDArray[np.intp]:
    order, kept = np.argsort(-scores, kind="stable"), []
    area = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    while order.size:
        head, rest = order[0], order[1:]
        kept.append(head)
        overlap = np.minimum(boxes[head, 2:], boxes[rest, 2:])
        overlap = np.clip(overlap - np.maximum(boxes[head, :2], boxes[rest, :2]), 0, None)
        shared = overlap.prod(axis=1)
        order = rest[shared <= limit * (area[head] + area[rest] - shared)]
    return np.array(kept, np.intp)


def _around(y: float, x: float) -> NDArray[np.float64]:
    """Corners of a box, ``x0, y0, x1, y1``."""
    return np.array([x - 100, y - 100, x + 100, y + 100])


_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


class PlainLoop:
    """The two exported files in ONNX Runtime, one prompt a time, filters in NumPy.

    What a client writes who follows the exporter's own example.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Threads that wait by running in circles would count as work.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = ["CPUExecutionProvider"]
        self.encoder, self.decoder = (
            ort.InferenceSession(str(folder / name), options, providers=providers)
            for name in ("encoder.onnx", "decoder.onnx")
        )

    def see(self, plane: Plane) -> None:
        """Encode a picture, as the layout of the encoder wants it."""
        from PIL import Image

        self.plane, self.shape = plane, plane.shape[:2]
        taken = self.encoder.get_inputs()[0]
        stretched = len(taken.shape) == 4  # SAM 2: a square, normalised
        scale = SIDE / max(self.shape)
        height, width = (int(length * scale + 0.5) for length in self.shape)
        if stretched:
            height = width = SIDE
        self.scale = np.array([width, height], np.float32) / np.array(self.shape[::-1], np.float32)
        picture = Image.fromarray(plane).resize((width, height), Image.BILINEAR)
        small = np.asarray(picture, np.float32)
        if stretched:
            small = ((small / 255 - _MEAN) / _DEVIATION).transpose(2, 0, 1)[None]
        names = [output.name for output in self.encoder.get_outputs()]
        answers = self.encoder.run(None, {taken.name: np.ascontiguousarray(small, np.float32)})
        self.embedding = dict(zip(names, answers, strict=True))

    def _decode(
        self, points: NDArray[np.float32], labels: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        feeds = {
            **self.embedding,
            "point_coords": points[None] * self.scale,
            "point_labels": np.array([labels], np.float32),
            "mask_input": np.zeros((1, 1, 256, 256), np.float32),
            "has_mask_input": np.zeros(1, np.float32),
            "orig_im_size": np.array(self.shape, np.float32),
        }
        taken = {spec.name for spec in self.decoder.get_inputs()}
        feeds = {name: array for name, array in feeds.items() if name in taken}
        masks, scores = self.decoder.run(["masks", "iou_predictions"], feeds)
        masks = masks[0, -3:]
        if masks.shape[1:] != self.shape:
            masks = np.stack([self._resize(logits) for logits in masks])
        return masks, scores[0, -3:]

    def _resize(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        from PIL import Image

        return np.asarray(Image.fromarray(logits).resize(self.shape[::-1], Image.BILINEAR))

    def _click(self, y: float, x: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self._decode(np.array([[x, y], [0, 0]], np.float32), (1, -1))

    def box(self, y: float, x: float) -> NDArray[np.bool_]:
        """Answer a box."""
        masks, scores = self._decode(_around(y, x).reshape(2, 2).astype(np.float32), (2, 3))
        return masks[int(np.argmax(scores))] > 0

    def seeds(self, points: NDArray[np.float64]) -> int:
        """Answer clicks."""
        return sum(bool(self.click(y, x).any()) for y, x in points)

    def click(self, y: float, x: float) -> NDArray[np.bool_]:
        """Answer a click."""
        masks, scores = self._click(y, x)
        return masks[int(np.argmax(scores))] > 0

    def grid(self, side: int, min_iou: float, min_stability: float) -> Found:
        """Find masks; like the others, encode the picture first."""
        self.see(self.plane)
        kept, scores, boxes = [], [], []
        steps = (np.arange(side) + 0.5) / side
        for y in steps * self.shape[0]:
            for x in steps * self.shape[1]:
                for logits, score in zip(*self._click(y, x), strict=True):
                    if min_iou > 0 and not score > min_iou:
                        continue
                    wide, narrow = (np.count_nonzero(logits > t) for t in (-1, 1))
                    if min_stability > 0 and not (wide and narrow / wide >= min_stability):
                        continue
                    mask = logits > 0
                    rows, columns = (np.flatnonzero(mask.any(axis=a)) for a in (1, 0))
                    if not rows.size:
                        continue
                    kept.append(mask)
                    scores.append(score)
                    boxes.append((rows[0], columns[0], rows[-1], columns[-1]))
        order = _suppress(np.array(boxes, float).reshape(-1, 4), np.array(scores), MAX_OVERLAP)
        return [((0, 0), kept[i]) for i in order]


class Ours:
    """Ours on the same two files, or with the embedded model."""

    def __init__(self, folder: Path | None, threads: int) -> None:
        from napari_sam_onnx import load_model

        paths = "pebble" if folder is None else [folder / "encoder.onnx", folder / "decoder.onnx"]
        self.model = load_model(paths, provider="cpu", threads=threads)

    def see(self, plane: Plane) -> None:
        """Encode a picture."""
        from napari_sam_onnx import Segmenter

        self.plane = plane
        self.segmenter = Segmenter(self.model)
        self.segmenter.set_image(plane)

    def click(self, y: float, x: float) -> NDArray[np.bool_]:
        """Answer a click."""
        return np.asarray(self.segmenter.segment(points=[(y, x)]))

    def box(self, y: float, x: float) -> NDArray[np.bool_]:
        """Answer a box."""
        box = (y - 100, x - 100, y + 100, x + 100)
        return np.asarray(self.segmenter.segment(box=box))

    def seeds(self, points: NDArray[np.float64]) -> int:
        """Answer clicks as automatic masks do."""
        from napari_sam_onnx.automatic.finders.decode import Filter, iterate_prompts
        from napari_sam_onnx.generators import drive
        from napari_sam_onnx.prompts import make_prompts

        shape = self.plane.shape[:2]
        prompts = [make_prompts([point], plane_shape=shape) for point in points]
        embedding = self.segmenter.embedding
        return len(drive(iterate_prompts(self.model, embedding, prompts, 64, Filter())))

    def grid(self, side: int, min_iou: float, min_stability: float) -> Found:
        """Find masks."""
        from napari_sam_onnx import generate_masks

        masks = generate_masks(
            self.plane,
            self.model,
            "grid",
            points_per_side=side,
            pred_iou_thresh=min_iou,
            stability_score_thresh=min_stability,
            box_nms_thresh=MAX_OVERLAP,
        )
        return [(mask.origin, mask) for mask in masks]


def look_at(mask: NDArray[np.bool_] | Mask) -> NDArray[np.bool_]:
    """Give a mask's pixels, which ours keeps packed."""
    return mask if isinstance(mask, np.ndarray) else mask.crop


CONTESTANTS = {
    "official, PyTorch": Official,
    "plain loop, ONNX Runtime": PlainLoop,
    "this package": Ours,
    "pebble": lambda folder, threads: Ours(None, threads),
}
