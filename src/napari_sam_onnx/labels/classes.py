"""Classes of objects: names with colours, their files, and which object is of which.

    YAML ─▶ ObjectClass, …      label ─▶ name ─▶ COCO categories, YOLO ids, GeoJSON, tables

A name is a path, ``cell/mitotic``: a class within a class. The order of a list counts: it gives the
keys of the dock, and the numbers in files that know classes by number.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.errors import UserError
from napari_sam_onnx.writing import write_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

# Told apart by the colour-blind too (Okabe and Ito, 2008), black and gray left out.
COLORS = (
    *("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"),
    *("#8c564b", "#b18cff", "#9dff3b"),
)
WITHIN = "/"
LONGEST_NAME = 80
UNCLASSED = "object"
"""What files call objects that have no class, where they must have one."""


class ClassError(UserError, ValueError):
    """A list of classes that cannot be read, or a class that cannot be; the message says why."""


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """One class.

    Parameters
    ----------
    name : str
        With those that it lies in, from the widest: ``cell/mitotic``.
    color : str
        ``#rrggbb``; empty: the next one of `COLORS`, see `check_classes`.

    Raises
    ------
    ClassError
        If the name or the colour is none.
    """

    name: str
    color: str = ""

    def __post_init__(self) -> None:
        parts = self.name.split(WITHIN) if isinstance(self.name, str) else [""]
        named = all(part and part == part.strip() and part.isprintable() for part in parts)
        if not named or len(self.name) > LONGEST_NAME:
            raise ClassError(
                f"A class has a name of one line, 1 to {LONGEST_NAME} letters; got {self.name!r}."
            )
        digits = self.color[1:]
        if self.color and not (
            len(self.color) == 7 and self.color[0] == "#" and set(digits) <= set(_HEX)
        ):
            raise ClassError(f"The colour of “{self.name}” is written #rrggbb; got {self.color!r}.")

    @property
    def parts(self) -> list[str]:
        """The names on the way to it."""
        return self.name.split(WITHIN)

    @property
    def rgb(self) -> tuple[int, int, int]:
        """The colour as numbers of 0 to 255."""
        red, green, blue = (int(self.color[at : at + 2], 16) for at in (1, 3, 5))
        return red, green, blue


_HEX = "0123456789abcdefABCDEF"


def check_classes(classes: Iterable[ObjectClass]) -> tuple[ObjectClass, ...]:
    """Refuse a name that is there twice, and give those a colour that have none.

    Raises
    ------
    ClassError
    """
    made = list(classes)
    names = [one.name for one in made]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ClassError(f"There are two classes of the name “{twice}”.")
    taken = {one.color.lower() for one in made}
    free = [color for color in COLORS if color not in taken]
    for place, one in enumerate(made):
        if not one.color:
            color = free.pop(0) if free else COLORS[place % len(COLORS)]
            made[place] = replace(one, color=color)
    return tuple(made)


def complete_classes(
    classes: Sequence[ObjectClass], names: Iterable[str]
) -> tuple[ObjectClass, ...]:
    """Return a list that holds all the names that are used: those it lacks come last."""
    known = {one.name for one in classes}
    more = dict.fromkeys(name for name in names if name and name not in known)
    return check_classes([*classes, *(ObjectClass(name) for name in more)])


def parse_classes(text: str) -> tuple[ObjectClass, ...]:
    """Read a list of classes from YAML.

    Parameters
    ----------
    text : str
        A list, or a mapping with one under ``classes`` or ``names`` (as YOLO's ``data.yaml`` has).
        Entries are names, or mappings with ``name``, ``color`` and ``classes``, those that lie in
        it. Mappings of a name to its colour, or to those that lie in it, and of numbers to names
        are read as well.

    Raises
    ------
    ClassError
        If it is none.
    """
    import yaml

    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ClassError(f"This is no YAML: {' '.join(str(error).split())}.") from error
    if isinstance(values, dict):
        values = next((values[key] for key in ("classes", "names") if key in values), values)
    made = check_classes(_read_entries(values, ()))
    if not made:
        raise ClassError("The list of classes is empty.")
    return made


def format_classes(classes: Sequence[ObjectClass]) -> str:
    """Write a list of classes as YAML, nested as their names are, where their order allows."""
    import yaml

    root: list[dict[str, Any]] = []
    open_ones: list[tuple[str, list[dict[str, Any]]]] = [("", root)]
    for one in classes:
        while open_ones[-1][0] and not one.name.startswith(open_ones[-1][0] + WITHIN):
            open_ones.pop()
        above, entries = open_ones[-1]
        entry: dict[str, Any] = {"name": one.name.removeprefix(above + WITHIN), "color": one.color}
        entries.append(entry)
        within: list[dict[str, Any]] = []
        entry["classes"] = within
        open_ones.append((one.name, within))
    _drop_empty(root)
    text: str = yaml.safe_dump({"classes": root}, sort_keys=False, allow_unicode=True)
    return text


def read_classes(path: Path) -> tuple[ObjectClass, ...]:
    """Read a file of `parse_classes`.

    Raises
    ------
    ClassError
        If it cannot be read.
    """
    try:
        return parse_classes(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ClassError(f"There is no file {path}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ClassError(f"{path} cannot be read; is it a file of YAML?") from error


def write_classes(path: Path, classes: Sequence[ObjectClass]) -> None:
    """Write a file of `format_classes`; one that exists is replaced.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with write_beside(path) as part:
        part.write_text(format_classes(classes), encoding="utf-8")


def read_class_table(path: Path) -> dict[int, str]:
    """Read which object is of which class.

    Parameters
    ----------
    path : Path
        CSV with the columns ``label`` (or ``index``) and ``class``, as measurements are saved.

    Returns
    -------
    dict of int to str
        Objects without a class are left out.

    Raises
    ------
    ClassError
        If the columns are missing, or a label is no number or has two classes.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError as error:
        raise ClassError(f"There is no file {path}.") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ClassError(f"{path} cannot be read; is it a file of CSV?") from error
    columns = set(rows[0]) if rows else set()
    number = next((name for name in ("label", "index") if name in columns), None)
    if number is None or "class" not in columns:
        raise ClassError(f"{path.name} has no columns “label” and “class”.")
    found: dict[int, str] = {}
    for row in rows:
        name = (row["class"] or "").strip()
        try:
            label = int(float(row[number] or ""))
        except ValueError as error:
            said = f"{path.name} has a label that is no number: {row[number]}."
            raise ClassError(said) from error
        if name and found.setdefault(label, ObjectClass(name).name) != name:
            raise ClassError(f"{path.name} has two classes for object {label}.")
    return found


def write_class_table(path: Path, named: Mapping[int, str]) -> None:
    """Write what `read_class_table` reads.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("label", "class"))
        writer.writerows(sorted(named.items()))


def _read_entries(values: Any, above: tuple[str, ...]) -> Iterator[ObjectClass]:
    """Yield classes, each before those that lie in it."""
    if isinstance(values, dict):
        entries = [_pair(key, value) for key, value in values.items()]
    elif isinstance(values, list):
        entries = [one if isinstance(one, dict) else {"name": one} for one in values]
    else:
        raise ClassError("Classes are a list of names, or of mappings with a name and a color.")
    for entry in entries:
        unknown = sorted(set(map(str, entry)) - {"name", "color", "classes"})
        if unknown or not isinstance(entry.get("name"), str | int | float):
            said = f"got {', '.join(unknown)}" if unknown else "one has no name"
            raise ClassError(f"A class has a name, a color and classes within; {said}.")
        way = (*above, str(entry["name"]))
        color = entry.get("color")
        yield ObjectClass(WITHIN.join(way), "" if color is None else str(color).lower())
        if entry.get("classes"):
            yield from _read_entries(entry["classes"], way)


def _pair(key: Any, value: Any) -> dict[str, Any]:
    """Read an entry of a mapping."""
    if isinstance(key, int) and isinstance(value, str):  # YOLO: numbers and names
        return {"name": value}
    if isinstance(value, dict) and set(value) <= {"color", "classes"}:
        return {"name": key, **value}
    if isinstance(value, dict | list):
        return {"name": key, "classes": value}
    return {"name": key, "color": value}


def _drop_empty(entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        _drop_empty(entry["classes"])
        if not entry["classes"]:
            del entry["classes"]
