"""Objects that move far are told apart by what the model sees in them."""

import numpy as np

from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.generators import drive
from napari_sam_onnx.models import load_model
from napari_sam_onnx.planes import ArrayLabels, ArrayPlanes
from napari_sam_onnx.stacks import WholeRequest, iterate_tracks
from napari_sam_onnx.stacks.tracks import TrackParameters
from napari_sam_onnx.stacks.tracks.looks import describe_objects
from napari_sam_onnx.stacks.tracks.objects import measure_objects
from tests.fakes import ComponentModel, draw_discs

SHAPE = (96, 128)


def draw_swap():
    """A dark and a bright disc, each of which jumps to where the other nearly was."""
    places = [((30, 30), (30, 70)), ((60, 62), (60, 38))]
    frames, labels = [], []
    for dark, bright in places:
        first, second = (draw_discs(SHAPE, [center], 12) > 0 for center in (dark, bright))
        frame = np.full(SHAPE, 120, np.uint8)
        frame[first], frame[second] = 30, 230
        frames.append(frame)
        labels.append(np.where(first, 1, np.where(second, 2, 0)))
    return np.stack(frames), np.stack(labels).astype(np.uint32)


def follow(looks, model):
    frames, labels = draw_swap()
    settings = TrackParameters(max_move=2.5, looks=looks, recover=0, min_frames=1)
    request = WholeRequest("tracks", tracks=settings)
    source, sink = ArrayPlanes(frames, "TYX"), ArrayLabels(labels, "TYX")
    drive(iterate_tracks(source, sink, request, model))
    return {int(labels[0, 30, 30]): "dark", int(labels[0, 30, 70]): "bright"}[
        int(labels[1, 60, 62])
    ]


def test_what_looks_alike_is_linked_though_another_is_nearer():
    model = load_model("pebble")
    assert follow(0.0, model) == "bright"
    assert follow(3.0, model) == "dark"
    assert follow(3.0, None) == "bright"  # nobody looks
    model.close()


def test_looks_have_length_1_and_stay_away_where_a_model_shows_no_map():
    frames, labels = draw_swap()
    objects = measure_objects(lambda n: labels[n], 2)
    source = ArrayPlanes(frames, "TYX")

    def describe(model):
        steps = describe_objects(
            objects, lambda n: labels[n], lambda n: source.read((n,)), model, EmbeddingCache()
        )
        return drive(steps).looks

    model = load_model("pebble")
    looks = describe(model)
    assert looks.shape[0] == 4
    np.testing.assert_allclose(np.linalg.norm(looks, axis=1), 1)
    assert looks[0] @ looks[2] > looks[0] @ looks[3]
    assert describe(ComponentModel()) is None
    model.close()
