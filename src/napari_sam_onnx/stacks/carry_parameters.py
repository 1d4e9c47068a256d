"""The settings of carrying an object through a stack, each with its meaning and range."""

from dataclasses import dataclass

from napari_sam_onnx.automatic.settings.declare import check_fields, declare


@dataclass(frozen=True, slots=True)
class CarryParameters:
    """Where an object ends."""

    min_iou: float = declare(
        0.4,
        "The object ends where the answer overlaps less (IoU) with what is expected.",
        label="Least overlap",
        min=0.0,
        max=1.0,
        step=0.05,
    )
    max_change: float = declare(
        2.0,
        "The object ends where its size changes by more than this factor from plane to plane.",
        label="Largest change",
        min=1.05,
        max=100.0,
        step=0.1,
    )
    min_size: float = declare(
        0.1,
        "The object ends where it is smaller than this part of its largest known section.",
        label="Smallest section",
        min=0.0,
        max=1.0,
        step=0.05,
    )
    min_contrast: float = declare(
        0.4,
        "The object ends where its contrast has faded to this part; 0: it never fades.",
        label="Faded at",
        min=0.0,
        max=1.0,
        step=0.05,
    )

    neck: float = declare(
        0.8,
        "Where it narrows to this part of what it was and grows again, in size times contrast, "
        "another object begins; 0: it goes on.",
        label="Neck",
        min=0.0,
        max=1.0,
        step=0.05,
    )

    def __post_init__(self) -> None:
        check_fields(self)
