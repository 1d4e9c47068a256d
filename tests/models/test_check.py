from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from napari_sam_onnx.embedding import Embedding, LowResMasks
from napari_sam_onnx.models.check import check_model, draw_disc, draw_disc_truth
from napari_sam_onnx.models.load import load_model
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.contracts.detect import Contract
from napari_sam_onnx.models.onnx.contracts.families import DecoderContract, EncoderContract


@dataclass
class Threshold:
    """A model that marks what is as bright as the click; its faults are options."""

    contract: Contract = field(
        default_factory=lambda: Contract(
            EncoderContract("E0", "none"), DecoderContract("Z", "none"), {}
        )
    )
    findings: tuple[str, ...] = ()
    takes_masks: bool = True
    description: str = "nowhere"
    flip: bool = False
    score: float = 0.9
    boxes: bool = True

    def warm_up(self):
        pass

    def encode(self, image):
        return Embedding({"plane": image[None]}, image.shape[:2], image.shape[:2], "t")

    def decode(self, embedding, prompts):
        image = embedding.tensors["plane"][0].astype(float).mean(axis=2)
        if not self.boxes and prompts[0].box is not None:
            raise ModelError("no boxes here.")
        y, x = prompts[0].points[0] if len(prompts[0].points) else prompts[0].box[:2]
        logits = np.where(np.abs(image - image[int(y), int(x)]) < 10, 5.0, -5.0)
        if self.flip:
            logits = logits[:, ::-1]
        height, width = image.shape
        count = len(prompts)
        return LowResMasks(
            np.tile(logits.astype(np.float32), (count, 1, 1, 1)),
            np.full((count, 1), self.score, np.float32),
            np.tile(np.float32([0, 0, height, width]), (count, 1)),
            np.zeros(count, np.int64),
            (0,),
        )


def test_a_model_that_finds_the_disc_is_not_suspected():
    report = check_model(Threshold())
    assert report.disc_iou == pytest.approx(1)
    assert report.area == draw_disc_truth().sum()
    assert report.candidates == (1, 420, 640)
    assert not any("disc" in finding for finding in report.findings)
    assert min(report.encode_seconds, report.decode_seconds, report.batch_seconds) > 0


def test_displaced_masks_are_a_finding():
    report = check_model(Threshold(flip=True))
    assert report.disc_iou < 0.1
    assert any("layout, range or coordinates" in finding for finding in report.findings)


def test_limits_of_the_contract_are_told():
    model = Threshold(findings=("found by loading",), takes_masks=False, score=1.2, boxes=False)
    row = replace(model.contract.decoder, negatives=False, max_points=6)
    model.contract = replace(model.contract, decoder=row)
    text = "\n".join(check_model(model).findings)
    for part in (
        "found by loading",
        "one mask per prompt",
        "cannot be refined",
        "background clicks have no meaning",
        "more than 6 points",
        "exceeds 1 (1.20)",
        "boxes fail: no boxes here.",
    ):
        assert part in text


def test_a_picture_of_ones_own_has_no_truth():
    image = np.full((30, 50, 3), 7, np.uint8)
    report = check_model(Threshold(), image)
    assert report.disc_iou is None
    assert report.area == 30 * 50


def test_the_embedded_model_finds_the_disc():
    model = load_model("pebble")
    try:
        report = check_model(model)
    finally:
        model.close()
    assert report.disc_iou > 0.7
    assert report.embedding_bytes == sum(4 * int(np.prod(s)) for s in report.embedding.values())


def test_the_disc_is_off_centre_and_coloured():
    image, truth = draw_disc(), draw_disc_truth()
    assert image.shape == (420, 640, 3) and image.dtype == np.uint8
    assert truth[:, ::-1].sum() == truth.sum() and not (truth & truth[:, ::-1]).any()
    assert not (truth & truth[::-1]).sum() > truth.sum() / 2
    assert len(np.unique(image[truth][0])) == 3
