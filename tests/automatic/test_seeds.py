"""The modes that prompt with something found: proposals, blobs, boxes."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from scipy import ndimage

from napari_sam_onnx import automask, generate_masks
from napari_sam_onnx.automatic import ParameterError, iterate_masks, make_parameters
from napari_sam_onnx.automatic.finders.objects import foreground_in
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.embedding import LowResMasks, Proposals
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.pictures.image import ImageError
from tests.fakes import ComponentModel, draw_discs

CENTERS = [(20, 20), (40, 70), (15, 85)]
PICTURE = draw_discs((60, 100), CENTERS, 8)


class Mute(ComponentModel):
    """Proposes nothing by itself."""

    def propose(self, embedding):
        return None


def same_objects(labels, truth):
    """Whether two label images show the same objects, whatever their numbers."""
    pairs = np.unique(np.stack([labels.ravel(), truth.ravel()]), axis=1)
    return pairs.shape[1] == len(np.unique(labels)) == len(np.unique(truth))


TRUTH = ndimage.label(PICTURE)[0]


@pytest.mark.parametrize("mode", [None, "objects", "blobs", "grid"])
def test_each_object_gets_one_label(mode):
    settings = {"points_per_side": 20} if mode == "grid" else {}
    labels = automask(PICTURE, ComponentModel(), mode, **settings)
    assert labels.dtype == np.uint32 and labels.shape == PICTURE.shape
    assert same_objects(labels, TRUTH)
    assert labels.max() == 3


def test_without_a_mode_the_grid_stands_in_for_a_model_that_proposes_nothing():
    model = Mute()
    labels = automask(PICTURE, model)
    assert same_objects(labels, TRUTH)
    assert model.decoded == 16 and model.encoded == 1  # 32 × 32 points, one encoding
    with pytest.raises(ParameterError, match="'component' does not propose"):
        automask(PICTURE, model, "objects")


@pytest.mark.parametrize(
    ("side", "radius", "settings", "tiles"),
    [
        pytest.param(1500, 14, {}, set(), id="hardly shrunk"),
        pytest.param(1600, 14, {}, {1024}, id="shrunk"),
        pytest.param(600, 9, {}, {512}, id="small objects"),
        pytest.param(600, 9, {"tile_side": 256, "tile_overlap": 64}, {256}, id="told which tiles"),
        pytest.param(600, 14, {}, set(), id="larger objects"),
        pytest.param(512, 9, {}, set(), id="small objects, small plane"),
    ],
)
def test_without_a_mode_tiles_are_for_what_is_shrunk_or_small(side, radius, settings, tiles):
    class Small(ComponentModel):
        """Sees 1100 px at most."""

        shapes: ClassVar = set()

        def encode(self, image):
            self.shapes.add(image.shape[:2])
            seen = tuple(min(side, 1100) for side in image.shape[:2])
            return replace(super().encode(image), input_shape=seen)

    picture = draw_discs((side, side), [(20, 20), (side - 30, side - 30)], radius)
    assert automask(picture, Small(), **settings).max() == 2
    assert Small.shapes == {(side, side)} | {(tile, tile) for tile in tiles}


def test_without_a_mode_a_plane_without_objects_is_no_riddle():
    picture = draw_discs((600, 600), [(20, 20)], 9)
    assert not automask(picture, ComponentModel(threshold=255)).any()


def test_the_background_of_a_grid_is_no_object():
    masks = generate_masks(PICTURE, ComponentModel(threshold=-1), points_per_side=4)
    assert [mask.bbox for mask in masks] == [(0, 0, 60, 100)]
    labels = automask(PICTURE, ComponentModel(threshold=-1), "grid", points_per_side=4)
    assert not labels.any()


def test_answers_that_are_poor_small_or_large_are_left_out():
    model = ComponentModel()
    assert not generate_masks(PICTURE, model, "objects", min_rating=0.96)
    assert len(generate_masks(PICTURE, model, "objects", min_rating=0.95)) == 3
    area = int((TRUTH == 1).sum())
    assert len(generate_masks(PICTURE, model, "objects", min_area=area)) == 3
    assert not generate_masks(PICTURE, model, "objects", min_area=area + 1)
    assert not generate_masks(PICTURE, model, "objects", max_area=area - 1)
    assert len(generate_masks(PICTURE, model, "objects", max_area=area)) == 3
    assert len(generate_masks(PICTURE, model, "objects", stability_score_thresh=1.0)) == 3


class Doubtful(ComponentModel):
    """Sees its objects in cells of 10 × 20 px, the lower one as half background."""

    def propose(self, embedding):
        foreground = np.ones((6, 5), np.float32)
        foreground[3:] = 0.5
        return replace(super().propose(embedding), foreground=foreground, cell=np.array([10, 20]))


def test_what_the_encoder_takes_for_background_counts_for_less():
    rows = [m.bbox[0] for m in generate_masks(PICTURE, Doubtful(), "objects", min_rating=0.4)]
    assert rows == [7, 12, 32]  # the doubtful one is the last, though found second
    sure = generate_masks(PICTURE, Doubtful(), "objects", min_rating=0.95 * 0.5 + 0.001)
    assert [m.bbox[0] for m in sure] == [7, 12]
    assert all(m.predicted_iou == np.float32(0.95) for m in sure)  # the model's own, unchanged


def test_the_foreground_under_a_mask_is_a_mean_over_its_pixels():
    mask = Mask(pixels=np.array([[True, True, True, False]]), origin=(9, 18), shape=(60, 100))
    found = Doubtful().propose(Doubtful().encode(np.zeros((60, 100, 3), np.uint8)))
    cells = np.zeros((6, 5), np.float32)
    cells[0, 0], cells[0, 1] = 0.25, 1.0  # columns 18 and 19, then 20
    assert foreground_in(mask, replace(found, foreground=cells)) == pytest.approx(0.5)
    beyond = replace(found, foreground=cells[:1, :1])  # the plane may end inside a cell
    assert foreground_in(mask, beyond) == 0.25
    assert foreground_in(mask, replace(found, foreground=None)) == 1


def test_pictures_without_a_pixel_and_with_one():
    with pytest.raises(ImageError, match="empty"):
        automask(np.zeros((0, 5)), ComponentModel())
    for mode in ("objects", "grid", "blobs"):
        labels = automask(np.ones((1, 1)), ComponentModel(), mode)
        assert labels.shape == (1, 1) and labels.dtype == np.uint32


@pytest.mark.parametrize("mode", ["objects", "blobs"])
def test_a_seed_prompts_with_its_centre_and_if_asked_with_its_size(mode):
    seen = []

    class Listening(ComponentModel):
        def decode(self, embedding, prompts):
            seen.extend(prompts)
            return super().decode(embedding, prompts)

    for asked in ("point", "point+box"):
        seen.clear()
        generate_masks(PICTURE, Listening(), mode, prompt=asked)
        assert len(seen) == 3
        for prompt in seen:
            (point,) = prompt.points
            assert PICTURE[tuple(np.round(point).astype(int))] == 255
            assert (prompt.box is not None) == (asked == "point+box")
            if prompt.box is not None:
                assert (prompt.box[:2] <= point).all() and (point <= prompt.box[2:]).all()
                assert 14 <= prompt.box[2] - prompt.box[0] <= 26  # discs of 17 px


def test_progress_and_cancel():
    many = draw_discs(
        (200, 200), [(y, x) for y in range(10, 200, 20) for x in range(10, 200, 20)], 5
    )
    model = ComponentModel()
    seen = []
    generate_masks(
        many, model, "objects", points_per_batch=30, progress=lambda *now: seen.append(now)
    )
    assert seen == [(0, 0), (0, 100), (30, 100), (60, 100), (90, 100), (100, 100)]
    rgb = np.repeat(many[..., None], 3, axis=2)
    model = ComponentModel()
    steps = iterate_masks(rgb, model, make_parameters("objects", points_per_batch=30))
    for _ in range(3):
        next(steps)
    steps.close()
    assert (model.encoded, model.decoded) == (1, 1)


def test_a_plane_is_encoded_once_for_many_runs():
    model, cache = ComponentModel(), EmbeddingCache()
    for confidence in (0.2, 0.5, 0.9):
        generate_masks(PICTURE, model, "objects", cache=cache, min_confidence=confidence)
    assert model.encoded == 1


def test_a_thousand_masks_of_a_large_plane_do_not_cost_a_thousand_planes():
    import tracemalloc

    side, step = 1600, 50
    centers = [(y, x) for y in range(25, side, step) for x in range(25, side, step)]
    picture = draw_discs((side, side), [], 1)
    disc = draw_discs((step, step), [(25, 25)], 8)
    for y, x in centers:
        picture[y - 25 : y + 25, x - 25 : x + 25] = disc

    class Windowed(ComponentModel):
        """Answers inside a window, as the embedded model does."""

        def propose(self, embedding):
            points = np.array(centers, float)
            return Proposals(points, np.zeros((len(points), 4)), np.ones(len(points)))

        def decode(self, embedding, prompts):
            components = embedding.tensors["components"]
            corners = [np.round(p.points[0]).astype(int) - 16 for p in prompts]
            cuts = [components[y : y + 48, x : x + 48] > 0 for y, x in corners]
            logits = np.float32(
                [np.pad(c, ((0, 48 - c.shape[0]), (0, 48 - c.shape[1]))) for c in cuts]
            )
            count = len(prompts)
            return LowResMasks(
                (logits * 16 - 8)[:, None],
                np.full((count, 1), 0.9, np.float32),
                np.float32([[y, x, y + 48, x + 48] for y, x in corners]),
                np.zeros(count, np.int64),
                (0,),
            )

    tracemalloc.start()
    masks = generate_masks(picture, Windowed(), "objects")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(masks) == len(centers) == 1024
    assert sum(mask.crop.nbytes for mask in masks) < 1024 * 60 * 60
    assert held < 6 * picture.size  # the masks; a plane each would be 1024 of them
