"""What a run over a folder has finished, so that a run that was killed can go on.

A line of JSON is added to a file in the folder of results after each picture: what was asked for,
what was read and what was written, each by its content. A result counts as done only while all
of them are the same; that a file of its name exists says nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.models.store.integrity import hash_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_sam_onnx.cli.jobs import Job

LEDGER = ".napari-sam-onnx-done.jsonl"


class Ledger:
    """The finished pictures of a folder of results.

    Parameters
    ----------
    folder : Path
        Where the labels go.
    recipe : mapping
        Everything besides the picture that the results depend on; whatever it holds is told
        apart by its `repr`.
    """

    def __init__(self, folder: Path, recipe: Mapping[str, Any]) -> None:
        self._path = folder / LEDGER
        told = sorted((name, repr(value)) for name, value in recipe.items())
        self._recipe = hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()
        self._done = self._read()

    def is_done(self, job: Job) -> bool:
        """Whether a picture's results are there and are what would be made again."""
        known = self._done.get(job.labels.name)
        return known is not None and known == self._describe(job)

    def add(self, job: Job) -> None:
        """Keep that a picture is done; where that cannot be written it would be done again."""
        with suppress(OSError):
            line = json.dumps(self._describe(job))
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")
                stream.flush()
                os.fsync(stream.fileno())

    def _describe(self, job: Job) -> dict[str, str | None] | None:
        try:
            return {
                "labels": job.labels.name,
                "recipe": self._recipe,
                "picture": _hash(job.source),
                "labels_sha256": hash_file(job.labels),
                "preview_sha256": None if job.preview is None else hash_file(job.preview),
            }
        except OSError:
            return None

    def _read(self) -> dict[str, dict[str, Any]]:
        """Read the lines; one that is cut off or damaged is no line, and the last one counts."""
        found = {}
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return {}
        for line in lines:
            with suppress(ValueError, RecursionError, TypeError, KeyError):
                entry = json.loads(line)
                found[str(entry["labels"])] = entry
        return found


def _hash(picture: Path) -> str:
    """Hash a picture that is a file, or a folder of files."""
    if not picture.is_dir():
        return hash_file(picture)
    files = sorted(path for path in picture.rglob("*") if path.is_file())
    told = [(path.relative_to(picture).as_posix(), hash_file(path)) for path in files]
    return hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()
