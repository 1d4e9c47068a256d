"""Which key does what, where the user wants other keys; none that napari uses itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.components import ViewerModel
from napari.layers import Points
from napari.settings import get_settings
from napari.utils.key_bindings import coerce_keybinding

from napari_sam_onnx.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari_sam_onnx.plugin.session.settings import Settings

NAME = "keys"

_OF_OTHER_LAYERS = (
    *("label", "shape", "image", "vectors", "tracks", "surface", "brush", "contrast"),
    *("rectangle", "ellipse", "line", "path", "polygon", "vertex", "direct_mode", "orient_plane"),
)


class KeyTaken(UserError, ValueError):
    """A key that cannot be chosen; the message says why."""


class KeyMap:
    """The user's own keys.

    Parameters
    ----------
    settings : Settings
        Where they are kept.
    ours : iterable of str
        The usual keys of all our actions, as napari writes them.
    viewer : napari ViewerModel
        Whose keys are left alone.
    """

    def __init__(self, settings: Settings, ours: Iterable[str], viewer: ViewerModel) -> None:
        self._settings = settings
        self._ours = tuple(ours)
        self._viewer = viewer

    def key_of(self, usual: str) -> str:
        """Return the key of the action that usually has a key."""
        chosen: dict[str, str] = self._settings.get(NAME, {})
        return chosen.get(usual, usual)

    def choose(self, usual: str, key: str) -> None:
        """Give an action another key.

        Raises
        ------
        KeyTaken
            If napari or another action of ours has it, or it is none.
        """
        try:
            wanted = coerce_keybinding(key)
        except (ValueError, TypeError, KeyError) as error:
            raise KeyTaken(f"“{key}” is no key that napari knows.") from error
        if not all(part.key for part in wanted.parts):
            raise KeyTaken(f"“{key}” is no key that napari knows.")
        for other in self._ours:
            if other != usual and coerce_keybinding(self.key_of(other)) == wanted:
                raise KeyTaken(f"{show_key(key)} does something else here already.")
        if wanted != coerce_keybinding(usual) and self._is_napari(wanted):
            raise KeyTaken(f"{show_key(key)} is napari's own; choose another key.")
        chosen = {**self._settings.get(NAME, {}), usual: key}
        if wanted == coerce_keybinding(usual):
            del chosen[usual]
        self._settings.set(NAME, chosen)

    def reset(self) -> None:
        """Go back to the usual keys."""
        self._settings.set(NAME, {})

    @property
    def changed(self) -> bool:
        """Whether any key is another one than usual."""
        return bool(self._settings.get(NAME, {}))

    def _is_napari(self, wanted: object) -> bool:
        """Whether napari uses a key in the viewer or on points."""
        shortcuts = get_settings().shortcuts.shortcuts
        named = [
            key
            for action, keys in shortcuts.items()
            if not any(word in action for word in _OF_OTHER_LAYERS)
            for key in keys
        ]
        maps = Points.class_keymap, ViewerModel.class_keymap, self._viewer.keymap
        bound = [key for keys in maps for key in keys]
        return any(coerce_keybinding(key) == wanted for key in (*named, *bound))


def show_key(key: str) -> str:
    """Write a key as users read it."""
    return (
        key.replace("Control", "Ctrl").replace("Escape", "Esc").replace("-", "+")
        if (len(key) > 1)
        else key
    )
