"""How a setting is declared: with its meaning, its range and its unit, once.

A field's metadata says what it means and which values it takes; the form, the command line's flags
and the saved recipe are made from it. Fields without metadata are for scripts alone.
"""

from collections.abc import Mapping
from dataclasses import Field, field, fields
from numbers import Real
from typing import Any

from napari_sam_onnx.arguments import tell
from napari_sam_onnx.errors import UserError


class ParameterError(UserError, ValueError):
    """A setting that does not exist or is out of range; the message says what to change."""


def declare(
    default: Any,
    help: str,
    *,
    label: str,
    min: float | None = None,
    max: float | None = None,
    step: float | None = None,
    unit: str = "",
    choices: tuple[str, ...] = (),
    advanced: bool = False,
) -> Any:
    """Make a field that a form, a command line and a recipe can be built from."""
    metadata = {
        "help": help,
        "label": label,
        "min": min,
        "max": max,
        "step": step,
        "unit": unit,
        "choices": choices,
        "advanced": advanced,
    }
    return field(default=default, metadata=metadata)


def form_fields(kind: type) -> tuple[Field[Any], ...]:
    """Return the fields that a user may set: those that are declared with a help text.

    Parameters
    ----------
    kind : type
        One of the values of `MODES`.

    Returns
    -------
    tuple of dataclasses.Field
        ``metadata`` holds ``help``, ``label``, ``min``, ``max``, ``step`` (None where there is
        none), ``unit`` (may be empty), ``choices`` (empty unless the value is one of a few
        words) and ``advanced`` (rarely changed); ``type`` is int, float or str.
    """
    return tuple(f for f in fields(kind) if f.metadata)


def check_fields(parameters: Any) -> None:
    """Refuse values of the wrong type or out of range."""
    for f in form_fields(type(parameters)):
        value, rule = getattr(parameters, f.name), f.metadata
        number = isinstance(value, Real) and not isinstance(value, bool)
        if f.type in (int, float) and not number:
            raise ParameterError(f"{f.name} is a number; got {tell(value)}.")
        if f.type is int and not float(value).is_integer():
            raise ParameterError(f"{f.name} is a whole number; got {tell(value)}.")
        if number and not (
            (rule["min"] is None or value >= rule["min"])
            and (rule["max"] is None or value <= rule["max"])
        ):
            raise ParameterError(f"{f.name} lies {_describe_range(rule)}; got {tell(value)}.")
        if rule["choices"] and value not in rule["choices"]:
            raise ParameterError(
                f"{f.name} is one of {', '.join(rule['choices'])}; got {tell(value)}."
            )


def _describe_range(rule: Mapping[str, Any]) -> str:
    low, high = rule["min"], rule["max"]
    if low is None or high is None:
        return f"at or below {high:g}" if low is None else f"at or above {low:g}"
    return f"from {low:g} to {high:g}"
