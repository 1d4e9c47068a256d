"""The pictures of docs/stacks.md: sections of a volume, paths of tracks, and the dock.

    python scripts/stack_pictures.py volumes tracks dock

The dock needs a display (``xvfb-run -s "-screen 0 1366x768x24" python …``).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from napari_sam_onnx import automask_stack, load_model
from napari_sam_onnx.generators import drive
from napari_sam_onnx.pictures.overlay import draw_overlay, label_colors
from napari_sam_onnx.pictures.picture_file import read_picture
from napari_sam_onnx.planes import ArrayLabels, ArrayPlanes
from napari_sam_onnx.samples import open_series, open_stack, sample_path
from napari_sam_onnx.stacks import WholeRequest, iterate_tracks

IMAGES = Path(__file__).parents[1] / "docs" / "images"
GAP = 8


def draw_volumes() -> None:
    """Draw planes linked along z beside a volume: a plane, below it a section along z."""
    picture = read_picture(sample_path("stack"))
    stack, size = np.asarray(picture.array), picture.pixel_size
    model = load_model("pebble")
    linked = automask_stack(stack, model, "ZYX", "z")
    volume = automask_stack(stack, model, "ZYX", pixel_size=size)
    height = round(size["Z"] / size["Y"])
    low, high = np.percentile(stack, (0.5, 99.8))
    gray = (255 * np.clip((stack - low) / (high - low), 0, 1)).astype(np.uint8)
    z, y = len(stack) // 2, stack.shape[1] // 2
    columns = []
    for labels in (linked, volume):
        top = draw_overlay(np.stack([gray[z]] * 3, -1), labels[z])
        section = np.repeat(gray[:, y], height, axis=0)
        below = draw_overlay(np.stack([section] * 3, -1), np.repeat(labels[:, y], height, axis=0))
        rule = np.full((GAP, top.shape[1], 3), 255, np.uint8)
        columns.append(np.concatenate([top, rule, below]))
    rule = np.full((len(columns[0]), GAP, 3), 255, np.uint8)
    whole = np.concatenate([columns[0], rule, columns[1]], axis=1)
    image = Image.fromarray(whole)
    image = image.resize((2 * image.width, 2 * image.height), Image.Resampling.NEAREST)
    image.save(IMAGES / "volumes.png", optimize=True)


def draw_tracks() -> None:
    """Draw the last frame with the path of each nucleus; those of divisions are red."""
    series = np.asarray(read_picture(sample_path("series")).array)
    model = load_model("pebble")
    labels = automask_stack(series, model, "TYX")
    source, sink = ArrayPlanes(series, "TYX"), ArrayLabels(labels, "TYX")
    tracks = drive(iterate_tracks(source, sink, WholeRequest("tracks"), model)).tracks
    assert tracks is not None
    low, high = np.percentile(series[-1], (0.5, 99.8))
    gray = (255 * np.clip((series[-1] - low) / (high - low), 0, 1)).astype(np.uint8)
    scale = 2
    shown = draw_overlay(np.stack([gray] * 3, -1), labels[-1], opacity=0.15)
    image = Image.fromarray(shown).resize((shown.shape[1] * scale, shown.shape[0] * scale))
    draw = ImageDraw.Draw(image)
    related = {*tracks.parents, *tracks.parents.values()}
    ends = {}
    for number in tracks.ids.tolist():
        rows = tracks.table[tracks.table[:, 0] == number]
        path = [(scale * (x + 0.5), scale * (y + 0.5)) for _, _, y, x in rows]
        ends[number] = path
        color = (255, 60, 60) if number in related else tuple(label_colors(np.array([number]))[0])
        if len(path) > 1:
            draw.line(path, fill=color, width=3)
    for child, parent in tracks.parents.items():
        draw.line([ends[parent][-1], ends[child][0]], fill=(255, 60, 60), width=3)
    image.save(IMAGES / "tracks.png", optimize=True)


def draw_dock() -> None:
    """Show the window after tracks were made, with doubtful places listed; and a volume in 3-D."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_sam_onnx.plugin.dock import SamDock

    def wait(done: Any, most: float = 600) -> None:
        begun = time.monotonic()
        while not done() and time.monotonic() - begun < most:
            QApplication.processEvents()
            time.sleep(0.01)

    def begin(layer: Any) -> tuple[Any, Any]:
        viewer = napari.Viewer()
        viewer.window._qt_window.resize(1366, 768)
        dock = SamDock(viewer)
        viewer.window.add_dock_widget(dock, name="Segment Anything")
        viewer.add_image(layer[0], **layer[1])
        wait(lambda: dock.session.status.kind == "ready")
        panel = dock.automatic_panel
        panel.scope.setCurrentIndex(1)
        panel.scope.activated.emit(1)
        panel.run.click()
        wait(lambda: not dock.automatic.work.busy)
        return viewer, dock

    def save(viewer: Any, dock: Any, name: str, canvas_only: bool) -> None:
        wait(lambda: False, 1)
        shot = viewer.screenshot(canvas_only=canvas_only, flash=False)
        Image.fromarray(shot[..., :3]).save(IMAGES / name, optimize=True)
        dock.shut()  # in order, so that the next one finds no work of a crash
        viewer.close()

    viewer, dock = begin(open_series()[0])
    for section in dock.sections:
        section.header.setChecked(section.body in (dock.stack_panel, dock.review_panel))
    dock.edits.find_doubtful()
    wait(lambda: not dock.edits.lane.busy)
    dock.reviewer.next()
    save(viewer, dock, "stack-tracks.png", canvas_only=False)
    viewer, dock = begin(open_stack()[0])
    viewer.layers[0].visible = False
    viewer.dims.ndisplay = 3
    viewer.scene.camera.angles = (10, -30, 50)
    save(viewer, dock, "stack-volume.png", canvas_only=True)


if __name__ == "__main__":
    kinds = {"volumes": draw_volumes, "tracks": draw_tracks, "dock": draw_dock}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(kinds)}")
    asked = parser.parse_args().kinds
    if unknown := [kind for kind in asked if kind not in kinds]:
        parser.error(f"there is no picture {unknown[0]}")
    for kind in asked or kinds:
        kinds[kind]()
