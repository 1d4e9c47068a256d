"""The settings of volumes, each with its meaning and range."""

from dataclasses import dataclass

from napari_sam_onnx.automatic.settings.declare import check_fields, declare


@dataclass(frozen=True, slots=True)
class VolumeParameters:
    """How objects are found in a volume; see `napari_sam_onnx.stacks.volumes.partition`.

    What depends on the picture (noise, how large objects are, how bright, how thick planes are)
    is measured, see `survey_volume`. These are the limits that judge what was found.
    """

    min_contrast: float = declare(
        0.25,
        "Objects whose contrast is lower than this part of the usual one are left out: debris, "
        "and light from elsewhere; 0 keeps all.",
        label="Minimum contrast",
        min=0.0,
        max=1.0,
        step=0.05,
    )
    separation: float = declare(
        0.05,
        "Two centres are two objects where the map of centres between them falls by at least this "
        "part of the lower one.",
        label="Separation",
        min=0.0,
        max=1.0,
        step=0.01,
    )
    cut: float = declare(
        0.4,
        "An object ends where it has faded to this part of its own contrast; 0 leaves that to the "
        "model.",
        label="Outline at",
        min=0.0,
        max=0.95,
        step=0.05,
    )
    min_volume: float = declare(
        0.05,
        "Objects smaller than this part of a cube of the usual diameter are left out.",
        label="Smallest object",
        min=0.0,
        max=10.0,
        step=0.01,
    )
    diameter: float = declare(
        0.0,
        "Diameter of the objects; 0 measures it.",
        label="Diameter",
        min=0.0,
        max=2000.0,
        step=1.0,
        unit="px",
    )
    sections: str = declare(
        "three",
        "What the model looks at: sections across z, y and x, or planes alone, which is faster.",
        label="Sections",
        choices=("three", "planes"),
        advanced=True,
    )

    def __post_init__(self) -> None:
        check_fields(self)
