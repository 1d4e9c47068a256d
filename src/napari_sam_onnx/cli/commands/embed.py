"""``embed`` and ``cache``: planes encoded beforehand, and where their embeddings are kept."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from napari_sam_onnx.cache import content_of, embedding_key
from napari_sam_onnx.cache.disk import DEFAULT_GB, DiskCache
from napari_sam_onnx.cli.commands.segment_picture import settle_axes
from napari_sam_onnx.cli.options import shared as options
from napari_sam_onnx.cli.options.channels import parse_channels
from napari_sam_onnx.cli.output import say
from napari_sam_onnx.models import load_model
from napari_sam_onnx.models.store.disk import format_bytes
from napari_sam_onnx.models.store.places import cache_dir
from napari_sam_onnx.pictures.image import BlankError
from napari_sam_onnx.pictures.picture_file import (
    PictureFileError,
    is_folder,
    list_pictures,
    read_picture,
)

cache_app = typer.Typer(no_args_is_help=True, help="See and clear the embeddings kept on disk.")


@dataclass(frozen=True, slots=True)
class _Shown:
    """How a picture is shown to the model, see `settle_axes`."""

    axes: str | None
    channels: Any
    project: str = ""
    view: Any = None


def embed(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A picture, a stack, or a folder of them.")
    ],
    model: options.AnyModel = "pebble",
    decoder: options.Decoder = None,
    axes: options.PictureAxes = None,
    channels: options.Channels = None,
    project: options.Project = None,
    gb: Annotated[
        float, typer.Option(min=0.001, help="Most GB on disk; the least recently used go first.")
    ] = DEFAULT_GB,
    provider: options.Provider = "auto",
    threads: options.Threads = None,
) -> None:
    """Encode every plane beforehand, so that clicks and runs find it encoded.

    Embeddings are found again by what the model saw and by its content, on this computer or, once
    the folder of `cache info` is copied there, on another.
    """
    pictures = list_pictures(source) if is_folder(source) else [source]
    if not pictures:
        raise PictureFileError(f"The folder {source} holds no picture.")
    shown = _Shown(
        axes,
        None if channels is None else parse_channels(channels),
        options.name_of(project),
    )
    named = options.name_model(model, decoder)
    opened = load_model(named, provider=provider, threads=threads)
    cache = DiskCache(cache_dir(), int(gb * 1e9))
    made = there = 0
    for path in pictures:
        planes = settle_axes(read_picture(path), shown)
        for index in np.ndindex(*planes.shape):
            try:
                rgb = planes.read(index)
            except BlankError:
                continue  # nothing to see, nothing to encode
            content = content_of(rgb)
            key = embedding_key(content, opened.id)
            if cache.get(key) is not None:
                there += 1
                continue
            cache.write(key, replace(opened.encode(rgb), content=content))
            made += 1
    used = cache.info()
    say(
        f"Planes encoded: {made}, there already: {there}; embeddings kept: {used.entries}, "
        f"{format_bytes(used.nbytes)} in {used.folder}"
    )


@cache_app.command("info")
def info_command() -> None:
    """Show where embeddings are kept on disk and what they take."""
    used = DiskCache(cache_dir()).info()
    rows = [
        ("folder", str(used.folder)),
        ("embeddings", str(used.entries)),
        ("size", format_bytes(used.nbytes)),
    ]
    for name, value in rows:
        typer.echo(f"{name + ':':12}{value}")


@cache_app.command("clear")
def clear_command() -> None:
    """Delete all embeddings that are kept on disk."""
    cache = DiskCache(cache_dir())
    before = cache.info()
    cache.clear()
    typer.echo(f"Embeddings deleted: {before.entries}, {format_bytes(before.nbytes)} freed.")
