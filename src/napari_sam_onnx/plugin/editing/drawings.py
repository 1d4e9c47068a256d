"""What the user draws in Shapes layers, such as regions for a run, is part of what can be undone.

napari takes back strokes in labels and nothing that is drawn as shapes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.key_bindings import coerce_keybinding

from napari_sam_onnx.plugin.commits.history import Step
from napari_sam_onnx.plugin.picture.region import regions_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Shapes

    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.session.key_map import KeyMap

Outlines = tuple[tuple[Any, str], ...]

UNDO, REDO = "Control-Z", "Control-Shift-Z"


@dataclass(slots=True, eq=False)
class Drawn:
    """What was drawn, moved or removed in a Shapes layer.

    Parameters
    ----------
    layer : napari Shapes layer
    before, after : tuple of (vertices, kind)
        Its shapes.
    """

    layer: Shapes
    before: Outlines
    after: Outlines

    def back(self) -> str:
        """Take it back; what to say about it."""
        return self._show(self.before, f"Undone: what was drawn in “{self.layer.name}”")

    def again(self) -> str:
        """Do it again; what to say about it."""
        return self._show(self.after, f"Done again: what was drawn in “{self.layer.name}”")

    def _show(self, outlines: Outlines, said: str) -> str:
        self.layer.selected_data = set()
        self.layer.data = list(outlines)
        other = "Ctrl+Shift+Z draws it again" if outlines is self.before else "Ctrl+Z undoes it"
        return f"{said}; {other}."


@dataclass(slots=True, eq=False)
class _Watched:
    """A Shapes layer that is followed, and what was in it last."""

    layer: Shapes
    shown: Outlines
    slot: Callable[[Any], None] = field(default=lambda _: None)


class Drawings:
    """Records what is drawn, and undoes it by the keys that undo objects.

    Parameters
    ----------
    commits : Commits
        Whose history it is part of.
    keys : KeyMap
    """

    def __init__(self, commits: Commits, keys: KeyMap) -> None:
        self._commits, self._session, self._keys = commits, commits.session, keys
        self._watched: dict[Shapes, _Watched] = {}
        self._bound: tuple[Shapes, list[str]] | None = None
        self._selected = self._session.viewer.layers.selection.events.active
        self._selected.connect(self.bind, position="last")
        self._session.layers_changed.connect(self._follow)
        self._session.removed.connect(self._leave)
        self._follow()

    def close(self) -> None:
        """Follow nothing any more, and give the keys back."""
        self._selected.disconnect(self.bind)
        self._session.layers_changed.disconnect(self._follow)
        self._session.removed.disconnect(self._leave)
        self._release()
        for layer in list(self._watched):
            self._leave(layer)

    def bind(self, *_: Any) -> None:
        """Give the keys to the Shapes layer that is selected, where nobody else has them."""
        self._release()
        layer = self._session.viewer.layers.selection.active
        if layer not in self._watched:
            return
        taken = []
        for usual, do in ((UNDO, self._commits.undo), (REDO, self._commits.redo)):
            key = self._keys.key_of(usual)
            known = coerce_keybinding(key)
            if known not in layer.keymap and known not in layer.class_keymap:
                layer.bind_key(key, _make_action(do))
                taken.append(key)
        self._bound = layer, taken

    def _release(self) -> None:
        if self._bound is not None:
            layer, keys = self._bound
            for key in keys:
                layer.bind_key(key, None)
            self._bound = None

    def _follow(self) -> None:
        """Watch Shapes layers that are new."""
        for layer in regions_of(self._session.viewer.layers):
            if layer not in self._watched:
                watched = _Watched(layer, read_outlines(layer))
                watched.slot = partial(self._on_drawn, watched)
                self._watched[layer] = watched
                layer.events.data.connect(watched.slot)
        self.bind()

    def _leave(self, layer: Any) -> None:
        watched = self._watched.pop(layer, None)
        if watched is not None:
            layer.events.data.disconnect(watched.slot)

    def _on_drawn(self, watched: _Watched, event: Any) -> None:
        """Record a change, unless undo or redo made it."""
        if str(event.action).endswith("ing"):  # it is about to be made
            return
        session, before, now = self._session, watched.shown, read_outlines(watched.layer)
        if same_outlines(before, now):
            return
        watched.shown = now
        if self._commits.walking or session.plane is None or session.prompts is None:
            return
        prompts = session.prompts
        drawn = Drawn(watched.layer, before, now)
        self._commits.record(Step(session.plane, prompts, prompts, deed=drawn))


def read_outlines(layer: Shapes) -> Outlines:
    """Return the shapes of a layer as they are now."""
    return tuple(
        (np.array(vertices), str(kind))
        for vertices, kind in zip(layer.data, layer.shape_type, strict=True)
    )


def same_outlines(one: Outlines, other: Outlines) -> bool:
    """Whether the same is drawn."""
    return len(one) == len(other) and all(
        a[1] == b[1] and np.array_equal(a[0], b[0]) for a, b in zip(one, other, strict=True)
    )


def _make_action(do: Callable[[], None]) -> Callable[[Shapes], None]:
    def act(layer: Shapes) -> None:
        mode = layer.mode
        layer.mode = "pan_zoom"  # napari ends what is half drawn
        do()
        layer.mode = mode

    return act
