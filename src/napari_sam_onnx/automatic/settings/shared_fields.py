"""Declarations of settings that several modes of automatic masks have in common."""

from typing import Any

from napari_sam_onnx.automatic.settings.declare import declare

SUITS = "what suits"


def batch_field() -> Any:
    """Declare how many prompts are decoded at once."""
    return declare(
        64,
        "Prompts decoded at once. More is faster and takes more memory.",
        label="Prompts per batch",
        min=1,
        max=1024,
        step=1,
        advanced=True,
    )


def iou_field(default: float) -> Any:
    """Declare the least predicted IoU."""
    return declare(
        default,
        "Masks that the model itself rates lower are left out; 0 keeps all.",
        label="Minimum predicted IoU",
        min=0.0,
        max=1.0,
        step=0.05,
    )


def stability_field(default: float) -> Any:
    """Declare the least stability."""
    return declare(
        default,
        "Masks whose outline shifts with the threshold more than this allows are left out; "
        "0 keeps all.",
        label="Minimum stability",
        min=0.0,
        max=1.0,
        step=0.05,
    )


def overlap_field() -> Any:
    """Declare how much two masks may share."""
    return declare(
        0.5,
        "Of two masks that share more than this part (of their union, or of the smaller one) "
        "the better one stays.",
        label="Overlap allowed",
        min=0.0,
        max=1.0,
        step=0.05,
    )


def prompt_field(default: str) -> Any:
    """Declare what the model is asked with."""
    return declare(
        default,
        "What the model is asked with: the centre of each object alone, so that it judges the size "
        "by itself, or also a box of the size that was found.",
        label="Prompt with",
        choices=("point", "point+box"),
        advanced=True,
    )


def blob_prompt_field() -> Any:
    """Declare what the model is asked with where blobs say where and how large objects are."""
    return declare(
        SUITS,
        "What the model is asked with: the centre of each blob alone, or also a box of its size. "
        "What suits: the box too for a model that does not propose objects by itself, to which one "
        "click is ambiguous.",
        label="Prompt with",
        choices=(SUITS, "point", "point+box"),
        advanced=True,
    )


def min_area_field(default: int = 10) -> Any:
    """Declare the smallest object."""
    return declare(
        default,
        "Smaller objects are left out.",
        label="Smallest object",
        min=0,
        max=100_000_000,
        step=1,
        unit="px²",
    )


def max_area_field() -> Any:
    """Declare the largest object."""
    return declare(
        0,
        "Larger objects are left out; 0 sets no limit.",
        label="Largest object",
        min=0,
        max=100_000_000,
        step=1,
        unit="px²",
    )


def diameter_field() -> Any:
    """Declare how large objects are."""
    return declare(
        0.0,
        "Diameter of a typical object; sets the scale at which the model looks, where needed part "
        "by part. 0: the model's own scale.",
        label="Object diameter",
        min=0.0,
        max=10_000.0,
        step=1.0,
        unit="px",
    )
