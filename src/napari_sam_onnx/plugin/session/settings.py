"""What a user has chosen once for all docks: a small file of the user's own configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.errors import logger
from napari_sam_onnx.writing import explain_write, write_bytes

if TYPE_CHECKING:
    from pathlib import Path


class Settings:
    """Values by their names, kept in a file as JSON.

    What cannot be read counts as nothing, and what cannot be written holds as long as the dock
    does: neither keeps anybody from working.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._values: dict[str, Any] = {}
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            self._values = values if isinstance(values, dict) else {}
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            logger.warning("The settings in %s cannot be read: %s", path, error)

    def get(self, name: str, usual: Any) -> Any:
        """Return a value, or what is usual where none of that type was chosen."""
        value = self._values.get(name, usual)
        kinds = (int, float) if isinstance(usual, float) else type(usual)
        return value if isinstance(value, kinds) else usual

    def set(self, name: str, value: Any) -> None:
        """Choose a value."""
        if self._values.get(name) == value:
            return
        self._values[name] = value
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(self._path, json.dumps(self._values, indent=2).encode())
        except OSError as error:
            logger.warning("The settings cannot be kept: %s", explain_write(error))
