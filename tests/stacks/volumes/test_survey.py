"""What is measured of a volume's objects before they are looked for."""

from types import SimpleNamespace

import numpy as np
import pytest

from napari_sam_onnx.stacks.volumes.survey import SEEN, survey_volume

SIDE = 40


class Proposing:
    """Proposes one box on each plane, as large as it takes an object for at that scale."""

    def __init__(self, as_it_is, enlarged):
        self.diameters, self.scales = (as_it_is, enlarged), []

    def encode(self, rgb):
        return rgb.shape[0] / SIDE

    def propose(self, scale):
        self.scales.append(scale)
        side = self.diameters[scale > 1] * scale
        return SimpleNamespace(boxes=np.array([[0.0, 0, side, side]]), scores=np.ones(1))


@pytest.mark.parametrize(
    ("as_it_is", "enlarged", "measured"), [(17, 8, 8), (10, 8, 10), (10, 14, 10)]
)
def test_heaps_of_small_objects_are_looked_at_again_nearer(as_it_is, enlarged, measured):
    model = Proposing(as_it_is, enlarged)
    found = survey_volume(np.zeros((1, 8, SIDE, SIDE), np.float32), model, thickness=2.0)
    assert found.diameter == pytest.approx(measured, rel=0.05)
    assert max(model.scales) == pytest.approx(SEEN / as_it_is, rel=0.05)


def test_objects_of_a_size_that_is_seen_well_are_looked_at_once():
    model = Proposing(30, 8)
    found = survey_volume(np.zeros((1, 8, SIDE, SIDE), np.float32), model, thickness=2.0)
    assert found.diameter == 30 and set(model.scales) == {1}
