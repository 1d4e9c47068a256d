"""Undo and redo of one step: its labels, its prompts, its plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_onnx.plugin.commits.naming import apply_naming
from napari_sam_onnx.plugin.layers.labels import repeat, revert
from napari_sam_onnx.plugin.layers.prompts import insert_under_prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Labels

    from napari_sam_onnx.plugin.commits.history import Action, Step
    from napari_sam_onnx.plugin.commits.label_target import LabelTarget
    from napari_sam_onnx.plugin.layers.snapshot import Paint
    from napari_sam_onnx.plugin.session.session import Session


def walk(session: Session, labels: LabelTarget, step: Step, back: bool) -> None:
    """Apply a step in one direction, and say what that did to the labels.

    Parameters
    ----------
    session : Session
    labels : LabelTarget
    step : Step
    back : bool
        Undo it, or do it again.
    """
    prompts = step.before if back else step.after
    said = _walk_paints(session, labels, step, back) if step.paints else ""
    if step.naming is not None and step.naming.layer in session.viewer.layers:
        apply_naming(step.naming, back)
        said = said or _describe_edit(step.what, back)
    if step.made is not None:
        said = _walk_made(session, labels, step, step.made, back)
    if step.action is not None:
        said = _walk_action(session, labels, step.action, back)
    if step.deed is not None:
        said = "Its layer was removed."
        if step.deed.layer in session.viewer.layers:
            said = step.deed.back() if back else step.deed.again()
    session.go_to(step.plane)
    current = session.prompts
    if current is not None and not current.equals(prompts):
        session.replace_prompts(prompts)
    session.dialogue.fit_again()
    if said:
        session.say(said)


def _walk_paints(session: Session, labels: LabelTarget, step: Step, back: bool) -> str:
    """Take a step's pixels back or set them again; what to say about it."""
    present = [p for p in step.paints if p.layer in session.viewer.layers]
    if len(present) < len(step.paints):
        return "Its labels layer was removed."
    layer = present[0].layer
    with labels.writing(layer) as numbers:
        apply = revert if back else repeat
        held = [paint for paint in (present[::-1] if back else present) if apply(paint)]
        numbers.give_back(held) if back else numbers.take(held)
    if len(held) < len(present):
        return "Those labels were changed by hand since; they stay."
    if step.what:
        return _describe_edit(step.what, back)
    return _describe(held, back)


def _walk_made(session: Session, labels: LabelTarget, step: Step, layer: Labels, back: bool) -> str:
    """Take a run's result out of the viewer, or put it back."""
    present = layer in session.viewer.layers
    if back and present:
        if step.replaced is not None and step.replaced not in session.viewer.layers:
            insert_under_prompts(session.viewer, session.layers, step.replaced)
        if step.target is not None and step.target in session.viewer.layers:
            labels.choose(step.target)
        session.viewer.layers.remove(layer)
        _show_results(step, True)
        return f"Took “{layer.name}” away; Ctrl+Shift+Z brings it back."
    if not back and not present:
        insert_under_prompts(session.viewer, session.layers, layer)
        labels.choose(layer)
        if step.replaced is not None and step.replaced in session.viewer.layers:
            session.viewer.layers.remove(step.replaced)
        _show_results(step, False)
        return f"“{layer.name}” is back."
    return f"“{layer.name}” was removed already." if back else ""


def _show_results(step: Step, shown: bool) -> None:
    """Show the results that a run's result had hidden, or hide them again."""
    for layer in step.hidden:
        layer.visible = shown


def _walk_action(session: Session, labels: LabelTarget, action: Action, back: bool) -> str:
    """Take what a run did to a label image back, or do it again."""
    if action.layer not in session.viewer.layers:
        return "Its labels layer was removed."
    with labels.writing(action.layer):
        return action.back() if back else action.again()


def _describe_edit(what: str, back: bool) -> str:
    """Say that an edit was undone or done again."""
    other = "Ctrl+Shift+Z does it again" if back else "Ctrl+Z undoes it"
    return f"{'Undone' if back else 'Done again'}: {what}; {other}."


def _describe(paints: Sequence[Paint], back: bool) -> str:
    """Say what undo or redo did to the labels."""
    paint, several = paints[0], len(paints) > 1
    number = int(max(paint.after.max(), paint.before.max()))
    changed = bool(paint.after.any() and paint.before.any())
    appears = bool(paint.after.any()) is not back
    state = "as before" if changed else "there" if appears else "gone"
    what = f"{len(paints)} objects are" if several else f"object {number} is"
    other = "Ctrl+Shift+Z does it again" if back else "Ctrl+Z undoes it"
    return f"{'Undone' if back else 'Done again'}: {what} {state}; {other}."
