"""Tracks of a series -> a Tracks layer of napari, on the label image they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Tracks as TracksLayer

from napari_sam_onnx.plugin.layers.prompts import insert_under_prompts
from napari_sam_onnx.plugin.picture.geometry import MARK, transform_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.layers.prompts import PromptLayers
    from napari_sam_onnx.stacks.tracks import Tracks


def lay_table(tracks: Tracks, letters: str) -> NDArray[np.float64] | None:
    """Lay the table of tracks out for a layer: track, then one coordinate for each axis.

    Parameters
    ----------
    tracks : Tracks
    letters : str
        The layer's axes; T first, or there are no tracks that napari could show.

    Returns
    -------
    (N, 1 + D) float64 or None
    """
    if not letters.startswith("T") or not len(tracks.table):
        return None
    table = tracks.table
    inner = "ZYX"[-(table.shape[1] - 2) :]
    columns = {"T": table[:, 1], **{a: table[:, 2 + i] for i, a in enumerate(inner)}}
    nothing = np.zeros(len(table))
    return np.column_stack([table[:, 0], *(columns.get(axis, nothing) for axis in letters)])


def make_tracks_layer(labels: Labels, tracks: Tracks, letters: str) -> Any:
    """Make a Tracks layer that lies on a label image, or None where napari cannot show it.

    The colours of tracks are those of their labels.
    """
    table = lay_table(tracks, letters)
    if table is None:
        return None
    made = TracksLayer(
        table,
        graph=_graph_of(tracks, table),
        name=f"{labels.name} paths",
        tail_length=min(30, int(labels.data.shape[0])),
        metadata={MARK: {"role": "tracks"}},
        **transform_of(labels),
    )
    return made


def show_tracks(
    viewer: Any, prompts: PromptLayers | None, labels: Labels, tracks: Tracks, letters: str
) -> Any:
    """Show the tracks of a label image: in its Tracks layer, or in a new one.

    Returns
    -------
    napari Tracks layer or None
        None where napari cannot show them: time is not the first axis, or there are none.
    """
    mark = labels.metadata.setdefault(MARK, {})
    mark["parents"] = dict(tracks.parents)
    layer = find_tracks_layer(viewer.layers, labels)
    if layer is None:
        layer = make_tracks_layer(labels, tracks, letters)
        if layer is not None:
            mark["tracks"] = layer.unique_id
            insert_under_prompts(viewer, prompts, layer)
        return layer
    table = lay_table(tracks, letters)
    if table is None:
        viewer.layers.remove(layer)
        return None
    layer.graph = {}
    layer.data = table
    layer.graph = _graph_of(tracks, table)
    return layer


def find_tracks_layer(layers: Any, labels: Labels) -> Any:
    """Find the Tracks layer of a label image, or None."""
    name = labels.metadata.get(MARK, {}).get("tracks")
    return next((layer for layer in layers if layer.unique_id == name), None) if name else None


def _graph_of(tracks: Tracks, table: NDArray[np.float64]) -> Mapping[int, list[int]]:
    """Divisions among the tracks that there are; napari refuses others."""
    there = set(table[:, 0].astype(int).tolist())
    return {c: p for c, p in tracks.graph.items() if c in there and set(p) <= there}
