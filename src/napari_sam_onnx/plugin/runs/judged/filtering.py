"""Limits on what a run found, applied while they move: repainted, counted, kept in the recipe."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np
from psygnal import Signal

from napari_sam_onnx.automatic import MODES, Selection
from napari_sam_onnx.automatic.tabulate import tabulate
from napari_sam_onnx.plugin.layers.classes import replace_columns
from napari_sam_onnx.plugin.picture.geometry import MARK
from napari_sam_onnx.plugin.picture.lengths import pixel_side
from napari_sam_onnx.plugin.session.lanes import Job, do_later

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari.layers import Labels

    from napari_sam_onnx.automatic.finding import Finding
    from napari_sam_onnx.automatic.taught.learn import Judge
    from napari_sam_onnx.plugin.commits.label_target import LabelTarget
    from napari_sam_onnx.plugin.session.session import Session

Index = tuple[int, ...]

FEW = 4
"""Planes whose objects are listed at once; those of more are listed in a worker."""

MANY = 1000
"""Masks from which on they are listed in a worker, too."""

_SETTING_OF = {
    "min_rating": ("min_rating", "pred_iou_thresh"),
    "min_stability": ("stability_score_thresh",),
    "min_area": ("min_area",),
    "max_area": ("max_area",),
    "max_overlap": ("max_overlap",),
}
"""Which setting of a mode does what a limit does, so that a loosened limit is loose there too."""


class Filtering:
    """Chooses again from what the last run found in the label image that is written to.

    Parameters
    ----------
    session : Session
    labels : LabelTarget
        Says which label image that is.
    findings : mapping of napari Labels layer to Finding
    later : callable, optional
        Calls a function when the interface has time.

    Attributes
    ----------
    changed : Signal
        There is something else to choose from, or something else was chosen.
    """

    changed = Signal()

    def __init__(
        self,
        session: Session,
        labels: LabelTarget,
        findings: Mapping[Labels, Finding],
        later: Callable[[Callable[[], None]], None] = do_later,
    ) -> None:
        self.session, self.labels, self.findings = session, labels, findings
        self._later = later
        self._left: list[Index] = []
        self._wanted: tuple[Labels, Finding, Selection, dict[str, float]] | None = None
        self._listing = False
        self._ranges: tuple[Finding, int, dict[str, float]] | None = None
        labels.changed.connect(self.changed.emit)
        session.picture_changed.connect(self._on_picture)

    @property
    def layer(self) -> Labels | None:
        """The label image that can be filtered, or None."""
        layer = self.labels.layer
        finding = None if layer is None else self.findings.get(layer)
        if layer is None or finding is None or not finding.planes:
            return None
        return layer if getattr(finding.labels, "array", None) is layer.data else None

    @property
    def finding(self) -> Finding | None:
        """What can be chosen from, or None."""
        layer = self.layer
        return None if layer is None else self.findings[layer]

    @property
    def index(self) -> Index | None:
        """The plane that is shown, where something was found on it."""
        finding, plane, reader = self.finding, self.session.plane, self.session.reader
        if finding is None or plane is None or reader is None or plane.axes != finding.view:
            return None
        index = reader.index_of(plane)
        return index if index in finding.planes else None

    @property
    def selection(self) -> Selection:
        """The limits that hold for the plane that is shown, or for another one."""
        finding, index = self.finding, self.index
        if finding is None:
            return Selection()
        if self._wanted is not None and self._wanted[1] is finding:
            return self._wanted[2]
        return finding.planes[next(iter(finding.planes)) if index is None else index].selection

    @property
    def least(self) -> dict[str, float]:
        """Limits on what was learned, by its name, where anything was: see `MaskSet.note`."""
        finding, index = self.finding, self.index
        if finding is None:
            return {}
        if self._wanted is not None and self._wanted[1] is finding:
            return dict(self._wanted[3])
        return dict(finding.planes[next(iter(finding.planes)) if index is None else index].least)

    def count(self) -> tuple[int, int] | None:
        """Count what is shown on this plane, and what could be; None where nothing was found."""
        finding, index = self.finding, self.index
        if finding is None or index is None:
            return None
        return finding.count(index, self.selection, self.least)

    def ranges(self) -> dict[str, float]:
        """Return the largest value of each feature that has no natural end, in pixels."""
        finding = self.finding
        if finding is None:
            return {}
        known = self._ranges
        if known is None or known[0] is not finding or known[1] != len(finding.planes):
            tops = dict.fromkeys(("area", "diameter", "border_distance"), 1.0)
            for plane in finding.planes.values():
                for name in tops:
                    top = float(np.max(plane.found.feature(name), initial=0.0))
                    tops[name] = max(tops[name], top)
            self._ranges = known = (finding, len(finding.planes), tops)
        return known[2]

    def apply(
        self,
        selection: Selection,
        least: Mapping[str, float] | None = None,
        judge: Judge | None = None,
    ) -> None:
        """Show what a selection chooses: on this plane now, then on the others.

        Parameters
        ----------
        selection : Selection
        least : mapping of str to float, optional
            Limits on what was learned; those that hold now where omitted.
        judge : Judge, optional
            What was learned, to be kept in the recipe.
        """
        layer, finding = self.layer, self.finding
        if layer is None or finding is None:
            return
        self._wanted = layer, finding, selection, self.least if least is None else dict(least)
        self._keep_recipe(layer, selection, judge)
        here = self.index
        self._left = [index for index in finding.planes if index != here]
        if here is not None:
            self._repaint(here)
        if self._left:
            self._later(self._go_on)
        self.changed.emit()
        self.list_objects()

    def list_objects(self) -> None:
        """Let `features` of the layer say how sure its objects are, once there is time."""
        if self.layer is not None and not self._listing:
            self._listing = True
            self._later(self._list)

    def _list(self) -> None:
        self._listing = False
        layer, finding, picture = self.layer, self.finding, self.session.picture
        if layer is None or finding is None:
            return
        side = pixel_side(picture, (finding.view[0], finding.view[1]))
        tell = partial(_set_features, ref(layer))
        masks = sum(len(plane.found) for plane in finding.planes.values())
        if len(finding.planes) <= FEW and masks <= MANY:
            tell(tabulate(finding, side))
        else:
            run = partial(tabulate, finding, side)
            self.session.lane.submit(Job(run, tell, self.session.fail, replaceable=False))

    def _go_on(self) -> None:
        """Repaint the next plane that is not up to date."""
        while self._left and self._wanted is not None:
            index = self._left.pop()
            plane = self._wanted[1].planes[index]
            if (plane.selection, plane.least) != self._wanted[2:]:
                self._repaint(index)
                break
        if self._left:
            self._later(self._go_on)

    def _repaint(self, index: Index) -> None:
        assert self._wanted is not None
        layer, finding, selection, least = self._wanted
        numbers = self.labels.numbers_of(layer)
        if layer not in self.session.viewer.layers or numbers.next is None:
            return
        try:
            with self.labels.writing(layer):
                following = finding.repaint(index, selection, numbers.next, least)
        except ValueError as error:
            self._left = []
            self.session.fail(error)
            return
        if following != numbers.next:
            numbers.choose(following)
        if index == self.index or self.session.viewer.dims.ndisplay == 3:
            layer.refresh()

    def _on_picture(self) -> None:
        """Bring the plane that is shown now up to date first."""
        here = self.index
        if here is not None and here in self._left:
            self._left.remove(here)
            self._repaint(here)
        self.changed.emit()

    def _keep_recipe(self, layer: Labels, selection: Selection, judge: Judge | None) -> None:
        """Let the recipe of a layer say how it is filtered now."""
        recipe = layer.metadata.get(MARK, {}).get("recipe")
        if recipe is not None:
            recipe["settings"] = describe_filtered(recipe["mode"], recipe["settings"], selection)
            if judge is not None:
                recipe["judge"] = judge.to_dict()


def _set_features(layer: ref[Labels], columns: dict[str, list[Any]]) -> None:
    known = layer()
    if known is not None:
        replace_columns(known, columns)


def describe_filtered(
    mode: str, settings: Mapping[str, Any], selection: Selection
) -> dict[str, Any]:
    """Return settings of a run that give what a selection chooses of what it found.

    Parameters
    ----------
    mode : str
    settings : mapping of str to value
        Of the run, limits among them.
    selection : Selection

    Returns
    -------
    dict
        A setting of the mode is set where it does what a limit does; the limit itself remains
        where none does. A ``grid`` is chosen from after its own rules.
    """
    made = dict(settings)
    inner = settings.get("inner", mode) if mode == "tiled" else mode
    known = {f.name: f for f in fields(MODES[inner])}
    own = set(known) | {f.name for f in fields(MODES[mode])}
    for limit in fields(Selection):
        value = getattr(selection, limit.name)
        names = () if inner in ("grid", "flows") else _SETTING_OF.get(limit.name, ())
        replaced = next((name for name in names if name in known), None)
        if replaced is not None:
            made[replaced] = round(value) if known[replaced].type is int else value
        elif limit.name not in own:
            made.pop(limit.name, None)
            if value != limit.default:
                made[limit.name] = value
    return made
