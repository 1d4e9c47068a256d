"""What was judged rates the rest, is saved as numbers, and leaves out what is not wanted."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from napari_sam_onnx.automatic import MaskSet, ParameterError, Selection
from napari_sam_onnx.automatic.finding import Finding
from napari_sam_onnx.automatic.tabulate import tabulate
from napari_sam_onnx.automatic.taught.learn import LEARNED, Judge, describe_objects, learn_judge
from napari_sam_onnx.embedding import Embedding
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.planes import ArrayLabels

SHAPE = (60, 80)


def make() -> tuple[MaskSet, Embedding, np.ndarray]:
    """Bright squares that are wanted, and dim ones that are rated better."""
    rgb = np.zeros((*SHAPE, 3), np.uint8)
    masks = []
    for number in range(12):
        y, x = 4 + 18 * (number // 4), 4 + 18 * (number % 4)
        bright = number % 2 == 0
        rgb[y : y + 8, x : x + 8] = 220 if bright else 90
        masks.append(Mask(SHAPE, (y, x), np.ones((8, 8), bool), 0.7 if bright else 0.9, 0.9))
    seen = np.repeat((rgb[..., 0] > 150).astype(np.float32)[None, None], 8, axis=1)
    return MaskSet(rgb, tuple(masks)), Embedding({"seen": seen}, SHAPE, SHAPE, "tiny"), rgb


def test_a_few_judged_objects_rate_the_rest() -> None:
    found, embedding, rgb = make()
    features = describe_objects(found, embedding, rgb)
    wanted = np.arange(12) % 2 == 0
    judge = learn_judge(features[:4], wanted[:4], "tiny")
    judge.note(found, embedding, rgb)
    learned = found.feature(LEARNED)
    assert learned[wanted].min() > 0.5 > learned[~wanted].max()
    assert set(found.painted(None, {LEARNED: 0.5})) == set(np.flatnonzero(wanted))
    again = Judge.from_dict(judge.to_dict())
    np.testing.assert_allclose(again.rate(features), learned)
    labels = found.paint()
    finding = Finding(ArrayLabels(labels, "YX"))
    numbers = np.zeros(12, np.uint32)
    numbers[found.painted()] = np.arange(1, 13)
    finding.add((), found.settle(), numbers, labels)
    finding.repaint((), Selection(), 13, {LEARNED: 0.5})
    finding.kept.add(int(numbers[0]))
    rows = tabulate(finding, 0.5)
    assert len(rows["index"]) == 6 and set(rows["judged"]) == {"wanted"}
    assert rows["area_um2"] == [16.0] * 6 and sorted(rows["flags"])[-1] == "kept"


def test_what_nobody_judged_speaks_for_itself() -> None:
    random = np.random.default_rng(0)
    crowd = random.normal(size=(140, 9)) * [*[30.0] * 8, 0.1] + [*[0.0] * 8, 2.0]
    few = np.array([[0.01] * 8 + [2.0], [-0.01] * 8 + [2.0]])  # two that hardly differ
    alone = learn_judge(few, [True, False], "tiny").rate(crowd)
    among = learn_judge(few, [True, False], "tiny", crowd).rate(crowd)
    assert (alone < 0.5).mean() > 0.3 and (among < 0.5).mean() < 0.05
    odd = np.add(crowd, [*[200.0] * 8, 0.0])  # what is nothing like the crowd can be told from it
    judged = np.concatenate([crowd[:6], odd[:6]])
    made = learn_judge(judged, [True] * 6 + [False] * 6, "tiny", np.concatenate([crowd, odd[:9]]))
    assert (made.rate(crowd) > 0.5).mean() > 0.95 and (made.rate(odd) < 0.5).mean() > 0.95


def test_what_cannot_be_learned_or_read_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found, embedding, rgb = make()
    features = describe_objects(found, embedding, rgb)
    with pytest.raises(ParameterError, match="keep a few and delete"):
        learn_judge(features[:3], [True] * 3, "tiny")
    judge = learn_judge(features[:4], [True, False, True, False], "other")
    with pytest.raises(ParameterError, match="learned with the model other"):
        judge.note(found, embedding, rgb)
    with pytest.raises(ParameterError, match="features and this model gives 3"):
        judge.rate(np.zeros((2, 3)))
    for broken in ({}, {**judge.to_dict(), "bias": "a"}, {**judge.to_dict(), "mean": [1.0]}):
        with pytest.raises(ParameterError, match="nothing that was learned"):
            Judge.from_dict(broken)
    assert describe_objects(MaskSet(rgb, ()), embedding, rgb).shape == (0, 0)
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(ParameterError, match="pip install"):
        learn_judge(features[:4], [True, False, True, False], "tiny")
