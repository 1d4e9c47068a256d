"""``carry``: one object of a stack, from where it is pointed at through the other planes."""

import time
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from napari_sam_onnx.arguments import tell_axes
from napari_sam_onnx.automatic import ParameterError
from napari_sam_onnx.cli.label_file import open_labels
from napari_sam_onnx.cli.options import shared as options
from napari_sam_onnx.cli.options.channels import parse_channels
from napari_sam_onnx.cli.output import say
from napari_sam_onnx.models import load_model
from napari_sam_onnx.pictures.image import ImageError, check_axes, infer_axes
from napari_sam_onnx.pictures.picture_file import read_picture
from napari_sam_onnx.stacks.carry_object import carry_object, write_object
from napari_sam_onnx.stacks.carry_parameters import CarryParameters

_DEFAULT = CarryParameters()


def carry(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A stack: ZYX, TYX …")],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="OUT", help="Labels: the object is 1, .tif or .ome.zarr."
        ),
    ],
    point: Annotated[
        Optional[list[str]],  # noqa: UP045 - read at run time, also by older Typer
        typer.Option(help="A point on it, PLANE,Y,X in pixels; on several planes: repeat it."),
    ] = None,
    box: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="A box around it, PLANE,Y0,X0,Y1,X1; may be repeated."),
    ] = None,
    along: Annotated[str, typer.Option(help="The axis through which it is carried.")] = "z",
    first: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Stop at this plane on the way down."),
    ] = None,
    last: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(help="Stop at this plane on the way up."),
    ] = None,
    model: options.ListedModel = "pebble",
    axes: options.StackAxes = None,
    channels: options.Channels = None,
    min_iou: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Ends where it overlaps less.")
    ] = _DEFAULT.min_iou,
    max_change: Annotated[
        float, typer.Option(min=1.05, max=100.0, help="Ends where its size jumps by this factor.")
    ] = _DEFAULT.max_change,
    min_size: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Ends below this part of its largest known section."),
    ] = _DEFAULT.min_size,
    min_contrast: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Ends where its contrast has faded to this part."),
    ] = _DEFAULT.min_contrast,
    neck: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(
            min=0.0,
            max=1.0,
            help=f"Ends where it narrows to this part and grows again; along z {_DEFAULT.neck:g}.",
        ),
    ] = None,
    force: options.ForceFile = False,
    quiet: options.Quiet = False,
) -> None:
    """Carry one object through the planes or frames of a stack.

    A model that remembers objects finds it by its memory; where it ends is then no option.
    """
    began = time.perf_counter()
    own: dict[str, Any] = {} if neck is None else {"neck": neck}
    known = _parse(point or (), "--point", 2) | _parse(box or (), "--box", 4)
    if not known:
        raise ParameterError("Say where the object is: --point PLANE,Y,X or --box.")
    picture = read_picture(source)
    shape = picture.array.shape
    named = check_axes(axes or picture.axes or infer_axes(shape), len(shape))
    outer = [axis for axis in named if axis not in "YXC"]
    if outer != [along.upper()]:
        raise ImageError(
            f"An object is carried along {along!r} alone; the stack runs along "
            f"{tell_axes(''.join(outer))}."
        )
    count = shape[named.index(along.upper())]
    span = (0 if first is None else first, count - 1 if last is None else last)
    label_axes = named.replace("C", "")
    sizes = dict(zip(named, shape, strict=True))
    label_shape = tuple(sizes[axis] for axis in label_axes)
    with open_labels(out, label_axes, label_shape, picture.pixel_size, force=force) as sink:
        masks = carry_object(
            picture.array,
            load_model(model),
            known,
            named,
            along,
            span=span,
            channels=None if channels is None else parse_channels(channels),
            min_iou=min_iou,
            max_change=max_change,
            min_size=min_size,
            min_contrast=min_contrast,
            **own,
        )
        voxels = write_object(sink, masks, along)
    if not quiet:
        planes = sorted(masks)
        say(
            f"{source.name}: planes {planes[0]} to {planes[-1]}, {voxels:,} pixels in "
            f"{time.perf_counter() - began:.1f} s -> {out}"
        )


def _parse(words: list[str] | tuple[str, ...], option: str, count: int) -> dict[int, list[float]]:
    """Read a plane and so many coordinates from each word."""
    found = {}
    for word in words:
        try:
            plane, *numbers = (float(part) for part in word.split(","))
            if len(numbers) != count or not plane.is_integer():
                raise ValueError(word)
        except ValueError as error:
            names = "PLANE,Y,X" if count == 2 else "PLANE,Y0,X0,Y1,X1"
            raise ParameterError(f"{option} is {names}; got {word!r}.") from error
        found[int(plane)] = numbers
    return found
