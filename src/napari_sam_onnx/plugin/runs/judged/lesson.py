"""What was learned from judged objects, in words, and what it left out, to be undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.plugin.picture.geometry import MARK

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_sam_onnx.automatic.settings.selection import Selection
    from napari_sam_onnx.automatic.taught.learn import Judge
    from napari_sam_onnx.plugin.runs.judged.filtering import Filtering

ENOUGH = 5
"""Examples of either kind from which on what was learned may leave out most of what is shown."""


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What was learned from objects that were kept and deleted.

    Parameters
    ----------
    judge : Judge
    kept, deleted : int
        Examples, counter-examples among them.
    going : int
        Other objects that it would leave out.
    others : int
        All other objects that are shown.
    """

    judge: Judge
    kept: int
    deleted: int
    going: int
    others: int

    @property
    def hasty(self) -> bool:
        """Whether so few examples would leave out more than half of all others."""
        return 2 * self.going > self.others and min(self.kept, self.deleted) < ENOUGH

    def describe(self) -> str:
        """Say from how many it was learned, and what becomes of the others."""
        source = f"Learned from {self.kept} kept and {self.deleted} deleted"
        if self.hasty:
            return (
                f"{source}, too few: {self.going} of {self.others} others would go, so all stay. "
                "Judge more, or move “Learned from you” under “Filter what was found”."
            )
        if not self.going:
            return f"{source}: all {self.others} others stay. Judge more where some should go."
        return (
            f"{source}: {self.going} of {self.others} others were left out. Ctrl+Z shows them "
            "again, the slider under “Filter what was found” more or fewer."
        )


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """What is shown of a result, before and after something was learned about it.

    Parameters
    ----------
    layer : napari Labels layer
    filtering : Filtering
    before, after : tuple of (selection, least)
        See `Filtering.apply`.
    judges : tuple of (before, after)
        What the recipe of the layer holds of what was learned.
    """

    layer: Labels
    filtering: Filtering
    before: tuple[Selection, dict[str, float]]
    after: tuple[Selection, dict[str, float]]
    judges: tuple[Any, Any]

    def back(self) -> str:
        """Show what was shown before; what to say about it."""
        self._show(self.before, self.judges[0])
        return "Undone: what was learned leaves nothing out; Ctrl+Shift+Z does it again."

    def again(self) -> str:
        """Show what was learned to be wanted; what to say about it."""
        self._show(self.after, self.judges[1])
        return "Done again: what was learned chooses what is shown; Ctrl+Z undoes it."

    def _show(self, chosen: tuple[Selection, dict[str, float]], judge: Any) -> None:
        self.filtering.labels.choose(self.layer)
        self.filtering.apply(*chosen)
        recipe = self.layer.metadata.get(MARK, {}).get("recipe")
        if recipe is not None:
            recipe["judge"] = judge


def judge_of(layer: Labels) -> Any:
    """Return what the recipe of a layer holds of what was learned, or None."""
    return (layer.metadata.get(MARK, {}).get("recipe") or {}).get("judge")
