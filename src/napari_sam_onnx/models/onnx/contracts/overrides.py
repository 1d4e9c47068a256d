"""What a card or a caller states of a contract, over what was detected.

Overrides are a mapping: ``"encoder"`` and ``"decoder"`` name a row, or map fields of it to
values; every other key is a field of one of the two rows, alone or as ``"decoder.pad"``.
"""

from __future__ import annotations

from dataclasses import fields, replace
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.contracts.rows import DecoderContract, EncoderContract

if TYPE_CHECKING:
    from collections.abc import Mapping

_Contract = TypeVar("_Contract", EncoderContract, DecoderContract)


def stated_fields(overrides: Mapping[str, object]) -> frozenset[str]:
    """Fields of the decoder's row that overrides state, which are not to be probed."""
    return frozenset(split_overrides(overrides)[1])


def split_overrides(
    overrides: Mapping[str, object],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sort overrides by the row that they change.

    Returns
    -------
    encoder, decoder : dict
        Fields and their values; the name of a row under ``"row"``.

    Raises
    ------
    ModelError
        If a key is no field of one of the rows.
    """
    split: dict[str, dict[str, Any]] = {"encoder": {}, "decoder": {}}
    own = {
        "encoder": {field.name for field in fields(EncoderContract)},
        "decoder": {field.name for field in fields(DecoderContract)},
    }
    for key, value in overrides.items():
        if key in split and isinstance(value, str):
            split[key]["row"] = value
        elif key in split and hasattr(value, "items"):
            split[key].update(value.items())
        else:
            role, _, field = key.rpartition(".")
            roles = [role] if role else [name for name in own if key in own[name]]
            if len(roles) != 1 or roles[0] not in split:
                raise ModelError(f"The override {key!r} is no field of one of the two contracts.")
            split[roles[0]][field] = value
    for role, values in split.items():
        unknown = set(values) - own[role] - {"row"}
        if unknown:
            raise ModelError(
                f"The {role}'s contract has no field {sorted(unknown)[0]!r}; it has "
                f"{', '.join(sorted(own[role]))}."
            )
    return split["encoder"], split["decoder"]


def override(row: _Contract, values: Mapping[str, Any]) -> _Contract:
    """Replace fields of a row.

    Parameters
    ----------
    row : EncoderContract or DecoderContract
    values : mapping of str to value
        Fields of the row; lists, as TOML has them, count as tuples.

    Raises
    ------
    ModelError
        If a value is of another kind than the field, such as a word that it does not know.
    """
    hints = get_type_hints(type(row))
    changes: dict[str, Any] = {}
    for key, value in values.items():
        given = tuple(value) if isinstance(value, list) else value
        if not _is_of(given, hints[key]):
            raise ModelError(
                f"The override {key} = {value!r} is none of what {key} can be: "
                f"{_describe(hints[key])}."
            )
        changes[key] = given
    return replace(row, **changes)


def _is_of(value: object, hint: Any) -> bool:
    """Whether a value is of the type that a field states."""
    kind, parts = get_origin(hint), get_args(hint)
    if kind is Literal:
        return value in parts
    if kind is UnionType:
        return any(_is_of(value, part) for part in parts)
    if kind is tuple:
        if not isinstance(value, tuple):
            return False
        if parts[-1] is Ellipsis:
            return all(_is_of(item, parts[0]) for item in value)
        return len(value) == len(parts) and all(map(_is_of, value, parts))
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is hint  # a bool is no int here


def _describe(hint: Any) -> str:
    parts = get_args(hint)
    if get_origin(hint) is Literal:
        return ", ".join(map(repr, parts))
    return str(hint.__name__ if isinstance(hint, type) and not parts else hint)
