"""Whether memory stays flat: thousands of prompts and commits, and a dock opened and closed often.

    python -m benchmarks.soak [--prompts 2000] [--docks 50]

The first part works on the session of the dock, with the embedded model, on the sample nuclei: a
click, every fourth time a correction, accept, every tenth time undo; labels are cleared every 500
objects so that there is room. The second opens the dock in a real window (a display is needed) and
closes it again; docks that are still alive afterwards are leaks.
"""

from __future__ import annotations

import argparse
import gc
import time
import weakref

import numpy as np
import psutil
from napari.components import ViewerModel

from napari_sam_onnx.plugin.commits.commits import Commits
from napari_sam_onnx.plugin.editing.styles import Styles
from napari_sam_onnx.plugin.session.session import Session
from napari_sam_onnx.samples import open_nuclei


class NowLane:
    """Runs each job at once."""

    busy = False

    def submit(self, job) -> None:
        """Run a job."""
        try:
            result = job.run()
        except Exception as error:
            job.failed(error)
        else:
            job.done(result)

    def close(self) -> None:
        """Nothing waits."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=2000)
    parser.add_argument("--docks", type=int, default=50)
    options = parser.parse_args()
    if options.prompts:
        soak(options.prompts)
    if options.docks:
        open_docks(options.docks)


def soak(prompts: int) -> None:
    """Click, accept and undo."""
    data, arguments, _ = open_nuclei()[0]
    viewer = ViewerModel()
    session = Session(viewer, lane=NowLane())
    commits = Commits(session)
    Styles(commits)
    viewer.add_image(data, **arguments)
    spots = np.argwhere(np.asarray(data) > np.percentile(data, 92))
    rng = np.random.default_rng(0)
    started, accepted, marks = time.process_time(), [0], []

    def count(_, masks) -> None:
        accepted[0] += len(masks)

    commits.accepted.connect(count)
    for number in range(1, prompts + 1):
        session.layers.set_next_sign(True)
        session.layers.points.add(spots[rng.integers(len(spots))].astype(float))
        if number % 4 == 0:
            session.layers.set_next_sign(False)
            session.layers.points.add(np.array([2.0, 2.0]))
        commits.accept()
        if session.layers.points.data.size:
            commits.discard()
        if number % 10 == 0:
            commits.undo()
        if number % 500 == 0 and commits.labels.layer is not None:
            commits.labels.layer.data[:] = 0
            commits.labels.layer.refresh()
        if number % max(1, prompts // 5) == 0:
            gc.collect()
            kept = sum(a.nbytes for a in session.dialogue._book._answers.values()) / 2**20
            marks.append((number, psutil.Process().memory_info().rss / 2**20, kept))
    each = (time.process_time() - started) / prompts * 1000
    print(f"{prompts} prompts, {accepted[0]} objects accepted, {each:.0f} ms of processor each")
    told = ", ".join(f"{n}: {mb:.0f} ({kept:.0f})" for n, mb, kept in marks)
    print(f"MB in use after so many (of them answers, which are kept up to 128): {told}")
    session.close()


def open_docks(docks: int) -> None:
    """Open and close a dock in a window."""
    import napari
    from qtpy.QtCore import QEvent
    from qtpy.QtWidgets import QApplication

    from napari_sam_onnx.plugin.dock import SamDock

    data, arguments, _ = open_nuclei()[0]
    viewer = napari.Viewer(show=True)
    viewer.add_image(data, **arguments)
    alive, marks = [], []
    for number in range(1, docks + 1):
        dock = SamDock(viewer)
        viewer.window.add_dock_widget(dock, name="SAM")
        QApplication.processEvents()
        viewer.window.remove_dock_widget(dock)
        dock.deleteLater()
        alive.append(weakref.ref(dock))
        del dock
        for _ in range(3):
            QApplication.processEvents()
            QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
        gc.collect()
        if number % max(1, docks // 5) == 0:
            marks.append((number, psutil.Process().memory_info().rss / 2**20))
    left = sum(ref() is not None for ref in alive)
    print(f"{docks} docks opened and closed; {left} still alive, {len(viewer.layers)} layers left")
    print("MB in use after so many: " + ", ".join(f"{n}: {mb:.0f}" for n, mb in marks))
    viewer.close()


if __name__ == "__main__":
    main()
