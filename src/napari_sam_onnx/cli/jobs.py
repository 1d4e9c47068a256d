"""Which files are read and which are written: decided before any work is begun."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam_onnx.export.beside import refuse_existing
from napari_sam_onnx.picture_file import SUFFIXES, PictureFileError, list_pictures

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Job:
    """One picture, and where its labels and its overlay go."""

    source: Path
    labels: Path
    preview: Path | None


def plan_jobs(source: Path, out: Path, preview: Path | None, *, force: bool) -> list[Job]:
    """Pair a picture, or each picture of a folder, with the files to write.

    A folder's labels go to ``out/NAME_labels.tif`` and its overlays to
    ``preview/NAME_overlay.png``; both folders are made where they do not exist.

    Raises
    ------
    PictureFileError
        If there is nothing to read, or something stands in the way.
    """
    if not source.is_dir():
        jobs = [Job(source, out, preview)]
        if preview is not None and preview.suffix.lower() != ".png":
            raise PictureFileError(f"The preview {preview.name!r} is saved as .png; name it so.")
    else:
        jobs = _plan_folder(source, out, preview)
    for job in jobs:
        if job.source.resolve() in {p.resolve() for p in (job.labels, job.preview) if p}:
            raise PictureFileError(f"{job.source} would be overwritten; choose another output.")
        refuse_existing(job.labels, overwrite=force)
        if job.preview is not None:
            refuse_existing(job.preview, overwrite=force)
    return jobs


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
        if folder.resolve() == source.resolve():
            raise PictureFileError(
                "The results would be taken for pictures the next time; write them to another "
                "folder."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PictureFileError(
                f"The folder {folder} cannot be made: {error.strerror}."
            ) from error
    stems = Counter(path.stem for path in pictures)
    jobs = []
    for path in pictures:
        # a.tif and a.png in one folder would otherwise write to the same file
        name = path.stem if stems[path.stem] == 1 else path.name.replace(".", "_")
        shown = None if preview is None else preview / f"{name}_overlay.png"
        jobs.append(Job(path, out / f"{name}_labels.tif", shown))
    return jobs
