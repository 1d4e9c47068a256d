"""``models``: list, get, add, remove and check models."""

import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from napari_sam_onnx.cli.options import shared as options
from napari_sam_onnx.cli.options.contract_option import parse_contract
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store.cards import (
    PURPOSES,
    ModelCard,
    ModelFile,
    describe_measured,
    describe_size,
)
from napari_sam_onnx.models.store.catalog import find_card, read_catalogue
from napari_sam_onnx.models.store.disk import format_bytes
from napari_sam_onnx.models.store.files import bytes_on_disk, find_files, is_downloaded, remove
from napari_sam_onnx.models.store.shared_files import read_shared

MOST_FILES = 7  # of a model that remembers: five graphs and two files of numbers

models_app = typer.Typer(
    no_args_is_help=True,
    help="List, download, add, remove and check models.\n\n"
    "NAPARI_SAM_ONNX_HOME moves where models are kept; NAPARI_SAM_ONNX_MODELS names a folder of "
    "files for computers without internet; NAPARI_SAM_ONNX_MIRROR names an https mirror; "
    "HTTPS_PROXY and REQUESTS_CA_BUNDLE are obeyed.",
)

Purpose = Enum("Purpose", {name: name for name in PURPOSES}, type=str)  # type: ignore[misc]
ModelId = Annotated[str, typer.Argument(metavar="ID", help="A model of `models list`.")]


@models_app.command("list")
def list_command(
    here: Annotated[
        bool, typer.Option("--here", help="Only the models that are on this computer.")
    ] = False,
    purpose: Annotated[
        Optional[Purpose],  # noqa: UP045
        typer.Option("--for", help="Only the models that are made for this."),
    ] = None,
) -> None:
    """List all models: family, size, licence, and whether they are on this computer.

    CLICK/BOX: mean IoU of one click and one box on the project's pictures, where it was measured.
    """
    catalogue, shared = read_catalogue(), read_shared()
    rows = [("ID", "FOR", "FAMILY", "SIZE", "LICENCE", "COMMERCIAL", "CLICK/BOX", "HERE")]
    for card in catalogue.cards:
        present = is_downloaded(card, shared)
        fits = purpose is None or card.purpose == purpose.value
        if fits and (present or not here):
            rows.append((
                card.id,
                card.purpose,
                card.family,
                _describe_size(card, present),
                card.licence,
                _describe_commercial(card),
                "{:.2f}/{:.2f}".format(*card.measured) if card.measured else "-",
                "yes" if present else "",
            ))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())
    for problem in catalogue.problems:
        typer.echo(f"Warning: {problem}", err=True)


@models_app.command()
def info(model_id: ModelId) -> None:
    """Show everything that is known about a model."""
    card = find_card(model_id)
    present = is_downloaded(card)
    rows = [
        ("id", card.id),
        ("name", card.name),
        ("family", card.family),
        ("made for", card.purpose),
        ("measured", describe_measured(card)),
        ("notes", card.notes),
        ("licence", card.licence),
        ("commercial use", _describe_commercial(card)),
        ("contract", card.contract),
        ("input", f"{card.input_size} pixels" if card.input_size else "any size"),
        ("size", _describe_size(card, present)),
        ("hashes", card.hash_source),
        ("source", card.source),
        ("on this computer", "yes" if present else "no"),
    ]
    _print_pairs([(name, value) for name, value in rows if value])
    found = find_files(card)
    for file in card.files:
        typer.echo(f"\n{file.role}:")
        for line in _describe_file(file, found.get(file.role)):
            typer.echo(f"  {line}")


@models_app.command()
def download(model_id: ModelId) -> None:
    """Download a model. Ctrl+C keeps what has arrived; the next run goes on from there."""
    from napari_sam_onnx.models.store.download import download as fetch_model

    card = find_card(model_id)
    if is_downloaded(card):
        fetch_model(card)  # checks the files
        typer.echo(f"{card.id} is here already.")
        return
    if card.commercial_use is not True:
        use = "no commercial use" if card.commercial_use is False else "read its terms"
        typer.echo(f"Licence: {card.licence} ({use}).", err=True)
    if not card.hashed:
        typer.echo(
            "Note: nobody publishes a hash of every file of this model; the hashes of this "
            "download are kept, and files that differ later are refused.",
            err=True,
        )
    bars = _Bars()
    try:
        paths = fetch_model(card, bars.show)
    except KeyboardInterrupt:
        bars.close()
        typer.echo("Stopped; run the same command again to go on from here.", err=True)
        raise typer.Exit(130) from None
    finally:
        bars.close()
    typer.echo(f"{card.id} is here: {next(iter(paths.values())).parent}")


@models_app.command()
def add(
    encoder: Annotated[
        Path, typer.Argument(metavar="ENCODER", help="The encoder's .onnx, or the one for both.")
    ],
    decoder: Annotated[
        Optional[Path],  # noqa: UP045 - read at run time, also by older Typer
        typer.Argument(metavar="DECODER", help="The decoder's .onnx."),
    ] = None,
    more: Annotated[
        Optional[list[Path]],  # noqa: UP045
        typer.Argument(
            metavar="MORE", help="Of a model that remembers: its other graphs and JSON files."
        ),
    ] = None,
    model_id: Annotated[str, typer.Option("--id", help="The id to give to the model.")] = "",
    name: Annotated[str, typer.Option(help="A name to show; the id where omitted.")] = "",
    licence: Annotated[str, typer.Option(help="The licence of the weights.")] = "",
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Leave the files where they are; do not copy.")
    ] = False,
    contract: options.Contract = None,
) -> None:
    """Add a model from files on this computer; the files are opened first to see if they fit."""
    from napari_sam_onnx.models.add import add_local

    chosen = model_id or encoder.stem.lower().replace(" ", "-").replace("_", "-")
    card = add_local(
        encoder,
        decoder,
        chosen,
        more=more or (),
        name=name,
        licence=licence,
        copy=not in_place,
        overrides=parse_contract(contract or ()),
    )
    typer.echo(f"{card.id} is added, contract {card.contract}.")


@models_app.command("remove")
def remove_command(
    model_id: ModelId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    forget: Annotated[
        bool,
        typer.Option(
            "--forget", help="Also forget earlier downloads' hashes, to accept a changed file."
        ),
    ] = False,
) -> None:
    """Delete a model's files from this computer."""
    card = find_card(model_id)
    if card.origin == "user" and not yes:
        typer.confirm(f"{card.id} was added by you. Delete it?", abort=True)
    freed = remove(card, forget=forget)
    typer.echo(f"{card.id} is removed, {format_bytes(freed)} freed.")


@models_app.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """List what killed processes and lost cards left behind, and delete it."""
    from napari_sam_onnx.models.store.leftovers import delete_leftovers, list_leftovers

    leftovers = list_leftovers()
    if not leftovers:
        typer.echo("There is nothing to clean.")
        return
    for leftover in leftovers:
        typer.echo(f"{format_bytes(leftover.nbytes):>8}  {leftover.what}: {leftover.path}")
    if not yes:
        typer.confirm("Delete it?", abort=True)
    typer.echo(f"{format_bytes(delete_leftovers(leftovers))} freed.")


@models_app.command()
def check(
    model: Annotated[
        list[str],
        typer.Argument(metavar="ID | ENCODER DECODER", help="An id, or the files of a model."),
    ],
    image: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="A picture; its middle is clicked. A drawn disc where omitted."),
    ] = None,
    provider: Annotated[str, typer.Option(help="Where to run: auto, cpu, cuda …")] = "auto",
    time_limit: Annotated[
        float, typer.Option(min=1, help="Seconds that one run may take; then it is stopped.")
    ] = 300.0,
) -> None:
    """Run one picture through a model: contract, shapes, times, and traps."""
    from napari_sam_onnx.models.check import BATCH, check_flows, check_memory, check_model
    from napari_sam_onnx.models.load import load_model
    from napari_sam_onnx.models.onnx.flow_model import FlowModel
    from napari_sam_onnx.models.onnx.memory.memory_model import MemoryModel

    plane = None if image is None else _read_plane(image)
    opened = load_model(_pick_source(model), provider=provider, time_limit=time_limit)
    try:
        if isinstance(opened, FlowModel):
            seen = check_flows(opened, plane)
            rows = [
                ("contract", f"{opened.contract_name}: flows, no prompts"),
                ("runs on", seen.runs_on),
                ("picture", seen.picture),
                ("encode", f"{seen.encode_seconds * 1000:.0f} ms"),
                ("cells", f"{seen.cell_area} pixels"),
            ]
            return _print_pairs(rows)
        report = check_model(opened, plane)
        memory = check_memory(opened) if isinstance(opened, MemoryModel) else None
    finally:
        opened.close()
    count, height, width = report.candidates
    rows = [
        ("contract", report.contract),
        ("exports", report.exports),
        ("runs on", report.runs_on),
        ("picture", report.picture),
        *((f"embedding {name}", str(shape)) for name, shape in report.embedding.items()),
        ("embedding", f"{format_bytes(report.embedding_bytes)} per plane"),
        ("masks", f"{count} of {height} x {width} per prompt"),
        ("encode", f"{report.encode_seconds * 1000:.0f} ms"),
        ("decode", f"{report.decode_seconds * 1000:.1f} ms"),
        ("decode in a batch", f"{report.batch_seconds * 1000:.1f} ms per prompt, {BATCH} at once"),
        ("predicted IoU", f"{report.score:.3f}"),
        ("mask", f"{report.area} pixels"),
    ]
    if report.disc_iou is not None:
        rows.append(("IoU with the disc", f"{report.disc_iou:.3f}"))
    if memory is not None:
        there = "present" if memory.presence > 0 else "absent"
        rows.append(("followed to a plane", f"{memory.seconds * 1000:.0f} ms per object"))
        rows.append(("IoU with a moved disc", f"{memory.iou:.3f}, {there}"))
    _print_pairs(rows)
    for finding in report.findings:
        typer.echo(f"! {finding}")


def _print_pairs(rows: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        typer.echo(f"{name + ':':{width + 2}}{value}")


def _pick_source(words: Sequence[str]) -> str | list[Path]:
    """Tell an id from files: one word that is no existing file is an id."""
    if len(words) == 1 and not Path(words[0]).is_file() and not words[0].endswith(".onnx"):
        return words[0]
    if len(words) > MOST_FILES:
        raise ModelError(f"Give an id, or the files of one model; got {len(words)} words.")
    return [Path(word) for word in words]


def _read_plane(path: Path):  # type: ignore[no-untyped-def]
    """Read a picture as (H, W, 3) uint8; numpy is imported only here."""
    import numpy as np

    from napari_sam_onnx.pictures.image import to_rgb
    from napari_sam_onnx.pictures.picture_file import read_picture

    picture = read_picture(path)
    return to_rgb(np.asarray(picture.array), picture.axes)


def _describe_size(card: ModelCard, present: bool) -> str:
    """Bytes on disk where it is here, else bytes to download where they are known."""
    if present:
        return format_bytes(bytes_on_disk(card))
    return describe_size(card) or "?"


def _describe_commercial(card: ModelCard) -> str:
    return {True: "yes", False: "no", None: "see terms"}[card.commercial_use]


def _describe_file(file: ModelFile, found: Path | None) -> list[str]:
    lines = [file.name]
    if file.archive is not None:
        lines.append(f"in {file.archive.url}")
    elif file.url is not None:
        lines.append(file.url)
    if file.size is not None:
        lines.append(f"{file.size} bytes")
    if file.sha256 or file.md5:
        lines.append(f"sha256 {file.sha256}" if file.sha256 else f"md5 {file.md5}")
    elif not file.hashed:
        lines.append("no published hash: pinned by the first download")
    if found is not None:
        lines.append(f"here: {found}")
    return lines


class _Bars:
    """A progress bar for the file that is being downloaded; none where nobody watches."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._name = ""

    def show(self, name: str, done: int, total: int | None) -> None:
        from tqdm import tqdm

        if name != self._name:
            self.close()
            self._name = name
            self._bar = tqdm(
                total=total,
                desc=name,
                initial=done,
                unit="B",
                unit_scale=True,
                disable=not sys.stderr.isatty(),
            )
        if self._bar is not None:
            self._bar.total = total
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
