"""Which mode suits a model and a plane, where nobody has chosen one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_onnx.automatic.finders.flows import FlowNetwork
from napari_sam_onnx.automatic.finders.progress import LOOKING
from napari_sam_onnx.automatic.scale import iterate_diameter
from napari_sam_onnx.automatic.settings.modes import make_parameters
from napari_sam_onnx.cache import encode_through

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np
    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.finders.progress import Progress
    from napari_sam_onnx.automatic.settings.modes import Parameters
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.models import Model

DETAIL = 0.7
"""A plane that a model sees smaller than this part of its size is better looked at in tiles."""

SMALL_TILE = 512
"""Side of the tiles for small objects; models enlarge them, the embedded one twice."""

TILES = {"tile_side", "tile_overlap", "inner", "inner_parameters"}
"""Settings that say how a plane is divided; who gives one wants no other scale."""


def iterate_choice(
    model: Model, rgb: NDArray[np.uint8], cache: EmbeddingStore, values: dict[str, Any]
) -> Generator[Progress, None, Parameters]:
    """Choose the mode that suits a model and what it sees on a plane.

    Parameters
    ----------
    model : Model
    rgb : (H, W, 3) uint8
        A plane; its embedding is put into the cache.
    cache : EmbeddingStore
    values : dict
        Settings of the mode that were given; they win.

    Yields
    ------
    Progress
        Before each look at the plane, and after it.

    Returns
    -------
    settings : Parameters
        The generator's value: ``flows`` where the model gives a flow field, ``grid`` where it
        proposes no objects by itself. Where it does, ``objects`` with a diameter if one is given
        or `iterate_diameter` finds that another scale suits; ``tiled`` if it sees the plane at less
        than `DETAIL` of its size, or if the plane is larger than `SMALL_TILE` and its objects are
        small (`Proposals.small`) and not seen twice as large already; else ``objects``.

    Raises
    ------
    ParameterError
        If the mode has no such setting, or a value is out of range.
    """
    if isinstance(model, FlowNetwork):
        return make_parameters("flows", **values)
    yield LOOKING
    embedding = encode_through(rgb, model, cache)
    found = model.propose(embedding)
    if found is None:
        return make_parameters("grid", **values)
    if not values.keys() & TILES:
        diameter = values.get("diameter")
        if not diameter:
            diameter = yield from iterate_diameter(rgb, model, cache)
        if diameter > 0:
            return make_parameters("objects", **{**values, "diameter": diameter})
    values = {name: value for name, value in values.items() if name != "diameter"}
    side = max(embedding.plane_shape)
    if side > SMALL_TILE and found.small and max(embedding.input_shape) < 2 * side:
        return make_parameters("tiled", **{"tile_side": SMALL_TILE, **values})
    shrunk = max(embedding.input_shape) < DETAIL * side
    return make_parameters("tiled" if shrunk else "objects", **values)
