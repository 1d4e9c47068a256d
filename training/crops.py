"""Endless batches of training crops, with their targets and first prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from augment import augment
from crowd import crowd
from data import CROWDED, Picture, crop, dense_targets, inner_distance
from data import weights as sampling_weights
from prompts import collect, first_prompts
from scipy import ndimage
from torch.utils.data import IterableDataset

if TYPE_CHECKING:
    import argparse


class Crops(IterableDataset):  # type: ignore[type-arg]
    """Endless augmented crops with their targets and first prompts, one batch at a time."""

    def __init__(self, pictures: list[Picture], args: argparse.Namespace, start: int) -> None:
        self.pictures, self.args, self.start = pictures, args, start
        self.chance = sampling_weights(pictures, args.simulated)

    def __iter__(self):  # type: ignore[no-untyped-def]
        info = torch.utils.data.get_worker_info()
        rng = np.random.default_rng([self.args.seed, self.start, info.id if info else 0])
        while True:
            size = int(rng.choice(self.args.sizes))
            more = self.args.sizes[0] / size  # smaller crops are more, of fewer prompts
            images, count = round(self.args.images * more), round(self.args.prompts / more)
            yield self.batch(rng, size, images, max(2, count))

    def batch(
        self, rng: np.random.Generator, size: int, images: int, count: int
    ) -> tuple[object, ...]:
        """Return pictures, labels, dense targets, ``count`` prompts on each."""
        parts, prompts = [], []
        for k in rng.choice(len(self.pictures), images, p=self.chance):
            picture = self.pictures[k]
            image, labels = crop(picture, size, rng)
            bright = CROWDED.get(picture.kind)
            if bright is not None and rng.random() < self.args.crowd:
                crowd(image, labels, rng, bright)
            image = augment(image, rng, mild=rng.random() < self.args.mild)
            distance, objects = inner_distance(labels), ndimage.find_objects(labels)
            objectness, extent = dense_targets(labels, distance, objects)
            if picture.partial:  # background is not known: no loss there
                objectness[:, objectness[1] == 0] = -1
            prompts.append(first_prompts(labels, distance, objects, count, rng, picture.partial))
            parts.append((image.transpose(2, 0, 1), labels.astype(np.int32), objectness, extent))
        arrays = (torch.from_numpy(np.stack(p)) for p in zip(*parts, strict=True))
        return (*arrays, collect(prompts))
