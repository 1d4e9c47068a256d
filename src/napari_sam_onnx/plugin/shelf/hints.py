"""Once for each kind of picture: that models made for it can be got. Nothing is got unasked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.models.store.places import config_dir
from napari_sam_onnx.writing import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam_onnx.plugin.picture.picture import Picture
    from napari_sam_onnx.plugin.shelf.entry import ShelfEntry

BRIGHT = 0.45
"""A colour picture that is brighter on average shows stained tissue, or a photograph."""

_TEXTS = {
    "tissue": "for stained tissue",
    "cells": "trained on cells",
    "time": "for planes and time",
}


@dataclass(frozen=True, slots=True)
class Hint:
    """That there are models for this kind of picture, none of which is on this computer.

    Parameters
    ----------
    purpose : str
        A key of `PURPOSES`.
    text : str
    """

    purpose: str
    text: str


def find_kinds(picture: Picture) -> tuple[str, ...]:
    """Say what a picture shows, by its axes and its thumbnail: keys of `PURPOSES`."""
    kinds = ["cells"]
    if picture.main.rgb:
        shown = np.asarray(picture.main.thumbnail, np.float64)
        opaque = shown[..., 3] > 0
        scale = 255.0 if shown.max(initial=0) > 1 else 1.0
        if opaque.any() and shown[opaque][:, :3].mean() / scale > BRIGHT:
            kinds = ["tissue"]
    if any(n > 1 for n in picture.shape[:-2]):
        kinds.append("time")
    return tuple(kinds)


def find_hint(
    picture: Picture | None, entries: Iterable[ShelfEntry] | None, told: Iterable[str]
) -> Hint | None:
    """Find what is worth saying of the models for a picture.

    Parameters
    ----------
    picture : Picture or None
    entries : iterable of ShelfEntry or None
    told : iterable of str
        Purposes that the user knows of.

    Returns
    -------
    Hint or None
    """
    if picture is None or entries is None:
        return None
    entries = [entry for entry in entries if entry.card.origin != "embedded"]
    for kind in find_kinds(picture):
        fitting = [entry for entry in entries if entry.card.purpose == kind]
        if fitting and kind not in told and not any(entry.here for entry in fitting):
            number = len(fitting)
            what = f"{number} models" if number > 1 else "a model"
            return Hint(kind, f"Get {what} {_TEXTS[kind]}")
    return None


def read_told() -> frozenset[str]:
    """Read of which kinds of models the user was told."""
    try:
        told = json.loads((config_dir() / "hints.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return frozenset()
    return frozenset(told) if isinstance(told, list) else frozenset()


def remember_told(purpose: str) -> None:
    """Remember that the user was told; where that cannot be written, it is said again."""
    told = sorted({*read_told(), purpose})
    try:
        config_dir().mkdir(parents=True, exist_ok=True)
        write_bytes(config_dir() / "hints.json", json.dumps(told).encode())
    except OSError:
        return
