"""Volumes of balls whose truth is known, and a model that sees them in any section."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from napari_sam_onnx.embedding import Embedding, Proposals


def draw_balls(shape, centers, radius, thickness=1.0):
    """Balls of 200 on 20, and their labels; radius in pixels of a plane."""
    z, y, x = np.indices(shape, float)
    labels = np.zeros(shape, np.uint32)
    nearest = np.full(shape, np.inf)
    for number, (cz, cy, cx) in enumerate(centers, 1):
        distance = np.sqrt(((z - cz) * thickness) ** 2 + (y - cy) ** 2 + (x - cx) ** 2)
        mine = (distance <= radius) & (distance < nearest)
        labels[mine] = number
        nearest[mine] = distance[mine]
    return np.where(labels > 0, 200, 20).astype(np.uint8), labels


class SectionModel:
    """Proposes round sections of what is bright: maps in cells of two pixels.

    ``seen`` holds the shapes of the planes that were encoded.
    """

    id = "section"
    gives_maps = True

    def __init__(self):
        self.seen = []

    def encode(self, image):
        self.seen.append(image.shape[:2])
        shape = image.shape[:2]
        return Embedding({"gray": image[..., 0]}, shape, shape, self.id)

    def decode(self, embedding, prompts):
        raise AssertionError("volumes are made of maps")

    def propose(self, embedding):
        gray = np.asarray(embedding.tensors["gray"])
        height, width = (-(-n // 2) * 2 for n in gray.shape)
        padded = np.pad(gray, [(0, height - gray.shape[0]), (0, width - gray.shape[1])], "edge")
        cells = padded.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
        inside = cells > 110
        depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        parts, count = ndimage.label(inside)
        tops = ndimage.maximum(depth, parts, np.arange(count + 1)) if count else np.ones(1)
        centers = depth / np.maximum(tops, 1)[parts]
        boxes = [
            (2 * a.start, 2 * b.start, 2 * a.stop - 1, 2 * b.stop - 1)
            for a, b in ndimage.find_objects(parts)
        ]
        boxes = np.array(boxes, float).reshape(-1, 4)
        return Proposals(
            (boxes[:, :2] + boxes[:, 2:]) / 2,
            boxes,
            np.ones(len(boxes), np.float32),
            inside.astype(np.float32),
            np.array([2.0, 2.0]),
            np.stack([centers, inside]).astype(np.float32),
        )
