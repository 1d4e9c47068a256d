"""Which masks of a run are shown: limits that cost no inference, declared once."""

from dataclasses import dataclass, fields, replace
from typing import Any

from napari_sam_onnx.automatic.settings.declare import ParameterError, check_fields, declare


def _length(help: str, label: str) -> Any:
    return declare(0.0, help, label=label, min=0.0, max=100_000.0, step=1.0, unit="px")


def _part(help: str, label: str) -> Any:
    return declare(0.0, help, label=label, min=0.0, max=1.0, step=0.01)


@dataclass(frozen=True, slots=True)
class Selection:
    """Limits that a mask passes or not; see `automatic.kept.features` for what is what.

    The defaults let every mask pass.
    """

    min_rating: float = _part(
        "Masks that are rated lower are left out: by the model's predicted IoU, with the mode "
        "objects times the foreground under them.",
        "Minimum rating",
    )
    min_predicted_iou: float = _part(
        "Masks that the model itself rates lower are left out.", "Minimum predicted IoU"
    )
    min_stability: float = _part(
        "Masks whose outline shifts with the threshold more than this allows are left out.",
        "Minimum stability",
    )
    min_area: float = declare(
        0.0,
        "Smaller objects are left out.",
        label="Smallest object",
        min=0.0,
        max=100_000_000.0,
        step=1.0,
        unit="px²",
    )
    max_area: float = declare(
        0.0,
        "Larger objects are left out; 0 sets no limit.",
        label="Largest object",
        min=0.0,
        max=100_000_000.0,
        step=1.0,
        unit="px²",
    )
    min_diameter: float = _length(
        "Objects are left out whose area is that of a smaller disc.", "Least diameter"
    )
    max_diameter: float = _length(
        "Objects are left out whose area is that of a larger disc; 0 sets no limit.",
        "Largest diameter",
    )
    min_circularity: float = _part(
        "Objects are left out whose outline is longer than that of a disc by more than this "
        "allows: 4π area / perimeter², 1 for a disc.",
        "Minimum circularity",
    )
    min_solidity: float = _part(
        "Objects are left out that fill less than this part of their convex hull.",
        "Minimum solidity",
    )
    min_contrast: float = _part(
        "Objects are left out whose mean brightness differs less from that of what is around "
        "them, in either direction; 1 is black against white.",
        "Minimum contrast",
    )
    min_border_distance: float = _length(
        "Objects that come nearer than this to the picture's edge are left out; those that "
        "touch it have the distance 0.",
        "From the border",
    )
    max_overlap: float = declare(
        1.0,
        "Of two masks that share more than this part of the smaller one the better rated stays; "
        "1 keeps both.",
        label="Overlap allowed",
        min=0.0,
        max=1.0,
        step=0.05,
    )
    max_fraction: float = declare(
        1.0,
        "Objects that cover more than this part of the picture are its background and are left "
        "out.",
        label="Most of the picture",
        min=0.0,
        max=1.0,
        step=0.05,
    )

    def __post_init__(self) -> None:
        check_fields(self)

    def change(self, **limits: float) -> "Selection":
        """Return this selection with some limits changed.

        Raises
        ------
        ParameterError
            If there is no such limit, or it is out of range.
        """
        known = [f.name for f in fields(self)]
        for name in limits:
            if name not in known:
                raise ParameterError(f"There is no limit {name!r}; there are {', '.join(known)}.")
        return replace(self, **limits)
