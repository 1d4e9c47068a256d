"""What the axes of a stack are taken for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from napari.layers import Image

from napari_sam_onnx.plugin.picture.picture import split_axis
from napari_sam_onnx.plugin.session.stack_axes import StackAxes, guess_roles

if TYPE_CHECKING:
    from tests.plugin.conftest import Bench


@pytest.mark.parametrize(
    ("shape", "options", "roles"),
    [
        ((5, 9, 9), {}, {0: "Z"}),
        ((5, 9, 9), {"axis_labels": ("Time", "y", "x")}, {0: "T"}),
        ((5, 9, 9), {"units": ("s", "um", "um")}, {0: "T"}),
        ((5, 4, 9, 9), {}, {0: "T", 1: "Z"}),
        ((5, 4, 9, 9), {"axis_labels": ("z", "t", "y", "x")}, {0: "Z", 1: "T"}),
        ((5, 4, 9, 9), {"axis_labels": ("z", "z", "y", "x")}, {0: "Z", 1: ""}),
        ((5, 4, 9, 9), {"axis_labels": ("q", "t", "y", "x")}, {0: "Z", 1: "T"}),
        ((3, 5, 4, 9, 9), {}, {0: "", 1: "T", 2: "Z"}),
        ((5, 1, 9, 9), {}, {0: "Z", 1: ""}),
        ((5, 4, 9, 9), {"axis_labels": ("c", "z", "y", "x")}, {0: "", 1: "Z"}),
        ((9, 9), {}, {}),
    ],
)
def test_guesses(shape: Any, options: Any, roles: Any) -> None:
    assert guess_roles(Image(np.zeros(shape, np.uint8), **options)) == roles


def test_what_the_user_says_stays_with_the_layer(bench: Bench) -> None:
    bench.open(np.zeros((5, 4, 20, 20), np.uint8), scale=(1, 3, 0.5, 0.5))
    axes = StackAxes(bench.session)
    heard = []
    axes.changed.connect(lambda: heard.append(axes.letters()))
    assert axes.letters() == "TZYX" and axes.axis_of("Z") == 1
    assert axes.spacing() == {"Z": 3, "Y": 0.5, "X": 0.5}
    axes.choose(0, "Z")  # the other one takes its place
    assert axes.letters() == "ZTYX" and heard == ["ZTYX"]
    axes.choose(0, "")
    assert axes.letters() == "STYX" and axes.axis_of("Z") is None
    axes.choose(0, "")
    assert len(heard) == 2
    assert StackAxes(bench.session).letters() == "STYX"
    axes.choose(0, "C")
    assert bench.session.picture.channel_axis == 0 and axes.letters() == "CTYX"


def test_spacing_is_what_the_layer_says(bench: Bench) -> None:
    bench.open(np.zeros((4, 20, 20), np.uint8))
    axes = StackAxes(bench.session)
    assert axes.spacing() == {}
    bench.session.picture.main.units = ("um", "um", "um")
    assert axes.spacing() == {"Z": 1, "Y": 1, "X": 1}
    bench.session.choose_picture(split_axis(bench.session.picture.main, 0))
    assert axes.roles == {} and axes.letters() == "CYX"
