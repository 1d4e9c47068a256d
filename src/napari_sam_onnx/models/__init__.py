"""Models: the only home of ONNX Runtime. Names are imported when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sam_onnx.models.load import load_model
    from napari_sam_onnx.models.model import MemorisingModel, Model, ModelError
    from napari_sam_onnx.models.onnx.onnx_model import OnnxModel
    from napari_sam_onnx.models.store.cards import ModelCard
    from napari_sam_onnx.models.store.catalog import find_card, list_models
    from napari_sam_onnx.models.text.detectors import BoxProposer, load_detector
    from napari_sam_onnx.models.text.load_text import TextModel, load_text_model

__all__ = [
    "BoxProposer",
    "MemorisingModel",
    "Model",
    "ModelCard",
    "ModelError",
    "OnnxModel",
    "TextModel",
    "find_card",
    "list_models",
    "load_detector",
    "load_model",
    "load_text_model",
]

_HOMES = {
    "BoxProposer": "text.detectors",
    "MemorisingModel": "model",
    "Model": "model",
    "ModelCard": "store.cards",
    "ModelError": "model",
    "OnnxModel": "onnx.onnx_model",
    "TextModel": "text.load_text",
    "find_card": "store.catalog",
    "list_models": "store.catalog",
    "load_detector": "text.detectors",
    "load_model": "load",
    "load_text_model": "text.load_text",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
