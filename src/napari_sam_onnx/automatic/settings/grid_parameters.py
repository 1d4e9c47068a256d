"""The settings of the mode grid, SAM's own generator.

The annotations are real types (not strings), see `napari_sam_onnx.automatic.settings.parameters`.
"""

from dataclasses import dataclass

from napari_sam_onnx.automatic.settings.declare import ParameterError, check_fields, declare
from napari_sam_onnx.automatic.settings.shared_fields import batch_field, diameter_field


@dataclass(frozen=True, slots=True)
class GridParameters:
    """A regular grid of clicks over the plane and over crops of it: SAM's own generator.

    The defaults are those of SAM 1 (Kirillov et al. 2023; ``SamAutomaticMaskGenerator``).
    SAM 2's predicted IoU is on another scale: its default for ``pred_iou_thresh`` is 0.8.
    """

    points_per_side: int = declare(
        32,
        "Clicks along each side of the plane; the finer the grid, the smaller the objects found.",
        label="Points per side",
        min=1,
        max=512,
        step=1,
    )
    pred_iou_thresh: float = declare(
        0.88,
        "Masks that the model itself rates at or below this are left out; 0 keeps all.",
        label="Minimum predicted IoU",
        min=0.0,
        max=1.0,
        step=0.01,
    )
    stability_score_thresh: float = declare(
        0.95,
        "Masks whose outline shifts with the threshold more than this allows are left out; "
        "0 keeps all.",
        label="Minimum stability",
        min=0.0,
        max=1.0,
        step=0.01,
    )
    stability_score_offset: float = declare(
        1.0,
        "How far the threshold is moved up and down to measure stability.",
        label="Stability offset",
        min=0.0,
        max=20.0,
        step=0.1,
        unit="logits",
        advanced=True,
    )
    box_nms_thresh: float = declare(
        0.7,
        "Of two masks whose boxes overlap by more than this IoU the better one stays.",
        label="Overlap allowed",
        min=0.0,
        max=1.0,
        step=0.05,
    )
    min_mask_region_area: int = declare(
        0,
        "Holes and islands smaller than this are filled and removed; 0 leaves masks as they are.",
        label="Smallest hole or island",
        min=0,
        max=1_000_000,
        step=1,
        unit="px²",
    )
    crop_n_layers: int = declare(
        0,
        "Runs the grid again on crops of the picture: layer i has 2^i by 2^i of them.",
        label="Crop layers",
        min=0,
        max=4,
        step=1,
        advanced=True,
    )
    crop_nms_thresh: float = declare(
        0.7,
        "Of two masks of different crops whose boxes overlap by more than this IoU that of the "
        "smaller crop stays.",
        label="Overlap allowed between crops",
        min=0.0,
        max=1.0,
        step=0.05,
        advanced=True,
    )
    crop_overlap_ratio: float = declare(
        512 / 1500,
        "How far the crops overlap, as a fraction of the picture's shorter side.",
        label="Crop overlap",
        min=0.0,
        max=1.0,
        step=0.01,
        advanced=True,
    )
    crop_n_points_downscale_factor: int = declare(
        1,
        "Each crop layer has this many times fewer points per side than the one before.",
        label="Point reduction per crop layer",
        min=1,
        max=8,
        step=1,
        advanced=True,
    )
    points_per_batch: int = batch_field()
    diameter: float = diameter_field()
    # One (N, 2) grid per crop layer, (y, x) as fractions of the crop, instead of points_per_side.
    point_grids: tuple[tuple[tuple[float, float], ...], ...] | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        grids = self.point_grids
        if grids is None:
            return
        if len(grids) != self.crop_n_layers + 1:
            raise ParameterError(
                f"point_grids needs one grid per layer: {self.crop_n_layers + 1} for "
                f"crop_n_layers={self.crop_n_layers}; got {len(grids)}."
            )
        if not all(len(p) == 2 and all(0 <= c <= 1 for c in p) for grid in grids for p in grid):
            raise ParameterError("point_grids holds (y, x) pairs as fractions from 0 to 1.")
