"""Finished pieces of a run that is not, beside its result: ``OUT.unfinished``.

They are there while a long run goes on, and stay where it is cancelled, fails or is killed.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import fields
from importlib.metadata import version
from math import prod
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.cli.output import say
from napari_sam_onnx.models.store.integrity import hash_file
from napari_sam_onnx.pieces import KeptPieces, PiecesError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from napari_sam_onnx.cli.label_planes import SegmentOptions
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.planes import ArrayPlanes

SUFFIX = ".unfinished"

SMALL = 1024
"""Side of a single plane up to which a run is done before anybody would cancel it."""


def tell_recipe(
    request: SegmentOptions, model: Model, overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """Say what results depend on besides the picture: another model, other settings and so on."""
    asked = {field.name: getattr(request, field.name) for field in fields(request)}
    for name in ("boxes", "inside", "fill"):
        path: Path | None = asked[name]
        asked[name] = None if path is None else tell_file(path)
    asked["judge"] = None if request.judge is None else request.judge.to_dict()
    asked["settings"] = sorted(request.settings.items())
    asked |= dict.fromkeys(("force", "quiet", "resume"))
    told = {"model": model.id, "contract": sorted(overrides.items())}
    return {**asked, **told, "version": version("napari-sam-onnx")}


def tell_file(path: Path) -> Any:
    """Tell a file by its content; a folder of zarr by its files, their sizes and times."""
    return hash_file(path) if path.is_file() else _tell_quickly(path)


@contextmanager
def keep_pieces(
    out: Path,
    source: Path,
    recipe: Mapping[str, Any],
    planes: ArrayPlanes,
    request: SegmentOptions,
) -> Iterator[KeptPieces | None]:
    """Offer to keep finished pieces of a run; they are removed once it is done.

    Parameters
    ----------
    out, source : Path
        Result and picture.
    recipe : mapping
        See `tell_recipe`.
    planes : ArrayPlanes
    request : SegmentOptions

    Yields
    ------
    KeptPieces or None
        None where the run is short.

    Raises
    ------
    PiecesError
        If there are pieces of an earlier run and nobody said what is to become of them.
    """
    if prod(planes.shape) == 1 and max(planes.plane_shape) <= SMALL and request.mode != "tiled":
        yield None
        return
    folder = out.with_name(out.name + SUFFIX)
    before = len(list(folder.glob("*.npz"))) if folder.is_dir() else 0
    if before and not request.resume and not request.force:
        raise PiecesError(
            f"An earlier run has left {before} finished pieces in {folder}; --resume goes on with "
            "them, --force begins anew."
        )
    told = {**recipe, "picture": _tell_quickly(source)}
    kept: KeptPieces | None = None
    finished = False
    try:
        kept = KeptPieces(folder, told, resume=request.resume)
        if request.resume and not request.quiet:
            if kept.other:
                say(f"{source.name}: picture, model or settings are others than before: begun anew")
            elif kept.found:
                say(f"{source.name}: {kept.found} finished pieces of the earlier run are used")
        yield kept
        finished = True
    finally:
        if kept is not None:
            count = len(kept)
            kept.close(finished=finished)
            if not finished and count and not request.quiet:
                say(
                    f"{source.name}: {count} finished pieces are kept in {folder}; the same "
                    "command with --resume goes on.",
                    error=True,
                )


def _tell_quickly(path: Path) -> list[tuple[str, int, int]]:
    """Tell a picture, which may be huge, by its size and time; of a folder, those of its files."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    stats = ((file, file.stat()) for file in files)
    return [(str(file.resolve()), stat.st_size, stat.st_mtime_ns) for file, stat in stats]
