"""Which files are read and which are written: decided before any work is begun."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_onnx.cli.label_file import refuse_result
from napari_sam_onnx.cli.paths import refuse_overlap
from napari_sam_onnx.export.beside import refuse_existing
from napari_sam_onnx.pictures.picture_file import (
    SUFFIXES,
    PictureFileError,
    is_folder,
    list_pictures,
)
from napari_sam_onnx.writing import explain_write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Job:
    """One picture, and where its labels and its overlay go."""

    source: Path
    labels: Path
    preview: Path | None


def plan_jobs(
    source: Path, out: Path, preview: Path | None, read: Sequence[Path] = ()
) -> list[Job]:
    """Pair a picture, or each picture of a folder, with the files to write.

    A folder's labels go to ``out/NAME_labels.tif`` and its overlays to
    ``preview/NAME_overlay.png``; both folders are made where they do not exist. No two pictures
    share a name.

    Parameters
    ----------
    source, out, preview : Path
    read : sequence of Path
        What the same call reads besides; none of it is written.

    Raises
    ------
    PictureFileError
        If there is nothing to read, or one path would have two roles.
    """
    if not is_folder(source):
        jobs = [Job(source, out, preview)]
        if preview is not None and preview.suffix.lower() != ".png":
            raise PictureFileError(f"The preview {preview.name!r} is saved as .png; name it so.")
    else:
        jobs = _plan_folder(source, out, preview)
    refuse_overlap(
        [path for job in jobs for path in (job.labels, job.preview) if path is not None],
        [*read, *(job.source for job in jobs)],
    )
    return jobs


def refuse_existing_outputs(jobs: Sequence[Job], *, force: bool) -> None:
    """Refuse before any work is done what would replace a file.

    Raises
    ------
    PictureFileError
        If something stands in the way.
    """
    for job in jobs:
        refuse_result(job.labels, force=force)
        if job.preview is not None:
            refuse_existing(job.preview, overwrite=force)


def explain_names(jobs: Sequence[Job]) -> str:
    """Say which pictures of a folder have outputs of other names than their own; "" if none."""
    renamed = [job for job in jobs if job.labels.name != f"{job.source.stem}_labels.tif"]
    if not renamed:
        return ""
    pairs = ", ".join(f"{job.source.name} -> {job.labels.name}" for job in renamed)
    return f"Names that would clash were changed: {pairs}"


def _plan_folder(source: Path, out: Path, preview: Path | None) -> list[Job]:
    pictures = list_pictures(source)
    if not pictures:
        raise PictureFileError(f"The folder {source} holds no picture ({', '.join(SUFFIXES)}).")
    for folder in (out, preview):
        if folder is None:
            continue
        if folder.exists() and not folder.is_dir():
            raise PictureFileError(
                f"{folder} is a file; for a folder of pictures name a folder to write to."
            )
        if os.path.realpath(folder) == os.path.realpath(source):
            raise PictureFileError(
                "The results would be taken for pictures the next time; write them to another "
                "folder."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PictureFileError(
                f"The folder {folder} cannot be made: {explain_write(error)}."
            ) from error
    return [
        Job(
            path,
            out / f"{name}_labels.tif",
            None if preview is None else preview / f"{name}_overlay.png",
        )
        for path, name in zip(pictures, name_outputs(pictures), strict=True)
    ]


def name_outputs(pictures: Sequence[Path]) -> list[str]:
    """Name the outputs of the pictures of a folder, all of them distinct on every file system.

    A picture's output is called as the picture; of those that differ in their suffix alone, as
    ``a_tif``; and where such a name is taken already, with a number.
    """
    stems = Counter(_fold(path.stem) for path in pictures)
    names = [
        path.stem if stems[_fold(path.stem)] == 1 else path.name.replace(".", "_")
        for path in pictures
    ]
    taken = {_fold(path.stem) for path in pictures if stems[_fold(path.stem)] == 1}
    for place, path in enumerate(pictures):
        if stems[_fold(path.stem)] == 1:
            continue
        name, number = names[place], 1
        while _fold(name) in taken:
            number += 1
            name = f"{names[place]}_{number}"
        taken.add(_fold(name))
        names[place] = name
    return names


def _fold(name: str) -> str:
    """Make names equal that some file systems take for one."""
    return unicodedata.normalize("NFC", name).casefold()
