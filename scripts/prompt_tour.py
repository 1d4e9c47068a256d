"""The pictures of the README, of docs/prompting.md and of docs/plugin.md, from the real window.

    xvfb-run -s "-screen 0 1366x768x24" python scripts/prompt_tour.py [front first correct …]

Each step works on a sample picture, by the dock's own clicks and keys. With ``THEME=light`` and
``INTO=folder`` in the environment they are drawn in another theme, elsewhere.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt

from napari_sam_onnx import automask

IMAGES = Path(os.environ.get("INTO") or Path(__file__).parents[1] / "docs" / "images")
COLORS = 256
"""Of a picture's palette: the file is a third as large."""


class Tour:
    """A window with the dock, and hands."""

    def __init__(self, sample: str) -> None:
        import napari

        from napari_sam_onnx.plugin.dock import SamDock

        self.viewer = napari.Viewer()
        self.viewer.theme = os.environ.get("THEME", "dark")
        self.viewer.window._qt_window.resize(1366, 768)
        self.dock = SamDock(self.viewer)
        self.viewer.window.add_dock_widget(self.dock, name="Segment Anything")
        self.viewer.open_sample("napari-sam-onnx", sample)
        self.session, self.commits = self.dock.session, self.dock.commits
        self.ready()

    def unfold(self, *panels: Any) -> None:
        """Show some sections alone."""
        for section in self.dock.sections:
            section.header.setChecked(section.body in panels)

    def wait(self, done: Any, most: float = 300) -> None:
        """Let events run until something holds."""
        from qtpy.QtWidgets import QApplication

        begun = time.monotonic()
        while not done() and time.monotonic() - begun < most:
            QApplication.processEvents()
            time.sleep(0.01)

    def ready(self) -> None:
        """Wait until nothing is computed."""
        self.wait(lambda: False, 0.2)
        self.wait(lambda: not self.session.lane.busy and self.session.status.kind != "busy")

    def pixel(self, *at: float) -> Any:
        """Where a place of the picture lies on the canvas."""
        from qtpy.QtCore import QPoint

        canvas = self.viewer.window._qt_viewer.canvas
        world = np.array(self.session.picture.main.data_to_world(at))
        row, column = (world[axis] for axis in self.viewer.dims.displayed)
        x, y = (canvas.view.transform * canvas.view.scene.transform).map([column, row])[:2]
        return QPoint(round(x), round(y))

    def click(self, *at: float, right: bool = False) -> None:
        """Click on the canvas."""
        from qtpy.QtCore import QEvent, QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtTest import QTest
        from qtpy.QtWidgets import QApplication

        native, spot = self.viewer.window._qt_viewer.canvas.native, self.pixel(*at)
        none = Qt.MouseButton.NoButton
        where = QPointF(spot)
        move = QMouseEvent(
            QEvent.Type.MouseMove,
            where,
            native.mapToGlobal(where),
            none,
            none,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(native, move)
        QTest.qWait(30)
        button = Qt.MouseButton.RightButton if right else Qt.MouseButton.LeftButton
        QTest.mouseClick(native, button, Qt.KeyboardModifier.NoModifier, spot)
        self.ready()

    def run(self) -> None:
        """Press Run and wait for the automatic masks."""
        self.dock.automatic_panel.run.click()
        self.wait(lambda: not self.dock.automatic.work.busy)
        self.ready()

    def press(self, key: str, control: bool = False, shift: bool = False) -> None:
        """Press a key on the canvas."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        native = self.viewer.window._qt_viewer.canvas.native
        native.setFocus()
        modifier = Qt.KeyboardModifier.NoModifier
        if control or shift:
            modifier = getattr(Qt.KeyboardModifier, f"{'Control' if control else 'Shift'}Modifier")
        QTest.keyClick(native, getattr(Qt.Key, f"Key_{key}"), modifier)
        self.ready()

    def save(self, name: str) -> None:
        """Save the window as a picture of the docs and close it."""
        self.wait(lambda: False, 1)
        shot = self.viewer.screenshot(canvas_only=False, flash=False)
        image = Image.fromarray(shot[..., :3]).quantize(COLORS)
        image.save(IMAGES / f"{name}.png", optimize=True)
        self.dock.shut()
        self.viewer.close()


def find_nuclei(tour: Tour, most: int) -> list[tuple[float, float]]:
    """Find bright spots to click, away from the border."""
    from scipy import ndimage

    picture = np.asarray(tour.session.picture.main.data, float)
    smooth = ndimage.gaussian_filter(picture, 2)
    found, count = ndimage.label(smooth > 2 * np.median(smooth))
    sizes = ndimage.sum_labels(found > 0, found, range(1, count + 1))
    middles = ndimage.center_of_mass(found > 0, found, range(1, count + 1))
    inside = [
        (y, x)
        for (y, x), size in zip(middles, sizes, strict=True)
        if 60 < size < 900 and 40 < y < picture.shape[0] - 40 and 40 < x < picture.shape[1] - 40
    ]
    return inside[:most]


def show_front() -> None:
    """Show a stack, some of its nuclei labelled and one open: the README's picture."""
    tour = Tour("stack")
    tour.unfold(tour.dock.image_panel, tour.dock.prompt_panel, tour.dock.automatic_panel)
    plane = int(tour.viewer.dims.current_step[0])
    found = np.asarray(automask(tour.session.picture.main.data[plane], "pebble"))
    middles = [
        np.unravel_index(np.argmax(distance_transform_edt(found == label)), found.shape)
        for label in np.unique(found)[1:10]
    ]
    for at in middles[:-1]:
        tour.click(plane, *at)
        tour.press("N")
    tour.click(plane, *middles[-1])
    tour.save("plugin")


def show_first() -> None:
    """Show the first click: its preview, its score, how things stand."""
    tour = Tour("nuclei")
    tour.unfold(tour.dock.image_panel, tour.dock.prompt_panel, tour.dock.automatic_panel)
    tour.click(*find_nuclei(tour, 1)[0])
    tour.save("prompt-first")


def show_correct() -> None:
    """Show an object that another tool labelled, open to be corrected."""
    tour = Tour("nuclei")
    tour.unfold(tour.dock.prompt_panel, tour.dock.edit_panel)
    labels = automask(tour.session.picture.main.data, "pebble")
    spoilt = np.roll(labels, (3, -4), axis=(0, 1))
    picture = tour.session.picture.main
    layer = tour.viewer.add_labels(
        spoilt, name="of another tool", scale=picture.scale, units=picture.units
    )
    tour.commits.labels.choose(layer)
    tour.session.layers.activate()
    tour.ready()
    spot = max(find_nuclei(tour, 40), key=lambda at: spoilt[round(at[0]), round(at[1])] > 0)
    tour.commits.correct_at(layer.data_to_world(spot))
    tour.ready()
    tour.click(*spot)
    tour.save("prompt-correct")


def show_batch() -> None:
    """Show all objects inside an outline, before N."""
    tour = Tour("nuclei")
    tour.unfold(tour.dock.prompt_panel, tour.dock.outline_panel)
    height, width = tour.session.picture.shape[-2:]
    tour.session.add_box((height * 0.3, width * 0.3, height * 0.62, width * 0.7))
    tour.ready()
    tour.dock.inside.ask()
    tour.wait(lambda: not tour.dock.automatic.work.busy)
    tour.ready()
    tour.save("prompt-batch")


def show_classes() -> None:
    """Show classes, in colours, with their counts."""
    tour = Tour("nuclei")
    tour.unfold(tour.dock.prompt_panel, tour.dock.class_panel)
    for name in ("nucleus", "nucleus/bright", "debris"):
        tour.dock.classes.add(name)
    for number, spot in enumerate(find_nuclei(tour, 18)):
        tour.click(*spot)
        tour.press(str(1 + number % 3), control=True)
        tour.press("Escape")
    tour.save("prompt-classes")


def show_propagate() -> None:
    """Show an object that was clicked on one plane and taken through the stack."""
    tour = Tour("stack")
    tour.unfold(tour.dock.prompt_panel, tour.dock.stack_panel)
    stack = np.asarray(tour.session.picture.main.data)
    plane = int(tour.viewer.dims.current_step[0])
    y, x = np.unravel_index(int(np.argmax(stack[plane])), stack.shape[1:])
    tour.click(plane, float(y), float(x))
    tour.dock.propagation.start(tour.session.picture.main.data_to_world((plane, y, x)))
    tour.wait(lambda: not tour.dock.automatic.work.busy)
    tour.ready()
    tour.save("prompt-propagate")


def show_channels() -> None:
    """Show two layers mixed, and what the model sees of them."""
    tour = Tour("blobs")
    tour.unfold(tour.dock.image_panel, tour.dock.prompt_panel)
    panel = tour.dock.image_panel
    index = panel.layer.findText("Several layers, mixed")
    panel.layer.setCurrentIndex(index)
    panel.layer.activated.emit(index)
    panel.look.setChecked(True)
    tour.ready()
    tour.session.layers.activate()
    tour.ready()
    tour.save("prompt-channels")


def show_journal() -> None:
    """Show the work that a crash left, offered again."""
    tour = Tour("nuclei")
    for spot in find_nuclei(tour, 4):
        tour.click(*spot)
        tour.press("N")
    saving = tour.dock.autosave
    tour.wait(lambda: any(journal.nbytes for journal in saving._journals.values()), 20)
    tour.wait(lambda: False, 1)
    for journal in saving._journals.values():
        journal.close(keep=True)  # as a killed process leaves it
    saving._journals.clear()
    tour.dock.shut()
    tour.viewer.close()
    again = Tour("nuclei")
    again.wait(lambda: again.dock.autosave.found is not None, 20)
    again.save("prompt-journal")


def show_filter() -> None:
    """Show limits on what automatic masks found, moved by keys, beside what they leave."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    tour = Tour("nuclei")
    panel = tour.dock.automatic_panel
    tour.unfold(panel)
    tour.run()
    panel.filters.header.setChecked(True)
    slider = panel.filter.limits["min_rating"].slider
    for _ in range(40):
        if panel.filter.limits["min_rating"].value >= 0.85:
            break
        QTest.keyClick(slider, Qt.Key.Key_PageUp)
    tour.save("filter")


def show_review() -> None:
    """Show the most doubtful objects under review: one kept, one deleted, the next marked."""
    tour = Tour("nuclei")
    tour.unfold(tour.dock.review_panel)
    tour.run()
    tour.dock.doubt_panel.begin.click()
    tour.session.layers.activate()
    tour.press("J")
    tour.press("Y")
    tour.press("Y", shift=True)
    tour.press("J")
    tour.save("review")


def show_similar() -> None:
    """Show what automatic masks found, and of it what is like 4 large nuclei, unlike 3 small."""
    for name in ("similar-before", "similar"):
        teach(Tour("nuclei"), name)


def teach(tour: Tour, name: str) -> None:
    """Click examples; look for similar ones but where the picture is of before."""
    panel = tour.dock.teach_panel
    tour.unfold(panel, tour.dock.automatic_panel)
    tour.run()
    tour.dock.automatic_panel.filters.header.setChecked(True)
    large, small = find_extremes(np.asarray(tour.commits.labels.layer.data), 4, 3)
    for kind, spots in (("like", large), ("unlike", small)):
        panel.examples[kind].click()
        for spot in spots:
            tour.click(*spot)
    if name == "similar":
        panel.similar.click()
        tour.wait(lambda: not tour.dock.teaching.work.busy)
        tour.ready()
    tour.dock.scroll.ensureWidgetVisible(panel)
    tour.save(name)


def find_extremes(labels: Any, most: int, least: int) -> tuple[list[Any], list[Any]]:
    """Find where the largest and the smallest objects are that do not touch the border."""
    from skimage.measure import regionprops

    height, width = labels.shape
    whole = [
        one
        for one in regionprops(labels)
        if one.bbox[0] > 2
        and one.bbox[1] > 2
        and one.bbox[2] < height - 2
        and one.bbox[3] < width - 2
    ]
    whole.sort(key=lambda one: one.area)
    return [one.centroid for one in whole[-most:]], [one.centroid for one in whole[:least]]


STEPS = {
    "front": show_front,
    "first": show_first,
    "correct": show_correct,
    "batch": show_batch,
    "classes": show_classes,
    "propagate": show_propagate,
    "channels": show_channels,
    "filter": show_filter,
    "review": show_review,
    "similar": show_similar,
    "journal": show_journal,  # the last: what it leaves is offered in every other window
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"of {', '.join(STEPS)}")
    asked = parser.parse_args().steps
    if unknown := [step for step in asked if step not in STEPS]:
        parser.error(f"there is no step {unknown[0]}")
    os.environ["NAPARI_SAM_ONNX_HOME"] = tempfile.mkdtemp()  # nobody's own settings
    for step in asked or STEPS:
        STEPS[step]()
