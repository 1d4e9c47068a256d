"""Who competes in `benchmarks.sam_speed`: the same weights, run in four ways.

Each answers the same two questions: one click on a picture that is encoded already, and a grid
of clicks with SAM's filters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Plane = NDArray[np.uint8]
    Found = list[tuple[tuple[int, int], NDArray[np.bool_]]]

SIDE = 1024
MAX_OVERLAP = 1.0
"""Of boxes: random weights see the whole picture in every mask, of which 0.7 would leave one."""


class Contestant(Protocol):
    """Call order: ``see``, then the others often."""

    def see(self, plane: Plane) -> None:
        """Encode a picture, ``(H, W, 3)`` uint8."""

    def click(self, y: float, x: float) -> NDArray[np.bool_]:
        """Answer a click with the best mask on the picture's pixels."""

    def grid(self, side: int, min_iou: float, min_stability: float) -> Found:
        """Find masks with side × side clicks: where each begins, and its pixels."""


class Official:
    """segment-anything's predictor and generator, in PyTorch, on MobileSAM with random weights.

    The weights are those of ``benchmarks.exporters.make mobile-sam``.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        import torch

        from benchmarks.exporters.sam1 import build_mobile_sam

        torch.set_num_threads(threads)
        self.sam = build_mobile_sam(seed=1)

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
        """Encode a picture."""
        from PIL import Image

        self.plane, self.shape = plane, plane.shape[:2]
        self.scale = SIDE / max(self.shape)
        height, width = (int(length * self.scale + 0.5) for length in self.shape)
        small = np.asarray(Image.fromarray(plane).resize((width, height), Image.BILINEAR))
        name = self.encoder.get_inputs()[0].name
        self.embedding = self.encoder.run(None, {name: small.astype(np.float32)})[0]

    def _decode(self, y: float, x: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        feeds = {
            "image_embeddings": self.embedding,
            "point_coords": np.array([[[x, y], [0, 0]]], np.float32) * np.float32(self.scale),
            "point_labels": np.array([[1, -1]], np.float32),
            "mask_input": np.zeros((1, 1, 256, 256), np.float32),
            "has_mask_input": np.zeros(1, np.float32),
            "orig_im_size": np.array(self.shape, np.float32),
        }
        masks, scores = self.decoder.run(["masks", "iou_predictions"], feeds)
        return masks[0, 1:], scores[0, 1:]

    def click(self, y: float, x: float) -> NDArray[np.bool_]:
        """Answer a click."""
        masks, scores = self._decode(y, x)
        return masks[int(np.argmax(scores))] > 0

    def grid(self, side: int, min_iou: float, min_stability: float) -> Found:
        """Find masks; like the others, encode the picture first."""
        self.see(self.plane)
        kept, scores, boxes = [], [], []
        steps = (np.arange(side) + 0.5) / side
        for y in steps * self.shape[0]:
            for x in steps * self.shape[1]:
                for logits, score in zip(*self._decode(y, x), strict=True):
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
        return [(mask.origin, mask.crop) for mask in masks]


CONTESTANTS = {
    "official, PyTorch": Official,
    "plain loop, ONNX Runtime": PlainLoop,
    "this package": Ours,
    "pebble": lambda folder, threads: Ours(None, threads),
}
