"""Processes that draw pictures while a device trains, and copies of real ones with crowds.

Responsible for handing over pictures through shared memory, in chunks, ready to be copied to a
device. What is drawn is said in ``simulate.py`` and ``crowd.py``.
"""

from __future__ import annotations

import mmap
import multiprocessing as mp
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import simulate
from crowd import crowd
from data import CROWDED, MORE, inner_distance, input_scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

TILE = 512  # side of the squares in which pictures are handed over
CHUNK = 16  # pictures
LABELS = 4096  # a picture has fewer objects than this
DEPTH = 16  # steps of a pixel in which distances to the own border are counted
FACTS = ("rows", "columns", "scale", "diameter", "partial")
CROWDS = 0.15  # share of copies of real pictures


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A real picture, or a part of one, as it is trained on."""

    image: NDArray[np.uint8]  # (H, W, 3), at most TILE
    labels: NDArray[np.uint16]
    kind: str
    scale: float
    diameter: float
    partial: bool


class Chunk:
    """``CHUNK`` pictures in memory: squares whose rest repeats the edge, and what they are."""

    def __init__(self, memory: memoryview) -> None:
        shapes = [(CHUNK, 3, TILE, TILE), (CHUNK, TILE, TILE), (CHUNK, TILE, TILE)]
        types, places = [np.uint8, np.int16, np.int16], [0]
        for shape, kind in zip(shapes, types, strict=True):
            places.append(places[-1] + int(np.prod(shape)) * np.dtype(kind).itemsize)
        self.images, self.labels, self.depth = (
            np.frombuffer(memory, kind, int(np.prod(shape)), place).reshape(shape)
            for shape, kind, place in zip(shapes, types, places[:3], strict=True)
        )
        count = CHUNK * len(FACTS)
        self.facts = np.frombuffer(memory, np.float32, count, places[3]).reshape(CHUNK, -1)

    @staticmethod
    def size() -> int:
        """Bytes that a chunk takes."""
        return CHUNK * (7 * TILE * TILE + 4 * len(FACTS))

    def put(self, k: int, tile: Tile) -> None:
        """Write a picture into place ``k``."""
        h, w = tile.labels.shape
        rest = (0, TILE - h, 0, TILE - w)
        full = cv2.copyMakeBorder(tile.image, *rest, cv2.BORDER_REPLICATE)
        self.images[k] = full.transpose(2, 0, 1)
        self.labels[k], self.depth[k] = 0, 0
        self.labels[k, :h, :w] = tile.labels
        self.depth[k, :h, :w] = np.rint(inner_distance(tile.labels) * DEPTH)
        self.facts[k] = h, w, tile.scale, tile.diameter, tile.partial


def diameter_of(labels: NDArray[np.uint16]) -> float:
    """Median equivalent diameter of the objects in pixels."""
    areas = np.bincount(labels.ravel())[1:]
    return float(np.sqrt(np.median(areas[areas > 0]) * 1.273))


def draw(rng: np.random.Generator, kinds: list[str], chance: NDArray[np.float64]) -> Tile:
    """Draw a picture of a kind taken by chance."""
    kind = kinds[rng.choice(len(kinds), p=chance)]
    image, labels = simulate.picture(kind, rng)
    scale = input_scale(*labels.shape)
    return Tile(image, labels, f"sim_{kind}", scale, diameter_of(labels), False)


def crowded(rng: np.random.Generator, tile: Tile) -> Tile:
    """Copy a real picture with some of its objects pushed against others."""
    image, labels = tile.image.astype(np.float32), tile.labels.copy()
    for _ in range(int(rng.integers(1, 4))):
        crowd(image, labels, rng, CROWDED[tile.kind])
    picture = np.clip(image, 0, 255).astype(np.uint8)
    return Tile(picture, labels, tile.kind, tile.scale, tile.diameter, False)


class Drawers:
    """Processes that fill chunks, one after another, until they are ended.

    They are forked, so make them before a device is used. ``tiles`` are the real pictures.
    """

    def __init__(self, tiles: list[Tile], processes: int, seed: int) -> None:
        self.tiles = [t for t in tiles if t.kind in CROWDED]
        count = 3 * processes
        memory = memoryview(mmap.mmap(-1, count * Chunk.size()))
        self.chunks = [Chunk(memory[k * Chunk.size() :]) for k in range(count)]
        fork = mp.get_context("fork")
        self.free, self.ready = fork.Queue(), fork.Queue()
        for k in range(count):
            self.free.put(k)
        self.processes = [
            fork.Process(target=self.work, args=([seed, k],), daemon=True) for k in range(processes)
        ]
        for process in self.processes:
            process.start()

    def work(self, seed: list[int]) -> None:
        """Fill chunks for ever."""
        os.nice(10)
        cv2.setNumThreads(1)
        rng = np.random.default_rng(seed)
        kinds = [*simulate.KINDS, *simulate.SCENES]
        chance = np.array([MORE.get(f"sim_{k}", 1.0) for k in kinds])
        chance /= chance.sum()
        while True:
            place = self.free.get()
            for k in range(CHUNK):
                self.chunks[place].put(k, self.one(rng, kinds, chance))
            self.ready.put(place)

    def one(self, rng: np.random.Generator, kinds: list[str], chance: NDArray[np.float64]) -> Tile:
        """Draw or copy a picture that has objects, but not too many."""
        while True:
            if self.tiles and rng.random() < CROWDS:
                tile = crowded(rng, self.tiles[rng.integers(len(self.tiles))])
            else:
                tile = draw(rng, kinds, chance)
            if 0 < tile.labels.max() < LABELS:
                return tile

    def end(self) -> None:
        """End the processes."""
        for process in self.processes:
            process.terminate()
            process.join()
