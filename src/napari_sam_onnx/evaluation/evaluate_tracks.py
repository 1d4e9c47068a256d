"""Tracks against a truth: TRA, DET and SEG of the Cell Tracking Challenge.

Matula et al. 2015, PLoS ONE 10, e0144959 (the measure AOGM, and TRA made of it); Ulman et al.
2017, Nature Methods 14, 1141 (DET, SEG). A series is an array of label images whose first axis is
time and whose numbers are tracks, and a mapping of tracks to those that they came of.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.evaluation.evaluate import EvaluationError
from napari_sam_onnx.labels.linking import count_overlaps, measure_areas

if TYPE_CHECKING:
    from collections.abc import Mapping

    Node = tuple[int, int]  # frame, track

SPLIT, MISSED, FALSE = 5.0, 10.0, 1.0
"""What it costs to split an object, to add one, to delete one."""

EDGE_DELETED, EDGE_ADDED, EDGE_CHANGED = 1.0, 1.5, 1.0
"""What it costs to delete a link, to add one, to change what it means."""


@dataclass(frozen=True, slots=True)
class TrackEvaluation:
    """How well a series was tracked.

    Parameters
    ----------
    objects, found : int
        Objects in all frames of the truth, and of the labels.
    links : int
        Links of the truth, from frame to frame and to parents.
    splits, missed, false : int
        Objects to be split, added and deleted, to make the truth of the labels.
    edges_deleted, edges_added, edges_changed : int
        The same for links.
    seg : float
        SEG: the mean IoU of the truth's objects, 0 for those that are not covered by half.
    """

    objects: int
    found: int
    links: int
    splits: int
    missed: int
    false: int
    edges_deleted: int
    edges_added: int
    edges_changed: int
    seg: float

    @property
    def det(self) -> float:
        """DET: 1 − the cost of mending the objects, as a part of that of adding all."""
        most = MISSED * self.objects
        return _share(self._object_cost, most)

    @property
    def tra(self) -> float:
        """TRA: the same for objects and links together."""
        most = MISSED * self.objects + EDGE_ADDED * self.links
        edges = (
            EDGE_DELETED * self.edges_deleted
            + EDGE_ADDED * self.edges_added
            + EDGE_CHANGED * self.edges_changed
        )
        return _share(self._object_cost + edges, most)

    @property
    def _object_cost(self) -> float:
        return SPLIT * self.splits + MISSED * self.missed + FALSE * self.false


def _share(cost: float, most: float) -> float:
    if most == 0:
        return 1.0 if cost == 0 else 0.0
    return 1 - min(cost, most) / most


def evaluate_tracks(
    labels: Any,
    truth: Any,
    parents: Mapping[int, int] | None = None,
    true_parents: Mapping[int, int] | None = None,
) -> TrackEvaluation:
    """Compare the tracks of a series to a truth.

    Parameters
    ----------
    labels, truth : (T, …) integer arrays of one shape
        Label images whose numbers are tracks; read frame by frame.
    parents, true_parents : mapping of int to int, optional
        By track, the one it came of.

    Raises
    ------
    EvaluationError
        If the shapes differ or an array is none of label images.
    """
    if tuple(labels.shape) != tuple(truth.shape):
        raise EvaluationError(
            f"The labels have shape {tuple(labels.shape)} and the truth {tuple(truth.shape)}; they "
            "must be of one size."
        )
    if labels.ndim < 3 or labels.dtype.kind not in "ui" or truth.dtype.kind not in "ui":
        raise EvaluationError("A series has whole numbers and time as its first axis.")
    found_nodes: list[Node] = []
    true_nodes: list[Node] = []
    match: dict[Node, Node] = {}  # of the truth's objects
    ious = 0.0
    for frame in range(truth.shape[0]):
        mine, true = np.asarray(labels[frame]), np.asarray(truth[frame])
        ids, sizes = measure_areas(mine)
        true_ids, true_sizes = measure_areas(true)
        found_nodes += [(frame, int(i)) for i in ids]
        true_nodes += [(frame, int(i)) for i in true_ids]
        in_true, in_mine, shared = count_overlaps(true, mine)
        size = true_sizes[np.searchsorted(true_ids, in_true)]
        union = size + sizes[np.searchsorted(ids, in_mine)] - shared
        for k in np.flatnonzero(2 * shared > size):
            match[frame, int(in_true[k])] = (frame, int(in_mine[k]))
            ious += float(shared[k] / union[k])
    taken: dict[Node, int] = {}
    for node in match.values():
        taken[node] = taken.get(node, 0) + 1
    true_edges = _find_edges(true_nodes, true_parents or {})
    found_edges = _find_edges(found_nodes, parents or {})
    deleted, added, changed = _compare_edges(found_edges, true_edges, match, taken)
    return TrackEvaluation(
        objects=len(true_nodes),
        found=len(found_nodes),
        links=len(true_edges),
        splits=sum(count - 1 for count in taken.values()),
        missed=len(true_nodes) - len(match),
        false=len(found_nodes) - len(taken),
        edges_deleted=deleted,
        edges_added=added,
        edges_changed=changed,
        seg=ious / len(true_nodes) if true_nodes else 1.0,
    )


def _find_edges(
    nodes: list[tuple[int, int]], parents: Mapping[int, int]
) -> dict[tuple[tuple[int, int], tuple[int, int]], bool]:
    """List the links between objects, the earlier first; True where it is one to a parent."""
    by_track: dict[int, list[int]] = {}
    for frame, track in nodes:  # frames ascend
        by_track.setdefault(track, []).append(frame)
    edges = {}
    for track, frames in by_track.items():
        for before, after in pairwise(frames):
            edges[(before, track), (after, track)] = False
    for child, parent in parents.items():
        if child in by_track and parent in by_track:
            edges[(by_track[parent][-1], parent), (by_track[child][0], child)] = True
    return edges


def _compare_edges(
    found: Mapping[tuple[Node, Node], bool],
    true: Mapping[tuple[Node, Node], bool],
    match: Mapping[Node, Node],
    taken: Mapping[Node, int],
) -> tuple[int, int, int]:
    """Count the links to delete, to add and to change, between objects that match one to one."""
    right = {mine: theirs for theirs, mine in match.items() if taken[mine] == 1}
    deleted = changed = 0
    present = set()
    for (before, after), kind in found.items():
        if before not in right or after not in right:
            continue  # goes, or comes, with its objects
        edge = right[before], right[after]
        if edge not in true:
            deleted += 1
            continue
        present.add(edge)
        changed += true[edge] != kind
    return deleted, len(true) - len(present), changed
