"""How long the interface stands still while thousands of objects are reviewed and measured.

    python -m benchmarks.review_gaps --across 71 --theme dark

Discs are drawn, as many squared as are asked for across; automatic masks find them, and the keys of
the review and the table of measurements are pressed as by hand. A gap is the time between two beats
of a timer that beats every 5 ms in the interface's thread, see `benchmarks.interface_gaps`; beside
them stands what napari alone needs to select and to erase an object of the same labels. Wall time
depends on what else the machine does; processor time is that of the interface's thread alone.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from benchmarks.interface_gaps import Beats
from benchmarks.timing import print_table
from napari_sam_onnx.plugin.dock import SamDock

if TYPE_CHECKING:
    from collections.abc import Callable

STEP, RADIUS = 28, 9
TIMES = 8
"""How often a key is pressed."""
NONE, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier


def draw(across: int) -> Any:
    """Draw discs of different brightness on noise."""
    random = np.random.default_rng(0)
    side = across * STEP
    y, x = np.mgrid[:side, :side] % STEP - STEP // 2
    bright = np.kron(random.uniform(0.4, 1, (across, across)), np.ones((STEP, STEP)))
    disc = (y**2 + x**2 <= RADIUS**2) * bright
    return (6000 + 40000 * disc + random.normal(0, 800, disc.shape)).astype(np.uint16)


def time_each(name: str, do: Callable[[], object]) -> list[str]:
    """Do something some times, and return the gaps that it leaves."""
    rows = []
    for _ in range(TIMES):
        beats = Beats()
        QTest.qWait(60)
        do()
        QTest.qWait(400)
        beats.stop()
        rows.append([1000 * np.diff(times).max() for times in (beats.wall, beats.cpu)])
    wall, processor = np.transpose(rows)
    return [name, *(f"{f(v):.0f}" for v in (wall, processor) for f in (np.median, np.max))]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--across", type=int, default=71)
    parser.add_argument("--theme", default="dark", choices=("dark", "light"))
    given = parser.parse_args()
    viewer = napari.Viewer()
    viewer.theme = given.theme
    viewer.window._qt_window.resize(1366, 768)
    viewer.add_image(draw(given.across), name="Discs")
    dock = SamDock(viewer)
    viewer.window.add_dock_widget(dock, name="SAM")
    for section in dock.sections:
        section.header.setChecked(section.body in (dock.review_panel, dock.measure_panel))
    _wait(dock)
    dock.automatic_panel.run.click()
    _wait(dock)
    layer = dock.commits.labels.layer
    assert layer is not None
    count = len(np.unique(layer.data)) - 1
    rows = napari_alone(layer.data.copy(), given.across, given.theme)

    def press(key: Any, modifier: Any = NONE) -> Callable[[], object]:
        canvas = viewer.window._qt_viewer.canvas.native
        return lambda: QTest.keyClick(canvas, key, modifier)

    rows.append(time_each("Review the last result", dock.doubt_panel.begin.click))
    dock.session.layers.activate()
    QTest.qWait(500)
    for name, key, modifier in (
        ("J", Qt.Key.Key_J, NONE),
        ("U", Qt.Key.Key_U, NONE),
        ("Y", Qt.Key.Key_Y, NONE),
        ("Shift+Y", Qt.Key.Key_Y, SHIFT),
    ):
        rows.append(time_each(name, press(key, modifier)))
    rows.append(
        time_each("Ctrl+Z of Shift+Y", press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier))
    )
    panel = dock.measure_panel
    rows.append(time_each("Measure objects", lambda: (panel.measure.click(), _wait(dock))))
    table = panel.table
    table.setFocus()
    table.setCurrentIndex(panel.model.index(0, 0))
    rows.append(
        time_each(
            "table: a click on a row",
            lambda: QTest.mouseClick(
                table.viewport(),
                Qt.MouseButton.LeftButton,
                NONE,
                table.visualRect(panel.model.index(2, 0)).center(),
            ),
        )
    )
    rows.append(time_each("table: Page Down", lambda: QTest.keyClick(table, Qt.Key.Key_PageDown)))
    header = table.horizontalHeader()
    rows.append(
        time_each(
            "table: sort by a click",
            lambda: QTest.mouseClick(
                header.viewport(), Qt.MouseButton.LeftButton, NONE, header.rect().center()
            ),
        )
    )
    print(f"{count} objects, {given.theme}, gaps in ms: median and longest of {TIMES}")
    print_table(("", "wall", "longest", "processor", "longest"), rows)
    dock.shut()
    viewer.close()


def napari_alone(labels: Any, across: int, theme: str) -> list[list[str]]:
    """Select and erase objects where there is no dock."""
    viewer = napari.Viewer()
    viewer.theme = theme
    viewer.window._qt_window.resize(1366, 768)
    viewer.add_image(draw(across))
    layer = viewer.add_labels(labels)
    QTest.qWait(1500)
    left = iter(np.unique(labels)[1:].tolist())

    def select() -> None:
        layer.selected_label = next(left)

    def erase() -> None:
        layer.data_setitem(np.nonzero(layer.data == next(left)), 0)

    rows = [
        time_each("napari alone, select an object", select),
        time_each("napari alone, erase an object", erase),
    ]
    viewer.close()
    return rows


def _wait(dock: SamDock) -> None:
    """Wait until everything that was asked is answered."""
    QTest.qWait(300)
    while dock.session.lane.busy or dock.automatic.work.busy:
        QTest.qWait(20)


if __name__ == "__main__":
    main()
