"""Non-maximum suppression: of boxes that overlap, the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

_FEW = 1000  # boxes up to which comparing all with all is as fast
_PAIRS = 2**20  # looked at at once
_ROW = 2**31  # cells in a row, more than any plane has


def suppress_overlapping(
    boxes: ArrayLike, scores: ArrayLike, iou_threshold: float
) -> NDArray[np.intp]:
    """Greedy non-maximum suppression of boxes, as torchvision's ``nms``.

    Parameters
    ----------
    boxes : (N, 4) array-like
        ``(y0, x0, y1, x1)``; areas are ``(y1 - y0) * (x1 - x0)``.
    scores : (N,) array-like
        Higher wins; equal scores keep their order.
    iou_threshold : float
        A box is dropped where its IoU with a kept one is greater.

    Returns
    -------
    (K,) intp
        The kept indices, by descending score.
    """
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    if iou_threshold >= 1:
        return order  # no IoU is greater
    if len(corners) <= _FEW or iou_threshold < 0:
        return _suppress_few(corners, order, iou_threshold)
    pairs = [
        some[_measure_iou(corners[some[:, 0]], corners[some[:, 1]]) > iou_threshold]
        for some in iterate_touching(corners)
    ]
    return keep_first(order, np.concatenate([np.zeros((0, 2), np.intp), *pairs]))


def keep_first(order: NDArray[np.intp], pairs: NDArray[np.intp]) -> NDArray[np.intp]:
    """Walk through things, best first, and keep those that exclude no better one that was kept.

    Parameters
    ----------
    order : (N,) intp
        All things, best first.
    pairs : (P, 2) intp
        Of each two that exclude each other, in either order; some may be there twice.

    Returns
    -------
    (K,) intp
        In the order given.
    """
    rank = np.empty(len(order), np.intp)
    rank[order] = np.arange(len(order))
    ranks = np.sort(rank[pairs], axis=1)  # (better, worse)
    ranks = ranks[np.argsort(ranks[:, 0], kind="stable")]
    starts = np.searchsorted(ranks[:, 0], np.arange(len(order) + 1))
    alive = np.ones(len(order), bool)
    for better in np.unique(ranks[:, 0]).tolist():
        if alive[better]:
            alive[ranks[starts[better] : starts[better + 1], 1]] = False
    return order[alive]


def iterate_touching(boxes: NDArray[np.float64]) -> Iterator[NDArray[np.intp]]:
    """Find boxes that may overlap without comparing all of them with all.

    Boxes are sorted by size into levels whose cells are at least as large as the boxes; a box lies
    in four cells of its own level at most, and so does every smaller one.

    Parameters
    ----------
    boxes : (N, 4) float64
        ``(y0, x0, y1, x1)``

    Yields
    ------
    (P, 2) intp
        Pairs, among them all that overlap; some are there several times.
    """
    sides = np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1), 1.0)
    levels = np.ceil(np.log2(sides)).astype(np.intp)
    for level in np.unique(levels):
        owners, owner_cells = _list_cells(boxes, np.flatnonzero(levels == level), 2.0**level)
        others, other_cells = _list_cells(boxes, np.flatnonzero(levels <= level), 2.0**level)
        order = np.argsort(owner_cells, kind="stable")
        owners, owner_cells = owners[order], owner_cells[order]
        first = np.searchsorted(owner_cells, other_cells, side="left")
        counts = np.searchsorted(owner_cells, other_cells, side="right") - first
        ends = np.cumsum(counts)
        start = 0
        while start < len(others):
            done = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, done + _PAIRS)))
            some = counts[start:stop]
            within = np.arange(some.sum()) - np.repeat(np.cumsum(some) - some, some)
            a = np.repeat(others[start:stop], some)
            b = owners[np.repeat(first[start:stop], some) + within]
            once = (a < b) | (levels[a] < level)  # those of one level are found from both
            yield np.stack([a[once], b[once]], axis=1)
            start = stop


def _list_cells(
    boxes: NDArray[np.float64], numbers: NDArray[np.intp], side: float
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """List boxes with each cell that they lie in, cells as one number."""
    low = np.floor(boxes[numbers, :2] / side).astype(np.int64)
    high = np.floor(boxes[numbers, 2:] / side).astype(np.int64)
    found, cells = [], []
    for down in (0, 1):
        for across in (0, 1):
            cell = low + np.array([down, across])
            inside = (cell <= high).all(axis=1)
            found.append(numbers[inside])
            cells.append(cell[inside, 0] * _ROW + cell[inside, 1])
    return np.concatenate(found), np.concatenate(cells)


def _suppress_few(
    corners: NDArray[np.float64], order: NDArray[np.intp], iou_threshold: float
) -> NDArray[np.intp]:
    kept = []
    while order.size:
        head, rest = order[0], order[1:]
        kept.append(head)
        order = rest[_measure_iou(corners[head], corners[rest]) <= iou_threshold]
    return np.array(kept, dtype=np.intp)


def _measure_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """IoU of boxes, row by row; 0 where neither has an area."""
    overlap = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.clip(overlap, 0, None).prod(axis=-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (a, b)]
    union = areas[0] + areas[1] - shared
    iou: NDArray[np.float64] = np.divide(shared, union, np.zeros_like(shared), where=union > 0)
    return iou
