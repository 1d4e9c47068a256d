"""``segment``: a picture, a stack or a folder of them -> label images."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from napari_sam_onnx.automatic import MODES, ParameterError, make_parameters, split_limits
from napari_sam_onnx.cli.commands.learn import read_judge
from napari_sam_onnx.cli.commands.segment_picture import segment_picture
from napari_sam_onnx.cli.commands.suggest import write_suggestions
from napari_sam_onnx.cli.jobs import Job, explain_names, plan_jobs, refuse_existing_outputs
from napari_sam_onnx.cli.label_planes import SegmentOptions
from napari_sam_onnx.cli.ledger import Ledger
from napari_sam_onnx.cli.options import shared as options
from napari_sam_onnx.cli.options.channels import parse_channels
from napari_sam_onnx.cli.options.contract_option import parse_contract
from napari_sam_onnx.cli.options.lengths import parse_length
from napari_sam_onnx.cli.output import say
from napari_sam_onnx.cli.unfinished import tell_recipe
from napari_sam_onnx.cli.workers import open_workers
from napari_sam_onnx.errors import explain
from napari_sam_onnx.models import Model, load_model
from napari_sam_onnx.pictures.picture_file import PictureFileError, is_folder
from napari_sam_onnx.pictures.views import VIEWS
from napari_sam_onnx.records.presets import find_preset
from napari_sam_onnx.stacks import METHODS
from napari_sam_onnx.stacks.cluster import Cluster, ClusterError

Mode = Enum("Mode", {name: name for name in MODES}, type=str)  # type: ignore[misc]
Method = Enum("Method", {name: name for name in METHODS}, type=str)  # type: ignore[misc]
ViewName = Enum("ViewName", {name: name for name in VIEWS}, type=str)  # type: ignore[misc]
Link = Enum("Link", {"z": "z", "t": "t"}, type=str)


def segment(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A picture, a stack, or a folder of them.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="OUT",
            help="The label image: .tif keeps axes and pixel size, .ome.zarr is OME-Zarr with a "
            "pyramid, .png holds one plane of at most 65535 labels. For a folder: a folder.",
        ),
    ],
    model: options.AnyModel = "pebble",
    decoder: options.Decoder = None,
    contract: options.Contract = None,
    axes: options.PictureAxes = None,
    channels: options.Channels = None,
    project: options.Project = None,
    view: Annotated[
        Optional[ViewName],  # noqa: UP045
        typer.Option(help="Another way to see the picture: inverted, or one stain of a slide."),
    ] = None,
    suggest: Annotated[
        bool,
        typer.Option(
            "--suggest",
            help="Segment nothing; try channels, stains and what is inverted, print which of them "
            "the model sees most in, and draw the best on the sheet OUT (.png).",
        ),
    ] = False,
    mode: Annotated[
        Optional[Mode],  # noqa: UP045
        typer.Option(help="Where prompts come from; the model's best where omitted."),
    ] = None,
    boxes: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="With --mode boxes: a label image whose objects are to be redrawn."),
    ] = None,
    link: Annotated[
        Optional[Link],  # noqa: UP045
        typer.Option(help="The axis along which an object keeps its label."),
    ] = None,
    inside: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="An image of a plane's or the stack's size; objects are looked for where it is "
            "not 0."
        ),
    ] = None,
    fill: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            help="A label image of a plane's or the stack's size: its labels stay, and objects "
            "are looked for in the gaps."
        ),
    ] = None,
    preset: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            metavar="NAME|FILE",
            help="Mode, settings and limits that were saved in the dock by this name, or in a "
            "file (.json); options given here win.",
        ),
    ] = None,
    learned: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            metavar="FILE",
            help="What `learn` has written: objects that it does not want are left out.",
        ),
    ] = None,
    diameter: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            help="Diameter of a typical object, in pixels (30) or micrometres (12um): sets the "
            "scale at which the model looks; found by what it sees where omitted."
        ),
    ] = None,
    method: Annotated[
        Optional[Method],  # noqa: UP045
        typer.Option(
            "--as",
            help="What a stack is: planes one by one, or a volume along z. Where omitted a volume, "
            "if the model sees objects by itself and no setting of planes is given.",
        ),
    ] = None,
    z_spacing: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=0.01,
            max=100.0,
            help="For a volume: the distance between two planes, in pixels of a plane. Where "
            "omitted what the file says, and where it says nothing it is measured on the objects.",
        ),
    ] = None,
    preview: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Also draw the labels over the picture, .png; for a folder: a folder."),
    ] = None,
    force: options.ForceFiles = False,
    resume: options.Resume = False,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    quiet: options.Quiet = False,
    provider: options.Provider = "auto",
    threads: options.Threads = None,
    **settings: Any,
) -> None:
    """Find the objects in a picture, a stack or a folder and save them as a label image."""
    named = options.name_model(model, decoder)
    if suggest:
        opened = load_model(named, provider=provider, threads=threads)
        write_suggestions(source, out, opened, axes, options.name_of(project), force=force)
        return
    files = () if isinstance(named, str) else named
    given = [path for path in (boxes, inside, fill, learned) if path is not None]
    jobs = plan_jobs(source, out, preview, [*files, *given])
    if not resume:
        refuse_existing_outputs(jobs, force=force)  # before a model is opened
    wanted = None if mode is None else mode.value
    if preset is not None:
        wanted, settings = _take_preset(preset, wanted, settings)
    request = SegmentOptions(
        axes=axes,
        channels=None if channels is None else parse_channels(channels),
        view="" if view is None else view.value,
        project=options.name_of(project),
        mode=wanted,
        boxes=boxes,
        inside=inside,
        fill=fill,
        link=None if link is None else link.value,
        diameter=None if diameter is None else parse_length(diameter),
        method=None if method is None else method.value,
        z_spacing=z_spacing,
        settings=settings,
        judge=None if learned is None else read_judge(learned),
        force=force,
        quiet=quiet,
        resume=resume,
    )
    _check_mode(request)
    overrides = parse_contract(contract or ())
    opened = load_model(named, provider=provider, threads=threads, overrides=overrides)
    recipe = tell_recipe(request, opened, overrides)
    ledger = Ledger(out, recipe) if is_folder(source) else None
    done = [job for job in jobs if resume and ledger is not None and ledger.is_done(job)]
    left = [job for job in jobs if job not in done]
    refuse_existing_outputs(left, force=force)
    if not quiet:
        for remark in (
            explain_names(jobs) if is_folder(source) else "",
            f"{len(done)} done already" if done else "",
        ):
            if remark:
                say(remark)
    with open_workers(workers, scheduler, named, provider, threads, overrides) as cluster:
        failed = _segment_all(left, opened, request, recipe, ledger, cluster, alone=len(jobs) == 1)
    if failed:
        raise PictureFileError(f"{failed} of {len(jobs)} pictures could not be segmented.")


def _segment_all(
    jobs: list[Job],
    model: Model,
    request: SegmentOptions,
    recipe: dict[str, Any],
    ledger: Ledger | None,
    cluster: Cluster | None,
    *,
    alone: bool,
) -> int:
    """Segment one picture after another; count those that could not be."""
    failed = 0
    for job in jobs:
        try:
            segment_picture(job, model, request, recipe, cluster)
            if ledger is not None:
                ledger.add(job)
        except Exception as error:
            if alone or isinstance(error, (ParameterError, ClusterError)):
                raise
            failed += 1  # the other pictures are still wanted
            sentence = explain(error)
            if not sentence.startswith(job.source.name):
                sentence = f"{job.source.name}: {sentence}"
            say(f"Error: {sentence}", error=True)
    return failed


def _take_preset(
    name: str, mode: str | None, settings: dict[str, Any]
) -> tuple[str | None, dict[str, Any]]:
    """Add what a preset says to what was given, which wins; mode and settings."""
    kept = find_preset(name)
    if mode is not None and kept.mode != mode:
        raise ParameterError(
            f"The preset {kept.name!r} is for "
            + (f"the mode {kept.mode}" if kept.mode else "what suits the model")
            + "; leave --mode away."
        )
    return kept.mode, {**kept.settings, **settings}


def _check_mode(request: SegmentOptions) -> None:
    """Refuse settings that do not fit before a model is opened and work begins."""
    if request.mode is not None:
        make_parameters(request.mode, **split_limits(request.mode, request.settings)[0])
    if (request.mode == "boxes") != (request.boxes is not None):
        raise ParameterError("--boxes FILE and --mode boxes go together; give both or neither.")
    if request.boxes is not None and (
        request.inside is not None or request.fill is not None or request.judge is not None
    ):
        raise ParameterError("--inside, --fill and --learned look for objects; leave --boxes away.")
