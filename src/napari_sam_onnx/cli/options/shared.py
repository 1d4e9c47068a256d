"""Options that several commands take, each declared once."""

from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer

from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.cli.options.channels import SYNTAX
from napari_sam_onnx.cli.options.contract_option import HELP as CONTRACT_HELP
from napari_sam_onnx.pictures.projection import PROJECTIONS

ProjectionName = Enum("ProjectionName", {name: name for name in PROJECTIONS}, type=str)  # type: ignore[misc]

AnyModel = Annotated[
    str, typer.Option(help="A model of `models list`, or an encoder's .onnx with --decoder.")
]
Decoder = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option(help="The decoder's .onnx, where --model names an encoder's."),
]
ListedModel = Annotated[str, typer.Option(help="A model of `models list`.")]
Contract = Annotated[
    Optional[list[str]],  # noqa: UP045
    typer.Option(metavar="KEY=VALUE", help=CONTRACT_HELP),
]
Provider = Annotated[str, typer.Option(help="Where the model runs: auto, cpu, cuda …")]
Threads = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(min=1, help="Threads of the model; all cores but one where omitted."),
]
PictureAxes = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="The picture's axes, one letter of TZCYX per dimension, e.g. ZYX."),
]
PlaneAxes = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="The picture's axes, one letter of CYX per dimension."),
]
StackAxes = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(help="The stack's axes, one letter of TZCYX per dimension, e.g. ZYX."),
]
Channels = Annotated[Optional[str], typer.Option(help=SYNTAX)]  # noqa: UP045
Project = Annotated[
    Optional[ProjectionName],  # noqa: UP045
    typer.Option(help="Take the maximum or the mean of all planes along z as one plane."),
]


def name_of(choice: Optional[Enum]) -> str:  # noqa: UP045
    """Return what was chosen among names; "" for nothing."""
    return "" if choice is None else str(choice.value)


ForceFiles = Annotated[bool, typer.Option("--force", help="Replace files that exist.")]
ForceFile = Annotated[bool, typer.Option("--force", help="Replace a file that exists.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Workers = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(
        min=1,
        max=256,
        help="Divide planes and tiles among so many processes of this machine (extra dask); each "
        "holds the model. The labels are the same.",
    ),
]
Scheduler = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        metavar="ADDRESS",
        help="Divide planes and tiles among the workers of a Dask cluster, tcp://HOST:8786.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on where an earlier run was cancelled or killed, if picture, model and settings "
        "are the same.",
    ),
]


def name_model(model: str, decoder: Path | None) -> str | tuple[Path, ...]:
    """Tell an id of the catalogue from the files of a model.

    Raises
    ------
    ParameterError
        If there is a decoder without an encoder.
    """
    is_file = Path(model).suffix.lower() == ".onnx"
    if decoder is not None and not is_file and not Path(model).is_file():
        raise ParameterError("--decoder goes with its encoder: give --model ENCODER.onnx too.")
    if decoder is not None:
        return Path(model), decoder
    return (Path(model),) if is_file else model
