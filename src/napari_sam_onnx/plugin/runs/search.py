"""What is looked for, and what looks for it, away from the interface.

    SAM 3:       plane + word, examples ─▶ masks
    detectors:   plane (+ word) ─▶ boxes ─ the current model ─▶ masks
    flows:       plane ─▶ masks (networks of the Cellpose family)

The model that was used last stays open for the next word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.automatic import make_parameters
from napari_sam_onnx.automatic.finders.flows import FlowNetwork
from napari_sam_onnx.automatic.look_up import Examples, iterate_look_up
from napari_sam_onnx.automatic.steps import iterate_masks
from napari_sam_onnx.generators import relay
from napari_sam_onnx.labels.label_image import paint_masks
from napari_sam_onnx.models import TextModel
from napari_sam_onnx.models.store.catalog import find_card
from napari_sam_onnx.plugin.picture.plane import box_corners, lie_on_plane, to_plane
from napari_sam_onnx.prompts import PromptError
from napari_sam_onnx.stacks.look_up import PlaneFound, iterate_look_up_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.planes import PlaneSource
    from napari_sam_onnx.plugin.layers.snapshot import Snapshot
    from napari_sam_onnx.plugin.picture.picture import Picture
    from napari_sam_onnx.plugin.picture.plane import Plane
    from napari_sam_onnx.plugin.picture.reader import Reader
    from napari_sam_onnx.plugin.session.engine import Engine

    Steps = Generator["str | NDArray[np.uint32] | PlaneFound", None, None]


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
    wanted : (K,) bool
        Whether each shows what is wanted, or what is not.
    tile_side : int
        Planes that are larger are looked at in tiles of this side; 0: whole.
    planes : PlaneSource or None
        All planes, where all are searched; the one that is shown otherwise.
    """

    finder: str
    text: str
    picture: Picture
    reader: Reader
    plane: Plane
    source: Any
    examples: NDArray[np.float64]
    wanted: NDArray[np.bool_]
    tile_side: int = 0
    planes: PlaneSource | None = None


class Searcher:
    """Opens what finds objects, and asks it.

    Parameters
    ----------
    engine : Engine
    closed : callable
        Says whether nobody waits for an answer any more; the model is closed then.
    """

    def __init__(self, engine: Engine, closed: Callable[[], bool]) -> None:
        self.engine, self.closed = engine, closed
        self._opened: tuple[str, Any] | None = None

    def iterate(self, search: Search) -> Steps:
        """Search; steps are words, labels of the plane, or what was found on one of many."""
        try:
            yield from self._look(search)
        finally:
            if self.closed():
                self.close()

    def _look(self, search: Search) -> Steps:
        model = self._open(search.finder)
        yield f"Looking for “{search.text}” …" if search.text else "Looking for objects …"
        shown = search.reader.read(search.plane)
        if search.planes is None:
            masks = yield from self._search_plane(search, model, shown, shown)
            yield paint_masks(masks, (shown.shape[0], shown.shape[1]), overlap="smaller")
            return
        axes = search.planes.axes
        link = next((axis for axis in "TZ" if axis in axes), None)
        yield from iterate_look_up_stack(
            search.planes, lambda _, rgb: self._search_plane(search, model, rgb, shown), link
        )

    def _search_plane(
        self, search: Search, model: Any, rgb: NDArray[np.uint8], shown: NDArray[np.uint8]
    ) -> Generator[str, None, list[Mask]]:
        """Look at one plane; ``shown`` is the one that examples are on."""
        masks: list[Mask]
        if isinstance(model, FlowNetwork):
            masks = yield from self._follow_flows(model, rgb)
            return masks
        if isinstance(model, TextModel):
            examples = None
            if len(search.examples):
                examples = Examples(shown, search.examples, search.wanted)
            # without a word and without examples the model says what it needs
            steps = iterate_look_up(
                shown if np.array_equal(rgb, shown) else rgb,
                model,
                search.text or (None if examples is not None else ""),
                examples,
                tile_side=search.tile_side,
                cache=self.engine.cache,
            )
            return (yield from relay(steps, lambda step: f"{step.done} of {step.total} tiles …"))
        if len(search.examples):
            raise PromptError(
                f"{model.name} takes no examples; untick “Like the boxes”, or choose a model "
                "such as SAM 3."
            )
        found = model.propose_boxes(rgb, search.text if model.reads_text else None)
        masks = yield from self._ask_boxes(search, rgb, found.boxes)
        return masks

    def _follow_flows(self, model: Any, rgb: NDArray[np.uint8]) -> Any:
        """Ask a network that sees all cells at once."""
        cache = self.engine.cache
        steps = iterate_masks(rgb, model, make_parameters("flows"), cache=cache)
        return (yield from relay(steps, lambda step: f"{step.done} of {step.total} {step.unit} …"))

    def _ask_boxes(self, search: Search, rgb: NDArray[np.uint8], boxes: Any) -> Any:
        """Turn boxes into masks with the current model."""
        masks: list[Mask] = []
        if not len(boxes):
            return masks
        yield f"{len(boxes)} boxes; asking the model …"
        engine = self.engine
        with engine.borrow(search.source) as model:
            steps = iterate_masks(
                rgb, model, make_parameters("boxes"), cache=engine.cache, boxes=boxes
            )
            masks = yield from relay(steps, lambda step: f"{step.done} of {step.total} boxes …")
        return masks

    def _open(self, finder: str) -> Any:
        if self._opened is not None and self._opened[0] == finder:
            return self._opened[1]
        self.close()
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

    def close(self) -> None:
        """Free the model that is open."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened[1].close()


def read_examples(
    prompts: Snapshot | None, plane: Plane
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read the boxes that are drawn on a plane, and whether each shows what is wanted.

    Returns
    -------
    boxes : (K, 4) float64
        ``(y0, x0, y1, x1)``.
    wanted : (K,) bool
        False where a click that excludes lies in the box.
    """
    drawn = () if prompts is None else prompts.boxes
    here = [box_corners(box, plane) for box in drawn if lie_on_plane(box, plane).all()]
    boxes = np.array(here, np.float64).reshape(-1, 4)
    wanted = np.ones(len(boxes), bool)
    if prompts is None or not len(boxes):
        return boxes, wanted
    against = prompts.points[~prompts.positive]
    against = to_plane(against[lie_on_plane(against, plane)], plane)
    for number, (y0, x0, y1, x1) in enumerate(boxes):
        inside = (against >= [y0, x0]).all(axis=1) & (against <= [y1, x1]).all(axis=1)
        wanted[number] = not inside.any()
    return boxes, wanted
