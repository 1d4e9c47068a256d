"""How the contract of a model is put right on the command line: ``--contract KEY=VALUE``."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.models import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

HELP = (
    "Put right what the files of a model do not tell and was guessed wrong: KEY=VALUE, as often "
    "as needed. encoder=E3 or decoder=A names a row of the contracts; any other key is a field "
    "of one, with a value as TOML has it, e.g. layout=CHW, size=[1024,1024], decoder.batch=true."
)


def parse_contract(entries: Sequence[str]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` entries.

    Parameters
    ----------
    entries : sequence of str
        A value that is no TOML value is a word.

    Returns
    -------
    dict
        See `napari_sam_onnx.models.onnx.contracts.overrides`.

    Raises
    ------
    ModelError
        If an entry is none, or a key is there twice.
    """
    stated: dict[str, Any] = {}
    for entry in entries:
        key, equals, value = (part.strip() for part in entry.partition("="))
        if not (key and equals and value):
            raise ModelError(f"--contract takes KEY=VALUE; got {entry!r}.")
        if key in stated:
            raise ModelError(f"--contract states {key} twice.")
        try:
            parsed = tomllib.loads(f"value = {value}")
        except tomllib.TOMLDecodeError:
            parsed = {}
        stated[key] = parsed["value"] if list(parsed) == ["value"] else value
    return stated
