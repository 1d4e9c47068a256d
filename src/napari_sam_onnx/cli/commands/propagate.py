"""``propagate``: objects pointed at on one plane -> labels of them on all planes."""

import re
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Annotated, NamedTuple, Optional

import typer
from tqdm import tqdm

from napari_sam_onnx.cli.commands.segment_picture import settle_axes
from napari_sam_onnx.cli.label_file import check_result, open_labels
from napari_sam_onnx.cli.options import shared as options
from napari_sam_onnx.cli.options.channels import parse_channels
from napari_sam_onnx.cli.output import say
from napari_sam_onnx.errors import UserError
from napari_sam_onnx.labels.label_image import check_label, paint_masks
from napari_sam_onnx.models import load_model
from napari_sam_onnx.pictures.image import Channel
from napari_sam_onnx.pictures.picture_file import read_picture
from napari_sam_onnx.prompts import PromptError, Prompts, make_prompts

WHERE = "[OBJECT:]PLANE,Y,X; the object is 1 where it is left out. May be repeated."
_PLACE = re.compile(r"(?:(?P<number>\d{1,10}):)?(?P<values>-?[\d.]+(?:,-?[\d.]+)*)")


class _Shown(NamedTuple):
    """How the picture is shown, see `settle_axes`."""

    axes: str | None
    channels: tuple[Channel, ...] | None
    view: str = ""
    project: str = ""


def propagate(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A stack: ZYX, TYX, TZYX …")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="OUT", help="Labels of the stack, .tif.")
    ],
    model: Annotated[
        str, typer.Option(help="A model of `models list --for time`.")
    ] = "sam2.1-tiny-video",
    point: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help=f"A point on an object: {WHERE}"),
    ] = None,
    background: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help=f"A point beside an object: {WHERE}"),
    ] = None,
    box: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="A box around an object: [OBJECT:]PLANE,Y0,X0,Y1,X1. May be repeated."),
    ] = None,
    axis: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The axis to follow, z or t; the only one where omitted."),
    ] = None,
    at: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="Where along the other axes: one index for each, e.g. 3,0 of TZYX."),
    ] = None,
    direction: Annotated[
        str, typer.Option(help="From where an object was pointed at: both, forwards, backwards.")
    ] = "both",
    patience: Annotated[
        int,
        typer.Option(
            min=0, help="Follow no further after so many planes without the object; 0: to the end."
        ),
    ] = 0,
    axes: options.StackAxes = None,
    channels: options.Channels = None,
    force: options.ForceFiles = False,
    quiet: options.Quiet = False,
) -> None:
    """Follow objects through planes with a model that remembers them.

    An object starts on the first plane where it is pointed at. What is pointed at on later planes
    corrects it there.
    """
    from napari_sam_onnx.prompting.propagate import propagate as follow

    began = time.perf_counter()
    shown = None if channels is None else parse_channels(channels)
    picture = read_picture(source)
    planes = settle_axes(picture, _Shown(axes, shown))
    check_result(out, planes.label_axes, planes.label_shape)
    asked = _read_prompts(point or [], background or [], box or [], planes.plane_shape)
    starts = {number: {min(places): places[min(places)]} for number, places in asked.items()}
    corrections = {
        number: {place: prompts for place, prompts in places.items() if place > min(places)}
        for number, places in asked.items()
    }
    opened = load_model(model)
    try:
        steps = follow(
            opened,
            planes,
            starts,
            axis=axis,
            at=None if at is None else _read_index(at),
            direction=direction,  # type: ignore[arg-type]
            corrections=corrections,
            patience=patience,
        )
        axes_now, shape = planes.label_axes, planes.label_shape
        with open_labels(out, axes_now, shape, picture.pixel_size, force=force) as sink:
            found = defaultdict(list)
            bar = tqdm(desc=source.name, disable=True if quiet else None, leave=False, unit="")
            with bar:
                for seen in steps:
                    mask = replace(seen.mask, label=seen.number)
                    found[seen.index].append(mask)
                    bar.update()
            for index, masks in found.items():
                sink.write(index, paint_masks(masks, planes.plane_shape, "certain"))
    finally:
        opened.close()
    if not quiet:
        seen_on = sum(any(masks) for masks in found.values())
        seconds = time.perf_counter() - began
        say(
            f"{source.name}: {len(asked)} object{'s' * (len(asked) != 1)} on {seen_on} of "
            f"{len(found)} planes in {seconds:.1f} s -> {out}"
        )


def _read_prompts(
    points: list[str], background: list[str], boxes: list[str], shape: tuple[int, int]
) -> dict[int, dict[int, Prompts]]:
    """Sort what was said by object and plane."""
    places: dict[tuple[int, int], dict[str, list[tuple[float, ...]]]] = {}
    for kind, texts, count in (("on", points, 3), ("off", background, 3), ("box", boxes, 5)):
        for text in texts:
            number, plane, values = _read_place(text, count)
            places.setdefault((number, plane), {}).setdefault(kind, []).append(values)
    asked: dict[int, dict[int, Prompts]] = {}
    for (number, plane), said in sorted(places.items()):
        on, off, box = (said.get(kind, []) for kind in ("on", "off", "box"))
        if len(box) > 1:
            raise PromptError(f"Object {number} has two boxes on plane {plane}; give one.")
        known = asked.setdefault(number, {})
        known[plane] = make_prompts(
            [*on, *off] or None,
            [1] * len(on) + [0] * len(off) if on or off else None,
            box[0] if box else None,
            plane_shape=shape,
            alone=not known,
        )
    if not asked:
        raise PromptError("Point at an object: --point PLANE,Y,X or --box PLANE,Y0,X0,Y1,X1.")
    return asked


def _read_place(text: str, count: int) -> tuple[int, int, tuple[float, ...]]:
    """Read ``OBJECT:PLANE,…``; object, plane, and the numbers that follow."""
    match = _PLACE.fullmatch(text.strip())
    try:
        plane, *values = (match["values"] if match else "").split(",")
        number, position = int((match and match["number"]) or 1), int(plane)
        if len(values) != count - 1:
            raise ValueError
        return check_label(number), position, tuple(float(value) for value in values)
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        wanted = "PLANE,Y,X" if count == 3 else "PLANE,Y0,X0,Y1,X1"
        raise PromptError(
            f"{text!r} cannot be read; write {wanted}, or 2:{wanted} for object 2."
        ) from error


def _read_index(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise PromptError(f"--at {text!r} cannot be read; write one index per axis.") from error
