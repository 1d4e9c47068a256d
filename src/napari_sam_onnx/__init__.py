"""Segment Anything in napari through ONNX Runtime, with an embedded offline model.

The public names are imported when they are first used, so that importing the package costs
neither ONNX Runtime nor scikit-image, napari or Qt.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam_onnx.automatic import MaskSet, automask, find_masks, generate_masks
    from napari_sam_onnx.automatic.refine import refine_labels
    from napari_sam_onnx.automatic.taught.fit import fit_settings
    from napari_sam_onnx.automatic.taught.similar import find_similar
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.models import (
        ModelError,
        list_models,
        load_detector,
        load_model,
        load_text_model,
    )
    from napari_sam_onnx.pictures.image import Channel, ImageError, to_rgb
    from napari_sam_onnx.prompting.compare import compare_models, ensemble
    from napari_sam_onnx.prompting.propagate import propagate
    from napari_sam_onnx.prompting.segmenter import Segmenter
    from napari_sam_onnx.prompts import PromptError
    from napari_sam_onnx.records.recipes import Recipe
    from napari_sam_onnx.stacks import automask_stack
    from napari_sam_onnx.stacks.carry_object import carry_object

_HOMES = {
    "Channel": "pictures.image",
    "ImageError": "pictures.image",
    "Mask": "masks.mask",
    "MaskSet": "automatic",
    "ModelError": "models",
    "PromptError": "prompts",
    "Recipe": "records.recipes",
    "Segmenter": "prompting.segmenter",
    "automask": "automatic",
    "automask_stack": "stacks",
    "carry_object": "stacks.carry_object",
    "compare_models": "prompting.compare",
    "ensemble": "prompting.compare",
    "find_masks": "automatic",
    "find_similar": "automatic.taught.similar",
    "refine_labels": "automatic.refine",
    "fit_settings": "automatic.taught.fit",
    "generate_masks": "automatic",
    "list_models": "models",
    "load_detector": "models",
    "load_model": "models",
    "load_text_model": "models",
    "propagate": "prompting.propagate",
    "to_rgb": "pictures.image",
}

__all__ = [
    "Channel",
    "ImageError",
    "Mask",
    "MaskSet",
    "ModelError",
    "PromptError",
    "Recipe",
    "Segmenter",
    "automask",
    "automask_stack",
    "carry_object",
    "compare_models",
    "ensemble",
    "find_masks",
    "find_similar",
    "fit_settings",
    "generate_masks",
    "list_models",
    "load_detector",
    "load_model",
    "load_text_model",
    "propagate",
    "refine_labels",
    "to_rgb",
]


def __getattr__(name: str) -> Any:
    """Import a public name from the module that holds it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
