"""What is no array of numbers is refused at every door with one sentence."""

import numpy as np
import pytest

import napari_sam_onnx as nso
from napari_sam_onnx.automatic import ParameterError
from tests.fakes import ComponentModel

RAGGED = [[1, 2], [3]]
PLANE = np.zeros((40, 50), np.uint8)


@pytest.mark.parametrize(
    "call",
    [
        lambda m: nso.automask(PLANE, m, mode="boxes", boxes=RAGGED),
        lambda m: nso.automask(PLANE, m, mode="grid", existing=RAGGED),
        lambda m: nso.automask(PLANE, m, mode="grid", inside=RAGGED),
        lambda m: nso.automask(PLANE, m, mode="grid", existing=["a", "b"]),
        lambda m: nso.find_similar(PLANE, m, RAGGED, examples=[1]),
        lambda m: nso.fit_settings(PLANE, m, RAGGED),
        lambda m: nso.fit_settings(PLANE, m, np.ones((40, 50), int), inside=RAGGED),
    ],
)
def test_lists_of_unequal_length_are_refused(call):
    with pytest.raises(ParameterError, match="numbers; got list"):
        call(ComponentModel())
