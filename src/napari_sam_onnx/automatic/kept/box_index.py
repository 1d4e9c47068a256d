"""Which boxes share a pixel with a box, without asking all of them."""

from __future__ import annotations

from collections import defaultdict
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

Box = tuple[int, int, int, int]

# Side of the cells that boxes are filed under, in pixels: a few cells for the box of a cell.
CELL = 64


class BoxIndex:
    """Boxes ``(y0, x0, y1, x1)``, half-open, filed by where they lie; with a number each."""

    def __init__(self) -> None:
        self._cells: dict[tuple[int, int], list[int]] = defaultdict(list)
        self._boxes: dict[int, Box] = {}

    def add(self, number: int, box: Box) -> None:
        """File a box under a number of its own."""
        self._boxes[number] = box
        for cell in _list_cells(box):
            self._cells[cell].append(number)

    def find_touching(self, box: Box) -> list[int]:
        """List the numbers of the boxes that share a pixel with a box, ascending."""
        y0, x0, y1, x1 = box
        near = {number for cell in _list_cells(box) for number in self._cells.get(cell, ())}
        touching = []
        for number in sorted(near):
            top, left, bottom, right = self._boxes[number]
            if top < y1 and bottom > y0 and left < x1 and right > x0:
                touching.append(number)
        return touching


def _list_cells(box: Box) -> Iterator[tuple[int, int]]:
    y0, x0, y1, x1 = box
    if y0 >= y1 or x0 >= x1:
        return iter(())  # an empty box lies nowhere
    return product(range(y0 // CELL, (y1 - 1) // CELL + 1), range(x0 // CELL, (x1 - 1) // CELL + 1))
