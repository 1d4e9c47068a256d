"""Encoders and decoders whose answers are known, in the layouts of the public exports."""

from tests.models.onnx_decoder import PADDING_COUNTS, Decoder, build_decoder
from tests.models.onnx_encoder import MEAN, SIDE, STD, Encoder, build_encoder

__all__ = [
    "MEAN",
    "PADDING_COUNTS",
    "SIDE",
    "STD",
    "Decoder",
    "Encoder",
    "build_decoder",
    "build_encoder",
]
