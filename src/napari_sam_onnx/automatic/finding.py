"""What a run found on the planes of a label image, so that limits that move repaint it.

Pixels that were changed since a run wrote them are somebody's correction: what was written is
kept, compared to what is there, and every object that differs anywhere stays as it is.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.settings.selection import Selection
from napari_sam_onnx.automatic.taught.learn import LEARNED, LEAST
from napari_sam_onnx.labels.label_image import check_label, paint_masks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.kept.mask_set import MaskSet
    from napari_sam_onnx.planes import PlaneSink

ROOM = 0.5
"""Part of a mask that corrections must leave free for it to be painted."""

TABLE = 50_000_000
"""Labels up to this number are looked up in a table."""


@dataclass(frozen=True, slots=True)
class PackedPlane:
    """A plane of labels that takes little memory."""

    data: bytes
    shape: tuple[int, int]

    @classmethod
    def pack(cls, labels: NDArray[np.uint32]) -> PackedPlane:
        """Keep a plane, ``(H, W)`` uint32."""
        height, width = labels.shape
        return cls(zlib.compress(np.ascontiguousarray(labels, np.uint32), 1), (height, width))

    def unpack(self) -> NDArray[np.uint32]:
        """Return the plane, ``(H, W)`` uint32."""
        return np.frombuffer(bytearray(zlib.decompress(self.data)), np.uint32).reshape(self.shape)


@dataclass(slots=True, eq=False)
class FoundPlane:
    """What a run found on one plane.

    Parameters
    ----------
    found : MaskSet
        All masks, measured; see `MaskSet.settle`.
    numbers : (N,) uint32
        The label of each mask, which it keeps; 0 where it has had none yet.
    selection : Selection
        What is painted now.
    least : dict of str to float
        What other features must be at least for that, see `MaskSet.note`.
    before : PackedPlane
        The labels that it was painted around.
    painted : PackedPlane
        The labels as they were written last.
    earlier : PackedPlane
        The labels when it was written first: those that it was painted around, and perhaps the
        result of a run that it replaced.
    """

    found: MaskSet
    numbers: NDArray[np.uint32]
    selection: Selection
    before: PackedPlane
    painted: PackedPlane
    earlier: PackedPlane
    least: dict[str, float] = field(default_factory=dict)

    @property
    def shown(self) -> NDArray[np.intp]:
        """The masks that are painted now, but for what was corrected."""
        return self.found.painted(self.selection, self.known(self.least))

    def known(self, least: Mapping[str, float]) -> dict[str, float]:
        """Return the limits on features that are known on this plane."""
        return {name: value for name, value in least.items() if name in self.found.noted}


class Finding:
    """The masks of a run, by plane, and the label image that they were painted into.

    Parameters
    ----------
    labels : PlaneSink
    view : tuple of int
        Identifies from which side its planes are seen, for who needs to know.
    others : Finding, optional
        An earlier run into the same labels; its planes are ours until they are found anew.
    among : bool
        Whether the objects were written among labels that were there already.

    Attributes
    ----------
    planes : dict of tuple of int to FoundPlane
        By the index of the plane.
    kept : set of int
        Labels that somebody approved of: they stay like those that were corrected.
    """

    def __init__(
        self,
        labels: PlaneSink,
        view: tuple[int, ...] = (),
        others: Finding | None = None,
        *,
        among: bool = False,
    ) -> None:
        self.labels, self.view, self.among = labels, view, among
        self.planes: dict[tuple[int, ...], FoundPlane] = {}
        self.kept: set[int] = set()  # labels that somebody approved of
        self._lock = RLock()  # a run reads in its worker what the interface may repaint
        if others is not None and others.view == view:
            with others._lock:
                others._close()
                self.planes.update(others.planes)
                self.kept |= others.kept
        self._taken: dict[tuple[int, ...], PackedPlane] = {}
        # of the plane that was painted last: packing a large one takes longer than painting it
        self._open: tuple[tuple[int, ...], NDArray[np.uint32], NDArray[np.uint32]] | None = None

    def add(
        self,
        index: tuple[int, ...],
        found: MaskSet,
        numbers: NDArray[np.uint32],
        painted: NDArray[np.uint32],
        before: NDArray[np.uint32] | None = None,
        earlier: NDArray[np.uint32] | None = None,
    ) -> None:
        """Keep what was found on a plane and has been written.

        Parameters
        ----------
        index : tuple of int
        found : MaskSet
        numbers : (N,) uint32
            The label of each mask, 0 where none of it was painted.
        painted : (H, W) uint32
            The labels of the plane as they are now.
        before : (H, W) uint32, optional
            Those that they were painted around; none where omitted.
        earlier : (H, W) uint32, optional
            All that were there before the run, where there were others.
        """
        nothing = np.zeros(painted.shape, np.uint32) if before is None else before
        ground = PackedPlane.pack(nothing)
        first = ground if earlier is None else PackedPlane.pack(earlier)
        with self._lock:
            self._close()
            self.planes[index] = FoundPlane(
                found,
                numbers,
                found.selection,
                ground,
                PackedPlane.pack(painted),
                first,
                {LEARNED: LEAST} if LEARNED in found.noted else {},
            )

    def without(self, index: tuple[int, ...]) -> NDArray[np.uint32]:
        """Return the labels of a plane without what the run painted and nobody corrected since."""
        with self._lock:
            now = np.array(self.labels.read(index), np.uint32)
            if index not in self.planes:
                return now
            before, painted = self._open_plane(index)
            differs, corrected = self._find_corrected(now, painted)
            ours = ~differs & (painted != before)
            if corrected.size:
                ours &= ~_contains(now, corrected)
            now[ours] = before[ours]
            return now

    def count(
        self, index: tuple[int, ...], selection: Selection, least: Mapping[str, float] | None = None
    ) -> tuple[int, int]:
        """Count the masks of a plane that a selection shows, and all that could be shown."""
        plane = self.planes[index]
        loosest = Selection(max_overlap=selection.max_overlap)
        shown = plane.found.painted(selection, plane.known(least or {}))
        return len(shown), len(plane.found.painted(loosest))

    def repaint(
        self,
        index: tuple[int, ...],
        selection: Selection,
        next_label: int,
        least: Mapping[str, float] | None = None,
    ) -> int:
        """Paint what a selection chooses on a plane, around what was corrected there.

        Parameters
        ----------
        index : tuple of int
        selection : Selection
        next_label : int
            The first number that is free, for masks that had none yet.
        least : mapping of str to float, optional
            What other features must be at least, where they are known.

        Returns
        -------
        int
            The first number that is free now.

        Raises
        ------
        LabelError
            If the numbers run out.
        """
        with self._lock:
            return self._repaint(index, selection, next_label, dict(least or {}))

    def _repaint(
        self,
        index: tuple[int, ...],
        selection: Selection,
        next_label: int,
        least: dict[str, float],
    ) -> int:
        plane = self.planes[index]
        before, painted = self._open_plane(index)
        now = np.asarray(self.labels.read(index))
        differs, corrected = self._find_corrected(now, painted)
        ground = np.where(differs, now, before)
        chosen = plane.found.painted(selection, plane.known(least))
        if corrected.size:
            theirs = _contains(now, corrected)
            ground[theirs] = now[theirs]
            chosen = chosen[~np.isin(plane.numbers[chosen], corrected)]
            chosen = self._with_room(plane.found, chosen, theirs)
        new = chosen[plane.numbers[chosen] == 0]
        if new.size:
            check_label(next_label + new.size - 1)
            plane.numbers[new] = np.arange(next_label, next_label + new.size)
        masks = [plane.found.masks[i] for i in chosen]
        numbers = plane.numbers[chosen].tolist()
        objects = paint_masks(masks, plane.found.shape, numbers=numbers)
        wanted = np.where(ground == 0, objects, ground)
        if not np.array_equal(wanted, now):
            self.labels.write(index, wanted)
        # where somebody painted, what we had written stays known: so it is told from ours again
        self._open = index, before, np.where(differs, painted, wanted)
        plane.selection, plane.least = selection, least
        return next_label + int(new.size)

    def is_corrected(self) -> bool:
        """Whether any pixel of the run's planes was changed since, or an object approved of."""
        if self.kept:
            return True
        with self._lock:
            return any(
                not np.array_equal(self.labels.read(index), self._open_plane(index)[1])
                for index in self.planes
            )

    def take_back(self, indices: Iterable[tuple[int, ...]] | None = None) -> bool:
        """Write what was there before the run, where it still holds; whether anything did.

        Parameters
        ----------
        indices : iterable of tuple of int, optional
            The planes; all where omitted.
        """
        return self._exchange(indices, back=True)

    def put_again(self, indices: Iterable[tuple[int, ...]] | None = None) -> bool:
        """Write again what `take_back` took away, where nothing else was written meanwhile."""
        return self._exchange(indices, back=False)

    def corrected_on(self, index: tuple[int, ...]) -> set[int]:
        """Return the labels of a plane that were made, changed or removed since the run."""
        with self._lock:
            now, painted = self.labels.read(index), self._open_plane(index)[1]
            return set(self._find_corrected(now, painted)[1].tolist())

    def _exchange(self, indices: Iterable[tuple[int, ...]] | None, back: bool) -> bool:
        changed = False
        with self._lock:
            for index in self.planes if indices is None else indices:
                painted = self._open_plane(index)[1]
                earlier = self.planes[index].earlier.unpack()
                old, new = (painted, earlier) if back else (earlier, painted)
                now = np.array(self.labels.read(index))
                held = (now == old) & (old != new)
                if back:
                    self._taken[index] = PackedPlane.pack(now)
                elif index in self._taken:  # what somebody had erased before is not written again
                    held &= self._taken[index].unpack() == new
                if held.any():
                    now[held] = new[held]
                    self.labels.write(index, now)
                    changed = True
        return changed

    def _find_corrected(
        self, now: NDArray[np.uint32], painted: NDArray[np.uint32]
    ) -> tuple[NDArray[np.bool_], NDArray[np.uint32]]:
        """Find the pixels that were changed since, and the labels they have or had."""
        differs: NDArray[np.bool_] = now != painted
        labels = np.array(sorted(self.kept), np.uint32)
        if differs.any():
            labels = np.unique(np.concatenate([labels, now[differs], painted[differs]]))
        return differs, labels[labels != 0]

    @staticmethod
    def _with_room(
        found: MaskSet, chosen: NDArray[np.intp], theirs: NDArray[np.bool_]
    ) -> NDArray[np.intp]:
        """Keep the masks of which corrections leave enough."""
        room = [
            np.count_nonzero(found.masks[i].crop & theirs[found.masks[i].slices])
            <= (1 - ROOM) * found.masks[i].area
            for i in chosen
        ]
        kept: NDArray[np.intp] = chosen[np.array(room, bool)]
        return kept

    def _open_plane(self, index: tuple[int, ...]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Return the labels of a plane before the run, and as they were written last."""
        if self._open is None or self._open[0] != index:
            self._close()
            plane = self.planes[index]
            self._open = index, plane.before.unpack(), plane.painted.unpack()
        return self._open[1], self._open[2]

    def _close(self) -> None:
        """Pack the plane that is open."""
        if self._open is not None:
            index, _, painted = self._open
            self.planes[index].painted = PackedPlane.pack(painted)
            self._open = None


def _contains(plane: NDArray[np.uint32], labels: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Mark the pixels that hold one of some labels."""
    largest = int(plane.max(initial=0))
    if largest > TABLE:
        marked: NDArray[np.bool_] = np.isin(plane, labels)
        return marked
    table = np.zeros(largest + 1, bool)
    table[labels[labels <= largest]] = True
    marked = table[plane]
    return marked
