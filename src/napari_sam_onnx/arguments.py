"""Arguments of the wrong kind, said in one sentence at the door instead of found out inside."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from napari_sam_onnx.errors import UserError

NUMBERS = "buif"
"""Kinds of numpy types that are real numbers."""


def require(
    value: object, kinds: type | tuple[type, ...], wanted: str, error: type[UserError]
) -> None:
    """Refuse what is not of a kind.

    Parameters
    ----------
    value : object
    kinds : type or tuple of type
    wanted : str
        What is wanted, as the first half of a sentence.
    error : type of UserError
        Raised where the value is of another kind.
    """
    if not isinstance(value, kinds):
        raise error(f"{wanted}; got {type(value).__name__}.")


def tell(value: object) -> str:
    """Write a value in a sentence: a number or a word as it is, of others the kind."""
    plain = value is None or isinstance(value, (bool, int, float, str, tuple, np.number, np.bool_))
    return repr(value) if plain else type(value).__name__


def as_numbers(
    value: object, wanted: str, error: type[UserError], dtype: DTypeLike | None = None
) -> NDArray[Any]:
    """Make an array of numbers of what a caller gave.

    Parameters
    ----------
    value : array-like
    wanted, error
        See `require`.
    dtype : dtype, optional
        Of the result.
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind in NUMBERS:
            return array if dtype is None else array.astype(dtype)
    except (TypeError, ValueError, RuntimeError, OverflowError) as problem:
        raise error(f"{wanted}; got {type(value).__name__}.") from problem
    raise error(f"{wanted}; got {type(value).__name__} of {array.dtype}.")


def as_paths(source: object, wanted: str, error: type[UserError]) -> list[Path]:
    """Make a list of paths of one path or of several."""
    given = [source] if isinstance(source, (str, PathLike)) else source
    if not isinstance(given, (list, tuple)):
        raise error(f"{wanted}; got {type(source).__name__}.")
    for path in given:
        require(path, (str, PathLike), wanted, error)
        require(fspath(path), str, wanted, error)
    return [Path(path) for path in given]


def tell_axes(axes: str) -> str:
    """Name the axes that number planes in a sentence: ``'TZ'``, or ``no axis``."""
    return repr(axes) if axes else "no axis"
