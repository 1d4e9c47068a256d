"""How long the interface stands still: while contrast moves, and at the first N on a picture.

    python -m benchmarks.interface_gaps --side 1024
    python -m benchmarks.interface_gaps --side 6000

A timer beats every 5 ms in the interface's thread; a gap is the time between two beats. Contrast is
changed twenty times, 60 ms apart, as by a slider that is dragged: in napari alone, and with the
dock open and an object clicked. Wall time depends on what else the machine does, and drawing
without a graphics card takes most of it; processor time is that of the interface's thread alone.
"""

from __future__ import annotations

import argparse
import time

import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtTest import QTest
from scipy import ndimage

from benchmarks.timing import print_table
from napari_sam_onnx.plugin.dock import SamDock


class Beats:
    """Wall and processor time at each beat of the interface's thread."""

    def __init__(self) -> None:
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self._timer = QTimer()
        self._timer.setInterval(5)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self) -> None:
        self.wall.append(time.monotonic())
        self.cpu.append(time.thread_time())

    def stop(self) -> list[str]:
        """Return longest gap and number of gaps above 100 ms, of wall and of processor time."""
        self._timer.stop()
        gaps = [np.diff(times) * 1000 for times in (self.wall, self.cpu)]
        return [text for g in gaps for text in (f"{g.max():.0f}", str(int((g > 100).sum())))]


def move_contrast(layer: napari.layers.Image) -> list[str]:
    """Change contrast twenty times and let it rest."""
    low, high = layer.contrast_limits
    beats = Beats()
    for step in range(1, 21):
        layer.contrast_limits = (low, high - (high - low) * 0.02 * step)
        QTest.qWait(60)
    QTest.qWait(4000)
    layer.contrast_limits = (low, high)
    return beats.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=1024)
    side = parser.parse_args().side
    noise = np.random.default_rng(0).random((side, side)).astype(np.float32)
    smooth = ndimage.gaussian_filter(noise, 6)
    picture = (smooth / smooth.max() * 20000).astype(np.uint16)
    y, x = np.ogrid[:side, :side]
    picture[(y - side / 2) ** 2 + (x - side / 2) ** 2 < 30**2] = 60000
    viewer = napari.Viewer()
    viewer.window._qt_window.resize(1366, 768)
    layer = viewer.add_image(picture)
    QTest.qWait(1000)
    rows = [("napari alone, contrast moves", *move_contrast(layer))]
    beats = Beats()
    QTest.qWait(100)
    empty = viewer.add_labels(np.zeros(picture.shape, np.uint32))
    QTest.qWait(2000)
    rows.append(("napari alone, adding an empty labels layer", *beats.stop()))
    viewer.layers.remove(empty)
    dock = SamDock(viewer)
    viewer.window.add_dock_widget(dock, name="SAM")
    _wait(dock)
    dock.session.layers.points.add(np.array([side / 2, side / 2]))
    _wait(dock)
    rows.append(("with the dock and a mask, contrast moves", *move_contrast(layer)))
    _wait(dock)
    beats = Beats()
    QTest.qWait(100)
    dock.commits.accept()
    QTest.qWait(2000)
    rows.append((f"the first N: {dock.session.status.text}", *beats.stop()))
    print(f"{side} × {side}, gaps in ms")
    print_table(("", "longest", "> 100 ms", "longest, processor", "> 100 ms, processor"), rows)
    viewer.close()


def _wait(dock: SamDock) -> None:
    """Wait until everything that was asked is answered."""
    QTest.qWait(1500)
    while dock.session.lane.busy:
        QTest.qWait(100)


if __name__ == "__main__":
    main()
