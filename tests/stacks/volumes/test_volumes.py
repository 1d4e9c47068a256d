import numpy as np
import pytest

from napari_sam_onnx import automask_stack, load_model
from napari_sam_onnx.automatic import ParameterError
from napari_sam_onnx.evaluation.evaluate import evaluate_labels
from napari_sam_onnx.pictures.image import Channel
from napari_sam_onnx.planes import ArrayLabels, ArrayPlanes
from napari_sam_onnx.samples import sample_path
from napari_sam_onnx.stacks import choose_method, iterate_volumes, make_volume_parameters
from napari_sam_onnx.stacks.volumes import run, survey
from tests.fakes import ComponentModel, draw_discs
from tests.stacks.volumes.balls import SectionModel, draw_balls

APART = [(12, 14, 14), (14, 34, 14), (28, 14, 34), (26, 34, 36)]
TOUCHING = [(12, 14, 14), (12, 14, 30), (28, 14, 22), (24, 34, 30), (10, 36, 14)]


def score(labels, truth, threshold=0.5):
    return evaluate_labels(labels, truth, (threshold,)).at(threshold)


def test_touching_balls_are_told_apart_and_drawn_to_their_surface():
    stack, truth = draw_balls((40, 48, 44), TOUCHING, 8.5)
    labels = automask_stack(
        stack, SectionModel(), "ZYX", method="volume", pixel_size={"Z": 1, "Y": 1}
    )
    assert labels.dtype == np.uint32 and labels.shape == stack.shape
    matching = score(labels, truth, 0.8)
    assert (matching.found, matching.true_positives) == (5, 5)


@pytest.mark.parametrize("thickness", [2.0, 4.0])
def test_thick_planes(thickness):
    centers = [(z / thickness, y, x) for z, y, x in TOUCHING]
    stack, truth = draw_balls((int(40 / thickness), 48, 44), centers, 8.5, thickness)
    size = {"Z": 0.5 * thickness, "Y": 0.5, "X": 0.5}
    labels = automask_stack(stack, SectionModel(), "ZYX", pixel_size=size)
    assert score(labels, truth, 0.6).f1 == 1


def test_unknown_thickness_is_measured_on_the_objects():
    centers = [
        (z / 2, y, x) for z, y, x in [(12, 14, 14), (14, 34, 14), (28, 14, 34), (26, 34, 36)]
    ]
    stack, truth = draw_balls((20, 48, 48), centers, 8.5, 2.0)
    labels = automask_stack(stack, SectionModel(), "ZYX")
    assert score(labels, truth, 0.6).f1 == 1


def test_chunks_show_no_seams(monkeypatch):
    places = [(9, y, x) for y in range(9, 50, 18) for x in range(10, 150, 19)]
    stack, truth = draw_balls((19, 56, 152), places, 7.5)
    size = {"Z": 1, "Y": 1}
    whole = automask_stack(stack, SectionModel(), "ZYX", pixel_size=size)
    monkeypatch.setattr(run, "CHUNK_VOXELS", 500_000)
    model = SectionModel()
    pieces = automask_stack(stack, model, "ZYX", pixel_size=size)
    # the whole is 305 wide: so it is seen by the survey alone
    assert sum(width >= 200 for _, width in model.seen) <= survey._LOOKS
    assert score(whole, truth).f1 == score(pieces, truth).f1 == 1
    agreement = score(pieces, whole, 0.9)
    assert agreement.f1 == 1 and agreement.mean_iou > 0.98


def test_labels_go_on_over_time_and_any_order_of_axes():
    stack, truth = draw_balls((40, 48, 44), TOUCHING, 8.5)
    moved = np.stack([stack, np.zeros_like(stack), stack[:, ::-1]]).transpose(0, 2, 3, 1)  # TYXZ
    labels = automask_stack(moved, SectionModel(), "TYXZ", pixel_size={"Z": 1, "Y": 1})
    first, empty, last = labels.transpose(0, 3, 1, 2)
    assert score(first, truth).f1 == score(last, truth[:, ::-1]).f1 == 1
    assert not empty.any()
    assert set(np.unique(first)) & set(np.unique(last)) == {0}
    assert labels.max() == 10


def test_dark_objects_on_a_bright_ground_keep_their_surface():
    stack, truth = draw_balls((40, 48, 44), TOUCHING, 8.5)

    class Negative(SectionModel):
        def encode(self, image):
            return super().encode(255 - image)

    size = {"Z": 1, "Y": 1}
    labels = automask_stack(255 - stack, Negative(), "ZYX", pixel_size=size)
    assert score(labels, truth, 0.8).f1 == 1


def test_pale_objects_are_left_out_by_contrast():
    stack, truth = draw_balls((40, 48, 44), TOUCHING, 8.5)
    bright = np.where(truth == 4, 120, stack // 20 * 24).astype(np.uint8)
    size = {"Z": 1, "Y": 1}
    kept = automask_stack(bright, SectionModel(), "ZYX", pixel_size=size, min_contrast=0)
    left = automask_stack(bright, SectionModel(), "ZYX", pixel_size=size, min_contrast=0.7)
    assert (len(np.unique(kept)), len(np.unique(left))) == (6, 5)


def test_separation_and_size_decide_what_is_an_object():
    stack, _ = draw_balls((40, 48, 44), TOUCHING, 8.5)
    size = {"Z": 1, "Y": 1}
    united = automask_stack(stack, SectionModel(), "ZYX", pixel_size=size, separation=0.95)
    assert len(np.unique(united)) - 1 < 5
    none = automask_stack(stack, SectionModel(), "ZYX", pixel_size=size, min_volume=9)
    assert not none.any()


def test_one_view_sees_planes_alone():
    stack, _ = draw_balls((40, 48, 44), TOUCHING, 8.5)
    three, one = SectionModel(), SectionModel()
    automask_stack(stack, three, "ZYX", pixel_size={"Z": 1, "Y": 1})
    automask_stack(stack, one, "ZYX", pixel_size={"Z": 1, "Y": 1}, sections="planes")
    assert len(one.seen) < len(three.seen) / 2


def test_outline_and_diameter_are_heeded():
    stack, truth = draw_balls((40, 48, 44), TOUCHING, 8.5)
    size = {"Z": 1, "Y": 1}
    tight = automask_stack(stack, SectionModel(), "ZYX", pixel_size=size, cut=0.95)
    loose = automask_stack(stack, SectionModel(), "ZYX", pixel_size=size, cut=0)
    assert np.count_nonzero(tight) < np.count_nonzero(truth) <= np.count_nonzero(loose)
    near, far = SectionModel(), SectionModel()
    automask_stack(stack, near, "ZYX", pixel_size=size, diameter=8)
    automask_stack(stack, far, "ZYX", pixel_size=size, diameter=30)
    assert max(near.seen) > max(far.seen)


def test_a_run_can_be_closed_and_tells_how_far_it_is():
    stack, _ = draw_balls((40, 48, 44), TOUCHING, 8.5)
    labels = np.zeros(stack.shape, np.uint32)
    steps = iterate_volumes(ArrayPlanes(stack, "ZYX"), ArrayLabels(labels, "ZYX"), SectionModel())
    seen = [next(steps) for _ in range(20)]
    steps.close()
    shares = [step.done / step.total for step in seen]
    assert shares == sorted(shares) and 0 < shares[-1] < 1
    assert not labels.any()


def test_a_first_partition_is_shown_and_replaced():
    stack, truth = draw_balls((40, 48, 44), TOUCHING, 8.5)
    whole = automask_stack(stack, SectionModel(), "ZYX", method="volume")
    labels = np.zeros(stack.shape, np.uint32)
    labels[0, 0, 0] = 99  # of a neighbouring chunk: stays
    planes, sink = ArrayPlanes(stack, "ZYX"), ArrayLabels(labels, "ZYX")
    drafts = []
    for step in iterate_volumes(planes, sink, SectionModel(), draft=True):
        if step.draft:
            drafts.append(labels.copy())
            assert step.fresh and 0.2 < step.done / step.total < 0.7
    (first,) = drafts
    assert first[0, 0, 0] == labels[0, 0, 0] == 99
    first[0, 0, 0] = labels[0, 0, 0] = 0
    assert score(first, truth, 0.3).f1 >= 0.6 and (first != labels).any()
    np.testing.assert_array_equal(labels > 0, whole > 0)
    assert score(labels, whole, 0.99).f1 == 1


def test_a_run_that_is_closed_keeps_the_first_partition():
    stack, truth = draw_balls((40, 48, 44), APART, 8.5)
    labels = np.zeros(stack.shape, np.uint32)
    planes, sink = ArrayPlanes(stack, "ZYX"), ArrayLabels(labels, "ZYX")
    steps = iterate_volumes(planes, sink, SectionModel(), draft=True)
    while not next(steps).draft:
        pass
    steps.close()
    assert score(labels, truth, 0.3).recall >= 0.7


def test_nothing_there_gives_no_labels():
    flat = np.full((6, 30, 30), 7, np.uint8)
    assert not automask_stack(
        flat, SectionModel(), "ZYX", channels=[Channel(0, limits=(0, 255))]
    ).any()


def test_what_a_stack_is_taken_for():
    maps, none = SectionModel(), ComponentModel()
    assert choose_method(None, "Z", maps, planes=False) == "volume"
    assert choose_method(None, "T", maps, planes=False) == "planes"
    assert choose_method(None, "Z", maps, planes=False, depth=2) == "volume"
    assert choose_method(None, "Z", maps, planes=False, depth=1) == "planes"
    assert choose_method(None, "Z", none, planes=False) == "stitched"
    assert choose_method(None, "Z", none, planes=True) == "planes"
    assert choose_method("volume", "Z", none, planes=True) == "stitched"
    assert choose_method(None, "Z", maps, planes=True) == "planes"
    assert choose_method(None, "Z", maps, planes=True, stitch=True) == "stitched"
    assert choose_method("planes", "Z", maps, planes=False, stitch=True) == "stitched"
    for method, axes, model, planes, word in [
        ("cube", "Z", maps, False, "planes or volume"),
        ("volume", "T", maps, False, "axis Z"),
        ("volume", "Z", maps, True, "no mode, no link"),
    ]:
        with pytest.raises(ParameterError, match=word):
            choose_method(method, axes, model, planes=planes)
    with pytest.raises(ParameterError, match="no settings of planes or of stitching"):
        choose_method("volume", "Z", maps, planes=False, stitch=True)
    with pytest.raises(ParameterError, match="axis Z"):
        choose_method(None, "T", maps, planes=False, stitch=True)
    with pytest.raises(ParameterError, match="no mode, no link"):
        automask_stack(np.zeros((3, 9, 9)), maps, "ZYX", method="volume", min_area=1)
    with pytest.raises(ParameterError, match="no setting 'sharpness'"):
        make_volume_parameters({"sharpness": 1})
    with pytest.raises(ParameterError, match="cut lies"):
        automask_stack(np.zeros((3, 9, 9)), maps, "ZYX", cut=2)


def test_planes_are_stitched_where_a_model_sees_no_volume():
    stack = np.stack([draw_discs((40, 60), [(12, 12), (25, 45)], 6)] * 6)
    stack[2, :20] = 0  # one is missing on a plane
    model = ComponentModel()
    labels = automask_stack(stack, model, "ZYX")
    assert np.unique(labels).tolist() == [0, 1, 2] and (labels[2, 12, 12] > 0)
    assert len(np.unique(automask_stack(stack, model, "ZYX", gap=0, min_area=5))) == 4
    assert not automask_stack(stack, model, "ZYX", min_voxels=10_000).any()
    with pytest.raises(ParameterError, match="linked or stitched"):
        automask_stack(stack, model, "ZYX", "z", gap=0)


def test_pebble_finds_the_nuclei_of_the_sample_stack():
    import tifffile

    part = (slice(2, 20), slice(64, 176), slice(64, 176))
    stack = tifffile.imread(sample_path("stack"))[part]
    truth = tifffile.imread(sample_path("stack_truth"))[part]
    labels = automask_stack(stack, load_model("pebble"), "ZYX", pixel_size={"Z": 1.0, "Y": 0.5})
    assert score(labels, truth).f1 >= 0.9
