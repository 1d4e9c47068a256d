"""Settings that a user keeps by a name, for a kind of picture: mode, its settings, limits.

They lie in one file of the user's own configuration folder. Nothing is replaced unless that is
asked for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.automatic.settings.modes import MODES, make_parameters, split_limits
from napari_sam_onnx.automatic.settings.selection import Selection
from napari_sam_onnx.errors import UserError
from napari_sam_onnx.models.store.places import config_dir
from napari_sam_onnx.writing import explain_write, write_beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FORMAT = 1
LONGEST_NAME = 80


class PresetError(UserError, ValueError):
    """A preset that cannot be read, found or kept; the message says why."""


@dataclass(frozen=True, slots=True)
class Preset:
    """How automatic masks are made and filtered.

    Parameters
    ----------
    name : str
    mode : str or None
        A key of `napari_sam_onnx.automatic.MODES`; None: what suits the model.
    settings : mapping of str to value
        Settings of the mode, and limits: fields of `napari_sam_onnx.automatic.Selection`.

    Raises
    ------
    PresetError
        If the name is empty or too long, or the mode does not exist.
    ParameterError
        If a setting does not exist or is out of range.
    """

    name: str
    mode: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name = self.name.strip() if isinstance(self.name, str) else ""
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise PresetError(f"A preset has a name of one line, 1 to {LONGEST_NAME} letters.")
        if self.mode is not None and self.mode not in MODES:
            raise PresetError(f"The preset {name!r} has a mode that does not exist here.")
        object.__setattr__(self, "name", name)
        settings, limits = split_limits(self.mode, self.settings)
        if self.mode is not None:
            make_parameters(self.mode, **settings)
        Selection().change(**limits)


def presets_file() -> Path:
    """Where presets are kept on this computer."""
    return config_dir() / "presets.json"


def list_presets() -> list[Preset]:
    """Return the presets that there are on this computer, by name.

    Raises
    ------
    PresetError
        If the file cannot be read or is of another format.
    """
    path = presets_file()
    return read_presets(path) if path.exists() else []


def read_presets(path: Path) -> list[Preset]:
    """Return the presets of a file, by name: of the one here, or of one that somebody gave.

    Raises
    ------
    PresetError
        If the file cannot be read or is of another format.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PresetError(f"There is no file {path}.") from error
    except (OSError, ValueError) as error:
        raise PresetError(f"The presets in {path} cannot be read: {error}.") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise PresetError(f"{path} holds no presets, or those of another version.")
    try:
        made = [
            Preset(name, kept.get("mode"), dict(kept.get("settings", {})))
            for name, kept in values["presets"].items()
        ]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise PresetError(f"The presets in {path} cannot be used: {error}") from error
    return sorted(made, key=lambda preset: preset.name.lower())


def find_preset(name: str) -> Preset:
    """Return the preset of a name, or that of a file (``.json``) which holds one.

    Raises
    ------
    PresetError
        If there is none, or the file holds several.
    """
    if name.lower().endswith(".json"):
        given = read_presets(Path(name))
        if len(given) != 1:
            names = ", ".join(preset.name for preset in given) or "none"
            raise PresetError(f"{name} is to hold one preset and holds {len(given)} ({names}).")
        return given[0]
    known = list_presets()
    for preset in known:
        if preset.name == name.strip():
            return preset
    names = ", ".join(preset.name for preset in known)
    raise PresetError(
        f"There is no preset {name!r}; "
        + (f"there are {names}." if known else "none was saved on this computer yet.")
    )


def save_preset(preset: Preset, *, overwrite: bool = False) -> None:
    """Keep a preset.

    Raises
    ------
    PresetError
        If there is one of that name and it is not to be replaced, or it cannot be written.
    """
    known = {kept.name: kept for kept in list_presets()}
    if preset.name in known and not overwrite:
        raise PresetError(
            f"There is a preset {preset.name!r} already; choose another name, or replace it."
        )
    write_presets(presets_file(), {**known, preset.name: preset}.values())


def delete_preset(name: str) -> None:
    """Forget a preset.

    Raises
    ------
    PresetError
        If there is none of that name.
    """
    gone = find_preset(name)
    write_presets(presets_file(), [kept for kept in list_presets() if kept.name != gone.name])


def write_presets(path: Path, presets: Iterable[Preset]) -> None:
    """Write presets to a file, for another computer.

    Raises
    ------
    PresetError
        If it cannot be written.
    """
    values = {
        "format": FORMAT,
        "presets": {
            preset.name: {"mode": preset.mode, "settings": dict(preset.settings)}
            for preset in presets
        },
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_beside(path) as part:
            text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise PresetError(f"The presets cannot be written: {explain_write(error)}.") from error
