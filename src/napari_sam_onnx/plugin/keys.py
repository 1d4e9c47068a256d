"""Mouse and keys, live only while one of our prompt layers is the active one.

The sign of a click comes from the button at the moment of the press, never from a selected
point. Pan, zoom, slice and hold-Space stay napari's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.plugin.editing.classes import KEYED
from napari_sam_onnx.plugin.editing.freehand import Freehand
from napari_sam_onnx.plugin.editing.gestures import is_drag

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from napari.layers import Layer

    from napari_sam_onnx.plugin.commits.commits import Commits
    from napari_sam_onnx.plugin.editing.classes import Classes
    from napari_sam_onnx.plugin.editing.editing import Editor
    from napari_sam_onnx.plugin.editing.gestures import Gestures
    from napari_sam_onnx.plugin.review import Reviewer, StackEdits
    from napari_sam_onnx.plugin.session.hover import Hover
    from napari_sam_onnx.plugin.session.key_map import KeyMap
    from napari_sam_onnx.plugin.session.session import Session


@dataclass(frozen=True, slots=True)
class Binding:
    """One action as the user finds it in the dock.

    Parameters
    ----------
    keys : tuple of str
        As napari names them; empty for the mouse.
    shown : str
        As a user reads them.
    text : str
        What it does.
    """

    keys: tuple[str, ...]
    shown: str
    text: str


BINDINGS = (
    Binding((), "Click", "a point on the object"),
    Binding((), "Right-click", "a point on the background (or Shift+click)"),
    Binding((), "Shift+drag", "a box around the object"),
    Binding(("N", "Enter"), "N, Enter", "accept the mask as the next label"),
    Binding(("Shift-N",), "Shift+N", "accept the mask in place of the label under it"),
    Binding(("Escape",), "Esc", "discard the prompts"),
    Binding(("Control-Z",), "Ctrl+Z", "undo the last prompt or object"),
    Binding(("Control-Shift-Z",), "Ctrl+Shift+Z", "redo"),
    Binding(("W",), "W", "next candidate mask"),
    Binding(("I",), "I", "invert the mask, where it is the background"),
    Binding(("Q",), "Q", "turbo: each click commits an object"),
    Binding(("B",), "B", "several: each click is an object of its own; N accepts all"),
    Binding(("H",), "H (hold)", "hide the preview"),
    Binding(("E",), "E", "correct the object under the cursor: clicks change it, N replaces it"),
    Binding(
        tuple(f"Control-{number}" for number in range(1, KEYED + 1)),
        f"Ctrl+1 … {KEYED}",
        "the class: of the open object, which is accepted; else of that under the cursor; else of "
        "the next ones (Ctrl+0: none)",
    ),
    Binding(("C",), "C", "class brush: click objects, or draw across them"),
    Binding(("K",), "K", "delete the object under the cursor from this plane"),
    Binding(("Shift-K",), "Shift+K", "delete it from all planes"),
    Binding(("D",), "D", "scribble: draw along the object; it becomes points"),
    Binding(("L",), "L", "lasso: draw roughly around the object"),
    Binding(("Shift-L",), "Shift+L", "all objects inside what you draw, or inside the open box"),
    Binding(("M",), "M", "join: drag from one object to another, or click both"),
    Binding(("X",), "X", "split: draw a stroke across an object, or click two of its parts"),
    Binding(("=", "-"), "=, -", "grow or shrink the object under the cursor by a pixel"),
    Binding(("F",), "F", "fill the holes of the object under the cursor"),
    Binding(("Shift-F",), "Shift+F", "keep its largest piece alone"),
    Binding(("Shift-G",), "Shift+G", "go through the stack with the object: all its planes"),
    Binding(("Shift-M",), "Shift+M", "join two whole objects: on the one, then on the other"),
    Binding(("Shift-X",), "Shift+X", "split the object: a new number from this plane on"),
    Binding(("Shift-Left",), "Shift+Left", "cut off what is of the object before this plane"),
    Binding(("Shift-Right",), "Shift+Right", "cut off what is of it after this plane"),
    Binding(("Shift-D",), "Shift+D", "a division: on the mother, then on both daughters"),
    Binding(("U",), "U", "the place before in the list to review"),
    Binding(("J",), "J", "the next place in the list to review"),
    Binding(("Y",), "Y", "keep the object that is looked at there, and go on"),
    Binding(("Shift-Y",), "Shift+Y", "delete it, and go on"),
)


def _ignore(do: Callable[[], None]) -> Callable[[Any], None]:
    """Take the layer that napari hands over, and do without."""
    return lambda _: do()


def _press(classes: Classes, session: Session, number: int) -> Callable[[Any], None]:
    """Take the key of a class."""
    return lambda _: classes.press(number, session.viewer.cursor.position)


def bind(
    session: Session,
    commits: Commits,
    reviewer: Reviewer,
    edits: StackEdits,
    gestures: Gestures,
    editor: Editor,
    hover: Hover,
    keys: KeyMap,
    classes: Classes,
    carry: Callable[[Any], None],
    more: Mapping[str, Callable[[], None]],
) -> Callable[[], None]:
    """Bind mouse and keys to the session's prompt layers.

    Parameters
    ----------
    session, commits, reviewer, edits
        What the keys act on.
    carry : callable
        Takes an object through the stack: the open one, or that under a position.
    more : mapping of str to callable
        What other keys do.

    Returns
    -------
    callable
        Undoes it.
    """
    layers = session.layers
    if layers is None:
        return lambda: None

    # napari holds a key only for a generator function
    def hide_while_held(_: Any) -> Generator[None, None, None]:
        before = layers.preview.layer.visible
        layers.preview.layer.visible = False
        yield
        layers.preview.layer.visible = before

    def leave() -> None:
        if not (gestures.end() or edits.leave()):
            commits.discard()

    def under(act: Callable[[int], None]) -> Callable[[Any], None]:
        def pick(_: Any) -> None:
            label = edits.pick(session.viewer.cursor.position)
            if label is not None:
                act(label)

        return pick

    actions: dict[str, Callable[[Any], Any]] = {
        "N": lambda _: commits.accept(),
        "Enter": lambda _: commits.accept(),
        "Escape": lambda _: leave(),
        "Control-Z": lambda _: commits.undo(),
        "Control-Shift-Z": lambda _: commits.redo(),
        "W": lambda _: session.dialogue.cycle(),
        "Q": lambda _: commits.toggle_turbo(),
        "B": lambda _: session.choose_each_click(not session.each_click),
        "H": hide_while_held,
        "K": lambda _: commits.delete_at(session.viewer.cursor.position),
        "Shift-K": lambda _: commits.delete_at(session.viewer.cursor.position, whole=True),
        "Shift-N": lambda _: commits.accept(replacing=True),
        "Shift-G": lambda _: carry(session.viewer.cursor.position),
        "Shift-M": under(edits.join),
        "Shift-X": under(edits.split),
        "Shift-Left": under(lambda label: edits.cut(after=False, label=label)),
        "Shift-Right": under(lambda label: edits.cut(after=True, label=label)),
        "Shift-D": under(edits.divide),
        "U": lambda _: reviewer.previous(),
        "J": lambda _: reviewer.next(),
        **{f"Control-{n}": _press(classes, session, n) for n in range(KEYED + 1)},
        **{key: _ignore(do) for key, do in more.items()},
    }
    actions = {keys.key_of(usual): action for usual, action in actions.items()}
    bound = (layers.points, layers.boxes)
    for layer in bound:
        for key, action in actions.items():
            layer.bind_key(key, action, overwrite=True)
    freehand = Freehand(gestures)
    # On the boxes some of these are napari's own.
    on_points: dict[str, Callable[[Any], Any]] = {
        "E": lambda _: commits.correct_at(session.viewer.cursor.position),
        "I": lambda _: session.dialogue.invert(),
        "D": lambda _: freehand.scribble(),
        "L": lambda _: freehand.lasso(),
        "C": lambda _: classes.brush(),
        "M": lambda _: editor.ask("join"),
        "X": lambda _: editor.ask("split"),
        "=": lambda _: editor.change_under("grow", session.viewer.cursor.position),
        "-": lambda _: editor.change_under("shrink", session.viewer.cursor.position),
        "F": lambda _: editor.change_under("fill", session.viewer.cursor.position),
        "Shift-F": lambda _: editor.change_under("largest", session.viewer.cursor.position),
    }
    on_points = {keys.key_of(usual): action for usual, action in on_points.items()}
    for key, action in on_points.items():
        layers.points.bind_key(key, action, overwrite=True)

    def on_press(layer: Layer, event: Any) -> Generator[None, None, None] | None:
        if gestures.current is not None:
            return _follow(session, gestures, event)
        return _drag(session, layer, event)

    # Ahead of napari's own callback, which adds the point with the sign decided here.
    layers.points.mouse_drag_callbacks.insert(0, on_press)
    layers.points.mouse_move_callbacks.append(hover.move)

    def release() -> None:
        for key in on_points:
            layers.points.bind_key(key, None)
        for layer in bound:
            for key in actions:
                layer.bind_key(key, None)
        if hover.move in layers.points.mouse_move_callbacks:
            layers.points.mouse_move_callbacks.remove(hover.move)
        if on_press in layers.points.mouse_drag_callbacks:
            layers.points.mouse_drag_callbacks.remove(on_press)

    return release


def _follow(session: Session, gestures: Gestures, event: Any) -> Generator[None, None, None]:
    """Take a click or a stroke of the left button for a gesture."""
    gesture, start = gestures.current, session.to_plane(event.position)
    if gesture is None or start is None or event.button != 1:
        return
    pressed, places, moved = np.array(event.pos), [start], False
    yield
    while event.type == "mouse_move":
        event.handled = True  # the camera stays where it is
        place = session.to_plane(event.position)
        moved = moved or is_drag(event, pressed)
        if place is not None and moved:
            places.append(place)
            session.draft.show_stroke(places, gesture.closed)
        yield
    if gestures.current is not gesture:
        return
    moved = moved or is_drag(event, pressed)
    if moved:
        last = session.to_plane(event.position)
        gestures.stroke(places if last is None else [*places, last])
    else:
        gestures.click(start)


def _drag(session: Session, layer: Any, event: Any) -> Generator[None, None, None]:
    """Decide a click's sign at the press, or draw a box while Shift is held."""
    if layer.mode != "add" or event.button not in (1, 2):
        return
    shift = "Shift" in event.modifiers
    if session.layers is not None:
        session.layers.set_next_sign(event.button == 1 and not shift)
    if not (shift and event.button == 1):
        return
    start, pressed = session.to_plane(event.position), np.array(event.pos)
    if start is None:
        return
    corners = None
    yield
    while event.type == "mouse_move":
        event.handled = True  # the camera stays where it is
        stop = session.to_plane(event.position)
        if stop is not None and is_drag(event, pressed):
            corners = (*np.minimum(start, stop), *np.maximum(start, stop))
            session.draft.show_box(corners)
        yield
    stop = session.to_plane(event.position)
    if stop is not None and is_drag(event, pressed):
        session.add_box((*np.minimum(start, stop), *np.maximum(start, stop)))
    elif corners is not None:
        session.draft.drop()
