"""What a crash left of a picture's work: how the picture is known again, what of it is not here.

Several crashes of one picture leave a journal each. They are offered one after another, the newest
first, without what a newer one or the viewer holds already.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.plugin.layers.snapshot import Snapshot
from napari_sam_onnx.plugin.picture.shown import layer_array
from napari_sam_onnx.records.journal_left import find_left

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.picture.picture import Picture
    from napari_sam_onnx.records.journal_left import Found, KeptLabels

SAMPLE = 64
"""Side of the part of a picture by which it is known again."""


@dataclass(frozen=True, slots=True, eq=False)
class Left:
    """What was found about a picture.

    Parameters
    ----------
    about : mapping
        By what the picture is known, see `describe_picture`.
    found : Found or None
        The newest work on it that a crash left.
    earlier : int
        How many crashes before that left something else.
    """

    about: Mapping[str, Any]
    found: Found | None
    earlier: int


def look_for_left(picture: Picture, root: Path, here: Sequence[NDArray[Any]]) -> Left:
    """Find what crashes left of a picture, without what is here already.

    Parameters
    ----------
    picture : Picture
    root : Path
        Where journals are.
    here : sequence of array
        Labels in the viewer.
    """
    about = describe_picture(picture)
    known = _without_layer(about)
    first, earlier = None, 0
    for found in find_left(root, lambda said: _without_layer(said) == known):
        rest = leave_out(found, here)
        if first is not None:
            rest = leave_out(rest, [kept.labels for kept in first.labels], first)
        if not describe_work(rest):
            if first is not None and describe_work(found):
                found.drop()  # the newer journal holds all of it
            continue
        if first is None:
            first = rest
        else:
            earlier += 1
    return Left(about, first, earlier)


def leave_out(found: Found, here: Sequence[Any], newer: Found | None = None) -> Found:
    """Return what a journal holds beside what is here, or in a newer journal."""
    places = {kept.place for kept in newer.labels if kept.place} if newer is not None else set()
    labels = tuple(
        kept
        for kept in found.labels
        if not (kept.place and kept.place in places)
        and not (kept.labels is not None and any(_holds(other, kept) for other in here))
    )
    same = newer is not None and newer.prompts == found.prompts
    return replace(found, labels=labels, prompts=None if same else found.prompts)


def _holds(other: Any, kept: KeptLabels) -> bool:
    """Whether labels hold every object of others, with its number."""
    labels = kept.labels
    if labels is None or not isinstance(other, np.ndarray) or other.shape != labels.shape:
        return False
    marked = labels > 0
    return bool(np.array_equal(other[marked], labels[marked]))


def describe_work(found: Found) -> str:
    """Say what was found, in a few words."""
    prompts = found.prompts or {"points": [], "boxes": []}
    counts = (
        (found.objects, "object"),
        (len(prompts["points"]), "point"),
        (len(prompts["boxes"]), "box"),
    )
    said = [f"{count:,} {_plural(name, count)}" for count, name in counts if count]
    said += [f"“{kept.name}”" for kept in found.labels if kept.labels is None]
    return ", ".join(said)


def _plural(name: str, count: int) -> str:
    return name if count == 1 else f"{name}es" if name.endswith("x") else f"{name}s"


def describe_picture(picture: Picture) -> dict[str, Any]:
    """Say by what a picture is known again: its shape, and some of its pixels."""
    from zlib import crc32

    array = layer_array(picture.main)
    middle = [slice(None)] * len(array.shape)
    for axis, side in enumerate(array.shape):
        start = max(0, (side - SAMPLE) // 2)
        whole = axis >= len(array.shape) - 3
        middle[axis] = slice(start, start + SAMPLE) if whole else slice(side // 2, side // 2 + 1)
    sample = np.ascontiguousarray(array[tuple(middle)])
    return {
        "layer": str(picture.main.unique_id),
        "name": picture.main.name,
        "shape": [int(side) for side in array.shape],
        "pixels": crc32(sample.view(np.uint8).reshape(-1).data),
    }


def _without_layer(about: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in about.items() if name != "layer"}


def pack_prompts(prompts: Snapshot) -> dict[str, Any]:
    """Write prompts as values that JSON knows; objects open for correction are labels anyway."""
    return {
        "points": prompts.points.tolist(),
        "positive": prompts.positive.tolist(),
        "boxes": [box.tolist() for box in prompts.boxes],
    }


def unpack_prompts(values: Mapping[str, Any], ndim: int) -> Snapshot:
    """Read what `pack_prompts` wrote."""
    return Snapshot(
        np.array(values["points"], float).reshape(-1, ndim),
        np.array(values["positive"], bool),
        tuple(np.array(box, float).reshape(-1, ndim) for box in values["boxes"]),
    )


def open_labels(kept: KeptLabels, shape: tuple[int, ...]) -> Any:
    """Return labels that were kept as labels of a picture; None where they are gone or do not fit.

    Axes of one pixel may be missing in front, or more of them be there.
    """
    labels: Any = kept.labels
    if labels is None:
        if not Path(kept.place).is_dir():
            return None
        import zarr

        labels = zarr.open(kept.place, mode="r+")
    own = tuple(int(side) for side in labels.shape)
    if own == shape:
        return labels
    bare = [tuple(side for side in sides if side != 1) for sides in (own, shape)]
    return labels.reshape(shape) if isinstance(labels, np.ndarray) and bare[0] == bare[1] else None
