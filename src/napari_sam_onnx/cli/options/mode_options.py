"""The settings of automatic masks as command line options, made from their one declaration."""

from __future__ import annotations

import builtins
import inspect
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from napari_sam_onnx.automatic import MODES, Selection, form_fields
from napari_sam_onnx.stacks import StitchParameters, VolumeParameters

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import Field


def expand_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's ``**settings`` by one option per setting of the modes.

    What the command declares itself is left to it.
    Only the settings that the user gave are passed on, so that the mode's own defaults hold.
    """
    signature = inspect.signature(command, eval_str=True)
    declared = signature.parameters
    fields = {name: f for name, f in _collect_fields().items() if name not in declared}
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    options = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_option(name, users)
        )
        for name, users in fields.items()
    ]

    @wraps(command)
    def expanded(**values: Any) -> None:
        given = {name: values.pop(name) for name in fields}
        command(**values, **{name: v for name, v in given.items() if v is not None})

    expanded.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]
    expanded.__annotations__ = {p.name: p.annotation for p in [*own, *options]}
    return expanded


def _collect_fields() -> dict[str, dict[str, Field[Any]]]:
    """Every setting's name, and its declaration in each mode that has it; then the limits."""
    fields: dict[str, dict[str, Field[Any]]] = {}
    for mode, kind in MODES.items():
        for field in form_fields(kind):
            fields.setdefault(field.name, {})[mode] = field
    for field in form_fields(Selection):
        fields.setdefault(field.name, {"any mode": field})
    for field in form_fields(StitchParameters):
        fields.setdefault(field.name, {})["stitched planes"] = field
    for field in form_fields(VolumeParameters):
        fields.setdefault(field.name, {})["a volume"] = field
    return fields


def _option(name: str, users: dict[str, Field[Any]]) -> Any:
    """Describe the option of one setting: what it means, its unit, and its defaults."""
    first = next(iter(users.values()))
    defaults = {mode: _format(field.default) for mode, field in users.items()}
    if len(set(defaults.values())) == 1:
        default = f"default {next(iter(defaults.values()))}"
    else:
        default = "default " + ", ".join(f"{mode} {value}" for mode, value in defaults.items())
    unit = f"in {first.metadata['unit']}; " if first.metadata["unit"] else ""
    choices = " | ".join(first.metadata["choices"])
    note = f"({', '.join(users)}: {choices + '; ' if choices else ''}{unit}{default})"
    # a module whose annotations are not evaluated names its types, which older Typer cannot read
    kind = getattr(builtins, first.type) if isinstance(first.type, str) else first.type
    return Annotated[
        Optional[kind],  # noqa: UP045 - the type is a value here
        typer.Option(f"--{name.replace('_', '-')}", help=f"{first.metadata['help']} {note}"),
    ]


def _format(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
