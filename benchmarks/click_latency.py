"""How long a click takes to be answered: in the engine alone, and in napari until it is painted.

    xvfb-run -a -s "-screen 0 1400x900x24" python -m benchmarks.click_latency

In napari the clock starts before a real mouse event is sent to the canvas and stops when the
canvas has been drawn with the mask in it: napari's handling of the click, the worker thread,
decoding, scaling the mask up, and painting (in software where there is no GPU).
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from benchmarks.timing import (
    describe_milliseconds,
    print_table,
    read_peak_memory,
    time_processor,
    time_runs,
)
from napari_sam_onnx import Segmenter, load_model
from napari_sam_onnx.pictures.picture_file import read_picture
from napari_sam_onnx.samples import sample_path

if TYPE_CHECKING:
    from numpy.typing import NDArray


def read_sample() -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    """Read a plane of 1024² pixels, and a point on each of its objects."""
    plane = np.asarray(read_picture(sample_path("blobs")).array)[1]
    truth = np.asarray(read_picture(sample_path("blobs_truth")).array)
    return plane, np.array(ndimage.center_of_mass(truth > 0, truth, np.arange(1, truth.max() + 1)))


def time_engine(
    plane: NDArray[np.uint16], points: NDArray[np.float64], model: str
) -> tuple[list[float], list[float]]:
    """Seconds from a click to its mask on the plane's pixels, without napari; and of CPU time."""
    segmenter = Segmenter(load_model(model))
    segmenter.set_image(plane)
    segmenter.segment(points=[points[0]])
    clicks = [lambda p=p: segmenter.segment(points=[p]) for p in points]
    walls = [time_runs(click, 1, 0)[0] for click in clicks]
    return walls, [time_processor(click, 1)[0] for click in clicks]


def time_napari(
    plane: NDArray[np.uint16], points: NDArray[np.float64], model: str
) -> tuple[list[float], list[float]]:
    """Seconds from a mouse click to the painted mask, and of CPU time."""
    import napari
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication

    from napari_sam_onnx.plugin.dock import SamDock

    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1400, 900)
    layer = viewer.add_image(plane)
    dock = SamDock(viewer)
    viewer.window.add_dock_widget(dock, name="Segment Anything ONNX")
    session, canvas = dock.session, viewer.window._qt_viewer.canvas
    session.choose_model(model)
    answered, painted = [0.0], [0.0]

    def on_change() -> None:
        if session.answer is not None and not answered[0]:
            answered[0] = time.perf_counter()

    def on_draw(_: Any) -> None:
        painted[0] = time.perf_counter()

    session.answer_changed.connect(on_change)

    canvas._scene_canvas.events.draw.connect(on_draw, position="last")

    def wait(holds: Any) -> None:
        limit = time.perf_counter() + 60
        while not holds():
            QApplication.processEvents()
            time.sleep(0.0005)  # waiting is not to be counted as work
            if time.perf_counter() > limit:
                raise TimeoutError(f"napari did not answer: {session.status.text}")

    wait(lambda: session.status.kind == "ready")
    transform = canvas.view.transform * canvas.view.scene.transform
    walls, processor = [], []
    for point in points:
        world = layer.data_to_world(point)
        x, y = transform.map([world[1], world[0]])[:2]
        spot = QPoint(round(x), round(y))
        QTest.mouseMove(canvas.native, spot)
        QTest.qWait(50)
        answered[0], began, worked = 0.0, time.perf_counter(), time.process_time()
        QTest.mouseClick(
            canvas.native, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, spot
        )
        wait(lambda: painted[0] > answered[0] > 0)
        walls.append(painted[0] - began)
        processor.append(time.process_time() - worked)
        dock.commits.discard()
        wait(lambda: session.answer is None and not session.lane.busy)
        QTest.qWait(50)
    viewer.close()
    return walls[1:], processor[1:]  # the first click compiles shaders


def _describe(step: str, walls: list[float], processor: list[float]) -> list[str]:
    return [step, *describe_milliseconds(walls), f"{1000 * median(processor):.1f}"]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="pebble")
    parser.add_argument("--clicks", type=int, default=40)
    parser.add_argument("--engine-only", action="store_true", help="without napari and a display")
    arguments = parser.parse_args()
    plane, points = read_sample()
    points = np.random.default_rng(0).permutation(points)[: arguments.clicks]
    rows = [_describe("decode and scale up", *time_engine(plane, points, arguments.model))]
    if not arguments.engine_only:
        rows.append(
            _describe("click to painted mask", *time_napari(plane, points, arguments.model))
        )
    print(f"1024² plane, {len(points)} clicks, peak memory {read_peak_memory():.0f} MiB")
    print_table(["step", "median ms", "fastest", "slowest", "CPU ms"], rows)


if __name__ == "__main__":
    main()
