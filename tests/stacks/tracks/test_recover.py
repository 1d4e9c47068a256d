import numpy as np
import pytest

from napari_sam_onnx.generators import drive
from napari_sam_onnx.planes import ArrayLabels, ArrayPlanes
from napari_sam_onnx.stacks import WholeRequest, iterate_tracks
from napari_sam_onnx.stacks.tracks import TrackParameters
from tests.fakes import ComponentModel, draw_discs

FRAMES = np.stack([draw_discs((60, 90), [(30, 20 + 2 * t), (30, 70)], 9) for t in range(8)])


def track(missed, recover, model):
    """Tracks where an object was missed in some frames."""
    labels = np.zeros(FRAMES.shape, np.uint32)
    for t, frame in enumerate(FRAMES):
        labels[t, :, 50:][frame[:, 50:] > 0] = 1
        if t not in missed:
            labels[t, :, :50][frame[:, :50] > 0] = 2
    source, sink = ArrayPlanes(FRAMES, "TYX"), ArrayLabels(labels, "TYX")
    request = WholeRequest("tracks", tracks=TrackParameters(recover=recover))
    steps = []
    result = drive(iterate_tracks(source, sink, request, model), steps.append)
    return labels, result, steps


@pytest.mark.parametrize("missed", [(6, 7), (0, 1), (0, 7)])
def test_what_was_missed_at_an_end_is_found_again(missed):
    labels, result, steps = track(missed, 2, ComponentModel(scores=(0.9, 0.3, 0.1)))
    np.testing.assert_array_equal(labels > 0, FRAMES > 0)
    assert result.count == 2 and {step.what for step in steps} > {"looking for lost objects"}


def test_only_so_far_and_only_with_a_model():
    model = ComponentModel(scores=(0.9, 0.3, 0.1))
    labels, _, _ = track((4, 5, 6, 7), 2, model)
    there = labels[:, :, :50].any(axis=(1, 2))
    assert there.tolist() == [True] * 6 + [False] * 2
    for recover, who in [(0, model), (2, None)]:
        labels, _, _ = track((6, 7), recover, who)
        assert not labels[6:, :, :50].any()


def test_nothing_is_taken_from_other_objects():
    frames = FRAMES.copy()
    labels = np.zeros(frames.shape, np.uint32)
    labels[:6][frames[:6] > 0] = 1
    labels[:, :, 50:] = 0
    labels[6:, 15:45, 10:50] = 5  # another object lies there
    before = labels[6:].copy()
    request = WholeRequest("tracks", tracks=TrackParameters(recover=2, min_frames=1, max_move=0.05))
    model = ComponentModel(scores=(0.9, 0.3, 0.1))
    drive(iterate_tracks(ArrayPlanes(frames, "TYX"), ArrayLabels(labels, "TYX"), request, model))
    np.testing.assert_array_equal(labels[6:] > 0, before > 0)
    assert len(np.unique(labels[6:])) == 2
