"""One small pair for each family of exports, and what a client must do with it.

A new row in ``models/onnx/contracts/families.py`` gets its entry here; every test of the runner
then runs on it. What is expected is written out, not read from the row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.models.onnx_pairs import SIDE, Decoder, Encoder

IMAGENET = "imagenet"
SYMMETRIC = "symmetric"
UNIT = "unit"


@dataclass(frozen=True)
class Family:
    """A pair, and what is true of it.

    ``normalised``: what the embedding holds of a colour. ``squash``: whether both sides of a
    plane fill the frame. ``pads``: padding points of a click, of a box, of both. ``best``:
    candidate for a click, for a box. ``batch``: whether prompts can share a run.
    """

    contract: str
    encoder: Encoder | None
    decoder: Decoder
    normalised: str = IMAGENET
    squash: bool = False
    pads: tuple[int, int, int] = (1, 0, 0)
    best: tuple[int, int] = (2, 0)
    batch: bool = True
    clicks: bool = True
    boxes: bool = True
    negatives: bool = True
    refines: bool = True
    overrides: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        return self.contract.replace(" ", "")


E2 = Encoder(input="input_image")
E1 = Encoder(
    input="input_image",
    shape=("image_height", "image_width", 3),
    layout="HWC",
    normalises=True,
    pads_to=SIDE,
)
LEVELS = (("high", 5, 32), ("middle", 6, 16), ("image_embed", 4, 8))


def levels(*names: str) -> tuple[tuple[str, int, int], ...]:
    """The three outputs of a SAM 2 encoder, finest first, under these names."""
    return tuple((name, *level[1:]) for name, level in zip(names, LEVELS, strict=True))


def fed_levels(*names: str) -> tuple[tuple[str, tuple[int | str, ...]], ...]:
    return tuple(
        (name, (1, level[1], level[2], level[2])) for name, level in zip(names, LEVELS, strict=True)
    )


I_NAMES = ("high_res_feats_0", "high_res_feats_1", "image_embed")
J_NAMES = ("high_res_features1", "high_res_features2", "image_embeddings")
M_NAMES = ("image_embeddings.0", "image_embeddings.1", "image_embeddings.2")
E12 = Encoder(embeddings=levels(*I_NAMES))
E13 = Encoder(input="input", embeddings=tuple(levels(*J_NAMES)[i] for i in (2, 0, 1)))

A = Decoder(mask_input="mask_input", size="orig_im_size", batch="hidden")
THREE = {"radii": (20.0, 28.0, 36.0), "scores": (1.1, 1.2, 0.8), "gains": (1.0, 1.0, 1.0)}
I = Decoder(  # noqa: E741 - the contract's letter
    embeddings=fed_levels(*I_NAMES),
    look="image_embed",
    batch="open",
    mask_input="mask_input",
    mask_batch="each",
    pads=True,
    outputs=("masks", "iou_predictions"),
    meanings={"iou_predictions": "scores"},
    **THREE,
)
J = replace(
    I,
    embeddings=fed_levels(*J_NAMES),
    look="image_embeddings",
    size="orig_im_size",
    size_dtype="int64",
    outputs=("masks", "iou_predictions", "low_res_masks"),
    meanings={"masks": "resized", "iou_predictions": "scores"},
    radii=A.radii,
    scores=A.scores,
    gains=A.gains,
)
D = Decoder(
    outputs=("scores", "masks"),
    meanings={"scores": "scores"},
    gains=(1.0, 1.0, 1.0, 4.0),
)
E = Decoder(
    batch="open", outputs=("masks", "iou_predictions"), meanings={"iou_predictions": "scores"}
)
H = Decoder(
    points="batched_point_coords",
    labels="batched_point_labels",
    leading_axis=True,
    size="orig_im_size",
    size_dtype="int64",
    points_in_size=True,
    most_points=6,
    knows=(1, 2, 3),
    batch="hidden",
    outputs=("output_masks", "iou_predictions", "unnamed_1830"),
    meanings={"output_masks": "resized", "iou_predictions": "scores"},
    **THREE,
)
L = Decoder(
    embeddings=(("image_embeddings", (1, 4, 8, 8)), ("image_positional_embeddings", (1, 4, 8, 8))),
    points="input_points",
    labels="input_labels",
    label_dtype="int64",
    leading_axis=True,
    batch="open",
    pads=True,
    knows=(0, 1),
    outputs=("iou_scores", "pred_masks"),
    meanings={"iou_scores": "scores"},
    **THREE,
)
M = replace(
    L,
    embeddings=fed_levels(*M_NAMES),
    look="image_embeddings.2",
    boxes="input_boxes",
    pads=False,
    knows=(0, 1, 2, 3),
)
L_EMBEDDINGS = (("image_embeddings", 4, 8), ("image_positional_embeddings", 4, 8))
POINTS_ALONE = {"pads": (0, 0, 0)}

FAMILIES = (
    Family("E1 + A", E1, A),
    Family("E2 + A", E2, A),
    Family("E3 + A", replace(E2, input="x", shape=("batch", 3, SIDE, SIDE)), A),
    Family("E5 + A", replace(E2, input="image"), replace(A, batch="one"), batch=False),
    Family(
        "E4 + A",
        Encoder(
            input="input",
            shape=(1, 3, 96, 128),
            dtype="uint8",
            normalises=True,
            pads_to=SIDE,
            embeddings=(("output", 4, 8),),
        ),
        A,
    ),
    Family(
        "E1 + B",
        E1,
        replace(
            A,
            outputs=("masks", "iou_predictions", "low_res_masks", "xtl"),
            meanings={"masks": "plane", "iou_predictions": "scores", "xtl": "numbers"},
        ),
    ),
    Family(
        "E5 + C",
        Encoder(),
        replace(
            A,
            size="",
            outputs=("iou_predictions", "low_res_masks"),
            meanings={"iou_predictions": "scores"},
        ),
    ),
    Family(
        "E5 + D", Encoder(), replace(D, batch="hidden"), pads=(0, 0, 0), best=(3, 3), refines=False
    ),
    Family(
        "E7 + D",
        Encoder(shape=(1, 3, "height", "width"), normalises=True, pads_to=SIDE),
        D,
        pads=(0, 0, 0),
        best=(3, 3),
        batch=False,
        refines=False,
        overrides=(("encoder", "E7"),),
    ),
    Family(
        "E6 + E",
        Encoder(input="input_image", shape=("batch_size", 3, 64, 64)),
        E,
        pads=(0, 0, 0),
        refines=False,
    ),
    Family(
        "E8 + A",
        replace(E1, shrinks_to=SIDE),
        A,
        overrides=(("encoder", "E8"),),
    ),
    Family(
        "E5 + E'",
        Encoder(),
        Decoder(
            points="",
            labels="",
            boxes="boxes",
            boxes_batch_first=True,
            batch="open",
            outputs=("low_res_masks", "iou_predictions"),
        ),
        pads=(1, 1, 1),
        clicks=False,
        refines=False,
    ),
    Family(
        "E9 + F",
        replace(E1, layers=("interm_embeddings", "3001", "3002", "3003")),
        replace(
            A,
            embeddings=(*A.embeddings, ("interm_embeddings", (4, 1, 8, 8, 5))),
            radii=(28.0,),
            scores=(0.9,),
            gains=(1.0,),
        ),
        best=(0, 0),
    ),
    Family(
        "E10 + G",
        Encoder(
            input="input_image", shape=(1, 3, 256, 256), embeddings=(("image_embeddings", 4, 16),)
        ),
        replace(
            A,
            embeddings=(("image_embeddings", (1, 4, 16, 16)),),
            side=256,
            mask_side=64,
            radii=(40.0, 56.0, 72.0, 88.0),
        ),
        squash=True,
    ),
    Family(
        "E10h + G",
        replace(
            E1,
            normalises=True,
            pads_to=0,
            shape=(256, 256, 3),
            embeddings=(("image_embeddings", 4, 16),),
        ),
        replace(
            A,
            embeddings=(("image_embeddings", (1, 4, 16, 16)),),
            side=256,
            mask_side=64,
            radii=(40.0, 56.0, 72.0, 88.0),
        ),
        squash=True,
    ),
    Family(
        "E11 + H",
        Encoder(
            input="batched_images",
            shape=("batch", 3, "height", "width"),
            unit_range=True,
            squashes_to=SIDE,
            normalises=True,
        ),
        H,
        squash=True,
        pads=(0, 0, 0),
        best=(1, 1),
        negatives=False,
        refines=False,
    ),
    Family(
        "E11 + Hc",
        None,
        replace(
            H,
            embeddings=(("batched_images", (1, 3, "height", "width")),),
            look="batched_images",
            side=1024,
            size="",
            points_in_size=False,
            radii=(160.0, 220.0, 280.0),
            meanings={"iou_predictions": "scores"},
        ),
        squash=True,
        pads=(0, 0, 0),
        best=(1, 1),
        negatives=False,
        refines=False,
    ),
    Family("E12 + I", E12, I, squash=True, pads=(1, 1, 1), best=(1, 1)),
    Family(
        "E12 + I'",
        E12,
        replace(
            I,
            size="orig_im_size",
            size_dtype="int32",
            meanings={"masks": "bytes", "iou_predictions": "scores"},
            radii=(28.0,),
            scores=(0.9,),
            gains=(1.0,),
        ),
        squash=True,
        pads=(1, 1, 1),
        best=(0, 0),
        refines=False,
    ),
    Family("E13 + J", E13, J, squash=True, pads=(1, 1, 1)),
    Family(
        "E15 + L",
        Encoder(input="pixel_values", shape=("batch", 3, SIDE, SIDE), embeddings=L_EMBEDDINGS),
        L,
        pads=(1, 1, 1),
        best=(1, 1),
        boxes=False,
        refines=False,
    ),
    Family(
        "E16 + M",
        Encoder(input="pixel_values", shape=("batch", 3, SIDE, SIDE), embeddings=levels(*M_NAMES)),
        M,
        squash=True,
        pads=(1, 1, 1),
        best=(1, 1),
        refines=False,
    ),
    Family(
        "E17 + M",
        Encoder(
            input="pixel_values",
            shape=("batch", 3, 1008, 1008),
            embeddings=(
                ("image_embeddings.0", 5, 24),
                ("image_embeddings.1", 6, 12),
                ("image_embeddings.2", 4, 8),
            ),
        ),
        replace(
            M,
            embeddings=(
                ("image_embeddings.0", (1, 5, 24, 24)),
                ("image_embeddings.1", (1, 6, 12, 12)),
                ("image_embeddings.2", (1, 4, 8, 8)),
            ),
            side=1008,
            mask_side=32,
            radii=(160.0, 220.0, 280.0),
        ),
        normalised=SYMMETRIC,
        squash=True,
        pads=(1, 1, 1),
        best=(1, 1),
        refines=False,
    ),
)
