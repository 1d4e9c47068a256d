"""Independent pieces of a run: planes, tiles, chunks; done here or elsewhere, kept when finished.

    pieces ─▶ Workshop.do ─▶ moments, in the order of the pieces

A piece that was kept is not prepared again, so that a run which was cancelled or killed goes on
where it stopped. What is kept are arrays, nothing that could be executed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from filelock import FileLock, Timeout

from napari_sam_onnx.errors import UserError
from napari_sam_onnx.generators import relay
from napari_sam_onnx.writing import explain_write, write_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Parts = dict[str, NDArray[Any]]

RECIPE = "recipe.json"


class PiecesError(UserError, RuntimeError):
    """Pieces that cannot be kept; the message says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Work that is ready to be done, here or in another process.

    Parameters
    ----------
    function : callable
        Takes a model, a store of embeddings and the values; a generator that yields its steps
        and has the piece's value for its own. Known by its module and name.
    values : tuple
        What it needs besides; can be pickled.
    """

    function: Callable[..., Generator[Any, None, Any]]
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A piece of a run.

    Parameters
    ----------
    key : str
        Its name among the pieces of the run.
    prepare : callable
        Reads what is needed and returns a `Task`; None where there is nothing to do.
    pack, unpack : callable
        Between its value and arrays by name; known by module and name.
    """

    key: str
    prepare: Callable[[], Task | None]
    pack: Callable[[Any], Parts]
    unpack: Callable[[Parts], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A step inside a piece, or a piece that is finished.

    Parameters
    ----------
    number : int
        Of the piece; those before it are finished.
    step : object
        What the piece's generator yielded; None while it is done elsewhere.
    done : bool
        Whether the piece is finished.
    value : object
        Then what it has made; None where there was nothing to do.
    """

    number: int
    step: Any = None
    done: bool = False
    value: Any = None


class Workshop(Protocol):
    """Who does pieces."""

    def do(self, pieces: Sequence[Piece], model: Any, cache: Any) -> Generator[Moment, None, None]:
        """Do pieces and tell of each in their order; closing the generator ends the work.

        Parameters
        ----------
        pieces : sequence of Piece
        model, cache
            The model, and where embeddings are kept, of who asks.
        """
        ...


class Here:
    """Does pieces in this process, one after another: a `Workshop`.

    Parameters
    ----------
    kept : KeptPieces, optional
        Where finished ones are kept.
    """

    def __init__(self, kept: KeptPieces | None = None) -> None:
        self.kept = kept

    def has(self, key: str) -> bool:
        """Whether a piece of this name seems to be finished."""
        return self.kept is not None and self.kept.has(key)

    def do(self, pieces: Sequence[Piece], model: Any, cache: Any) -> Generator[Moment, None, None]:
        """See `Workshop.do`."""
        for number, piece in enumerate(pieces):
            parts = None if self.kept is None else self.kept.read(piece.key)
            if parts is not None:
                yield Moment(number, done=True, value=piece.unpack(parts))
                continue
            task, value = piece.prepare(), None
            if task is not None:
                steps = task.function(model, cache, *task.values)
                value = yield from relay(steps, lambda step, n=number: Moment(n, step))  # type: ignore[misc]
                if self.kept is not None:
                    self.kept.write(piece.key, piece.pack(value))
            yield Moment(number, done=True, value=value)
            task = value = None  # large, and not wanted while the next piece is done


class KeptPieces:
    """Finished pieces of one run, in a folder of their own that is removed once it is done.

    Parameters
    ----------
    folder : Path
        Made where it does not exist; held by one process at a time.
    recipe : mapping
        Everything that the pieces depend on; whatever it holds is told apart by its `repr`.
    resume : bool
        Whether pieces of an earlier run by the same recipe are used; else they are deleted.

    Attributes
    ----------
    found : int
        Pieces of an earlier run that are used.
    other : bool
        Whether there were pieces of a run by another recipe, which were deleted.

    Raises
    ------
    PiecesError
        If another process holds the folder, it holds something else, or cannot be written.
    """

    def __init__(self, folder: Path, recipe: Mapping[str, Any], *, resume: bool) -> None:
        self.folder = folder
        told = sorted((name, repr(value)) for name, value in recipe.items())
        digest = hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()
        if folder.exists() and not _is_ours(folder):
            raise PiecesError(
                f"{folder} holds something else; move it away, the unfinished run is kept there."
            )
        self.found, self.other = 0, False
        self._lock = FileLock(folder / "lock")
        try:  # from before the folder exists, so that no interrupt can leave it behind
            folder.mkdir(exist_ok=True)
            self._lock.acquire(timeout=0)
            self._open(digest, resume=resume)
        except Timeout as error:
            raise PiecesError(f"Another run writes into {folder}; wait for it.") from error
        except OSError as error:
            self.close(finished=False)
            raise PiecesError(
                f"{folder}, where the unfinished run is kept, cannot be written: "
                f"{explain_write(error)}."
            ) from error
        except BaseException:
            self.close(finished=False)
            raise

    def _open(self, digest: str, *, resume: bool) -> None:
        """Look at what an earlier run has left."""
        pieces = list(self.folder.glob("*.npz"))
        same = self._read_recipe() == digest
        self.other = not same and bool(pieces)
        if same and resume:
            self.found = len(pieces)
            return
        for path in pieces:
            path.unlink()
        self._put(RECIPE, lambda part: part.write_text(json.dumps({"recipe": digest})))

    def has(self, key: str) -> bool:
        """Whether there is a piece of this name, damaged or not."""
        return (self.folder / f"{key}.npz").is_file()

    def read(self, key: str) -> Parts | None:
        """Return a finished piece; None where there is none, or it is damaged."""
        with suppress(OSError, ValueError, KeyError, EOFError):
            path = self.folder / f"{key}.npz"
            if path.is_file():
                with np.load(path, allow_pickle=False) as stored:
                    return {name: stored[name] for name in stored.files}
        return None

    def write(self, key: str, parts: Parts) -> None:
        """Keep a finished piece.

        Raises
        ------
        PiecesError
            If it cannot be written.
        """

        def save(part: Path) -> None:
            with part.open("wb") as stream:
                np.savez_compressed(stream, **parts)  # type: ignore[arg-type]

        self._put(f"{key}.npz", save)

    def close(self, *, finished: bool) -> None:
        """Let go of the folder, and remove it if the run is finished or has kept nothing."""
        kept = any(self.folder.glob("*.npz"))
        self._lock.release()
        if finished or not kept:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __len__(self) -> int:
        return sum(1 for _ in self.folder.glob("*.npz"))

    def _put(self, name: str, save: Callable[[Path], object]) -> None:
        try:
            with write_beside(self.folder / name) as part:
                save(part)
        except OSError as error:
            raise PiecesError(
                f"{self.folder}, where the unfinished run is kept, cannot be written: "
                f"{explain_write(error)}."
            ) from error

    def _read_recipe(self) -> str:
        with suppress(OSError, ValueError, KeyError, TypeError):
            return str(json.loads((self.folder / RECIPE).read_text(encoding="utf-8"))["recipe"])
        return ""


def _is_ours(folder: Path) -> bool:
    """Whether a folder is one of unfinished runs, or empty."""
    if not folder.is_dir():
        return False
    names = [path.name for path in folder.iterdir()]
    return RECIPE in names or all(name == "lock" or name.startswith(".") for name in names)
