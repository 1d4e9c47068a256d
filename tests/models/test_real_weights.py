"""MobileSAM as it was trained, through everything that is otherwise proven on made-up graphs."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

import napari_sam_onnx as nso
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.masks.mask import Mask, measure_iou
from napari_sam_onnx.models.check import check_model
from napari_sam_onnx.prompting.compare import compare_models, ensemble
from napari_sam_onnx.prompts import make_prompts
from napari_sam_onnx.samples import sample_path
from tests.models.real_weights import find_mobilesam

pytestmark = pytest.mark.weights

PART = (slice(330, 586), slice(420, 740))
"""Of the sample nuclei: large enough for context, small enough to be quick."""


@pytest.fixture(scope="module")
def model():
    opened = nso.load_model(find_mobilesam())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def nuclei():
    """A picture, and the true masks of its nuclei that the border does not cut."""
    picture = tifffile.imread(sample_path("nuclei"))[PART]
    truth = tifffile.imread(sample_path("nuclei_truth"))[PART]
    cut = np.unique(np.concatenate([truth[0], truth[-1], truth[:, 0], truth[:, -1]]))
    return picture, [Mask.from_array(truth == i) for i in np.setdiff1d(truth, cut)]


@pytest.fixture(scope="module")
def segmenter(model, nuclei):
    made = nso.Segmenter(model)
    made.set_image(nuclei[0])
    return made


def box_of(mask):
    y0, x0, y1, x1 = mask.bbox
    return y0 - 0.5, x0 - 0.5, y1 - 0.5, x1 - 0.5


def centre_of(mask):
    return tuple(np.argwhere(np.asarray(mask)).mean(axis=0))


def test_the_contract_is_read_and_a_disc_comes_back(model):
    assert model.contract_name == "E2 + A"
    report = check_model(model)
    assert report.disc_iou > 0.97 and 0.9 < report.score < 1.1
    assert report.candidates[0] == 1


def test_boxes_of_nuclei_are_answered_with_the_nuclei(segmenter, nuclei):
    _, truth = nuclei
    ious = [measure_iou(segmenter.segment(box=box_of(mask)), mask) for mask in truth]
    assert np.mean(ious) > 0.75


def test_a_batch_is_answered_like_one_by_one(segmenter, nuclei):
    prompts = [make_prompts(box=box_of(m), plane_shape=nuclei[0].shape) for m in nuclei[1][:8]]
    together = segmenter.answer(prompts)
    alone = [segmenter.answer([prompt])[0] for prompt in prompts]
    for a, b in zip(together, alone, strict=True):
        assert measure_iou(a, b) > 0.999 and a.score == pytest.approx(b.score, abs=1e-3)


def test_corrections_bring_a_click_nearer_to_the_nucleus(segmenter, nuclei):
    first, second = [], []
    for mask in nuclei[1][:8]:
        click = segmenter.segment(points=[centre_of(mask)])
        y0, x0, y1, x1 = mask.bbox
        outside = [(y0 - 4, x0 - 4), (y1 + 3, x1 + 3)]
        points, labels = [centre_of(mask), *outside], [1, 0, 0]
        refined = segmenter.segment(points=points, labels=labels, mask=click)
        first.append(measure_iou(click, mask))
        second.append(measure_iou(refined, mask))
    assert np.mean(second) > np.mean(first)


def test_the_compiled_decoder_gives_the_masks_of_the_original(model, segmenter, nuclei):
    plain = nso.load_model(find_mobilesam(), compiled=False)
    original = nso.Segmenter(plain)
    original.set_image(nuclei[0])
    for mask in nuclei[1][:6]:
        ours, theirs = (s.segment(points=[centre_of(mask)]) for s in (segmenter, original))
        assert measure_iou(ours, theirs) > 0.995
        assert ours.score == pytest.approx(theirs.score, abs=1e-3)
    plain.close()


def test_a_grid_finds_nuclei(model, nuclei):
    picture, truth = nuclei
    masks = nso.generate_masks(
        picture, model, "grid", points_per_side=8, pred_iou_thresh=0.7, stability_score_thresh=0.8
    )
    assert masks
    small = [m for m in masks if m.area < 0.05 * picture.size]
    best = [max(measure_iou(m, t) for t in truth) for m in small]
    assert sum(iou > 0.5 for iou in best) >= 5


def test_beside_pebble_and_as_one_answer(model, nuclei):
    picture, truth = nuclei
    rgb = nso.to_rgb(picture)
    pebble = nso.load_model("pebble")
    mask = max(truth, key=lambda m: m.area)
    prompts = make_prompts([centre_of(mask)], box=box_of(mask), plane_shape=picture.shape)
    answers = compare_models(rgb, prompts, [model, pebble], cache=EmbeddingCache())
    assert len(answers) == 2 and all(measure_iou(a.mask, mask) > 0.7 for a in answers)
    assert measure_iou(ensemble(answers), mask) > 0.7
    pebble.close()
