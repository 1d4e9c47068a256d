"""A series of moving discs that divide and are sometimes lost, whose tracks are known."""

from __future__ import annotations

import numpy as np


def simulate_series(seed=0, frames=16, size=260, cells=14, gaps=True):
    """Draw discs that wander, bounce off each other and divide.

    Returns
    -------
    truth : (T, H, W) int array
        Numbers are tracks.
    parents : dict
    labels : (T, H, W) int array
        The same with numbers that mean nothing, and with discs missing for one or two frames.
    """
    rng = np.random.default_rng(seed)
    grid = int(np.ceil(np.sqrt(cells)))
    places = [(i, j) for i in range(grid) for j in range(grid)][:cells]
    step = size / grid
    alive = {
        n: [np.array([(i + 0.5) * step, (j + 0.5) * step]), 13.0, rng.normal(0, 1.2, 2)]
        for n, (i, j) in enumerate(places, 1)
    }
    rows, columns = np.indices((size, size))
    parents, after, next_id = {}, {}, cells + 1
    truth = np.zeros((frames, size, size), np.int32)
    for t in range(frames):
        for number, (center, radius, _) in alive.items():
            disc = (rows - center[0]) ** 2 + (columns - center[1]) ** 2 <= radius**2
            truth[t][disc & (truth[t] == 0)] = number
            after[number] = after.get(number, 0) + 1
        moved = {}
        for number, (center, radius, speed) in alive.items():
            speed = 0.7 * speed + rng.normal(0, 1.2, 2)
            speed += (
                sum(
                    (
                        6.0
                        * (center - other[0])
                        / max(np.linalg.norm(center - other[0]), 1)
                        * (np.linalg.norm(center - other[0]) < radius + other[1] + 4)
                        for n, other in alive.items()
                        if n != number
                    ),
                    start=np.zeros(2),
                )
                / 4
            )
            place = np.clip(center + speed, radius, size - radius)
            if radius > 11 and 3 < t < frames - 4 and rng.random() < 0.05:
                angle = rng.uniform(0, 2 * np.pi)
                away = np.array([np.cos(angle), np.sin(angle)]) * radius * 0.72
                for sign in (1, -1):
                    moved[next_id] = [place + sign * away, radius / np.sqrt(2), sign * away / 6]
                    parents[next_id] = number
                    next_id += 1
            else:
                moved[number] = [place, radius, speed]
        alive = moved
    labels = np.zeros_like(truth)
    for t in range(frames):
        ids = np.unique(truth[t])[1:]
        new = rng.permutation(len(ids)) + 1
        for old, number in zip(ids, new, strict=True):
            labels[t][truth[t] == old] = number
    if gaps:
        for number in np.unique(truth)[1:]:
            present = np.flatnonzero((truth == number).any(axis=(1, 2)))
            if len(present) > 8 and rng.random() < 0.4:
                start = int(rng.integers(present[2], present[-3]))
                for t in range(start, start + int(rng.integers(1, 3))):
                    labels[t][truth[t] == number] = 0
    return truth, parents, labels
