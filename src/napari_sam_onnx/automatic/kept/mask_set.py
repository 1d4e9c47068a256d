"""The masks of a run as a value: kept, measured once, chosen from again and again.

Painting comes last. What was measured is remembered, so that a limit that moves costs no
inference and no second look at the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.automatic.kept.box_index import BoxIndex
from napari_sam_onnx.automatic.kept.features import measure_contrasts, measure_shapes, measure_sizes
from napari_sam_onnx.automatic.settings.selection import Selection
from napari_sam_onnx.labels.label_image import paint_masks
from napari_sam_onnx.masks.mask import measure_overlap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask

# Which features a limit looks at, and whether it is the least or the most.
_LEAST = {
    "min_rating": "rating",
    "min_predicted_iou": "predicted_iou",
    "min_stability": "stability",
    "min_area": "area",
    "min_diameter": "diameter",
    "min_circularity": "circularity",
    "min_solidity": "solidity",
    "min_border_distance": "border_distance",
}
_MOST = {"max_area": "area", "max_diameter": "diameter"}
_SHAPES = ("perimeter", "circularity", "solidity", "elongation")
_CONTRASTS = ("brightness", "contrast", "roughness")


@dataclass(frozen=True, slots=True, eq=False)
class MaskSet:
    """All masks that a run kept, and the limits that it was asked for.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        The plane as the model saw it.
    masks : tuple of Mask
        Of the plane; duplicates may be among them, and masks that the limits leave out.
    selection : Selection
        What is chosen where nothing else is said.
    ordered : bool
        Whether what is chosen keeps the order of ``masks``; else the best rated comes first.
    background : bool
        Whether a mask that reaches all four edges of the plane is its background, which is not
        painted.
    """

    rgb: NDArray[np.uint8]
    masks: tuple[Mask, ...]
    selection: Selection = field(default_factory=Selection)
    ordered: bool = False
    background: bool = False
    _known: dict[str, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.masks)

    @property
    def shape(self) -> tuple[int, int]:
        """``(H, W)`` of the plane."""
        return self.rgb.shape[0], self.rgb.shape[1]

    @property
    def seeds(self) -> NDArray[np.float64]:
        """The point that found each mask, (N, 2) ``(y, x)``; NaN where a box did."""
        points = [(np.nan, np.nan) if m.point is None else m.point for m in self.masks]
        return np.array(points, np.float64).reshape(-1, 2)

    def feature(self, name: str) -> NDArray[np.float64]:
        """Return one feature of every mask, (N,) float64; measured when it is first asked for.

        Parameters
        ----------
        name : str
            ``rating``, ``predicted_iou``, ``stability``, or what
            `napari_sam_onnx.automatic.kept.features` measures.
        """
        if name not in self._known:
            self._known.update(self._measure(name))
        value: NDArray[np.float64] = self._known[name]
        return value

    def measure(self) -> dict[str, NDArray[np.float64]]:
        """Measure every feature and every overlap now, so that no limit waits for it later."""
        names = ("rating", "predicted_iou", "stability", "area", "diameter", "border_distance")
        everything = (*names, "fraction", *_SHAPES, *_CONTRASTS)
        features = {name: self.feature(name) for name in everything}
        for a, others in enumerate(self._neighbours()):
            for b in others:
                self._share(a, b)
        return features

    def settle(self) -> MaskSet:
        """Measure everything and let go of the picture, so that the masks can be kept for long."""
        self.measure()
        return replace(self, rgb=np.broadcast_to(np.uint8(0), self.rgb.shape))

    def note(self, name: str, values: NDArray[np.float64]) -> None:
        """Remember a feature that was measured elsewhere, (N,), for `feature` and `indices`."""
        self._known[name] = np.asarray(values, np.float64)

    @property
    def noted(self) -> frozenset[str]:
        """Names of the features that are known by now."""
        return frozenset(self._known)

    def indices(
        self, selection: Selection | None = None, least: Mapping[str, float] | None = None
    ) -> NDArray[np.intp]:
        """Say which masks a selection keeps.

        Parameters
        ----------
        selection : Selection, optional
            That of the run where omitted.
        least : mapping of str to float, optional
            The least value of other features, such as one of `note`.

        Returns
        -------
        (K,) intp
        """
        limits = self.selection if selection is None else selection
        passing = np.ones(len(self), bool)
        for name, feature in _LEAST.items():
            lowest = getattr(limits, name)
            if lowest > 0:
                passing &= self.feature(feature) >= np.float32(lowest)  # NaN never passes
        for name, feature in _MOST.items():
            most = getattr(limits, name)
            if most > 0:
                passing &= self.feature(feature) <= most
        for feature, wanted in (least or {}).items():
            passing &= self.feature(feature) >= wanted
        if limits.min_contrast > 0:
            passing &= np.abs(self.feature("contrast")) >= limits.min_contrast
        if limits.max_fraction < 1:
            passing &= self.feature("fraction") <= limits.max_fraction
        kept = np.flatnonzero(passing)
        if not self.ordered or limits.max_overlap < 1:
            kept = kept[np.argsort(-self.feature("rating")[kept], kind="stable")]
        if limits.max_overlap < 1:
            kept = self._suppress(kept, limits.max_overlap)
        return np.sort(kept) if self.ordered else kept

    def choose(self, selection: Selection | None = None, **limits: float) -> list[Mask]:
        """Choose masks.

        Parameters
        ----------
        selection : Selection, optional
            That of the run where omitted.
        **limits
            Limits of the selection that are to be others.

        Raises
        ------
        ParameterError
            If there is no such limit, or it is out of range.
        """
        wanted = (self.selection if selection is None else selection).change(**limits)
        return [self.masks[i] for i in self.indices(wanted)]

    def paint(self, selection: Selection | None = None, **limits: float) -> NDArray[np.uint32]:
        """Paint what is chosen into a label image, the smaller of two masks on top.

        Parameters
        ----------
        selection, **limits
            See `choose`.

        Returns
        -------
        (H, W) uint32
            Labels in the order of `choose`.
        """
        wanted = (self.selection if selection is None else selection).change(**limits)
        masks = [self.masks[i] for i in self.painted(wanted)]
        return paint_masks(masks, self.shape, overlap="smaller")

    def painted(
        self, selection: Selection | None = None, least: Mapping[str, float] | None = None
    ) -> NDArray[np.intp]:
        """Say which masks `paint` paints: those of `indices` without the background, (K,)."""
        kept = self.indices(selection, least)
        if self.background:
            whole = (0, 0, *self.shape)
            kept = kept[[self.masks[i].bbox != whole for i in kept]]
        return kept

    def _measure(self, name: str) -> dict[str, NDArray[np.float64]]:
        if name in _SHAPES:
            return measure_shapes(self.masks)
        if name in _CONTRASTS:
            return measure_contrasts(self.masks, self.rgb)
        if name in ("rating", "predicted_iou", "stability"):
            # As the model gave them: a limit of 0.95 lets a float32 of 0.95 pass.
            values = np.array([getattr(mask, name) for mask in self.masks], np.float32)
            if name == "rating":
                values = np.where(np.isnan(values), self.feature("predicted_iou"), values)
            return {name: values.astype(np.float64)}
        return measure_sizes(self.masks)

    def _suppress(self, order: NDArray[np.intp], max_overlap: float) -> NDArray[np.intp]:
        """Drop what shares too much with a better one; ``order`` has the best first."""
        neighbours = self._neighbours()
        taken = [False] * len(self.masks)
        kept = []
        for number in order.tolist():
            if not any(
                taken[other] and self._share(number, other) > max_overlap
                for other in neighbours[number]
            ):
                taken[number] = True
                kept.append(number)
        return np.array(kept, np.intp)

    def _neighbours(self) -> list[list[int]]:
        """List for each mask the others whose boxes share a pixel with its own."""
        if "neighbours" not in self._known:
            index = BoxIndex()
            for number, mask in enumerate(self.masks):
                if mask:
                    index.add(number, mask.bbox)
            self._known["neighbours"] = [
                [other for other in index.find_touching(mask.bbox) if other != number]
                if mask
                else []
                for number, mask in enumerate(self.masks)
            ]
        neighbours: list[list[int]] = self._known["neighbours"]
        return neighbours

    def _share(self, a: int, b: int) -> float:
        """Pixels that two masks share, over those of the smaller one."""
        shares: dict[tuple[int, int], float] = self._known.setdefault("shares", {})
        pair = (a, b) if a < b else (b, a)
        if pair not in shares:
            areas = self.feature("area")
            overlap = measure_overlap(self.masks[a], self.masks[b])
            shares[pair] = overlap / min(areas[a], areas[b])
        return shares[pair]
