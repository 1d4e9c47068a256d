"""Small ONNX pairs as fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.models.families import FAMILIES
from tests.models.onnx_pairs import Decoder, Encoder, build_decoder, build_encoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.models.families import Family

    Build = Callable[[Encoder | None, Decoder], tuple[Path, ...]]


@pytest.fixture(scope="session")
def build_pair(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Write a pair to disk: ``build_pair(encoder, decoder) -> paths``."""

    def build(encoder: Encoder | None, decoder: Decoder) -> tuple[Path, ...]:
        folder = tmp_path_factory.mktemp("pair")
        paths = [] if encoder is None else [build_encoder(folder / "encoder.onnx", encoder)]
        return (*paths, build_decoder(folder / "decoder.onnx", decoder))

    return build


@pytest.fixture(scope="session")
def pair_of(build_pair: Build) -> Callable[[Family], tuple[Path, ...]]:
    """The files of a family, built once: ``pair_of(family) -> paths``."""
    built: dict[str, tuple[Path, ...]] = {}

    def find(family: Family) -> tuple[Path, ...]:
        if family.contract not in built:
            built[family.contract] = build_pair(family.encoder, family.decoder)
        return built[family.contract]

    return find


@pytest.fixture(scope="session")
def tiny_sam_pair(pair_of) -> tuple[Path, Path]:
    """Encoder and decoder in the layout of MobileSAM, for planes of any size."""
    encoder, decoder = pair_of(FAMILIES[0])
    return encoder, decoder
