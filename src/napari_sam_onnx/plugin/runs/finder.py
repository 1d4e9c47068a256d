"""Find objects by a word on the plane that is shown, into a new label image.

    SAM 3:       plane + word ─▶ masks
    detectors:   plane (+ word) ─▶ boxes ─ the current model ─▶ masks
    flows:       plane ─▶ masks (networks of the Cellpose family)

No widget. The model that was used last stays open for the next word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam_onnx.automatic import make_parameters
from napari_sam_onnx.automatic.flows import FlowNetwork
from napari_sam_onnx.automatic.generate import iterate_masks
from napari_sam_onnx.cache import encode_through
from napari_sam_onnx.generators import relay
from napari_sam_onnx.labels import paint_masks
from napari_sam_onnx.models import TextModel
from napari_sam_onnx.models.store.catalog import find_card
from napari_sam_onnx.plugin.layers.labels import make_target
from napari_sam_onnx.plugin.layers.placing import insert_under_prompts
from napari_sam_onnx.plugin.layers.plane import box_corners, lie_on_plane, take_plane
from napari_sam_onnx.plugin.runs.work import Work
from napari_sam_onnx.prompts import PromptError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from napari_sam_onnx.masks import Mask
    from napari_sam_onnx.plugin.layers.picture import Picture, Reader
    from napari_sam_onnx.plugin.layers.plane import Plane
    from napari_sam_onnx.plugin.layers.snapshot import Snapshot
    from napari_sam_onnx.plugin.session.lanes import Stream
    from napari_sam_onnx.plugin.session.session import Session

    Steps = Generator["str | NDArray[np.uint32]", None, None]


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What is looked for, and where.

    Parameters
    ----------
    finder : str
        The id of a model that reads text, or of a detector.
    text : str
        What to look for; detectors that read no text find all that they know.
    picture : Picture
    reader : Reader
    plane : Plane
    source : hashable
        The model that turns boxes into masks.
    examples : (K, 4) float64
        Boxes ``(y0, x0, y1, x1)`` around objects that look like those wanted; often none.
    """

    finder: str
    text: str
    picture: Picture
    reader: Reader
    plane: Plane
    source: Any
    examples: NDArray[np.float64]


class Finder:
    """Searches, one search at a time.

    Parameters
    ----------
    session : Session
    stream : callable, optional
        Runs a generator away from the interface; worker threads where omitted.

    Attributes
    ----------
    work : Work
        The search itself: whether and how far it goes on.
    made : Signal
        A label image was added.
    """

    made = Signal(object)

    def __init__(self, session: Session, stream: Callable[..., Stream] | None = None) -> None:
        self.session = session
        self.work = Work(stream)
        self._search: Search | None = None
        self._opened: tuple[str, Any] | None = None

    def start(self, finder: str, text: str, *, like_boxes: bool = False) -> None:
        """Look for what a text names on the current plane.

        Parameters
        ----------
        finder : str
            The id of a model that reads text, or of a detector.
        text : str
            May be empty where detectors find all that they know, or boxes say it all.
        like_boxes : bool
            Whether the boxes that are drawn on the plane are examples of what is wanted.
        """
        session = self.session
        if self.work.busy:
            return
        if session.picture is None or session.reader is None or session.plane is None:
            session.say("Open a picture and show one of its planes in 2D first.", "error")
            return
        examples = _boxes_on(session.prompts, session.plane) if like_boxes else np.zeros((0, 4))
        if like_boxes and not len(examples):
            session.say("Draw a box around an example on this plane first (Shift+drag).", "error")
            return
        self._search = Search(
            finder,
            text.strip(),
            session.picture,
            session.reader,
            session.plane,
            session.source,
            examples,
        )
        steps = self._iterate(self._search)
        self.work.start(
            steps, "Finding objects", "Opening the model …", self._on_step, self._on_ended
        )

    def close(self) -> None:
        """Stop, show nothing more, and free the model."""
        busy = self.work.busy
        self.work.close()
        if not busy:
            self._let_go()

    # In the worker

    def _iterate(self, search: Search) -> Steps:
        try:
            yield from self._look(search)
        finally:
            if self.work.closed:
                self._let_go()

    def _look(self, search: Search) -> Steps:
        model = self._open(search.finder)
        rgb = search.reader.read(search.plane)
        yield f"Looking for “{search.text}” …" if search.text else "Looking for objects …"
        shape = (rgb.shape[0], rgb.shape[1])
        if isinstance(model, FlowNetwork):
            masks = yield from self._follow_flows(model, rgb)
        elif isinstance(model, TextModel):
            embedding = encode_through(rgb, model, self.session.engine.cache)
            # without a word and without examples the model says what it needs
            words = search.text if search.text or not len(search.examples) else None
            boxes = search.examples if len(search.examples) else None
            masks = model.find(embedding, words, boxes=boxes)
        else:
            if len(search.examples):
                raise PromptError(
                    f"{model.name} takes no examples; untick “Like the boxes”, or choose a model "
                    "such as SAM 3."
                )
            found = model.propose_boxes(rgb, search.text if model.reads_text else None)
            masks = yield from self._ask_boxes(search, rgb, found.boxes)
        yield paint_masks(masks, shape, overlap="smaller")

    def _follow_flows(self, model: Any, rgb: NDArray[np.uint8]) -> Any:
        """Ask a network that sees all cells at once."""
        cache = self.session.engine.cache
        steps = iterate_masks(rgb, model, make_parameters("flows"), cache=cache)
        return (yield from relay(steps, lambda step: f"{step.done} of {step.total} {step.unit} …"))

    def _ask_boxes(self, search: Search, rgb: NDArray[np.uint8], boxes: Any) -> Any:
        """Turn boxes into masks with the current model."""
        masks: list[Mask] = []
        if not len(boxes):
            return masks
        yield f"{len(boxes)} boxes; asking the model …"
        engine = self.session.engine
        with engine.borrow(search.source) as model:
            steps = iterate_masks(
                rgb, model, make_parameters("boxes"), cache=engine.cache, boxes=boxes
            )
            masks = yield from relay(steps, lambda step: f"{step.done} of {step.total} boxes …")
        return masks

    def _open(self, finder: str) -> Any:
        if self._opened is not None and self._opened[0] == finder:
            return self._opened[1]
        self._let_go()
        card = find_card(finder)
        if any(file.role == "detector" for file in card.files):
            from napari_sam_onnx.models import load_detector

            model: Any = load_detector(card)
        elif any(file.role == "flows" for file in card.files):
            from napari_sam_onnx.models import load_model

            model = load_model(card)
        else:
            from napari_sam_onnx.models import load_text_model

            model = load_text_model(card)
        self._opened = finder, model
        return model

    def _let_go(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened[1].close()

    # In the interface

    def _on_step(self, step: str | NDArray[np.uint32]) -> None:
        if isinstance(step, str):
            self.work.tell(step)
        elif not self.work.stopped:
            self._write(step)

    def _write(self, labels: NDArray[np.uint32]) -> None:
        """Show what was found as a layer of its own."""
        search, session = self._search, self.session
        assert search is not None
        name = f"“{search.text}”" if search.text else "objects"
        count = int(labels.max(initial=0))
        if not count:
            session.say(f"Found no {name} on this plane; try another word or contrast.")
            return
        if search.picture.main not in session.viewer.layers:
            session.say("The picture was removed before its objects were found.")
            return
        recipe = {"finder": search.finder, "text": search.text, "model": str(search.source)}
        title = f"{search.picture.main.name} {search.text or 'found'}"
        layer = make_target(search.picture, title, recipe=recipe)
        take_plane(layer.data, search.plane)[...] = labels
        insert_under_prompts(session.viewer, session.layers, layer)
        self.made.emit(layer)
        session.say(f"{count} object{'s' * (count != 1)} in “{layer.name}”.", "ready")

    def _on_ended(self, error: Exception | None) -> None:
        self._search = None
        if error is not None:
            self.session.fail(error)
        elif self.work.stopped:
            self.session.say("Cancelled.")


def _boxes_on(prompts: Snapshot | None, plane: Plane) -> NDArray[np.float64]:
    """Return the boxes that are drawn on a plane, (K, 4) ``(y0, x0, y1, x1)``."""
    drawn = () if prompts is None else prompts.boxes
    here = [box_corners(box, plane) for box in drawn if lie_on_plane(box, plane).all()]
    return np.array(here, np.float64).reshape(-1, 4)
