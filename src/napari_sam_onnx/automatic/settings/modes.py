"""The modes of automatic masks by name, and making their settings from names and values.

The annotations are real types (not strings), see `napari_sam_onnx.automatic.settings.parameters`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from napari_sam_onnx.arguments import require
from napari_sam_onnx.automatic.settings.declare import (
    ParameterError,
    check_fields,
    declare,
    form_fields,
)
from napari_sam_onnx.automatic.settings.grid_parameters import GridParameters
from napari_sam_onnx.automatic.settings.parameters import (
    BlobsParameters,
    BoxesParameters,
    FlowsParameters,
    ObjectsParameters,
)
from napari_sam_onnx.automatic.settings.selection import Selection
from napari_sam_onnx.automatic.settings.shared_fields import overlap_field


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


def explain_nothing(mode: str | None, settings: Mapping[str, Any]) -> str:
    """Say which limits may have left out all that was found; "" for modes that have no high ones.

    Parameters
    ----------
    mode : str or None
        A key of `MODES`; None: what suited the model.
    settings : mapping of str to value
        That were given, limits of `Selection` among them.
    """
    if mode != "grid":
        return ""
    made = GridParameters(**split_limits(mode, settings)[0])
    return (
        f"The grid keeps masks that the model rates above {made.pred_iou_thresh:g} and that are "
        f"{made.stability_score_thresh:g} stable: lower these limits (0.6 and 0.7 for pebble)."
    )
