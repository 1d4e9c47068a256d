"""What is known about a model before its files are opened: values only.

A card says which files a model has, where they come from, what they must hash to and under
which licence they are. It does not say how to run them: that is read from the files.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from napari_sam_onnx.models.store.disk import format_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Origin = Literal["embedded", "catalogue", "user"]

PURPOSES = {
    "cells": "For cells",
    "tissue": "For tissue",
    "anything": "For anything",
    "words": "By words or by itself",
    "time": "Through planes and time",
}
"""What models are made for, and how a list says it."""

NUMBERS = ("constants", "parameters")
"""Roles of files that hold what is learned and in no graph."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip that holds several files of a model.

    Parameters
    ----------
    url : str
        Where it is served, https.
    size : int or None
        Bytes, where the publisher states them.
    sha256, md5 : str or None
        Lower-case hexadecimal, where a public source states them.
    """

    url: str
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model and where it comes from: a url, an archive, or this computer.

    Parameters
    ----------
    role : str
        ``encoder``, ``decoder``, ``language_encoder`` …; a graph's external weights have
        the role of the graph and ``_data``.
    name : str
        The name on disk. A graph finds its external weights by their name, so it is kept.
    url : str or None
        Where the file is served, https.
    archive : Archive or None
        The zip that contains the file.
    member : str or None
        The file's path inside the archive.
    path : Path or None
        Where the file lies on this computer, for embedded and added models.
    size : int or None
        Bytes, where the publisher states them.
    sha256, md5 : str or None
        Lower-case hexadecimal, where a public source states them.
    """

    role: str
    name: str
    url: str | None = None
    archive: Archive | None = None
    member: str | None = None
    path: Path | None = None
    size: int | None = None
    sha256: str | None = None
    md5: str | None = None

    @property
    def source(self) -> str | None:
        """What identifies the file's origin, for pinning; None for a local file."""
        if self.archive is not None:
            return f"{self.archive.url}#{self.member}"
        return self.url

    @property
    def hashed(self) -> bool:
        """Whether a published hash covers the file, itself or through its archive."""
        holders: list[ModelFile | Archive] = [self]
        if self.archive is not None:
            holders.append(self.archive)
        return self.path is not None or any(h.sha256 or h.md5 for h in holders)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known about a model without opening its files.

    Parameters
    ----------
    id : str
        What a user types; also the name of the model's folder.
    name : str
        What a user reads.
    family : str
        The publication the weights come from, such as ``SAM 2.1``.
    files : tuple of ModelFile
        The encoder, the decoder, and what they need beside them.
    contract : str
        The expected encoder and decoder contract, a hint: the files decide.
    licence : str
        Of the weights.
    commercial_use : bool or None
        Whether the licence allows it; None where it sets terms of its own to be read.
    input_size : int or None
        The side of the encoder's square input in pixels; None where it takes any size.
    notes : str
        What the model is good for, and what to know before using it.
    source : str
        A page that describes the files.
    hash_source : str
        Who stated the hashes, or why there are none.
    overrides : mapping
        Contract fields that the files' metadata cannot tell.
    measured : (float, float) or None
        Mean IoU of one click and of one box on this project's pictures, mean of their kinds
        (docs/models.md); None where nobody measured it.
    about : int or None
        Roughly how many bytes there are to download, where a publisher states no more than that.
    made_for : str
        A key of `PURPOSES`, where the weights were trained for one; see `purpose`.
    origin : {"embedded", "catalogue", "user"}
        Which list the card comes from.
    card_file : Path or None
        The TOML that holds the card.
    """

    id: str
    name: str
    family: str
    files: tuple[ModelFile, ...]
    contract: str = ""
    licence: str = "unknown"
    commercial_use: bool | None = None
    input_size: int | None = None
    notes: str = ""
    source: str = ""
    hash_source: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict, hash=False)
    made_for: str = ""
    measured: tuple[float, float] | None = None
    about: int | None = None
    origin: Origin = "user"
    card_file: Path | None = None

    @property
    def purpose(self) -> str:
        """What it is made for, a key of `PURPOSES`: as stated, else as its files tell."""
        if self.made_for:
            return self.made_for
        roles = {file.role for file in self.files}
        if "memory_attention" in roles:
            return "time"
        return "words" if roles & {"language_encoder", "detector", "flows"} else "anything"

    @property
    def size(self) -> int | None:
        """Bytes to download, or None where a publisher states no size."""
        sizes: dict[str, int | None] = {}
        for file in self.files:
            holder = file.archive or file
            sizes[(file.archive.url if file.archive else file.url) or file.name] = holder.size
        known = [size for size in sizes.values() if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    @property
    def hashed(self) -> bool:
        """Whether a published hash covers every file.

        Where it does not, the hash of the first download is kept and every later file must
        match it.
        """
        return all(file.hashed for file in self.files)


def describe_size(card: ModelCard) -> str:
    """Say how much there is to download; "" where nobody states it."""
    if card.size is not None:
        return format_bytes(card.size)
    return "" if card.about is None else f"about {format_bytes(card.about)}"


def describe_measured(card: ModelCard) -> str:
    """Say how well a model answered on this project's pictures; "" where nobody measured it."""
    if card.measured is None:
        return ""
    return "mean IoU {:.2f} of one click, {:.2f} of one box on this project's pictures".format(
        *card.measured
    )
