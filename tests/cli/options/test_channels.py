"""The channel syntax says exactly one thing."""

import pytest

from napari_sam_onnx.cli.options.channels import parse_channels
from napari_sam_onnx.pictures.image import Channel


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", [Channel(0)]),
        ("0:gray", [Channel(0, (1.0, 1.0, 1.0))]),
        ("0:RED, 2:green@0.5", [Channel(0, (1.0, 0.0, 0.0)), Channel(2, (0.0, 1.0, 0.0), 0.5)]),
        ("3:#ff0033", [Channel(3, (1.0, 0.0, 0.2))]),
        ("0:red[100-4000]", [Channel(0, (1.0, 0.0, 0.0), limits=(100.0, 4000.0))]),
        ("1[-5--1.5]@2", [Channel(1, weight=2.0, limits=(-5.0, -1.5))]),
        ("1[0-9]^0.5@2", [Channel(1, weight=2.0, limits=(0.0, 9.0), gamma=0.5)]),
        ("1[1e-3-2.5E2]", [Channel(1, limits=(0.001, 250.0))]),
    ],
)
def test_what_is_written_is_what_is_meant(text, expected):
    assert list(parse_channels(text)) == expected
