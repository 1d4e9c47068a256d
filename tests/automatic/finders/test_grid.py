import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from napari_sam_onnx import generate_masks
from napari_sam_onnx.automatic import GridParameters, ParameterError, iterate_masks
from napari_sam_onnx.automatic.finders.crops import Crop, lay_crops
from napari_sam_onnx.automatic.finders.grid import build_grid, place_points
from napari_sam_onnx.embedding import Embedding, LowResMasks
from tests.automatic import reference
from tests.fakes import ComponentModel, draw_discs


class FieldModel:
    """Answers a click with level sets of a smooth random field around the clicked value.

    Its masks are ragged, overlap, have holes and islands, and their scores differ from click to
    click, so that every filter has something to decide. Four candidates, of which the first is
    no answer to an ambiguous prompt, as SAM's decoder has them; the last is sometimes empty.
    """

    id = "field"

    def __init__(self):
        self.batches = []

    def encode(self, image):
        gray = ndimage.gaussian_filter(image[..., 0].astype(np.float32), 2)
        shape = image.shape[:2]
        return Embedding({"gray": gray}, shape, shape, self.id)

    def decode(self, embedding, prompts):
        gray = np.asarray(embedding.tensors["gray"])
        height, width = gray.shape
        self.batches.append(len(prompts))
        small = ndimage.zoom(gray, (40 / height, 40 / width), order=1)
        y, x = np.mgrid[:40, :40]
        logits, scores = [], []
        for prompt in prompts:
            ((py, px),) = prompt.points
            at = small[min(39, int(py / height * 40)), min(39, int(px / width * 40))]
            distance = np.hypot(y + 0.5 - py / height * 40, x + 0.5 - px / width * 40)
            answers = [
                (reach - distance) - np.abs(small - at) * steep
                for reach, steep in ((9, 0.2), (7, 0.3), (14, 0.5), (at / 20 - 5, 2.0))
            ]
            logits.append([a * 3 for a in answers])
            scores.append([1.5, *(0.6 + 0.5 * np.abs(np.sin(at * k + py)) for k in (1, 2, 3))])
        return LowResMasks(
            np.float32(logits),
            np.float32(scores),
            np.tile(np.float32([0, 0, height, width]), (len(prompts), 1)),
            np.zeros(len(prompts), np.int64),
            (1, 2, 3),
        )

    def propose(self, embedding):
        return None


def noise(shape, seed):
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), 4)
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    return np.repeat((smooth * 255).astype(np.uint8)[..., None], 3, axis=2)


def run(rgb, model, parameters):
    steps = iterate_masks(rgb, model, parameters)
    events = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as stop:
            return stop.value, events


CASES = {
    "defaults": {},
    "loose": {"pred_iou_thresh": 0.62, "stability_score_thresh": 0.5, "box_nms_thresh": 0.9},
    "no filters": {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0},
    "offset": {"stability_score_offset": 3.0, "stability_score_thresh": 0.4},
    "clean": {"min_mask_region_area": 60, "stability_score_thresh": 0.2},
    "clean all": {
        "min_mask_region_area": 4_000,
        "stability_score_thresh": 0.0,
        "pred_iou_thresh": 0.0,
    },
    "one layer": {"crop_n_layers": 1, "stability_score_thresh": 0.5},
    "two layers": {
        "crop_n_layers": 2,
        "crop_n_points_downscale_factor": 2,
        "crop_nms_thresh": 0.4,
        "stability_score_thresh": 0.0,
    },
    "layers and clean": {
        "crop_n_layers": 1,
        "min_mask_region_area": 40,
        "stability_score_thresh": 0.1,
        "crop_overlap_ratio": 0.6,
    },
}


@pytest.mark.parametrize("shape", [(90, 130), (151, 83)])
@pytest.mark.parametrize("case", CASES)
def test_masks_are_those_of_the_plain_reference_record_for_record(case, shape):
    settings = {"points_per_side": 7, "points_per_batch": 10} | CASES[case]
    parameters = GridParameters(**settings)
    rgb = noise(shape, seed=len(case) + shape[0])
    expected = reference.generate(rgb, FieldModel(), parameters)
    masks, _ = run(rgb, FieldModel(), parameters)
    assert len(masks) == len(expected)
    assert len(expected) > 3 or case == "clean all"
    for mask, record in zip(masks, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(mask), record["mask"])
        assert mask.predicted_iou == pytest.approx(record["iou"])
        np.testing.assert_allclose(mask.stability, record["stability"])
        np.testing.assert_allclose(mask.point, record["point"])
        assert mask.crop_box == record["crop"]
        y0, x0, y1, x1 = record["box"]
        if mask:
            assert mask.bbox == (y0, x0, y1 + 1, x1 + 1)


def test_the_cases_exercise_what_they_name():
    """The field has empty masks, unstable masks, holes and objects that crops cut."""
    rgb = noise((90, 130), 1)
    everything = {"points_per_side": 7, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    masks, _ = run(rgb, FieldModel(), GridParameters(**everything, box_nms_thresh=1.0))
    assert any(not mask for mask in masks)
    assert any(np.isnan(mask.stability) for mask in masks)
    assert any(ndimage.label(np.asarray(m))[1] > 1 for m in masks)
    assert any((ndimage.binary_fill_holes(np.asarray(m)) != np.asarray(m)).any() for m in masks)
    stable, _ = run(
        rgb, FieldModel(), GridParameters(**everything | {"stability_score_thresh": 1e-9})
    )
    assert not any(np.isnan(mask.stability) for mask in stable)


def test_a_predicted_iou_equal_to_the_threshold_is_dropped_and_an_equal_stability_kept():
    class Exact(ComponentModel):
        def decode(self, embedding, prompts):
            answer = super().decode(embedding, prompts)
            logits = np.full((len(prompts), 3, 20, 1), -8, np.float32)
            logits[:, :, :19] = 8
            logits[:, :, 19] = 0.5  # 19 of 20 stay when the threshold moves up
            return dataclasses.replace(answer, logits=logits)

    rgb = np.zeros((20, 1, 3), np.uint8)
    model = Exact(scores=(0.88, 0.8800001, 0.5))
    masks, _ = run(rgb, model, GridParameters(points_per_side=1))
    assert [mask.predicted_iou for mask in masks] == [pytest.approx(0.8800001)]
    assert masks[0].stability == 0.95


def test_the_grid_runs_row_by_row_between_the_edges():
    np.testing.assert_allclose(
        build_grid(2), [[0.25, 0.25], [0.25, 0.75], [0.75, 0.25], [0.75, 0.75]]
    )
    assert build_grid(32)[1].tolist() == [1 / 64, 3 / 64]
    tiny = place_points(Crop((0, 0, 1, 1)), GridParameters())
    assert tiny.max() == 0.5  # no click leaves the plane


def test_the_defaults_are_those_of_sam_1():
    values = dataclasses.asdict(GridParameters())
    assert values == {
        "points_per_side": 32,
        "pred_iou_thresh": 0.88,
        "stability_score_thresh": 0.95,
        "stability_score_offset": 1.0,
        "box_nms_thresh": 0.7,
        "min_mask_region_area": 0,
        "crop_n_layers": 0,
        "crop_nms_thresh": 0.7,
        "crop_overlap_ratio": 512 / 1500,
        "crop_n_points_downscale_factor": 1,
        "points_per_batch": 64,
        "diameter": 0.0,
        "point_grids": None,
    }


def test_points_of_ones_own_replace_the_grid():
    picture = draw_discs((60, 100), [(20, 20), (40, 70)], 8)
    grids = (((40 / 60, 0.7),),)
    masks = generate_masks(picture, ComponentModel(), point_grids=grids)
    assert [mask.bbox for mask in masks] == [(32, 62, 49, 79)]
    assert masks[0].point == pytest.approx((40, 70))
    with pytest.raises(ParameterError, match="one grid per layer"):
        GridParameters(point_grids=grids, crop_n_layers=1)
    with pytest.raises(ParameterError, match="fractions"):
        GridParameters(point_grids=(((40.0, 70.0),),))


def test_crops_cover_the_plane():
    for shape in ((101, 64), (40, 333)):
        crops = lay_crops(shape, 2, 512 / 1500)
        assert [crop.layer for crop in crops] == [0] + [1] * 4 + [2] * 16
        for layer in (1, 2):
            seen = np.zeros(shape, bool)
            for crop in crops:
                if crop.layer == layer:
                    seen[crop.slices] = True
            assert seen.all()


def test_points_are_decoded_in_batches_and_progress_counts_them():
    model = FieldModel()
    parameters = GridParameters(points_per_side=5, points_per_batch=10, crop_n_layers=1)
    _, events = run(noise((60, 60), 0), model, parameters)
    assert model.batches == [10, 10, 5] * 5
    assert [event.done for event in events] == [
        0,
        *(25 * crop + n for crop in range(5) for n in (10, 20, 25)),
    ]
    assert {(event.total, event.unit) for event in events} == {(125, "points")}


def test_a_closed_run_decodes_no_further():
    model = FieldModel()
    steps = iterate_masks(noise((60, 60), 0), model, GridParameters(points_per_side=8))
    next(steps)
    assert model.batches == []
    next(steps)
    steps.close()
    assert model.batches == [64]


def test_masks_do_not_hold_the_logits():
    picture = draw_discs((60, 100), [(20, 20), (40, 70)], 8)
    masks = generate_masks(picture, ComponentModel(), points_per_side=12)
    assert len(masks) == 2
    for mask in masks:
        assert mask.low_res is None
        assert mask.crop.base is None or mask.crop.base.nbytes <= 4 * mask.crop.nbytes
