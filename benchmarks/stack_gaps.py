"""How long the interface stands still while a stack is run in the dock, and when its result comes.

    python -m benchmarks.stack_gaps

The sample stack as a volume and the sample series as tracks, and, beside them, what napari alone
needs for layers of the same content. Gaps as in `benchmarks.interface_gaps`.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import napari
from qtpy.QtTest import QTest

from benchmarks.interface_gaps import Beats
from benchmarks.timing import print_table
from napari_sam_onnx.plugin.dock import SamDock
from napari_sam_onnx.plugin.runs.stack import StackRun
from napari_sam_onnx.stacks import WholeRequest

if TYPE_CHECKING:
    from typing import Any

COLUMNS = ("", "longest", "> 100 ms", "longest, processor", "> 100 ms, processor")


def watch_run(dock: SamDock, method: str) -> tuple[list[str], str]:
    """Run a stack; its gaps, and what is said of it."""
    finished: list[Any] = []
    dock.stacks.made.connect(finished.append)
    running = Beats()
    dock.stacks.start(StackRun(WholeRequest(method)))
    while dock.stacks.work.busy and not finished:
        QTest.qWait(20)
    QTest.qWait(2000)
    assert finished
    return running.stop(), dock.session.status.text


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=2)
    turns = parser.parse_args().turns
    rows: list[tuple[str, ...]] = []
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1366, 768)
    QTest.qWait(500)
    dock = SamDock(viewer)
    viewer.window.add_dock_widget(dock, name="SAM")
    for turn in range(turns):  # what napari loads for the first one is slow but once
        for name, method in (("stack", "volume"), ("series", "tracks")):
            viewer.open_sample("napari-sam-onnx", name)
            QTest.qWait(1500)
            gaps, said = watch_run(dock, method)
            rows.append((f"{method}, turn {turn + 1}: {said}", *gaps))
            if method == "tracks":
                layer = next(one for one in viewer.layers if one._type_string == "tracks")
                table, graph = layer.data.copy(), dict(layer.graph)
                viewer.layers.remove(layer)
                QTest.qWait(500)
                beats = Beats()
                QTest.qWait(100)
                viewer.add_tracks(table, graph=graph)
                QTest.qWait(1500)
                rows.append((f"napari alone: these tracks, turn {turn + 1}", *beats.stop()))
            while viewer.layers:
                viewer.layers.pop()
            QTest.qWait(500)
    print_table(COLUMNS, rows)
    viewer.close()


if __name__ == "__main__":
    main()
