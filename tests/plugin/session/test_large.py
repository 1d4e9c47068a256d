"""Clicks on large planes: nothing is encoded before them, and little with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tests.fakes import ComponentModel, draw_discs

if TYPE_CHECKING:
    from tests.plugin.conftest import Bench

SHAPE = (2300, 2500)
SMALL, LARGE = (400, 500), (1500, 1500)


class Sized(ComponentModel):
    """Remembers how large what it encoded was."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sizes: list[tuple[int, ...]] = []

    def encode(self, image: Any) -> Any:
        self.sizes.append(image.shape[:2])
        return super().encode(image)


def test_a_click_encodes_what_is_around_it(bench: Bench) -> None:
    model = bench.models["pebble"] = Sized(id="pebble")
    picture = np.maximum(draw_discs(SHAPE, [SMALL], 30), draw_discs(SHAPE, [LARGE], 600))
    bench.open(picture)
    assert bench.said.startswith("Ready") and model.sizes == []
    bench.click(*SMALL)
    bench.commits.accept()
    assert model.sizes == [(1024, 1024)]
    np.testing.assert_array_equal(bench.labels > 0, draw_discs(SHAPE, [SMALL], 30) > 0)
    bench.click(*LARGE)
    assert model.sizes[1:] == [(1024, 1024), (1024, 1024)] and "1/2 of its size" in bench.said
    bench.click(LARGE[0] + 20, LARGE[1])  # a correction reads nothing more
    assert len(model.sizes) == 3
    bench.commits.accept()
    assert abs(int((bench.labels == 2).sum()) - np.pi * 600**2) < 6000
    bench.commits.undo()
    assert bench.ids == [1]
