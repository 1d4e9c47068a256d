"""What becomes of a mask before it is a label: whose pixels it takes, and how it is tidied up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from napari_sam_onnx.masks.clean import clean_small_regions

if TYPE_CHECKING:
    from napari_sam_onnx.masks.mask import Mask

Overlap = Literal["keep", "overwrite", "split", "ask"]

OVERLAPS: dict[Overlap, tuple[str, str]] = {
    "keep": ("Keep others", "Objects that exist keep their pixels"),
    "overwrite": ("Overwrite", "A new object takes pixels of objects that exist"),
    "split": (
        "Split midway",
        "Shared pixels go to whichever of the two objects is nearer: the border lies halfway",
    ),
    "ask": ("Ask", "Ask each time a new object overlaps one that exists"),
}
"""What each policy is called, and what it does."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How accepted masks are written.

    Parameters
    ----------
    overlap : {"keep", "overwrite", "split", "ask"}
        Who gets pixels that are labelled already; see `OVERLAPS`.
    smoothing : float
        Corners and notches narrower than about so many pixels go; 0 for none.
    least : int
        Holes and islands of fewer pixels go; 0 for none.
    largest : bool
        Whether the largest piece alone is kept.
    """

    overlap: Overlap = "keep"
    smoothing: float = 0.0
    least: int = 0
    largest: bool = False


def tidy(mask: Mask, rules: Rules) -> Mask:
    """Return what rules leave of a mask; never nothing."""
    if not mask:
        return mask
    from napari_sam_onnx.labels.edits import (  # brings scipy: listing starts without
        keep_largest,
        smooth,
    )

    if rules.largest:
        mask = keep_largest(mask)
    if rules.least:
        mask, _ = clean_small_regions(mask, rules.least)
    if rules.smoothing:
        mask = smooth(mask, rules.smoothing)
    return mask
