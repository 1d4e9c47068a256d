"""From what two graphs say of themselves to their rows in the tables of `contracts`.

Names of inputs and outputs decide, then shapes; never names on disk, never positions. What
is not understood is refused, with what was found and what is known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.contracts.families import DECODERS, ENCODERS, REFUSALS
from napari_sam_onnx.models.onnx.contracts.overrides import override, split_overrides, stated_fields
from napari_sam_onnx.models.onnx.contracts.pairing import pair_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_sam_onnx.models.onnx.contracts.rows import DecoderContract, EncoderContract
    from napari_sam_onnx.models.onnx.sessions.tensors import TensorSpec

    Specs = Sequence[TensorSpec]

__all__ = ["Contract", "detect_contract", "is_decoder", "stated_fields"]

_Row = TypeVar("_Row")

_EMBEDDING_STRIDE = 16  # of every SAM 1 encoder: 1024 / 64, SAM-Med2D 256 / 16


@dataclass(frozen=True, slots=True)
class Contract:
    """What two files of one model agree on.

    Parameters
    ----------
    encoder, decoder : EncoderContract, DecoderContract
        Their rows, with names and sizes read from the files.
    wiring : mapping of str to tuple of str
        For each tensor of the embedding, by its name in the decoder, the encoder outputs
        that it is made of: one, or several to be stacked.
    """

    encoder: EncoderContract
    decoder: DecoderContract
    wiring: Mapping[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        """The two letters, such as "E1 + A"; one where the files have one row together."""
        if self.encoder.name == self.decoder.name:
            return self.encoder.name
        return f"{self.encoder.name} + {self.decoder.name}"


def is_decoder(inputs: Specs) -> bool:
    """Whether a graph takes prompts."""
    names = {spec.name for spec in inputs}
    return bool(
        names
        & {
            "point_coords",
            "input_points",
            "batched_point_coords",
            "boxes",
            "box_coords",
            "language_mask",
            "sparse_prompt_embeddings",
            "fpn_feat_0",
        }
    )


def detect_contract(
    encoder: tuple[Specs, Specs] | None,
    decoder: tuple[Specs, Specs],
    overrides: Mapping[str, object] | None = None,
) -> Contract:
    """Find the rows that two graphs follow.

    Parameters
    ----------
    encoder, decoder : (inputs, outputs)
        What each graph says of itself; no encoder where one file does both.
    overrides : mapping, optional
        What the graphs cannot tell: ``"encoder"`` and ``"decoder"`` name a row or map
        fields of it to values; other keys are fields of either row.

    Returns
    -------
    Contract

    Raises
    ------
    ModelError
        If a graph follows no known contract, or the two do not fit.
    """
    of_encoder, of_decoder = split_overrides(overrides or {})
    decoder_row = _detect_decoder(*decoder, of_decoder.pop("row", None))
    if encoder is None:
        if decoder_row.name != "Hc":
            raise ModelError(
                "One file is not enough for this model; give its encoder and its decoder."
            )
        encoder_row = replace(
            ENCODERS["E11"],
            input="batched_images",
            resize="squash",
            size=(decoder_row.prompt_size, decoder_row.prompt_size),
        )
        return Contract(
            override(encoder_row, of_encoder),
            override(decoder_row, of_decoder),
            {"batched_images": ("batched_images",)},
        )
    encoder_row = _detect_encoder(*encoder, decoder_row, of_encoder.pop("row", None))
    wiring = pair_tensors(encoder[1], decoder[0], decoder_row.embeddings)
    if decoder_row.frame == "plane" and encoder_row.resize == "squash" and encoder_row.size:
        decoder_row = replace(decoder_row, prompt_size=encoder_row.size[0])
    if decoder_row.centers:
        wiring = {**wiring, decoder_row.centers: (decoder_row.centers,)}
    return Contract(override(encoder_row, of_encoder), override(decoder_row, of_decoder), wiring)


def _detect_decoder(inputs: Specs, outputs: Specs, forced: str | None) -> DecoderContract:
    names = {spec.name for spec in inputs}
    given = {spec.name for spec in outputs}
    for telling, reason in REFUSALS.items():
        if (names | given) & set(telling):
            raise ModelError(f"The model {reason}.")
    side = _embedding_side(inputs)
    matching = (
        row
        for row in DECODERS.values()
        if names.issuperset(row.needs)
        and given.issuperset(row.gives)
        and row.embedding_side in (0, side)
    )
    found = _row(DECODERS, forced) if forced is not None else next(matching, None)
    if found is None or not names.issuperset(found.needs):
        raise ModelError(_refuse(inputs, outputs, "decoder"))
    row = replace(
        found,
        embeddings=tuple(spec.name for spec in inputs if spec.name not in found.prompt_inputs),
        masks=_find_masks(found, inputs, outputs),
        labels=found.labels if found.labels in names else "",
        boxes=found.boxes if found.boxes in names else "",
    )
    if row.scores not in given:
        raise ModelError(_refuse(inputs, outputs, "decoder"))
    if row.mask_input:
        row = replace(row, mask_side=_side(inputs, row.mask_input, -1) or row.mask_side)
    if row.frame == "padded" or row.name == "G":
        row = replace(row, prompt_size=(side or 64) * _EMBEDDING_STRIDE)
    exact = (_side(inputs, row.points, -2) or 0) if row.points else 0
    open_axis = _side(inputs, row.points or row.boxes, int(row.leading_axis)) is None
    return replace(
        row,
        batch=row.batch and open_axis,
        exact_points=exact,
        max_points=exact or row.max_points,
    )


def _find_masks(row: DecoderContract, inputs: Specs, outputs: Specs) -> str:
    """Find the output that holds low-resolution masks, whatever its name.

    Exports with extra metrics hand the name on to an output of another shape, and
    EfficientSAM's low-resolution output has a made-up name, so that the rank decides too.
    """
    wanted = 5 if row.leading_axis else 4
    by_name = {spec.name: spec for spec in outputs}
    if row.name == "Hc":  # its named masks are as large as the picture
        low = [spec.name for spec in outputs if len(spec.shape) == 4]
        if len(low) == 1:
            return low[0]
    found = by_name.get(row.masks)
    if found is not None and (not found.ranked or len(found.shape) == wanted):
        return found.name
    others = [
        spec.name
        for spec in outputs
        if len(spec.shape) == wanted and spec.name not in (row.scores, "masks")
    ]
    if len(others) == 1:
        return others[0]
    raise ModelError(_refuse(inputs, outputs, "decoder"))


def _detect_encoder(
    inputs: Specs, outputs: Specs, decoder: DecoderContract, forced: str | None
) -> EncoderContract:
    if len(inputs) != 1:
        raise ModelError(_refuse(inputs, outputs, "encoder"))
    image = inputs[0]
    row = _row(ENCODERS, forced) if forced else _match_encoder(image, outputs, decoder)
    sides = (image.shape[-3:-1] if row.layout == "HWC" else image.shape[-2:]) or (None, None)
    height, width = sides
    size = row.size
    if row.resize != "keep" and row.resize != "bounded":
        size = (height or decoder.prompt_size, width or decoder.prompt_size)
    return replace(row, input=image.name, size=size, batched=len(image.shape) == 4)


def _match_encoder(image: TensorSpec, outputs: Specs, decoder: DecoderContract) -> EncoderContract:
    """Choose the row by rank, type and size of the picture, and by what the decoder needs."""
    shape = image.shape
    squashed = decoder.frame == "plane"
    if decoder.frame == "window":
        name = "EP"
    elif len(shape) == 3 and shape[-1] == 3:
        name = "E10h" if squashed else "E9" if decoder.name == "F" else "E1"
    elif len(shape) != 4 or shape[1] not in (3, None):
        raise ModelError(_refuse([image], outputs, "encoder"))
    elif image.name == "batched_images":
        name = "E11"
    elif image.dtype == "uint8":
        name = "E4"
    elif image.name == "pixel_values":
        name = "E15" if not squashed else "E17" if shape[-1] == 1008 else "E16"
    elif shape[-1] is None or shape[-2] is None:
        raise ModelError(
            f"The encoder takes pictures of any size as {image}, and no metadata tells which "
            "values and sizes it expects; state its row, for example encoder = 'E7' "
            "(resized to 1024, values 0…255), in the overrides of a card."
        )
    elif squashed:
        name = "E10" if decoder.name == "G" else "E13" if decoder.name == "J" else "E12"
    elif shape[-1] != decoder.prompt_size:
        name = "E6"
    else:
        name = {"x": "E3", "image": "E5"}.get(image.name, "E2")
    return ENCODERS[name]


def _side(specs: Specs, name: str, axis: int) -> int | None:
    """Length of one axis of a tensor, None where the graph leaves it open."""
    shape = next((spec.shape for spec in specs if spec.name == name), ())
    return shape[axis] if -len(shape) <= axis < len(shape) else None


def _embedding_side(inputs: Specs) -> int | None:
    """Side of the (last) square embedding, None where the graph leaves it open."""
    for name in ("image_embeddings", "image_embed"):
        for spec in inputs:
            if spec.name == name and len(spec.shape) == 4:
                return spec.shape[-1]
    return None


def _refuse(inputs: Specs, outputs: Specs, role: str) -> str:
    found = ", ".join(map(str, inputs)) or "nothing"
    gives = ", ".join(spec.name for spec in outputs) or "nothing"
    if any(spec.name == "images" for spec in inputs) and any(
        len(spec.shape) == 3 for spec in outputs
    ):
        return (
            "This is a YOLO graph such as FastSAM's: it finds objects in one pass and takes "
            "no prompts, so it cannot run as a SAM model."
        )
    rows = ENCODERS if role == "encoder" else DECODERS
    known = ", ".join(f"{row.name} ({row.summary})" for row in rows.values())
    return (
        f"This is no SAM {role} that is known: it takes {found} and gives {gives}; "
        f"known are {known}."
    )


def _row(table: Mapping[str, _Row], name: str) -> _Row:
    if name not in table:
        raise ModelError(f"There is no contract {name!r}; known are {', '.join(table)}.")
    return table[name]
