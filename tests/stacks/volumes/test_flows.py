"""Volumes by flows: three views, thick planes, what is refused."""

import numpy as np
import pytest

import napari_sam_onnx as nso
from napari_sam_onnx.automatic import ParameterError
from napari_sam_onnx.generators import drive
from napari_sam_onnx.masks.flows import FlowField, flows_of_labels, iterate_flow_labels
from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.stacks import automask_stack
from napari_sam_onnx.stacks.volumes import flows as flow_volumes
from tests.models.flow_files import build_flows

CENTRES = [(14, 16, 18), (14, 16, 42), (32, 40, 20), (20, 44, 46)]
RADIUS = 8
SHAPE = (46, 60, 62)


def draw_balls(thickness=1.0):
    z, y, x = np.indices((round(SHAPE[0] / thickness), *SHAPE[1:]))
    truth = np.zeros(z.shape, np.int32)
    for number, (cz, cy, cx) in enumerate(CENTRES, 1):
        middle = (z + 0.5) * thickness - 0.5
        truth[(middle - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 < RADIUS**2] = number
    return truth


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    model = nso.load_model(build_flows(tmp_path_factory.mktemp("flows") / "flows.onnx"))
    yield model
    model.close()


def match(labels, truth):
    """IoU of each true object with the one at its centre."""
    ious = []
    for number in range(1, int(truth.max()) + 1):
        own = truth == number
        found = np.bincount(labels[own]).argmax()
        ious.append((own & (labels == found)).sum() / (own | (labels == found)).sum())
    return ious


@pytest.mark.parametrize("thickness", [1.0, 3.0])
def test_balls_are_whole_objects(network, thickness):
    truth = draw_balls(thickness)
    picture = np.where(truth > 0, 200, 20).astype(np.uint8)
    size = {"Z": thickness, "Y": 1.0, "X": 1.0}
    told = []
    labels = automask_stack(
        picture,
        network,
        "ZYX",
        method="volume",
        pixel_size=size,
        progress=lambda done, total: told.append((done, total)),
    )
    assert labels.shape == truth.shape and labels.max() == len(CENTRES)
    assert min(match(labels, truth)) > 0.85
    assert told == sorted(told) and told[-1][0] == told[-1][1]


def test_planes_are_stitched_unless_a_volume_is_asked_for(network, monkeypatch):
    def fail(*args, **options):
        raise AssertionError("looked at as a volume")

    monkeypatch.setattr(flow_volumes, "iterate_field", fail)
    picture = np.where(draw_balls() > 0, 200, 20).astype(np.uint8)[10:20]
    assert automask_stack(picture, network, "ZYX").max() == 3


def test_a_diameter_sets_the_scale(network):
    truth = draw_balls()
    picture = np.where(truth > 0, 200, 20).astype(np.uint8)
    labels = automask_stack(picture, network, "ZYX", method="volume", diameter=20)
    assert labels.max() == len(CENTRES) and min(match(labels, truth)) > 0.8
    few = automask_stack(picture, network, "ZYX", method="volume", diameter=20, min_volume=10)
    assert few.max() == 0


def test_true_flows_give_the_true_objects():
    """Sections in three views, each with its own flow, as a perfect network would give them."""
    truth = draw_balls()
    flow = np.zeros((3, *truth.shape), np.float32)
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        for place in range(truth.shape[axis]):
            section = np.take(truth, place, axis)
            numbers, compact = np.unique(section, return_inverse=True)
            assert numbers[0] == 0
            parts = 5 * flows_of_labels(compact.reshape(section.shape))
            at = (slice(None),) * axis + (place,)
            for part, other in zip(parts, others, strict=True):
                flow[other][at] += part.astype(np.float32) / 2
    found = drive(iterate_flow_labels(FlowField(flow, np.where(truth > 0, 6.0, -6.0))))
    assert found.labels.max() == len(CENTRES) and min(match(found.labels, truth)) > 0.99
    assert len(found.errors) == len(CENTRES)


def test_what_cannot_be_done_is_said(network, monkeypatch):
    picture = np.where(draw_balls() > 0, 200, 20).astype(np.uint8)
    with pytest.raises(ParameterError, match="three views"):
        automask_stack(picture, network, "ZYX", method="volume", sections="planes")
    monkeypatch.setattr(flow_volumes, "free_memory", lambda: 1000)
    with pytest.raises(ImageError, match="of memory by flows"):
        automask_stack(picture, network, "ZYX", method="volume")
