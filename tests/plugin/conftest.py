"""Sessions without threads, and a viewer with a dock that real events are sent to."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_sam_onnx.plugin.commits.commits import Commits
from napari_sam_onnx.plugin.session.engine import Engine
from napari_sam_onnx.plugin.session.session import Session
from tests.fakes import ComponentModel, draw_discs
from tests.plugin.driver import Driver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from napari_sam_onnx.plugin.session.lanes import Job

CENTERS = ((30, 30), (30, 80), (75, 55))
RADIUS = 10


class HeldLane:
    """Runs jobs at once, or holds them until `release`, as a slow model would."""

    def __init__(self) -> None:
        self.held: list[Job] | None = None
        self.closed = False

    @property
    def busy(self) -> bool:
        return bool(self.held)

    def hold(self) -> None:
        self.held = []

    def release(self) -> None:
        held, self.held = self.held or [], None
        for job in held:
            self._run(job)

    def submit(self, job: Job) -> None:
        if self.held is None:
            self._run(job)
            return
        if job.replaceable:
            self.held = [kept for kept in self.held if not kept.replaceable]
        self.held.append(job)

    def close(self) -> None:
        self.closed = True

    @staticmethod
    def _run(job: Job) -> None:
        try:
            result = job.run()
        except Exception as error:
            job.failed(error)
        else:
            job.done(result)


class Bench:
    """A viewer model, a session on it and its commits; every model is a `ComponentModel`."""

    def __init__(self) -> None:
        self.viewer = ViewerModel()
        self.models: dict[Any, ComponentModel] = {}
        self.lane = HeldLane()
        self.session = Session(self.viewer, Engine(self.load), self.lane)
        self.commits = Commits(self.session)

    def load(self, source: Any) -> ComponentModel:
        return self.models.setdefault(source, ComponentModel(id=str(source)))

    def open(self, data: Any = None, **options: Any) -> Any:
        picture = draw_discs((100, 120), CENTERS, RADIUS) if data is None else data
        return self.viewer.add_image(picture, **{"name": "cells", **options})

    def click(self, *at: float, positive: bool = True) -> None:
        """Add a point as a click in napari's own add mode does."""
        self.session.layers.set_next_sign(positive)
        self.session.layers.points.add(np.array(at, dtype=float))

    @property
    def labels(self) -> Any:
        return self.commits.labels.layer.data

    @property
    def ids(self) -> list[int]:
        return [] if self.commits.labels.layer is None else [i for i in np.unique(self.labels) if i]

    @property
    def said(self) -> str:
        return self.session.status.text

    @property
    def shown(self) -> int:
        """Pixels of the preview."""
        return int(np.count_nonzero(self.session.layers.preview.layer.data))


@pytest.fixture(autouse=True, scope="session")
def what_is_there_already() -> None:
    """Keep what other tests and imports made out of the searches for leaks after each viewer.

    napari's fixture collects garbage at the end of each test: seconds, where a million objects are
    looked through that no test here made.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what the dock writes down away from the user's own folders."""
    made = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(made))
    return made


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.session.close()


@pytest.fixture
def drive(make_napari_viewer: Callable[..., Any], qtbot: Any) -> Iterator[Callable[..., Driver]]:
    """Open a picture in a shown viewer with the dock, and drive both with real events."""
    drivers = []

    def open_picture(data: Any = None, model: Any = None, **options: Any) -> Driver:
        picture = draw_discs((100, 120), CENTERS, RADIUS) if data is None else data
        driver = Driver(make_napari_viewer(show=True), qtbot, model or ComponentModel())
        driver.open(picture, **{"name": "cells", **options})
        drivers.append(driver)
        return driver

    yield open_picture
    for driver in drivers:
        driver.close()
