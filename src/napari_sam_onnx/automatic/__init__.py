"""Automatic masks: seeds -> prompts -> masks -> filters -> one mask per object.

The package is called *automatic* so that the function `napari_sam_onnx.automask` and a module
never compete for one name.
"""

from napari_sam_onnx.automatic.generate import automask, find_masks, generate_masks
from napari_sam_onnx.automatic.kept.mask_set import MaskSet
from napari_sam_onnx.automatic.settings.declare import ParameterError, form_fields
from napari_sam_onnx.automatic.settings.grid_parameters import GridParameters
from napari_sam_onnx.automatic.settings.modes import (
    MODES,
    TiledParameters,
    make_parameters,
    mode_of,
    split_limits,
)
from napari_sam_onnx.automatic.settings.parameters import (
    BlobsParameters,
    ObjectsParameters,
)
from napari_sam_onnx.automatic.settings.selection import Selection
from napari_sam_onnx.automatic.steps import iterate_labels, iterate_mask_set, iterate_masks

__all__ = [
    "MODES",
    "BlobsParameters",
    "GridParameters",
    "MaskSet",
    "ObjectsParameters",
    "ParameterError",
    "Selection",
    "TiledParameters",
    "automask",
    "find_masks",
    "form_fields",
    "generate_masks",
    "iterate_labels",
    "iterate_mask_set",
    "iterate_masks",
    "make_parameters",
    "mode_of",
    "split_limits",
]
