"""Puts the commands together, and turns what goes wrong into one sentence and an exit code."""

from __future__ import annotations

import re
import signal
import sys
import threading
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_sam_onnx.cli.commands.carry import carry
from napari_sam_onnx.cli.commands.embed import cache_app, embed
from napari_sam_onnx.cli.commands.evaluate import evaluate
from napari_sam_onnx.cli.commands.export import export
from napari_sam_onnx.cli.commands.find import find
from napari_sam_onnx.cli.commands.fit import fit
from napari_sam_onnx.cli.commands.learn import learn
from napari_sam_onnx.cli.commands.models import models_app
from napari_sam_onnx.cli.commands.propagate import propagate
from napari_sam_onnx.cli.commands.refine import refine
from napari_sam_onnx.cli.commands.replay import replay
from napari_sam_onnx.cli.commands.segment import segment
from napari_sam_onnx.cli.commands.similar import similar
from napari_sam_onnx.cli.commands.track import track
from napari_sam_onnx.cli.logs import keep_logs, show_warning
from napari_sam_onnx.cli.options.mode_options import expand_settings
from napari_sam_onnx.cli.output import flush_result, prepare_streams, say
from napari_sam_onnx.cli.paths import check_words
from napari_sam_onnx.errors import UserError, explain, shorten
from napari_sam_onnx.writing import explain_write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam_onnx.cli.logs import LogFile

JARGON = {
    r"Value error, ": "",
    r"Input should be a valid number.*": "a number is wanted, such as 0.5",
    r"Input should be a valid integer.*": "a whole number is wanted",
    r"Input should be a finite number": "a finite number is wanted",
    r"Input should be greater than or equal to (.+)": r"at least \1 is wanted",
    r"Input should be less than or equal to (.+)": r"at most \1 is wanted",
    r"Input should be greater than (.+)": r"more than \1 is wanted",
    r"Input should be less than (.+)": r"less than \1 is wanted",
    r"Input should be a valid boolean.*": "true or false is wanted",
    r"Got unexpected extra arguments? \((.+)\)": r"These words are too many: \1",
    r"Got unexpected extra argument\(s\) \((.+)\)": r"These words are too many: \1",
}
"""What Pydantic, by which Typer checks words, says; and how it is said here."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command(short_help="Find the objects in pictures and stacks.")(expand_settings(segment))
app.command(short_help="Follow the objects of a time series.")(track)
app.command(short_help="Follow objects that you point at through planes.")(propagate)
app.command(short_help="Carry one object through a stack, with any model.")(carry)
app.command(short_help="Make labels again as a recipe says.")(replay)
app.command(short_help="Write labels in the formats of other programs.")(export)
app.command(short_help="Search the settings that reproduce labels.")(fit)
app.command(short_help="Learn which objects are wanted from corrected labels.")(learn)
app.command(short_help="Find what looks like a few labelled objects.")(similar)
app.command(short_help="Find what a word names, or what looks like boxes.")(find)
app.command(short_help="Outline labelled objects anew where that is better.")(refine)
app.command(short_help="Compare a label image to a truth.")(evaluate)
app.command(short_help="Encode planes beforehand.")(embed)
app.add_typer(cache_app, name="cache")
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
    warnings.showwarning = show_warning
    prepare_streams()
    if threading.current_thread() is threading.main_thread():
        # A terminated run tidies up its unfinished files, as an interrupted one does.
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with keep_logs() as log:
        code = _call(arguments, log)
    problem = flush_result()
    if problem and not code:
        code = _fail(problem)
    sys.exit(code)


def _call(arguments: Sequence[str] | None, log: LogFile) -> int:
    """Run a command; its exit code."""
    try:
        check_words(sys.argv[1:] if arguments is None else arguments)
        return _call_app(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except typer.Abort:
        return _fail("Aborted.", code=1)
    except (UserError, MemoryError) as error:
        return _fail(explain(error))
    except OSError as error:
        return _fail(_explain_system(error))
    except Exception as error:
        sentence = explain(error)
        return _fail(f"{sentence.rstrip('.')} with {log.place}.", code=1)


def _call_app(arguments: Sequence[str] | None) -> int:
    """Run a command; what Typer has to say of its words is said without Pydantic's jargon."""
    try:
        code = app(arguments, standalone_mode=False)
    except Exception as error:
        said: Any = error  # Typer keeps the class of its own errors to itself
        if not hasattr(said, "show") or not isinstance(getattr(said, "message", None), str):
            raise
        said.message = _say_plainly(said.message)
        said.show()
        return int(said.exit_code)
    return code if isinstance(code, int) else 0


def _say_plainly(message: str) -> str:
    """Say what is wrong with a word without Pydantic's jargon, as a sentence."""
    for jargon, plain in JARGON.items():
        message = re.sub(f"^{jargon}", plain, message)
    return message if message.endswith((".", ")", "?")) else f"{message}."


def _fail(sentence: str, code: int = 2) -> int:
    """Say what is wrong on standard error."""
    say(f"Error: {shorten(sentence)}", error=True)
    return code


def _explain_system(error: OSError) -> str:
    """Say what the system refused: a path that may not be read, a full disk."""
    if error.filename is None:
        return f"What was to be read or written fails: {explain_write(error)}."
    if isinstance(error, FileNotFoundError):
        return f"There is no file {error.filename}."
    reason = (error.strerror or str(error)).rstrip(".")
    return f"{error.filename} cannot be used: {reason}."
