"""Planes encoded beforehand; embeddings on disk; choices that are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.cache import DiskCache, EmbeddingCache, TieredCache
from napari_sam_onnx.plugin.picture.plane import Plane
from napari_sam_onnx.plugin.session.ahead import Ahead, near_planes
from napari_sam_onnx.plugin.session.engine import Engine
from napari_sam_onnx.plugin.session.settings import Settings
from tests.fakes import ComponentModel, draw_discs
from tests.plugin.conftest import CENTERS, RADIUS, Bench, HeldLane

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.plugin.driver import Driver


def stack(planes: int = 9) -> Any:
    plane = draw_discs((100, 120), CENTERS, RADIUS)
    return np.stack([np.roll(plane, 3 * z, axis=1) for z in range(planes)])


def test_the_next_planes_come_first() -> None:
    found = [p.position[0] for p in near_planes(Plane((1, 2), (1, 0, 0)), (9, 100, 120))]
    assert found == [2, 0, 3, 4]
    assert list(near_planes(Plane((0, 1), (0, 0)), (100, 120))) == []
    both = [p.position for p in near_planes(Plane((2, 3), (5, 0, 0, 0)), (7, 2, 9, 9))]
    assert both == [(5, 1, 0, 0)]


def test_planes_are_encoded_when_nothing_is_asked(bench: Bench) -> None:
    ahead = Ahead(bench.session, HeldLane())
    bench.open(stack())
    model = bench.models["pebble"]
    assert model.encoded == 1 + 6  # the plane in the middle, and three on either side
    bench.viewer.dims.set_point(0, 2)
    assert model.encoded == 7 + 1  # the first plane came into reach
    bench.click(2, 30, 36)
    assert bench.session.answers and model.encoded == 8
    ahead.on = False
    bench.viewer.dims.set_point(0, 8)
    assert model.encoded == 9
    ahead.close()


def test_a_click_comes_first(bench: Bench) -> None:
    lane = HeldLane()
    ahead = Ahead(bench.session, lane)
    lane.hold()
    bench.open(stack())
    model = bench.models["pebble"]
    assert model.encoded == 1 and lane.busy
    bench.lane.hold()
    bench.click(4, CENTERS[0][0], CENTERS[0][1] + 12)
    lane.release()
    assert model.encoded == 1  # somebody waits for an answer
    bench.lane.release()
    assert bench.session.answers and model.encoded == 7
    ahead.close()


def test_choices_are_kept_and_nonsense_is_none(tmp_path: Path) -> None:
    path = tmp_path / "there" / "settings.json"
    settings = Settings(path)
    assert settings.get("a", 5.0) == 5.0
    settings.set("a", 7)
    settings.set("b", True)
    assert Settings(path).get("a", 5.0) == 7 and Settings(path).get("b", False) is True
    assert Settings(path).get("b", "text") == "text"
    path.write_text("{nonsense")
    assert Settings(path).get("a", 5.0) == 5.0
    (tmp_path / "file").write_text("")
    lost = Settings(tmp_path / "file" / "settings.json")
    lost.set("a", 3.0)
    assert lost.get("a", 5.0) == 3.0


def test_planes_on_disk_are_found_kept_bounded_and_cleared(
    drive: Callable[..., Driver], home: Path
) -> None:
    d = drive(stack(3))
    panel = d.dock.memory_panel
    assert panel.disk.read_only and "No encoded planes" in panel.used.toolTip()
    panel.keep.click()
    disk = panel.disk
    engine = Engine({"pebble": ComponentModel()}.__getitem__, TieredCache(EmbeddingCache(), disk))
    d.session.engine = engine
    d.session.renew()
    d.until(lambda: disk.info().entries == 3)  # the next planes too
    panel.refresh()
    assert panel.used.toolTip().startswith("3 planes") and panel.clear.isEnabled()
    again = DiskCache(disk.folder, read_only=True)
    model = ComponentModel()
    other = Engine({"pebble": model}.__getitem__, TieredCache(EmbeddingCache(), again))
    d.session.engine = other
    d.session.renew()
    d.until(lambda: other.ready(d.session.request))
    assert model.encoded == 0  # found on the disk
    panel.clear.click()
    assert disk.info().entries == 0 and not panel.clear.isEnabled()
    panel.most.setValue(2.5)
    kept = Settings(home / "config" / "settings.json")
    assert kept.get("embeddings_gb", 5.0) == 2.5 and kept.get("keep_embeddings", False)
