"""The exports that are compared, as a table; the modules named in it make them."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from benchmarks.exporters.cases import Export


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of export.

    Parameters
    ----------
    contract : str
        The rows that our detection must find, such as "E1 + A".
    exporter : str
        Whose export code it is.
    module, function : str
        Where it is called.
    options : mapping
        Keyword arguments of the function.
    same_as : str
        The family whose reference has the same weights and gives the same answers.
    """

    contract: str
    exporter: str
    module: str
    function: str
    options: Mapping[str, Any] = field(default_factory=dict)
    same_as: str = ""

    def export(self, folder: Path) -> Export:
        """Write the ONNX files into a folder and give back their PyTorch reference."""
        module = import_module(f"benchmarks.exporters.{self.module}")
        return getattr(module, self.function)(folder, **self.options)


_SAMEXPORTER = "samexporter 0.5.0"
_OFFICIAL = "segment-anything 1.0 (encoder: samexporter 0.5.0)"

FAMILIES: Mapping[str, Family] = {
    "sam1-preprocess": Family(
        "E1 + A", _SAMEXPORTER, "sam1", "export_by_samexporter", {"preprocess": True}
    ),
    "sam1-plain": Family(
        "E2 + A", _SAMEXPORTER, "sam1", "export_by_samexporter", same_as="sam1-preprocess"
    ),
    "sam1-single": Family(
        "E1 + A",
        _SAMEXPORTER,
        "sam1",
        "export_by_samexporter",
        {"preprocess": True, "single": True},
    ),
    "sam1-official": Family(
        "E2 + A", _OFFICIAL, "sam1", "export_official_decoder", same_as="sam1-preprocess"
    ),
    "sam1-official-single": Family(
        "E2 + A",
        _OFFICIAL,
        "sam1",
        "export_official_decoder",
        {"single": True},
        same_as="sam1-single",
    ),
    "mobile-sam": Family(
        "E1 + A",
        _SAMEXPORTER,
        "sam1",
        "export_by_samexporter",
        {"mobile": True, "preprocess": True},
    ),
    "sam-b": Family(
        "E1 + A",
        _SAMEXPORTER,
        "sam1",
        "export_by_samexporter",
        {"preprocess": True, "whole": True},
    ),
    "sam2-samexporter": Family("E12 + I", _SAMEXPORTER, "sam2_models", "export_by_samexporter"),
    "sam2-layout-j": Family("E13 + J", "a wrapper written here", "sam2_models", "export_layout_j"),
    "hq-sam": Family(
        "E9 + F",
        "segment-anything-hq 0.3 (encoder: a wrapper written here)",
        "hq_sam",
        "export_hq_sam",
    ),
    "hf-sam-optimum": Family(
        "E15 + L", "optimum-onnx 0.1.0", "hugging_face", "export_sam_by_optimum"
    ),
    "hf-sam2": Family("E16 + M", "a wrapper written here", "hugging_face", "export_layout_m"),
    "hf-edgetam": Family(
        "E16 + M", "a wrapper written here", "hugging_face", "export_layout_m", {"edge": True}
    ),
}
