"""``find``: what a word names, or what looks like examples, on every plane -> labels."""

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, Optional

import numpy as np
import typer
from tqdm import tqdm

from napari_sam_onnx.cli.commands.segment_picture import settle_axes
from napari_sam_onnx.cli.label_file import check_result, open_labels
from napari_sam_onnx.cli.options import shared as options
from napari_sam_onnx.cli.options.channels import parse_channels
from napari_sam_onnx.cli.output import say
from napari_sam_onnx.pictures.image import Channel
from napari_sam_onnx.pictures.picture_file import read_picture
from napari_sam_onnx.planes import PlaneSource
from napari_sam_onnx.prompts import PromptError

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.look_up import Examples
    from napari_sam_onnx.masks.mask import Mask

BOX = "[PLANE,]Y0,X0,Y1,X1; the plane is 0 where it is left out. May be repeated."


class _Shown(NamedTuple):
    """How the picture is shown, see `settle_axes`."""

    axes: str | None
    channels: tuple[Channel, ...] | None
    project: str = ""
    view: str = ""


def find(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A picture or a stack.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="OUT", help="Labels, .tif or .ome.zarr.")
    ],
    model: Annotated[str, typer.Option(help="A model that reads text, such as sam3.")] = "sam3",
    text: Annotated[str, typer.Option(help="What to look for: a short noun phrase.")] = "",
    like: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help=f"A box around what is wanted: {BOX}"),
    ] = None,
    unlike: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help=f"A box around what is not wanted: {BOX}"),
    ] = None,
    tile: Annotated[
        int,
        typer.Option(min=0, help="Look at larger planes in tiles of this side, px; 0: whole."),
    ] = 0,
    link: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="z or t: objects that overlap from plane to plane keep their number."),
    ] = None,
    axes: options.StackAxes = None,
    channels: options.Channels = None,
    project: options.Project = None,
    force: options.ForceFiles = False,
    quiet: options.Quiet = False,
) -> None:
    """Find every object that a word names, or that looks like the ones in boxes.

    Boxes lie on one plane; what looks alike is found on all.
    """
    from napari_sam_onnx.automatic.look_up import iterate_look_up
    from napari_sam_onnx.models import load_text_model
    from napari_sam_onnx.stacks.look_up import iterate_look_up_stack

    began = time.perf_counter()
    picture = read_picture(source)
    shown = None if channels is None else parse_channels(channels)
    planes = settle_axes(picture, _Shown(axes, shown, options.name_of(project)))
    check_result(out, planes.label_axes, planes.label_shape)
    if link is not None and link.upper() not in planes.axes:
        raise PromptError(f"--link {link}: the planes run along {planes.axes or 'no axis'}.")
    at, examples = _read_examples(like or [], unlike or [], planes)
    if not text and examples is None:
        raise PromptError("Write what to look for with --text, or show it with --like.")
    opened = load_text_model(model)

    def look(
        index: tuple[int, ...], rgb: "NDArray[np.uint8]"
    ) -> "Generator[object, None, list[Mask]]":
        plane = rgb if examples is None or index != at else examples.plane
        return iterate_look_up(plane, opened, text or None, examples, tile_side=tile)

    count, hidden = 0, True if quiet else None
    with (
        closing(opened),
        open_labels(
            out, planes.label_axes, planes.label_shape, picture.pixel_size, force=force
        ) as sink,
        tqdm(desc=source.name, disable=hidden, leave=False, unit="") as bar,
    ):
        for step in iterate_look_up_stack(planes, look, link):
            if step.labels is not None:
                sink.write(step.index, step.labels)
                count = max(count, int(step.labels.max(initial=0)))
                bar.update()
    if not quiet:
        seconds = time.perf_counter() - began
        say(f"{source.name}: {count} object{'s' * (count != 1)} in {seconds:.1f} s -> {out}")


def _read_examples(
    like: list[str], unlike: list[str], planes: PlaneSource
) -> tuple[tuple[int, ...], "Examples | None"]:
    """Read boxes and the plane that all of them lie on."""
    from napari_sam_onnx.automatic.look_up import Examples

    if not like and not unlike:
        return (), None
    if not like:
        raise PromptError("Show what is wanted with --like beside what is not.")
    read = [_read_box(text, len(planes.shape)) for text in (*like, *unlike)]
    at = read[0][0]
    if any(index != at for index, _ in read):
        raise PromptError("Examples lie on one plane; give the same plane for all boxes.")
    if any(not 0 <= i < n for i, n in zip(at, planes.shape, strict=True)):
        raise PromptError(f"There is no plane {','.join(map(str, at))}; check the boxes.")
    wanted = np.arange(len(read)) < len(like)
    return at, Examples(planes.read(at), np.array([box for _, box in read]), wanted)


def _read_box(text: str, outer: int) -> tuple[tuple[int, ...], list[float]]:
    """Split a box into the index of its plane and its four sides."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (4, 4 + outer) or any(v % 1 for v in values[:-4]):
        where = "PLANE," * outer
        raise PromptError(f"The box {text!r} cannot be read; write {where}Y0,X0,Y1,X1.")
    index = tuple(int(value) for value in values[:-4]) or (0,) * outer
    return index, values[-4:]
