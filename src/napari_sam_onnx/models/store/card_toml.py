"""Model cards as TOML: read with a sentence for each mistake, and written for added models.

A file holds ``[[model]]`` tables. What a card lacks or gets wrong is refused with the file,
the model and the field to repair; an unknown field is a mistake too, since a misspelt
``sha256`` would otherwise switch off verification unnoticed.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store.cards import PURPOSES, Archive, ModelCard, ModelFile, Origin
from napari_sam_onnx.writing import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

EMBEDDED_ID = "pebble"
"""The embedded model that one starts with."""

_MOST_BYTES = 4 << 20

# an id names a folder on every system, so it may not be a path nor a Windows device
_ID = re.compile(r"(?!(?:con|prn|aux|nul|com\d|lpt\d)$)[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
_ROLE = re.compile(r"[a-z][a-z0-9_]*")
_HEX = {"sha256": re.compile(r"[0-9a-f]{64}"), "md5": re.compile(r"[0-9a-f]{32}")}


def read_cards(path: Path, origin: Origin) -> list[ModelCard]:
    """Read the ``[[model]]`` tables of a TOML file.

    Raises
    ------
    ModelError
        With one sentence that names the file and the field to repair.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ModelError(f"{path}: a card is a file, not a folder, a pipe or a device.")
        if status.st_size > _MOST_BYTES:
            raise ModelError(f"{path}: this is no card; it is larger than a card can be.")
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ModelError(f"{path}: this is no card; its tables are nested too deep.") from error
    except OSError as error:
        reason = error.strerror or "it cannot be opened"
        raise ModelError(f"{path}: the card cannot be read ({reason}).") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: the card cannot be read; it is no text in UTF-8.") from error
    except ValueError as error:  # tomllib's own, and Python's of numbers with too many digits
        raise ModelError(f"{path}: this is no valid TOML ({error}).") from error
    tables = document.get("model")
    if not isinstance(tables, list) or not tables or not all(isinstance(t, dict) for t in tables):
        raise ModelError(f"{path}: write each model as a [[model]] table; there is none.")
    return [_read_card(_Table(table, path, f"model {i}"), origin) for i, table in enumerate(tables)]


def write_card(card: ModelCard, path: Path) -> None:
    """Write a card whose files lie on this computer; `read_cards` reads it back.

    Raises
    ------
    OSError
        If the file cannot be written; what was there before is then untouched.
    """
    texts = ("id", "name", "family", "contract", "licence", "made_for", "notes", "source")
    table: dict[str, Any] = {key: getattr(card, key) for key in (*texts, "hash_source")}
    table |= {"commercial_use": card.commercial_use, "input_size": card.input_size}
    table["overrides"] = dict(card.overrides)
    table["files"] = [
        _fill({
            "role": file.role,
            "name": file.name,
            "path": str(file.path),
            "sha256": file.sha256,
            "size": file.size,
        })
        for file in card.files
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, tomli_w.dumps({"model": [_fill(table)]}).encode())


def _fill(entries: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is not known: TOML has no word for nothing."""
    return {key: value for key, value in entries.items() if value not in (None, "", {})}


def is_valid_id(model_id: str) -> bool:
    """Whether an id can name a folder on every system."""
    return len(model_id) <= 64 and _ID.fullmatch(model_id) is not None


class _Table:
    """A TOML table whose entries are taken one by one and checked as they are taken."""

    def __init__(self, entries: dict[str, Any], path: Path, where: str) -> None:
        self.entries = dict(entries)
        self.path = path
        self.where = where

    def fail(self, key: str, complaint: str) -> ModelError:
        return ModelError(f"{self.path}: {self.where}, field '{key}': {complaint}.")

    def take(self, key: str, kind: type, *, required: bool = False) -> Any:
        if key not in self.entries:
            if required:
                raise self.fail(key, "is missing")
            return None
        value = self.entries.pop(key)
        # bool is an int to Python, but `size = true` is a mistake
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.fail(key, f"must be {_KINDS[kind]}")
        if required and value in ("", []):
            raise self.fail(key, "is empty")
        return value

    def take_url(self, key: str) -> str | None:
        url: str | None = self.take(key, str)
        if url is not None and not url.startswith("https://"):
            raise self.fail(key, "must start with https://")
        return url

    def take_size(self, key: str) -> int | None:
        size: int | None = self.take(key, int)
        if size is not None and size <= 0:
            raise self.fail(key, "must be a number of bytes above 0")
        return size

    def take_hash(self, key: str) -> str | None:
        value: str | None = self.take(key, str)
        if value is not None and not _HEX[key].fullmatch(value):
            digits = 64 if key == "sha256" else 32
            raise self.fail(key, f"must be {digits} lower-case hexadecimal digits")
        return value

    def finish(self) -> None:
        for key in self.entries:
            raise self.fail(key, "is not a field of a card; correct or delete it")


_KINDS = {
    str: "text",
    int: "a whole number",
    float: "a number with a decimal point",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}


def _read_card(table: _Table, origin: Origin) -> ModelCard:
    """Check one ``[[model]]`` table and make a card of it."""
    model_id = table.take("id", str, required=True)
    if not is_valid_id(model_id):
        raise table.fail("id", f"'{model_id}' may hold lower-case letters, digits, '.', '-', '_'")
    table.where = f"model '{model_id}'"
    base = table.take_url("base") or ""
    archive = _read_archive(table, base)
    files = tuple(_read_files(table, base, archive))
    overrides = table.take("overrides", dict)
    made_for = table.take("made_for", str) or ""
    if made_for and made_for not in PURPOSES:
        raise table.fail("made_for", f"'{made_for}' is none of {', '.join(PURPOSES)}")
    packaged = origin == "catalogue" and all(file.path is not None for file in files)
    card = ModelCard(
        id=model_id,
        name=table.take("name", str, required=True),
        family=table.take("family", str) or "unknown",
        files=files,
        contract=table.take("contract", str) or "",
        licence=table.take("licence", str) or "unknown",
        commercial_use=table.take("commercial_use", bool),
        input_size=table.take_size("input_size"),
        notes=table.take("notes", str) or "",
        source=table.take_url("source") or "",
        hash_source=table.take("hash_source", str) or "",
        overrides=overrides or {},
        made_for=made_for,
        about=table.take_size("about"),
        measured=_read_measured(table),
        origin="embedded" if packaged else origin,
        card_file=table.path,
    )
    table.finish()
    return card


def _read_measured(table: _Table) -> tuple[float, float] | None:
    """Read how well one click and one box were answered."""
    entries = table.take("measured", dict)
    if entries is None:
        return None
    inner = _Table(entries, table.path, f"{table.where}, measured")
    click, box = (inner.take(key, float, required=True) for key in ("click", "box"))
    inner.finish()
    if not (0 <= click <= 1 and 0 <= box <= 1):
        raise table.fail("measured", "an IoU lies between 0 and 1")
    return click, box


def _read_archive(table: _Table, base: str) -> Archive | None:
    """Read the zip that the files of a card are members of, where there is one."""
    entries = table.take("archive", dict)
    if entries is None:
        return None
    inner = _Table(entries, table.path, f"{table.where}, archive")
    archive = Archive(
        _resolve_url(inner, base),
        inner.take_size("size"),
        inner.take_hash("sha256"),
        inner.take_hash("md5"),
    )
    inner.finish()
    return archive


def _read_files(table: _Table, base: str, archive: Archive | None) -> Iterator[ModelFile]:
    """Read the files of a card; roles and names are unique within it."""
    roles: set[str] = set()
    names: set[str] = set()
    for i, entries in enumerate(table.take("files", list, required=True)):
        if not isinstance(entries, dict):
            raise table.fail("files", "must be a list of tables such as {role = …, url = …}")
        inner = _Table(entries, table.path, f"{table.where}, file {i}")
        file = _read_file(inner, base, archive)
        inner.finish()
        local = file.path is not None
        if file.role in roles:
            raise inner.fail("role", f"'{file.role}' occurs twice")
        # local files may share a name: they lie in folders of their own
        if file.name in names and not local:
            raise inner.fail("name", f"'{file.name}' occurs twice")
        roles.add(file.role)
        names.add(file.name)
        yield file


def _read_file(table: _Table, base: str, archive: Archive | None) -> ModelFile:
    """One file: served by a url, a member of the archive, or lying on this computer."""
    role = table.take("role", str, required=True)
    if not _ROLE.fullmatch(role):
        raise table.fail("role", f"'{role}' is not a word such as encoder or decoder")
    member = table.take("member", str)
    local = table.take("path", str)
    url = None
    if member is not None and archive is None:
        raise table.fail("member", "needs an 'archive' in the card")
    if member is not None and not _is_inside(member):
        raise table.fail("member", f"'{member}' points outside the archive")
    if member is None and local is None:
        url = _resolve_url(table, base)
    origin = member or local or url or ""
    # a url may carry a query, which is no part of the file's name
    name = table.take("name", str) or origin.split("?")[0].replace("\\", "/").rsplit("/", 1)[-1]
    if not name or name in (".", "..") or re.search(r'[/\\:*?"<>|]', name):
        raise table.fail("name", f"'{name}' is no file name")
    return ModelFile(
        role=role,
        name=name,
        url=url,
        archive=archive if member is not None else None,
        member=member,
        path=None if local is None else _beside(table.path, local),
        size=table.take_size("size"),
        sha256=table.take_hash("sha256"),
        md5=table.take_hash("md5"),
    )


def _beside(card: Path, local: str) -> Path:
    """Find a file on this computer by its path, which may start at the card's folder."""
    return Path(os.path.normpath(card.parent / Path(local).expanduser()))


def _resolve_url(table: _Table, base: str) -> str:
    """Take a full ``url``, or ``file`` below the card's ``base``."""
    url = table.take_url("url")
    file = table.take("file", str)
    if url is not None:
        return url
    if not file:
        raise table.fail("url", "is missing (or 'file', together with the card's 'base')")
    if not base:
        raise table.fail("file", "needs a 'base' in the card")
    return f"{base.rstrip('/')}/{file}"


def _is_inside(member: str) -> bool:
    """Whether a path within an archive stays within it."""
    parts = member.replace("\\", "/").split("/")
    return not member.startswith(("/", "\\")) and ".." not in parts and ":" not in member
