"""Find objects by a word on the plane that is shown, or on all, into a new label image.

No widget. What is looked for, and by what, is in `search`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from psygnal import Signal

from napari_sam_onnx.planes import ArrayLabels, ArrayPlanes
from napari_sam_onnx.plugin.commits.results import describe_hidden, visible_labels
from napari_sam_onnx.plugin.layers.labels import make_target
from napari_sam_onnx.plugin.layers.prompts import insert_under_prompts
from napari_sam_onnx.plugin.picture.plane import take_plane
from napari_sam_onnx.plugin.runs.search import Search, Searcher, read_examples
from napari_sam_onnx.plugin.runs.work import Work
from napari_sam_onnx.stacks.look_up import PlaneFound

if TYPE_CHECKING:
    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.plugin.session.stack_axes import StackAxes


class Finder:
    """Searches, one search at a time.

    Parameters
    ----------
    session : Session
    axes : StackAxes
        What the picture's axes are.

    Attributes
    ----------
    work : Work
        The search itself: whether and how far it goes on.
    made : Signal
        A label image was added.
    """

    made = Signal(object)

    def __init__(self, session: Session, axes: StackAxes) -> None:
        self.session, self.axes = session, axes
        self.work = Work()
        self._search: Search | None = None
        self._filling: tuple[Labels, ArrayLabels] | None = None
        self._searcher = Searcher(session.engine, lambda: self.work.closed)

    def start(
        self,
        finder: str,
        text: str,
        *,
        like_boxes: bool = False,
        whole: bool = False,
        tile_side: int = 0,
    ) -> None:
        """Look for what a text names on the current plane, or on all.

        Parameters
        ----------
        finder : str
            The id of a model that reads text, or of a detector.
        text : str
            May be empty where detectors find all that they know, or boxes say it all.
        like_boxes : bool
            Whether the boxes that are drawn on the plane are examples of what is wanted; one that
            has a click in it that excludes shows what is not wanted.
        whole : bool
            Whether all planes of the picture are searched.
        tile_side : int
            Of a model that reads text: larger planes are looked at in tiles of this side; 0: whole.
        """
        session = self.session
        if self.work.busy:
            return
        if session.picture is None or session.reader is None or session.plane is None:
            session.say("Open a picture and show one of its planes in 2D first.", "error")
            return
        examples, wanted = np.zeros((0, 4)), np.zeros(0, bool)
        if like_boxes:
            examples, wanted = read_examples(session.prompts, session.plane)
        if like_boxes and not wanted.any():
            session.say("Draw a box around an example on this plane first (Shift+drag).", "error")
            return
        planes = None
        if whole:
            reader = session.reader
            named = self.axes.letters() + "C" * reader.rgb
            spacing = self.axes.spacing()
            planes = ArrayPlanes(reader.arrays, named, reader.channels, spacing, reader.view)
        self._filling = None
        self._search = Search(
            finder,
            text.strip(),
            session.picture,
            session.reader,
            session.plane,
            session.source,
            examples,
            wanted,
            tile_side,
            planes,
        )
        steps = self._searcher.iterate(self._search)
        self.work.start(
            steps, "Finding objects", "Opening the model …", self._on_step, self._on_ended
        )

    def close(self) -> None:
        """Stop, show nothing more, and free the model."""
        busy = self.work.busy
        self.work.close()
        if not busy:
            self._searcher.close()

    # In the interface

    def _on_step(self, step: str | NDArray[np.uint32] | PlaneFound) -> None:
        if isinstance(step, str):
            self.work.tell(step)
        elif self.work.stopped:
            return
        elif isinstance(step, PlaneFound):
            self._fill(step)
        else:
            self._write(step)

    def _fill(self, step: PlaneFound) -> None:
        """Show what was found on a plane of many, in a layer that comes with the first object."""
        fraction = step.done / step.total
        self.work.tell(f"Plane {min(step.done + 1, step.total)} of {step.total}", fraction)
        if step.labels is None or self._search is None:
            return
        if self._filling is None:
            if not step.labels.any():
                return
            layer = self._make_layer(self._search)
            if layer is None:
                self.work.cancel()
                return
            self._filling = layer, ArrayLabels(layer.data, self.axes.letters())
        layer, sink = self._filling
        sink.write(step.index, step.labels)
        layer.refresh()

    def _write(self, labels: NDArray[np.uint32]) -> None:
        """Show what was found as a layer of its own."""
        search, session = self._search, self.session
        assert search is not None
        name = f"“{search.text}”" if search.text else "objects"
        count = int(labels.max(initial=0))
        if not count:
            session.say(f"Found no {name} on this plane; try another word or contrast.")
            return
        layer = self._make_layer(search)
        if layer is None:
            return
        take_plane(layer.data, search.plane)[...] = labels
        layer.refresh()
        before = visible_labels(session.viewer.layers)
        self.made.emit(layer)
        text = f"{count} object{'s' * (count != 1)} in “{layer.name}”."
        session.say(text + describe_hidden(before), "ready")

    def _make_layer(self, search: Search) -> Labels | None:
        session = self.session
        if search.picture.main not in session.viewer.layers:
            session.say("The picture was removed before its objects were found.")
            return None
        recipe = {"finder": search.finder, "text": search.text, "model": str(search.source)}
        title = f"{search.picture.main.name} {search.text or 'found'}"
        layer = make_target(search.picture, title, recipe=recipe)
        insert_under_prompts(session.viewer, session.layers, layer)
        return layer

    def _on_ended(self, error: Exception | None) -> None:
        search, filling = self._search, self._filling
        self._search = self._filling = None
        if filling is not None:
            self.made.emit(filling[0])
        if error is not None:
            self.session.fail(error)
        elif self.work.stopped:
            kept = f"; what is done is kept in “{filling[0].name}”" if filling is not None else ""
            self.session.say(f"Cancelled{kept}.")
        elif search is not None and search.planes is not None:
            self._tell_found(search, filling)

    def _tell_found(self, search: Search, filling: tuple[Labels, ArrayLabels] | None) -> None:
        if filling is None:
            name = f"“{search.text}”" if search.text else "objects"
            self.session.say(f"Found no {name} on any plane; try another word or contrast.")
            return
        layer = filling[0]
        count = int(max(np.asarray(plane).max(initial=0) for plane in layer.data))
        self.session.say(f"{count} object{'s' * (count != 1)} in “{layer.name}”.", "ready")
