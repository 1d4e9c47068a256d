"""How long a click, a look under the pointer and N take, by size of the plane and of its labels.

    xvfb-run -a -s "-screen 0 1400x900x24" python -m benchmarks.prompt_latency [--sides 1024 4096]

In a real window, from a mouse event or a key until the canvas was drawn: the embedded model, nuclei
repeated to the size, labels that are empty or hold 20,000 objects. Beside it napari's own
`data_setitem` of as many pixels as a commit writes, in the same layer, until the canvas was drawn.
"CPU, answer" is the processor's time until what is shown was known and its layer written, without
the drawing, which a graphics card does where there is one and the processor does here.
A look under the pointer is timed from the end of its rest. Planes of more than 2048 pixels are
clicked in one neighbourhood, whose first click, which encodes it, is told apart.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from benchmarks.timing import describe_milliseconds, print_table, read_peak_memory
from napari_sam_onnx.samples import open_nuclei

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

OBJECTS = 20_000


def tile_nuclei(side: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Repeat the sample to a size; with points on its nuclei, the nearest to the middle first."""
    data, _, _ = open_nuclei()[0]
    sample = np.asarray(data)
    repeats = -(-side // min(sample.shape))
    plane = np.tile(sample, (repeats, repeats))[:side, :side]
    middle = side // 2
    part = plane[middle - 200 : middle + 200, middle - 200 : middle + 200].astype(float)
    smooth = ndimage.gaussian_filter(part, 2)
    found, count = ndimage.label(smooth > 2 * np.median(smooth))
    places = np.array(ndimage.center_of_mass(found > 0, found, range(1, count + 1)))
    sizes = ndimage.sum_labels(found > 0, found, range(1, count + 1))
    places = places[(sizes > 60) & (sizes < 900)] + middle - 200
    return plane, places[np.argsort(np.abs(places - middle).max(axis=1))]


def scatter_labels(side: int, count: int) -> NDArray[np.uint32]:
    """Draw so many square objects around the middle, which stays free."""
    labels = np.zeros((side, side), np.uint32)
    step = max(4, int(side / np.sqrt(1.3 * count)))
    corners = [(y, x) for y in range(0, side, step) for x in range(0, side, step)]
    free = [c for c in corners if max(abs(c[0] - side // 2), abs(c[1] - side // 2)) > 220]
    for number, (y, x) in enumerate(free[:count], start=1):
        labels[y : y + step - 2, x : x + step - 2] = number
    return labels


def measure(side: int, objects: int, clicks: int) -> dict[str, list[tuple[float, float, float]]]:
    """Seconds of each step: by the clock, of the processor, and of it before the drawing."""
    import napari
    from qtpy.QtCore import QPoint, Qt
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication

    from napari_sam_onnx.plugin.dock import SamDock

    plane, places = tile_nuclei(side)
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1400, 900)
    layer = viewer.add_image(plane)
    dock = SamDock(viewer)
    viewer.window.add_dock_widget(dock, name="Segment Anything")
    session, canvas = dock.session, viewer.window._qt_viewer.canvas
    times: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    drawn = [0]

    def on_draw(_: Any) -> None:
        drawn[0] += 1

    canvas._scene_canvas.events.draw.connect(on_draw, position="last")

    def wait(holds: Callable[[], bool]) -> None:
        limit = time.perf_counter() + 120
        while not holds():
            QApplication.processEvents()
            time.sleep(0.0005)
            if time.perf_counter() > limit:
                raise TimeoutError(f"napari did not answer: {session.status.text}")

    def take(step: str, act: Callable[[], Any], holds: Callable[[], bool]) -> None:
        began, worked = time.perf_counter(), time.process_time()
        act()
        wait(holds)
        known = time.process_time() - worked
        seen = drawn[0]
        canvas.native.update()  # it may have been drawn already, in the same turn
        wait(lambda: drawn[0] > seen)
        times[step].append((time.perf_counter() - began, time.process_time() - worked, known))

    wait(lambda: session.status.kind == "ready")
    labels = viewer.add_labels(
        scatter_labels(side, objects) if objects else np.zeros((side, side), np.uint32)
    )
    dock.commits.labels.choose(labels)
    session.layers.activate()
    wait(lambda: dock.commits.labels.next_label is not None and not session.lane.busy)
    camera = viewer.scene.camera
    camera.center, camera.zoom = (side / 2, side / 2), 1.5
    QTest.qWait(300)
    transform = canvas.view.transform * canvas.view.scene.transform
    for number, place in enumerate(places[:clicks]):
        world = layer.data_to_world(place)
        x, y = transform.map([world[1], world[0]])[:2]
        spot = QPoint(round(x), round(y))
        QTest.mouseMove(canvas.native, spot)
        QTest.qWait(50)
        hover = dock.hover
        hover.on, hover._at = True, (float(place[0]), float(place[1]))
        if number:
            take("look under the pointer", hover.look, lambda: dock.hover._shown)
            hover.clear()
        hover.on = False
        first = "first click" if number == 0 else "click"

        def click(spot: Any = spot) -> None:
            none = Qt.KeyboardModifier.NoModifier
            QTest.mouseClick(canvas.native, Qt.MouseButton.LeftButton, none, spot)

        take(first, click, lambda: session.answer is not None and not session.lane.busy)
        problem = session.fitted[0].problem if session.fitted else ""
        if problem:
            dock.commits.discard()
            wait(lambda: session.answer is None)
            continue
        done = len(dock.commits.history.done)
        key = lambda: QTest.keyClick(canvas.native, Qt.Key.Key_N)  # noqa: E731
        take(
            "first N" if number == 0 else "N",
            key,
            lambda done=done: len(dock.commits.history.done) > done and session.answer is None,
        )
        paint = dock.commits.history.done[-1].paints[0]
        take(
            "data_setitem of napari",
            lambda p=paint: labels.data_setitem(p.indices, p.after),
            lambda: True,
        )
        QTest.qWait(50)
    dock.shut()
    viewer.close()
    return times


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--objects", type=int, nargs="+", default=[0, OBJECTS])
    parser.add_argument("--clicks", type=int, default=25)
    options = parser.parse_args()
    rows = []
    cases = [(side, objects) for side in options.sides for objects in options.objects]
    for side, objects in cases:
        for step, seconds in measure(side, objects, options.clicks).items():
            walls, *processor = zip(*seconds, strict=True)
            row = [f"{side}²", f"{objects:,}", step, *describe_milliseconds(walls)]
            rows.append([*row, *(f"{1000 * median(each):.1f}" for each in processor)])
    columns = ["plane", "labels", "step", "median ms", "fastest", "slowest", "CPU ms"]
    print_table([*columns, "CPU, answer"], rows)
    print(f"peak memory {read_peak_memory():.0f} MiB")


if __name__ == "__main__":
    main()
