"""Which objects get another class, as a value that can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.plugin.layers.classes import COLUMN, read_layer_classes, write_layer_classes
from napari_sam_onnx.plugin.layers.snapshot import Naming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_sam_onnx.plugin.layers.snapshot import Paint


def make_naming(layer: Any, wanted: Mapping[int, str]) -> Naming | None:
    """Say what giving classes changes; None where nothing."""
    known = read_layer_classes(layer)
    after = {label: name for label, name in wanted.items() if known.get(label, "") != name}
    if not after:
        return None
    return Naming(layer, {label: known.get(label, "") for label in after}, after)


def apply_naming(naming: Naming, back: bool = False) -> None:
    """Set the classes of a change, or those before it."""
    write_layer_classes(naming.layer, naming.before if back else naming.after)


def inherit(paints: Sequence[Paint]) -> Naming | None:
    """Give a new object the class of the object whose pixels it is made of, all of them."""
    if not paints or COLUMN not in paints[0].layer.features:
        return None
    known = read_layer_classes(paints[0].layer)
    wanted: dict[int, str] = {}
    for paint in paints:
        for label in np.unique(paint.after):
            before = np.unique(paint.before[paint.after == label])
            if label and len(before) == 1 and int(label) not in known:
                wanted[int(label)] = known.get(int(before[0]), "")
    return make_naming(paints[0].layer, wanted)
