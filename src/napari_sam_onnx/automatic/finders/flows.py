"""Objects from flow fields: for networks that see all cells at once, such as Cellpose-SAM."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from napari_sam_onnx.automatic.finders.progress import Progress
from napari_sam_onnx.automatic.kept.mask_set import MaskSet
from napari_sam_onnx.automatic.settings.declare import ParameterError
from napari_sam_onnx.automatic.settings.selection import Selection
from napari_sam_onnx.cache import content_of, embedding_key
from napari_sam_onnx.generators import relay
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.masks.regions import shrink

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.finders.decode import Found
    from napari_sam_onnx.automatic.settings.parameters import FlowsParameters
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.masks.flows import FlowField
    from napari_sam_onnx.models import Model


NETWORK_DIAMETER = 30.0
"""Pixels; objects that the networks of the family were trained on have this diameter on average."""


@runtime_checkable
class FlowNetwork(Protocol):
    """A model whose embedding is a flow field, see `napari_sam_onnx.masks.flows`."""

    @property
    def id(self) -> str:
        """Identifies the weights."""

    def iterate_encode(
        self, image: NDArray[np.uint8]
    ) -> Generator[tuple[int, int], None, Embedding]:
        """Compute the flow field of a plane, tile by tile."""

    def normalise(self, channels: NDArray[np.generic]) -> NDArray[np.float32]:
        """Stretch the three channels of a plane or a volume as the network wants them."""

    def iterate_maps(
        self, channels: NDArray[np.float32]
    ) -> Generator[tuple[int, int], None, NDArray[np.float32]]:
        """Compute flow and cell logits, (3, H, W), of a plane that is normalised, tile by tile."""

    def field_of(self, embedding: Embedding) -> FlowField:
        """Read the flow field that an embedding holds."""


def iterate_flows(
    rgb: NDArray[np.uint8],
    model: Model | FlowNetwork,
    parameters: FlowsParameters,
    cache: EmbeddingStore,
    doubtful: bool = False,
) -> Found:
    """Compute the flow field of a plane and follow it to the objects.

    Returns
    -------
    MaskSet
        The generator's value. What stands for the predicted IoU is one minus the error of the
        object's flow, at least 0.

    Raises
    ------
    ParameterError
        If the model gives no flows.
    """
    from scipy import ndimage  # only here, so that commands which open no model start at once

    from napari_sam_onnx.masks.flows import iterate_flow_labels, resize_field

    if not isinstance(model, FlowNetwork):
        raise ParameterError(
            f"The model {model.id!r} gives no flows; choose a network such as cellpose-sam, or "
            "another mode."
        )
    shown = resize_to_diameter(rgb, parameters.diameter)
    content = content_of(shown)
    key = embedding_key(content, model.id)
    embedding = cache.get(key)
    if embedding is None:
        embedding = yield from relay(
            model.iterate_encode(shown), lambda step: Progress(*step, "tiles")
        )
        embedding = replace(embedding, content=content)
        cache.put(key, embedding)
    field = resize_field(model.field_of(embedding), (rgb.shape[0], rgb.shape[1]))
    steps = iterate_flow_labels(
        field,
        cell_threshold=parameters.cell_threshold,
        flow_threshold=0.0 if doubtful else parameters.flow_threshold,
        min_area=1 if doubtful else max(1, parameters.min_area),
        steps=parameters.flow_steps,
    )
    found = yield from relay(steps, lambda step: Progress(*step, "steps"))
    masks = tuple(
        Mask(
            (rgb.shape[0], rgb.shape[1]),
            (where[0].start, where[1].start),
            found.labels[where] == number,
            predicted_iou=max(0.0, 1.0 - float(found.errors[number - 1])),
        )
        for number, where in enumerate(ndimage.find_objects(found.labels.astype(np.int32)), 1)
    )
    limits = Selection(max_area=parameters.max_area, min_area=parameters.min_area)
    if 0 < parameters.flow_threshold <= 1:
        limits = replace(limits, min_rating=1.0 - parameters.flow_threshold)
    return MaskSet(rgb, masks, limits)


def resize_to_diameter(rgb: NDArray[np.uint8], diameter: float) -> NDArray[np.uint8]:
    """Resize a plane so that objects of a diameter get the one that the networks know; 0: as is."""
    if not diameter:
        return rgb
    ratio = NETWORK_DIAMETER / diameter
    height, width = (max(1, round(n * ratio)) for n in rgb.shape[:2])
    if ratio < 1:
        return shrink(rgb, (height, width))
    from PIL import Image

    larger = Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(larger)
