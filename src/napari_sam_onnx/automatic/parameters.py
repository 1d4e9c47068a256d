"""The settings of automatic masks, declared once.

Each mode has a frozen dataclass. A field's metadata says what it means and which values it
takes; the form, the command line's flags and the saved recipe are made from it. Fields without
metadata are for scripts alone. A value out of range is refused here, in one sentence.

The annotations are real types (not strings), so that a face can read them from
``dataclasses.fields``.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from numbers import Real
from typing import Any


class ParameterError(ValueError):
    """A setting that does not exist or is out of range; the message says what to change."""


def _declare(
    default: Any,
    help: str,
    *,
    label: str,
    min: float | None = None,
    max: float | None = None,
    step: float | None = None,
    unit: str = "",
    choices: tuple[str, ...] = (),
    advanced: bool = False,
) -> Any:
    """Make a field that a form, a command line and a recipe can be built from."""
    metadata = {
        "help": help,
        "label": label,
        "min": min,
        "max": max,
        "step": step,
        "unit": unit,
        "choices": choices,
        "advanced": advanced,
    }
    return field(default=default, metadata=metadata)


def form_fields(kind: type) -> tuple[Field[Any], ...]:
    """Return the fields that a user may set: those that are declared with a help text.

    Parameters
    ----------
    kind : type
        One of the values of `MODES`.

    Returns
    -------
    tuple of dataclasses.Field
        ``metadata`` holds ``help``, ``label``, ``min``, ``max``, ``step`` (None where there is
        none), ``unit`` (may be empty), ``choices`` (empty unless the value is one of a few
        words) and ``advanced`` (rarely changed); ``type`` is int, float, bool or str.
    """
    return tuple(f for f in fields(kind) if f.metadata)


def _check(parameters: Any) -> None:
    """Refuse values of the wrong type or out of range."""
    for f in form_fields(type(parameters)):
        value, rule = getattr(parameters, f.name), f.metadata
        number = isinstance(value, Real) and not isinstance(value, bool)
        if f.type in (int, float) and not number:
            raise ParameterError(f"{f.name} is a number; got {value!r}.")
        if f.type is int and not float(value).is_integer():
            raise ParameterError(f"{f.name} is a whole number; got {value!r}.")
        if number and not (
            (rule["min"] is None or value >= rule["min"])
            and (rule["max"] is None or value <= rule["max"])
        ):
            raise ParameterError(f"{f.name} lies {_describe_range(rule)}; got {value!r}.")
        if rule["choices"] and value not in rule["choices"]:
            raise ParameterError(f"{f.name} is one of {', '.join(rule['choices'])}; got {value!r}.")


def _describe_range(rule: Mapping[str, Any]) -> str:
    low, high = rule["min"], rule["max"]
    if low is None or high is None:
        return f"at or below {high:g}" if low is None else f"at or above {low:g}"
    return f"from {low:g} to {high:g}"


def _batch_field() -> Any:
    return _declare(
        64,
        "Prompts decoded at once. More is faster and takes more memory.",
        label="Prompts per batch",
        min=1,
        max=1024,
        step=1,
        advanced=True,
    )


@dataclass(frozen=True, slots=True)
class GridParameters:
    """A regular grid of clicks over the plane and over crops of it: SAM's own generator.

    The defaults are those of SAM 1 (Kirillov et al. 2023; ``SamAutomaticMaskGenerator``).
    SAM 2's predicted IoU is on another scale: its default for ``pred_iou_thresh`` is 0.8.
    """

    points_per_side: int = _declare(
        32,
        "Clicks along each side of the plane; the finer the grid, the smaller the objects found.",
        label="Points per side",
        min=1,
        max=512,
        step=1,
    )
    pred_iou_thresh: float = _declare(
        0.88,
        "Masks that the model itself rates at or below this are left out; 0 keeps all.",
        label="Minimum predicted IoU",
        min=0.0,
        max=1.0,
        step=0.01,
    )
    stability_score_thresh: float = _declare(
        0.95,
        "Masks whose outline shifts with the threshold more than this allows are left out; "
        "0 keeps all.",
        label="Minimum stability",
        min=0.0,
        max=1.0,
        step=0.01,
    )
    stability_score_offset: float = _declare(
        1.0,
        "How far the threshold is moved up and down to measure stability.",
        label="Stability offset",
        min=0.0,
        max=20.0,
        step=0.1,
        unit="logits",
        advanced=True,
    )
    box_nms_thresh: float = _declare(
        0.7,
        "Of two masks whose boxes overlap by more than this IoU the better one stays.",
        label="Overlap allowed",
        min=0.0,
        max=1.0,
        step=0.05,
    )
    min_mask_region_area: int = _declare(
        0,
        "Holes and islands smaller than this are filled and removed; 0 leaves masks as they are.",
        label="Smallest hole or island",
        min=0,
        max=1_000_000,
        step=1,
        unit="px²",
    )
    crop_n_layers: int = _declare(
        0,
        "Runs the grid again on crops of the picture: layer i has 2^i by 2^i of them.",
        label="Crop layers",
        min=0,
        max=4,
        step=1,
        advanced=True,
    )
    crop_nms_thresh: float = _declare(
        0.7,
        "Of two masks of different crops whose boxes overlap by more than this IoU that of the "
        "smaller crop stays.",
        label="Overlap allowed between crops",
        min=0.0,
        max=1.0,
        step=0.05,
        advanced=True,
    )
    crop_overlap_ratio: float = _declare(
        512 / 1500,
        "How far the crops overlap, as a fraction of the picture's shorter side.",
        label="Crop overlap",
        min=0.0,
        max=1.0,
        step=0.01,
        advanced=True,
    )
    crop_n_points_downscale_factor: int = _declare(
        1,
        "Each crop layer has this many times fewer points per side than the one before.",
        label="Point reduction per crop layer",
        min=1,
        max=8,
        step=1,
        advanced=True,
    )
    points_per_batch: int = _batch_field()
    # One (N, 2) grid per crop layer, (y, x) as fractions of the crop, instead of points_per_side.
    point_grids: tuple[tuple[tuple[float, float], ...], ...] | None = None

    def __post_init__(self) -> None:
        _check(self)
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


def _iou_field(default: float) -> Any:
    return _declare(
        default,
        "Masks that the model itself rates lower are left out; 0 keeps all.",
        label="Minimum predicted IoU",
        min=0.0,
        max=1.0,
        step=0.05,
    )


def _stability_field(default: float) -> Any:
    return _declare(
        default,
        "Masks whose outline shifts with the threshold more than this allows are left out; "
        "0 keeps all.",
        label="Minimum stability",
        min=0.0,
        max=1.0,
        step=0.05,
    )


def _overlap_field() -> Any:
    return _declare(
        0.5,
        "Of two masks that share more than this part (of their union, or of the smaller one) "
        "the better one stays.",
        label="Overlap allowed",
        min=0.0,
        max=1.0,
        step=0.05,
    )


def _area_fields() -> tuple[Any, Any]:
    smallest = _declare(
        10,
        "Smaller objects are left out.",
        label="Smallest object",
        min=0,
        max=100_000_000,
        step=1,
        unit="px²",
    )
    largest = _declare(
        0,
        "Larger objects are left out; 0 sets no limit.",
        label="Largest object",
        min=0,
        max=100_000_000,
        step=1,
        unit="px²",
    )
    return smallest, largest


@dataclass(frozen=True, slots=True)
class ObjectsParameters:
    """One prompt for each object that the model's own encoder saw."""

    min_confidence: float = _declare(
        0.3,
        "Objects that the model is less sure to have seen are not looked at.",
        label="Minimum confidence",
        min=0.0,
        max=1.0,
        step=0.05,
    )
    pred_iou_thresh: float = _iou_field(0.5)
    stability_score_thresh: float = _stability_field(0.0)
    max_overlap: float = _overlap_field()
    min_area: int = _area_fields()[0]
    max_area: int = _area_fields()[1]
    points_per_batch: int = _batch_field()

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class BlobsParameters:
    """One prompt for each blob: a centre and a radius found in the picture's scale space."""

    min_radius: float = _declare(
        4.0,
        "Radius of the smallest blob.",
        label="Smallest radius",
        min=1.0,
        max=1000.0,
        step=0.5,
        unit="px",
    )
    max_radius: float = _declare(
        30.0,
        "Radius of the largest blob.",
        label="Largest radius",
        min=1.0,
        max=2000.0,
        step=1.0,
        unit="px",
    )
    polarity: str = _declare(
        "bright",
        "Blobs that are brighter than what is around them, darker, or both.",
        label="Blobs are",
        choices=("bright", "dark", "both"),
    )
    contrast: float = _declare(
        0.05,
        "How much a blob stands out, as a fraction of the picture's contrast range; lower finds "
        "fainter ones.",
        label="Minimum contrast",
        min=0.0,
        max=1.0,
        step=0.01,
    )
    pred_iou_thresh: float = _iou_field(0.5)
    stability_score_thresh: float = _stability_field(0.0)
    max_overlap: float = _overlap_field()
    min_area: int = _area_fields()[0]
    max_area: int = _area_fields()[1]
    points_per_batch: int = _batch_field()

    def __post_init__(self) -> None:
        _check(self)
        if self.max_radius < self.min_radius:
            raise ParameterError(
                f"max_radius ({self.max_radius:g}) is smaller than min_radius "
                f"({self.min_radius:g}); swap them."
            )


@dataclass(frozen=True, slots=True)
class BoxesParameters:
    """One prompt for each box that is given, or for each object of a label image."""

    pred_iou_thresh: float = _iou_field(0.0)
    stability_score_thresh: float = _stability_field(0.0)
    max_overlap: float = _declare(
        1.0,
        "Of two masks that share more than this part (of their union, or of the smaller one) "
        "the better one stays; 1 keeps one mask per box.",
        label="Overlap allowed",
        min=0.0,
        max=1.0,
        step=0.05,
    )
    points_per_batch: int = _batch_field()

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class TiledParameters:
    """Another mode, tile by tile, so that small objects of a large plane keep their detail."""

    inner: str = _declare(
        "objects",
        "What is done in each tile.",
        label="In each tile",
        choices=("objects", "grid", "blobs"),
    )
    tile_side: int = _declare(
        1024,
        "Side of a tile; the smaller, the more detail and the longer it takes.",
        label="Tile side",
        min=64,
        max=8192,
        step=64,
        unit="px",
    )
    tile_overlap: int = _declare(
        128,
        "How far neighbouring tiles overlap; at least the diameter of the largest object.",
        label="Tile overlap",
        min=0,
        max=4096,
        step=16,
        unit="px",
    )
    max_overlap: float = _overlap_field()
    # The settings of the mode inside; its defaults where None.
    inner_parameters: GridParameters | ObjectsParameters | BlobsParameters | None = None

    def __post_init__(self) -> None:
        _check(self)
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


Parameters = (
    GridParameters | ObjectsParameters | BlobsParameters | BoxesParameters | TiledParameters
)

MODES: dict[str, type[Any]] = {
    "objects": ObjectsParameters,
    "grid": GridParameters,
    "blobs": BlobsParameters,
    "boxes": BoxesParameters,
    "tiled": TiledParameters,
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


def mode_of(parameters: Parameters) -> str:
    """Name the mode that settings belong to."""
    return next(mode for mode, kind in MODES.items() if type(parameters) is kind)
