"""The settings of automatic masks, a frozen dataclass for each mode.

A value out of range is refused here, in one sentence. See `declare` for what a field's metadata
says. The annotations are real types (not strings), so that a face can read them from
``dataclasses.fields``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from napari_sam_onnx.arguments import require
from napari_sam_onnx.automatic.declare import (
    ParameterError,
    check_fields,
    declare,
    form_fields,
)
from napari_sam_onnx.automatic.selection import Selection
from napari_sam_onnx.automatic.shared_fields import (
    batch_field,
    diameter_field,
    iou_field,
    max_area_field,
    min_area_field,
    overlap_field,
    prompt_field,
    stability_field,
)


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
    prompt: str = prompt_field("point")
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
class TiledParameters:
    """Another mode, tile by tile, so that small objects of a large plane keep their detail."""

    inner: str = declare(
        "objects",
        "What is done in each tile.",
        label="In each tile",
        choices=("objects", "grid", "blobs"),
    )
    tile_side: int = declare(
        1024,
        "Side of a tile; the smaller, the more detail and the longer it takes.",
        label="Tile side",
        min=64,
        max=8192,
        step=64,
        unit="px",
    )
    tile_overlap: int = declare(
        128,
        "How far neighbouring tiles overlap; at least the diameter of the largest object.",
        label="Tile overlap",
        min=0,
        max=4096,
        step=16,
        unit="px",
    )
    max_overlap: float = overlap_field()
    # The settings of the mode inside; its defaults where None.
    inner_parameters: GridParameters | ObjectsParameters | BlobsParameters | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.tile_overlap * 2 > self.tile_side:
            raise ParameterError(
                f"tile_overlap ({self.tile_overlap}) is more than half of tile_side "
                f"({self.tile_side}); use larger tiles or a smaller overlap."
            )
        wanted = MODES[self.inner]
        if self.inner_parameters is None:
            object.__setattr__(self, "inner_parameters", wanted())
        elif not isinstance(self.inner_parameters, wanted):
            raise ParameterError(
                f"inner={self.inner!r} takes {wanted.__name__}; got "
                f"{type(self.inner_parameters).__name__}."
            )


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
    min_area: int = min_area_field(15)
    max_area: int = max_area_field()

    def __post_init__(self) -> None:
        check_fields(self)


Parameters = (
    GridParameters
    | ObjectsParameters
    | BlobsParameters
    | BoxesParameters
    | TiledParameters
    | FlowsParameters
)

MODES: dict[str, type[Any]] = {
    "objects": ObjectsParameters,
    "grid": GridParameters,
    "blobs": BlobsParameters,
    "boxes": BoxesParameters,
    "tiled": TiledParameters,
    "flows": FlowsParameters,
}


def make_parameters(mode: str, **values: Any) -> Parameters:
    """Build the settings of a mode from names and values.

    Parameters
    ----------
    mode : str
        A key of `MODES`.
    **values
        Fields of the mode's dataclass. ``tiled`` takes those of the mode inside as well.

    Raises
    ------
    ParameterError
        If the mode or a name does not exist, or a value is out of range.
    """
    if mode not in MODES:
        raise ParameterError(f"There is no mode {mode!r}; choose one of {', '.join(MODES)}.")
    kind = MODES[mode]
    own = {f.name for f in fields(kind)}
    others = {name: values.pop(name) for name in list(values) if name not in own}
    if others and kind is TiledParameters and values.get("inner_parameters") is None:
        inner = values.get("inner", "objects")
        values["inner_parameters"] = make_parameters(inner, **others)
    elif others:
        known = ", ".join(f.name for f in form_fields(kind))
        raise ParameterError(
            f"The mode {mode!r} has no setting {next(iter(others))!r}; it has {known}."
        )
    made: Parameters = kind(**values)
    return made


def split_limits(
    mode: str | None, values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, float]]:
    """Tell the settings of a mode from the limits that any run can be filtered by.

    Parameters
    ----------
    mode : str or None
        A key of `MODES`; None: not known yet.
    values : mapping of str to value

    Returns
    -------
    settings : dict
        What some mode, or this one, has a field for; and what nobody knows.
    limits : dict
        Fields of `Selection` that are no setting of the mode.
    """
    if mode is not None:
        require(mode, str, f"A mode is one of {', '.join(MODES)}", ParameterError)
    known = mode if mode in MODES and mode != "tiled" else None
    kinds = list(MODES.values()) if known is None else [MODES[known]]
    settings = {f.name for kind in kinds for f in fields(kind)}
    limits = {f.name for f in fields(Selection)} - settings
    return (
        {name: value for name, value in values.items() if name not in limits},
        {name: value for name, value in values.items() if name in limits},
    )


def mode_of(parameters: Parameters) -> str:
    """Name the mode that settings belong to."""
    return next(mode for mode, kind in MODES.items() if type(parameters) is kind)
