"""The settings of tracks, each with its meaning and range."""

from dataclasses import dataclass

from napari_sam_onnx.automatic.settings.declare import check_fields, declare


@dataclass(frozen=True, slots=True)
class TrackParameters:
    """How objects are followed through time; see `napari_sam_onnx.stacks.tracks.link`."""

    max_move: float = declare(
        0.6,
        "How far an object may move from frame to frame, in diameters of the usual object.",
        label="Largest move",
        min=0.05,
        max=20.0,
        step=0.05,
        unit="diameters",
    )
    max_gap: int = declare(
        2,
        "For how many frames an object may be missing and still be the same; they are filled in.",
        label="Largest gap",
        min=0,
        max=20,
        step=1,
        unit="frames",
    )
    divide: int = declare(
        1,
        "Whether objects may divide: 1 yes, 0 no.",
        label="Divisions",
        min=0,
        max=1,
        step=1,
    )
    min_frames: int = declare(
        3,
        "Tracks that are seen in fewer frames are left out, unless they come of a division.",
        label="Shortest track",
        min=1,
        max=1000,
        step=1,
        unit="frames",
    )

    min_size: float = declare(
        0.1,
        "Tracks whose objects are mostly smaller than this part of the usual one are left out.",
        label="Smallest object",
        min=0.0,
        max=10.0,
        step=0.01,
    )

    recover: int = declare(
        2,
        "Through how many frames a track that is lost, or begins, in the middle is carried on by "
        "the model, which may find there what it had missed; of planes alone.",
        label="Look again for",
        min=0,
        max=1000,
        step=1,
        unit="frames",
    )

    looks: float = declare(
        1.0,
        "How much it counts, beside overlap and distance, how alike two objects look to the model; "
        "0: not at all. Of planes alone.",
        label="Appearance",
        min=0.0,
        max=10.0,
        step=0.1,
    )

    def __post_init__(self) -> None:
        check_fields(self)
