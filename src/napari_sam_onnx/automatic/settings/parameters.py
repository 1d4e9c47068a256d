"""The settings of the modes that look for objects, a frozen dataclass for each.

A value out of range is refused here, in one sentence. See `declare` for what a field's metadata
says. The annotations are real types (not strings), so that a face can read them from
``dataclasses.fields``.
"""

from dataclasses import dataclass

from napari_sam_onnx.automatic.settings.declare import (
    ParameterError,
    check_fields,
    declare,
)
from napari_sam_onnx.automatic.settings.shared_fields import (
    batch_field,
    blob_prompt_field,
    diameter_field,
    iou_field,
    max_area_field,
    min_area_field,
    overlap_field,
    prompt_field,
    stability_field,
)


@dataclass(frozen=True, slots=True)
class ObjectsParameters:
    """One prompt for each object that the model's own encoder saw."""

    min_confidence: float = declare(
        0.4,
        "Objects that the model is less sure to have seen are not looked at.",
        label="Minimum confidence",
        min=0.0,
        max=1.0,
        step=0.05,
    )
    prompt: str = prompt_field("point")
    min_rating: float = declare(
        0.55,
        "Masks are rated by the predicted IoU times the mean foreground that the model sees under "
        "them; those rated lower are left out; 0 keeps all.",
        label="Minimum rating",
        min=0.0,
        max=1.0,
        step=0.05,
    )
    stability_score_thresh: float = stability_field(0.0)
    max_overlap: float = overlap_field()
    min_area: int = min_area_field()
    max_area: int = max_area_field()
    points_per_batch: int = batch_field()
    diameter: float = diameter_field()

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class BlobsParameters:
    """One prompt for each blob: a centre and a radius found in the picture's scale space."""

    min_radius: float = declare(
        2.0,
        "Radius of the smallest blob.",
        label="Smallest radius",
        min=1.0,
        max=1000.0,
        step=0.5,
        unit="px",
    )
    max_radius: float = declare(
        30.0,
        "Radius of the largest blob.",
        label="Largest radius",
        min=1.0,
        max=2000.0,
        step=1.0,
        unit="px",
    )
    polarity: str = declare(
        "bright",
        "Blobs that are brighter than what is around them, darker, or both.",
        label="Blobs are",
        choices=("bright", "dark", "both"),
    )
    contrast: float = declare(
        0.1,
        "How much a blob stands out, as a fraction of the picture's contrast range; lower finds "
        "fainter ones.",
        label="Minimum contrast",
        min=0.0,
        max=1.0,
        step=0.01,
    )
    prompt: str = blob_prompt_field()
    pred_iou_thresh: float = iou_field(0.6)
    stability_score_thresh: float = stability_field(0.0)
    max_overlap: float = overlap_field()
    min_area: int = min_area_field()
    max_area: int = max_area_field()
    points_per_batch: int = batch_field()
    diameter: float = diameter_field()

    def __post_init__(self) -> None:
        check_fields(self)
        if self.max_radius < self.min_radius:
            raise ParameterError(
                f"max_radius ({self.max_radius:g}) is smaller than min_radius "
                f"({self.min_radius:g}); swap them."
            )


@dataclass(frozen=True, slots=True)
class BoxesParameters:
    """One prompt for each box that is given, or for each object of a label image."""

    pred_iou_thresh: float = iou_field(0.0)
    stability_score_thresh: float = stability_field(0.0)
    max_overlap: float = declare(
        1.0,
        "Of two masks that share more than this part (of their union, or of the smaller one) "
        "the better one stays; 1 keeps one mask per box.",
        label="Overlap allowed",
        min=0.0,
        max=1.0,
        step=0.05,
    )
    points_per_batch: int = batch_field()
    diameter: float = diameter_field()

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, slots=True)
class FlowsParameters:
    """The cells of a network that sees all of them at once: pixels follow the flow to a sink.

    The defaults are those of the Cellpose family's own program.
    """

    cell_threshold: float = declare(
        0.0,
        "Pixels that the network holds less likely to be a cell are left out; lower makes cells "
        "larger and finds more.",
        label="Cell threshold",
        min=-6.0,
        max=6.0,
        step=0.5,
        unit="logits",
    )
    flow_threshold: float = declare(
        0.4,
        "Cells whose shape does not fit the flow by more than this are left out; 0 keeps all.",
        label="Flow error allowed",
        min=0.0,
        max=3.0,
        step=0.1,
    )
    flow_steps: int = declare(
        200,
        "How far pixels follow the flow; large cells need more.",
        label="Steps",
        min=10,
        max=5000,
        step=50,
        unit="px",
        advanced=True,
    )
    diameter: float = declare(
        0.0,
        "Diameter of a typical cell: the plane is shown to the network at the size at which it is "
        "30 pixels. 0: as it is, which Cellpose-SAM was trained for.",
        label="Cell diameter",
        min=0.0,
        max=10_000.0,
        step=1.0,
        unit="px",
    )
    min_area: int = min_area_field(15)
    max_area: int = max_area_field()

    def __post_init__(self) -> None:
        check_fields(self)
