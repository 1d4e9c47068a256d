"""Puts the commands together, and turns what goes wrong into one sentence and an exit code."""

from __future__ import annotations

import signal
import sys
import threading
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer

from napari_sam_onnx.cli.evaluate import evaluate
from napari_sam_onnx.cli.mode_options import expand_settings
from napari_sam_onnx.cli.models import models_app
from napari_sam_onnx.cli.segment import segment

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command(short_help="Find the objects in pictures and stacks.")(expand_settings(segment))
app.command(short_help="Compare a label image to a truth.")(evaluate)
app.add_typer(models_app, name="models")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"napari-sam-onnx {version('napari-sam-onnx')}")
        raise typer.Exit


@app.callback()
def _describe(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Segment pictures with Segment Anything models through ONNX Runtime, offline."""


def run(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and exit."""
    warnings.showwarning = _show_warning
    if threading.current_thread() is threading.main_thread():
        # A terminated run tidies up its unfinished files, as an interrupted one does.
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        app(arguments)
    except MemoryError as error:
        leave(f"There is not enough memory ({error}); use a smaller picture or fewer planes.")
    except Exception as error:
        if not isinstance(error, _expected_errors()):
            raise
        leave(str(error))


def leave(sentence: str) -> None:
    """Say what is wrong on standard error and exit with 2."""
    print(f"Error: {sentence}", file=sys.stderr)
    sys.exit(2)


def _expected_errors() -> tuple[type[Exception], ...]:
    """Errors of the input, whose messages are written for the user."""
    from napari_sam_onnx.automatic import ParameterError
    from napari_sam_onnx.evaluate import EvaluationError
    from napari_sam_onnx.image import ImageError
    from napari_sam_onnx.labels import LabelError
    from napari_sam_onnx.models import ModelError
    from napari_sam_onnx.picture_file import PictureFileError

    return EvaluationError, ImageError, LabelError, ModelError, ParameterError, PictureFileError


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    print(f"Warning: {message}", file=sys.stderr)
