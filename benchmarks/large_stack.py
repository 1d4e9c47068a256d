"""A stack far larger than memory, in napari: one plane, ten planes and a cancel, a click and N.

    xvfb-run -a -s "-screen 0 1400x900x24" python -m benchmarks.large_stack

Its blocks are made when they are asked for (dask). The peak of resident memory is measured for
each step, of the whole process: Python, Qt, napari, the model and the labels. napari keeps dask's
chunks itself, up to a part of the machine's memory; here up to 64 MiB.
"""

from __future__ import annotations

import argparse
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from benchmarks.timing import print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

RADIUS = 24
SPACING = 256


def make_stack(planes: int, side: int) -> Any:
    """Discs in noise, block by block: a new picture in each plane."""
    import dask.array as dask_array

    def draw(block_info: Any = None) -> NDArray[np.uint16]:
        info = block_info[None]
        rng = np.random.default_rng(info["chunk-location"])
        _, height, width = info["chunk-shape"]
        block = rng.integers(80, 120, (height, width), np.uint16)
        y, x = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
        disc = y**2 + x**2 <= RADIUS**2
        for top in range(SPACING // 2, height - RADIUS, SPACING):
            for left in range(SPACING // 2, width - RADIUS, SPACING):
                at = np.s_[top - RADIUS : top + RADIUS + 1, left - RADIUS : left + RADIUS + 1]
                block[at][disc] += np.uint16(400)
        return block[None]

    block = min(1024, side)
    chunks = ((1,) * planes, (block,) * (side // block), (block,) * (side // block))
    return dask_array.map_blocks(draw, chunks=chunks, dtype=np.uint16, meta=np.zeros(0, np.uint16))


class Peaks:
    """The peak of resident memory of each step, and how long it took."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[list[str]]:
        """Watch a step; what it appends to the list is shown beside it."""
        process, peak, over = psutil.Process(), [0], threading.Event()

        def watch() -> None:
            while not over.wait(0.01):
                peak[0] = max(peak[0], process.memory_info().rss)

        watcher = threading.Thread(target=watch)
        watcher.start()
        began, notes = time.perf_counter(), []
        try:
            yield notes
        finally:
            over.set()
            watcher.join()
        seconds = time.perf_counter() - began
        self.rows.append([name, f"{seconds:.1f}", f"{peak[0] / 2**30:.2f}", "; ".join(notes)])
        print(*self.rows[-1], sep=", ", flush=True)


def wait(holds: Callable[[], bool], seconds: float = 900) -> None:
    """Let the interface work until something holds."""
    from qtpy.QtWidgets import QApplication

    limit = time.perf_counter() + seconds
    while not holds():
        QApplication.processEvents()
        time.sleep(0.002)
        if time.perf_counter() > limit:
            raise TimeoutError("That took too long.")


def run(planes: int, side: int, model: str, count: int) -> list[list[str]]:
    """Do the three things in napari."""
    import napari
    from napari.utils import resize_dask_cache

    from napari_sam_onnx.plugin.dock import SamDock
    from napari_sam_onnx.plugin.layers.labels import place_of
    from napari_sam_onnx.plugin.runs.asked import Run

    peaks = Peaks()
    with peaks.step("open the viewer and the stack"):
        viewer = napari.Viewer()
        resize_dask_cache(64 * 2**20)
        dock = SamDock(viewer)
        viewer.window.add_dock_widget(dock, name="Segment Anything ONNX")
        session, automatic = dock.session, dock.automatic
        session.choose_model(model)
        viewer.add_image(make_stack(planes, side), name="stack")
        wait(lambda: session.status.kind == "ready")

    def start(whole: bool) -> None:
        automatic.start(Run(None, {}, whole=whole))
        if not automatic.work.busy:
            raise RuntimeError(session.status.text)

    with peaks.step("automatic masks of this plane") as notes:
        start(whole=False)
        layer = automatic.layer
        wait(lambda: not automatic.work.busy)
        notes.append(session.status.text.split(" They")[0])
    viewer.layers.remove(layer)
    with peaks.step(f"automatic masks of {count} planes, cancelled") as notes:
        viewer.dims.set_current_step(0, 0)
        start(whole=True)
        layer = automatic.layer
        wait(lambda: automatic._planes >= count)
        began = time.perf_counter()
        automatic.work.cancel()
        wait(lambda: not automatic.work.busy)
        notes += [session.status.text, f"cancel took {time.perf_counter() - began:.1f} s"]
        filled = [z for z in range(count + 5) if np.asarray(layer.data[z]).any()]
        notes.append(f"planes {filled[0]} to {filled[-1]} are labelled")
        place = place_of(layer)
        if place is not None:
            size = sum(file.stat().st_size for file in Path(place).rglob("*") if file.is_file())
            notes.append(f"{size / 1e6:.1f} MB on disk")
    viewer.layers.remove(layer)
    with peaks.step("a click and N on another plane") as notes:
        viewer.dims.set_current_step(0, planes // 2)
        wait(lambda: session.status.kind == "ready" and not session.lane.busy)
        began = time.perf_counter()
        session.layers.points.add(np.array([[planes // 2, SPACING // 2, SPACING // 2]], float))
        wait(lambda: session.answer is not None)
        dock.commits.accept()
        wait(lambda: not session.lane.busy)
        notes.append(f"click to label {time.perf_counter() - began:.2f} s")
        made = dock.commits.labels.layer
        pixels = int(np.count_nonzero(np.asarray(made.data[planes // 2])))
        notes.append(f"{pixels} pixels in “{made.name}” (the disc has {round(3.1416 * RADIUS**2)})")
    viewer.close()
    return peaks.rows


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--planes", type=int, default=2000)
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--model", default="pebble")
    parser.add_argument("--count", type=int, default=10, help="planes until the cancel")
    arguments = parser.parse_args()
    size = arguments.planes * arguments.side**2
    print(
        f"{arguments.planes} × {arguments.side}² planes, {2 * size / 2**30:.0f} GiB of pixels, "
        f"{4 * size / 2**30:.0f} GiB of labels"
    )
    rows = run(arguments.planes, arguments.side, arguments.model, arguments.count)
    print_table(["step", "s", "peak GiB", "what came of it"], rows)


if __name__ == "__main__":
    main()
