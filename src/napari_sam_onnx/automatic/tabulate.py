"""How sure a run is of each object: a row per label, for tables and for layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam_onnx.automatic.finding import Finding

DOUBTFUL = 0.6
"""Rating below which an object is flagged."""

WANTED = 0.5
"""Learned rating from which on an object is wanted."""

_FEATURES = ("rating", "predicted_iou", "stability", "area", "diameter", "circularity", "solidity")
_NOTED = ("similarity", "learned")


def tabulate(finding: Finding, side: float | None = None) -> dict[str, list[Any]]:
    """List the objects that are painted now.

    Parameters
    ----------
    finding : Finding
    side : float or None
        Of a pixel in micrometres: lengths are then in micrometres.

    Returns
    -------
    dict of list
        ``index`` (the label), ``rating``, ``predicted_iou``, ``stability``, ``area`` and
        ``diameter`` (``…_um2`` and ``…_um`` where the side is known), ``circularity``,
        ``solidity``, ``similarity`` and ``learned`` (NaN where they are not known), ``judged``
        (``wanted`` or ``unwanted`` by what was learned, else ""), ``plane``, ``seed_y`` and
        ``seed_x`` (NaN where a box found it), ``flags`` (``doubtful``, ``border``, ``corrected``,
        ``kept``, separated by spaces). An object on several planes is listed where it is rated
        lowest.
    """
    rows: dict[int, dict[str, Any]] = {}
    for index, plane in finding.planes.items():
        found, corrected = plane.found, finding.corrected_on(index)
        seeds = found.seeds
        columns = {name: found.feature(name) for name in _FEATURES}
        edge = found.feature("border_distance")
        for number in plane.shown:
            label, rating = int(plane.numbers[number]), float(columns["rating"][number])
            if not label or (label in rows and rows[label]["rating"] <= rating):
                continue
            row: dict[str, Any] = {"index": label}
            row |= {name: float(values[number]) for name, values in columns.items()}
            for name in _NOTED:
                known = name in found.noted
                row[name] = float(found.feature(name)[number]) if known else float("nan")
            row["judged"] = _judge(row["learned"])
            row["plane"] = " ".join(map(str, index))
            row["seed_y"], row["seed_x"] = (float(c) for c in seeds[number])
            marks = {
                "doubtful": rating < DOUBTFUL,
                "border": edge[number] == 0,
                "corrected": label in corrected and label not in finding.kept,
                "kept": label in finding.kept,
            }
            row["flags"] = " ".join(name for name, on in marks.items() if on)
            rows[label] = row
    ordered = [rows[label] for label in sorted(rows)]
    names = _names(side)
    units = {"area": (side or 1.0) ** 2, "diameter": side or 1.0}
    return {
        names.get(name, name): [
            row[name] * units[name] if name in units else row[name] for row in ordered
        ]
        for name in (
            "index",
            *_FEATURES,
            *_NOTED,
            "judged",
            "plane",
            "seed_y",
            "seed_x",
            "flags",
        )
    }


def _judge(learned: float) -> str:
    if np.isnan(learned):
        return ""
    return "wanted" if learned >= WANTED else "unwanted"


def _names(side: float | None) -> Mapping[str, str]:
    return {} if side is None else {"area": "area_um2", "diameter": "diameter_um"}
