"""``track``: a time series -> labels whose numbers are tracks, and the tracks as tables."""

import time
from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import typer

from napari_sam_onnx.cli.commands.segment_picture import settle_axes
from napari_sam_onnx.cli.given import read_labels
from napari_sam_onnx.cli.label_file import check_result, open_labels, refuse_result
from napari_sam_onnx.cli.label_planes import SegmentOptions, label_stack
from napari_sam_onnx.cli.options import shared as options
from napari_sam_onnx.cli.options.channels import parse_channels
from napari_sam_onnx.cli.output import say
from napari_sam_onnx.cli.unfinished import keep_pieces, tell_recipe
from napari_sam_onnx.cli.workers import open_workers
from napari_sam_onnx.export.beside import refuse_existing, write_beside
from napari_sam_onnx.generators import drive
from napari_sam_onnx.models import Model, load_model
from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.pictures.picture_file import read_picture
from napari_sam_onnx.pieces import Here
from napari_sam_onnx.planes import ArrayLabels, ArrayPlanes
from napari_sam_onnx.stacks import WholeRequest, iterate_tracks
from napari_sam_onnx.stacks.cluster import Cluster
from napari_sam_onnx.stacks.tracks import (
    Frames,
    TrackError,
    TrackParameters,
    check_library,
    count_tracks,
    write_csv,
    write_ctc,
)
from napari_sam_onnx.stacks.tracks.follow import measure_tracks
from napari_sam_onnx.stacks.volumes import measure_thickness


def track(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A series: TYX, TZYX, TCYX …")],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="Labels whose numbers are tracks, .tif or .ome.zarr.",
        ),
    ],
    labels: Annotated[
        Optional[Path],  # noqa: UP045 - read at run time, also by older Typer
        typer.Option(help="Labels of the series that are there already; else they are made."),
    ] = None,
    model: options.ListedModel = "pebble",
    axes: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The series' axes, one letter of TZCYX per dimension, e.g. TYX."),
    ] = None,
    channels: options.Channels = None,
    project: options.Project = None,
    z_spacing: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=0.01, max=100.0, help="Of volumes: the distance between planes, in pixels."
        ),
    ] = None,
    csv: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Also write a table: track, frame, centre, size, parent."),
    ] = None,
    ctc: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Also write a new folder in the Cell Tracking Challenge's format."),
    ] = None,
    max_move: Annotated[
        float,
        typer.Option(
            min=0.05,
            max=20.0,
            help="How far an object may move from frame to frame, in its diameters.",
        ),
    ] = TrackParameters().max_move,
    max_gap: Annotated[
        int, typer.Option(min=0, max=20, help="For how many frames an object may be missing.")
    ] = TrackParameters().max_gap,
    min_frames: Annotated[
        int,
        typer.Option(min=1, max=1000, help="Tracks seen in fewer frames are left out."),
    ] = TrackParameters().min_frames,
    min_size: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=10.0,
            help="Tracks of objects smaller than this part of the usual one are left out.",
        ),
    ] = TrackParameters().min_size,
    recover: Annotated[
        int,
        typer.Option(
            min=0,
            max=1000,
            help="Through how many frames a track that is lost is looked for again by the model; "
            "of planes, and not of --labels.",
        ),
    ] = TrackParameters().recover,
    looks: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=10.0,
            help="How much it counts how alike two objects look to the model; of planes, and not "
            "of --labels.",
        ),
    ] = TrackParameters().looks,
    divide: Annotated[
        bool, typer.Option("--divide/--no-divide", help="Whether objects may divide.")
    ] = True,
    force: options.ForceFiles = False,
    resume: options.Resume = False,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    quiet: options.Quiet = False,
) -> None:
    """Follow the objects of a time series and save labels whose numbers are tracks."""
    check_library()
    settings = TrackParameters(max_move, max_gap, int(divide), min_frames, min_size, recover, looks)
    began = time.perf_counter()
    shown = None if channels is None else parse_channels(channels)
    request = SegmentOptions(
        axes=axes,
        channels=shown,
        project=options.name_of(project),
        z_spacing=z_spacing,
        force=force,
        quiet=quiet,
        resume=resume,
    )
    picture = read_picture(source)
    planes = settle_axes(picture, request)
    check_result(out, planes.label_axes, planes.label_shape)
    refuse_result(out, force=force)
    if ctc is not None and ctc.exists():
        raise TrackError(f"{ctc} exists; name a new folder.")
    if csv is not None:
        refuse_existing(csv, overwrite=force)
    with open_labels(
        out, planes.label_axes, planes.label_shape, picture.pixel_size, force=force
    ) as sink:
        frames = Frames(sink)
        opened = None if labels is not None else load_model(model)
        if labels is not None:
            _copy_labels(labels, sink.array)
        elif opened is not None:
            with open_workers(workers, scheduler, model) as cluster:
                _make_labels(out, source, planes, sink, opened, request, cluster)
        thickness = z_spacing or measure_thickness(planes) or 1.0
        whole = WholeRequest("tracks", tracks=settings, thickness=thickness)
        found = drive(iterate_tracks(planes, sink, whole, opened)).tracks
        assert found is not None
        tracks = measure_tracks(sink, found.parents, thickness)
        if csv is not None:
            with write_beside(csv, overwrite=force) as table:
                write_csv(table, tracks)
        if ctc is not None:
            write_ctc(ctc, tracks, frames.read, frames.count)
    if not quiet:
        counts = count_tracks(tracks)
        seconds = time.perf_counter() - began
        say(
            f"{source.name}: {counts['tracks']} tracks, {counts['divisions']} divisions in "
            f"{seconds:.1f} s -> {out}"
        )


def _make_labels(
    out: Path,
    source: Path,
    planes: ArrayPlanes,
    sink: ArrayLabels,
    model: Model,
    request: SegmentOptions,
    cluster: Optional[Cluster],  # noqa: UP045
) -> None:
    """Label the planes or volumes that are then followed."""
    recipe = tell_recipe(request, model, {})
    with keep_pieces(out, source, recipe, planes, request) as kept:
        shop = Here(kept) if cluster is None else cluster.keeping(kept)
        label_stack(planes, sink, model, request, source.name, shop)


def _copy_labels(path: Path, array: Any) -> None:
    """Read labels that are there already."""
    given = read_labels(path).array
    if tuple(given.shape) != tuple(array.shape) or given.dtype.kind not in "ui":
        raise ImageError(
            f"{path.name} holds {given.dtype} of shape {tuple(given.shape)}; labels of the series "
            f"are whole numbers of shape {tuple(array.shape)}."
        )
    for frame in range(given.shape[0]):
        array[frame] = np.asarray(given[frame]).astype(np.uint32)
