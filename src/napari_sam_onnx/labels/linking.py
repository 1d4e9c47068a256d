"""Who is who in two label images: overlaps, the best pairs, and numbers that go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.labels.label_image import check_label
from napari_sam_onnx.memory import cut_strips

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STRIP_PIXELS = 2**20
"""Labels are taken as indices so many at a time: as such they take twice their memory."""


def count_overlaps(
    a: NDArray[np.integer], b: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count the pixels that each pair of objects of two label images shares.

    Parameters
    ----------
    a, b : integer arrays of one shape
        0 is no object.

    Returns
    -------
    in_a, in_b, pixels : (P,) int64
        The label in ``a``, the label in ``b`` and the pixels they share, for the pairs that share
        any.
    """
    both = (a != 0) & (b != 0)
    pairs, pixels = _count_columns(np.stack([a[both], b[both]]).astype(np.int64))
    return pairs[0], pairs[1], pixels


def measure_areas(labels: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count the pixels of each object of a label image.

    Parameters
    ----------
    labels : integer array of any shape
        0 is no object.

    Returns
    -------
    ids, pixels : (N,) int64
        The labels in use, ascending, and the pixels of each.
    """
    ids, pixels = _count_columns(labels[labels != 0].astype(np.int64)[None])
    return ids[0], pixels


def _count_columns(
    columns: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count how often each column occurs in ``(K, N)``: ``(K, P)`` sorted, and ``(P,)`` counts.

    Neighbouring pixels mostly belong to the same object, so that runs are sorted, not pixels.
    """
    count = columns.shape[1]
    changes = (columns[:, 1:] != columns[:, :-1]).any(axis=0)
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1]) if count else np.zeros(0, np.intp)
    lengths = np.diff(starts, append=count)
    runs = columns[:, starts]
    order = np.lexsort(runs[::-1])
    runs, lengths = runs[:, order], lengths[order]
    new = np.ones(len(starts), bool)
    new[1:] = (runs[:, 1:] != runs[:, :-1]).any(axis=0)
    firsts = np.flatnonzero(new)
    counts = np.add.reduceat(lengths, firsts) if count else np.zeros(0)
    return runs[:, firsts], counts.astype(np.int64)


def match_pairs(
    rows: NDArray[np.int64], columns: NDArray[np.int64], gains: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Choose pairs so that nothing is in two of them and the sum of the gains is largest.

    Parameters
    ----------
    rows, columns : (P,) int64
        The two sides of each possible pair.
    gains : (P,) float64
        What choosing it brings; positive.

    Returns
    -------
    (K,) intp
        Indices of the chosen pairs, ascending.

    Notes
    -----
    `scipy.optimize.linear_sum_assignment`, solved apart for each connected group of candidates:
    thousands of objects that each overlap a few make many small problems.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(rows):
        return np.zeros(0, np.intp)
    row_ids, row_of = np.unique(rows, return_inverse=True)
    column_ids, column_of = np.unique(columns, return_inverse=True)
    nodes = len(row_ids) + len(column_ids)
    graph = coo_array(
        (np.ones(len(rows)), (row_of, column_of + len(row_ids))), shape=(nodes, nodes)
    )
    _, group = connected_components(graph, directed=False)
    order = np.argsort(group[row_of], kind="stable")
    borders = np.flatnonzero(np.diff(group[row_of][order])) + 1
    chosen: list[int] = []
    for members in np.split(order, borders):
        _, r = np.unique(row_of[members], return_inverse=True)
        _, c = np.unique(column_of[members], return_inverse=True)
        table = np.zeros((r.max() + 1, c.max() + 1))
        index = np.full(table.shape, -1)
        table[r, c], index[r, c] = gains[members], members
        picked = index[linear_sum_assignment(table, maximize=True)]
        chosen.extend(int(i) for i in picked if i >= 0)
    return np.sort(np.array(chosen, dtype=np.intp))


def number_on(labels: NDArray[np.integer], next_label: int) -> tuple[NDArray[np.uint32], int]:
    """Give the objects of a plane the next free numbers, in their order.

    Parameters
    ----------
    labels : (H, W) array of unsigned integer
        Numbered from 1, perhaps with gaps.
    next_label : int
        The first number to give.

    Returns
    -------
    numbered : (H, W) uint32
    next_label : int
        The first number that is still free.

    Raises
    ------
    LabelError
        If the numbers run out.
    """
    held = np.zeros(int(labels.max(initial=0)) + 1, bool)
    for strip in cut_strips(labels.shape, _STRIP_PIXELS):
        held[labels[strip]] = True
    held[0] = False
    count = int(np.count_nonzero(held))
    numbered = np.zeros(labels.shape, np.uint32)
    if not count:
        return numbered, next_label
    check_label(next_label + count - 1)
    numbers = np.zeros(len(held), np.uint32)
    numbers[held] = np.arange(next_label, next_label + count)
    for strip in cut_strips(labels.shape, _STRIP_PIXELS):
        numbered[strip] = numbers[labels[strip]]
    return numbered, next_label + count


def link_labels(
    previous: NDArray[np.integer],
    current: NDArray[np.integer],
    next_label: int,
    min_iou: float = 0.1,
) -> tuple[NDArray[np.uint32], int]:
    """Give the objects of a plane the numbers that they had in the plane before.

    Objects are matched one to one so that the sum of their IoUs is largest.

    Parameters
    ----------
    previous, current : (H, W) integer arrays
        Two neighbouring planes. The numbers of ``current`` mean nothing beyond the plane.
    next_label : int
        The first number for objects that match none; larger than any that was given so far.
    min_iou : float
        Objects whose IoU is lower are not the same.

    Returns
    -------
    linked : (H, W) uint32
        ``current`` with new numbers.
    next_label : int
        The first number that is still free.

    Raises
    ------
    LabelError
        If the numbers run out.
    """
    ids, sizes = measure_areas(current)
    before, before_sizes = measure_areas(previous)
    in_previous, in_current, shared = count_overlaps(previous, current)
    areas = (
        before_sizes[np.searchsorted(before, in_previous)]
        + sizes[np.searchsorted(ids, in_current)]
        - shared
    )
    iou = shared / areas
    close = iou >= min_iou
    in_previous, in_current, iou = in_previous[close], in_current[close], iou[close]
    pairs = match_pairs(in_previous, in_current, iou)
    numbers = np.zeros(len(ids), np.int64)
    numbers[np.searchsorted(ids, in_current[pairs])] = in_previous[pairs]
    new = numbers == 0
    if new.any():
        check_label(next_label + int(new.sum()) - 1)
    numbers[new] = next_label + np.arange(int(new.sum()))
    return _renumber(current, ids, numbers), next_label + int(new.sum())


def _renumber(
    labels: NDArray[np.integer], ids: NDArray[np.integer], numbers: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """Replace each label by its new number."""
    renumbered = np.zeros(labels.shape, np.uint32)
    inside = labels != 0
    renumbered[inside] = numbers[np.searchsorted(ids, labels[inside])]
    return renumbered
