from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_sam_onnx.automatic import generate_masks
from napari_sam_onnx.masks.nms import suppress_overlapping
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store.cards import ModelCard, ModelFile
from napari_sam_onnx.models.text.boxes import keep_boxes
from napari_sam_onnx.models.text.detectors import BoxProposer, load_detector
from napari_sam_onnx.models.text.grounding_dino import describe_text, split_phrases
from napari_sam_onnx.models.text.tokens import BERT, CLIP, TextTokenizer
from napari_sam_onnx.models.text.yolo import GRAY, letterbox
from napari_sam_onnx.prompts import PromptError
from tests.fakes import ComponentModel
from tests.models.detector_files import Dino, Yolo, build_dino, build_yolo
from tests.models.sam3_files import write_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

RED, GREEN = (10, 20, 42, 90), (60, 96, 84, 120)
"""Edges (y0, x0, y1, x1)."""

DINOS = {
    "Hugging Face": Dino(),
    "Hugging Face, fixed size": Dino(sides=(64, 64), length=16),
    "authors": Dino("authors"),
    "authors, fixed size": Dino("authors", sides=(64, 96), length=16),
}


@pytest.fixture(scope="module")
def open_detector(tmp_path_factory):
    opened = []

    def build(plan: Yolo | Dino, name: str = "detector.onnx"):
        path = tmp_path_factory.mktemp("detector") / name
        built = build_yolo(path, plan) if isinstance(plan, Yolo) else build_dino(path, plan)
        opened.append(load_detector(built, provider="cpu", threads=1))
        return opened[-1]

    yield build
    for detector in opened:
        detector.close()


def _picture(shape=(96, 128)):
    rgb = np.zeros((*shape, 3), np.uint8)
    for channel, (y0, x0, y1, x1) in enumerate((RED, GREEN)):
        rgb[y0:y1, x0:x1, channel] = 255
    return rgb


@pytest.mark.parametrize("rows", ["classes", "finished"])
def test_yolo_boxes_lie_where_the_objects_are(rows, open_detector):
    detector = open_detector(Yolo(rows=rows))

    found = detector.propose_boxes(_picture())

    np.testing.assert_allclose(found.scores, [0.9, 0.6], atol=1e-6)
    np.testing.assert_allclose(found.boxes, np.array([RED, GREEN]) - 0.5, atol=1e-3)
    np.testing.assert_allclose(found.points, [[25.5, 54.5], [71.5, 107.5]], atol=1e-3)
    assert isinstance(detector, BoxProposer)
    assert not detector.reads_text


def test_yolo_grows_small_planes_and_centres_narrow_ones(open_detector):
    rgb = np.zeros((32, 18, 3), np.uint8)
    rgb[4:20, 6:14, 0] = 255

    found = open_detector(Yolo()).propose_boxes(rgb)

    np.testing.assert_allclose(found.boxes, [[3.5, 5.5, 19.5, 13.5]], atol=1e-3)


def test_boxes_of_all_classes_suppress_each_other(open_detector):
    """The red box comes a second time, as another class at 0.5, and must not come through."""
    found = open_detector(Yolo()).propose_boxes(_picture(), threshold=0.1)

    assert [round(float(score), 2) for score in found.scores] == [0.9, 0.6]


def test_threshold_is_exclusive(open_detector):
    detector = open_detector(Yolo(score=0.75))

    assert len(detector.propose_boxes(_picture(), threshold=0.44)) == 2
    assert len(detector.propose_boxes(_picture(), threshold=0.46)) == 1


def test_at_most_320_boxes(open_detector):
    found = open_detector(Yolo(crowd=400)).propose_boxes(_picture((128, 128)), threshold=0.01)

    assert len(found) == 320
    assert (np.diff(found.scores) <= 0).all()
    assert found.scores[0] == pytest.approx(0.9)


def test_size_comes_from_the_file_or_what_is_written_beside_it(open_detector):
    assert open_detector(Yolo())._size == (64, 64)
    assert open_detector(Yolo(side="s", metadata=(("imgsz", "[96, 128]"),)))._size == (96, 128)
    assert open_detector(Yolo(side="s"))._size == (1024, 1024)


def test_letterbox_is_gray_and_centred():
    picture, box = letterbox(np.zeros((10, 40, 3), np.uint8), (41, 40))

    assert picture.shape == (41, 40, 3)
    assert box.start == (15, 0)
    assert (picture[:15] == GRAY).all()
    assert (picture[15:25] == 0).all()
    assert (picture[25:] == GRAY).all()


@pytest.mark.parametrize("plan", DINOS.values(), ids=DINOS.keys())
def test_grounding_dino_finds_what_a_word_names(plan, open_detector):
    detector = open_detector(plan)

    red = detector.propose_boxes(_picture(), "Red")
    green = detector.propose_boxes(_picture(), "green.")

    assert detector.reads_text
    assert red.scores == pytest.approx([1 / (1 + np.exp(-2))], abs=1e-4)
    np.testing.assert_allclose(red.boxes, [np.array(RED) - 0.5], atol=1.1)
    np.testing.assert_allclose(green.boxes, [np.array(GREEN) - 0.5], atol=1.1)


@pytest.mark.parametrize("plan", DINOS.values(), ids=DINOS.keys())
def test_phrases_are_asked_one_by_one(plan, open_detector):
    """Exports traced with one phrase answer two in one run with nothing, as these do."""
    found = open_detector(plan).propose_boxes(_picture(), "red, green")

    assert len(found) == 2


@pytest.mark.parametrize("plan", DINOS.values(), ids=DINOS.keys())
def test_two_words_are_one_phrase(plan, open_detector):
    """These files know one word; what they would say to two has a score of 0.12."""
    assert len(open_detector(plan).propose_boxes(_picture(), "red green")) == 0
    assert len(open_detector(plan).propose_boxes(_picture(), "red green", threshold=0.1)) <= 1


def test_planes_enter_at_the_size_that_the_export_was_traced_at(tmp_path, open_detector):
    """Graphs that say they take any size answer wrongly at others."""
    assert open_detector(Dino(sides=(64, 96)))._size == (64, 96)
    assert open_detector(Dino())._size == (800, 800)
    assert open_detector(Dino("authors"))._size == (800, 1200)

    folder = tmp_path / "onnx"
    folder.mkdir()
    path = build_dino(folder / "model.onnx", Dino())
    settings = tmp_path / "preprocessor_config.json"
    settings.write_text('{"size": {"height": 96, "width": 160}}')
    written = load_detector(path, provider="cpu")
    assert written._size == (96, 160)
    np.testing.assert_allclose(
        written.propose_boxes(_picture(), "red").boxes, [np.array(RED) - 0.5], atol=1.1
    )
    settings.write_text('{"size": {"shortest_edge": 800, "longest_edge": 1333}}')
    assert load_detector(path, provider="cpu")._size == (800, 800)


@pytest.mark.parametrize("text", [None, "", " . , "])
def test_grounding_dino_needs_text(text, open_detector):
    with pytest.raises(PromptError, match="Write what to look for, such as nucleus"):
        open_detector(Dino()).propose_boxes(_picture(), text)


def test_phrases():
    assert split_phrases("Nucleus. dividing cell;nucleus\n  mitochondrion?") == [
        "nucleus",
        "dividing cell",
        "mitochondrion",
    ]


def test_text_that_is_too_long_is_refused(open_detector):
    with pytest.raises(PromptError, match="27 tokens and the model reads 14; shorten it"):
        open_detector(DINOS["authors, fixed size"]).propose_boxes(
            _picture(), "abcdefghijklmnopqrstuvwxyz"
        )


def test_words_of_a_phrase_see_each_other(tmp_path):
    words = TextTokenizer(write_tokenizer(tmp_path / "tokenizer.json", "bert"), BERT)

    inputs = describe_text(words.encode("red green.", 8, length=8))

    assert inputs["attention_mask"].tolist() == [[1, 1, 1, 1, 1, 0, 0, 0]]
    assert inputs["position_ids"].tolist() == [[0, 0, 1, 2, 0, 0, 0, 0]]
    expected = np.eye(8, dtype=bool)
    expected[1:4, 1:4] = True
    assert (inputs["text_token_mask"][0] == expected).all()


def test_yolo_refuses_text(open_detector):
    with pytest.raises(PromptError, match="reads no text; leave the text empty"):
        open_detector(Yolo()).propose_boxes(_picture(), "nucleus")


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Yolo(protos=True), r"segmentation graph such as FastSAM's: it makes masks of its own"),
        (Yolo(metadata=(("task", "segment"),)), "segmentation graph such as FastSAM's"),
        (Yolo(metadata=(("task", "pose"),)), "is a YOLO graph for pose, not for detection"),
        (Yolo(rows="v5"), r"answers with \[1, 12, 8\], boxes first, as YOLOv5 does"),
    ],
)
def test_other_yolo_graphs_are_refused(plan, message, open_detector):
    with pytest.raises(ModelError, match=message):
        open_detector(plan)


def test_shapes_that_are_not_stated_are_checked_when_they_come(open_detector):
    late = open_detector(Yolo("s", rows="v5", states_shape=False))

    with pytest.raises(ModelError, match="boxes first, as YOLOv5 does"):
        late.propose_boxes(_picture())
    fine = open_detector(Yolo("s", rows="finished", states_shape=False))
    assert len(fine.propose_boxes(_picture())) == 2


def test_scores_beyond_1_tell_another_kind_of_graph(open_detector):
    """Poses and turned boxes have coordinates where detectors have scores."""
    with pytest.raises(ModelError, match="it is no plain detector"):
        open_detector(Yolo(score=20.0)).propose_boxes(_picture())


def test_values_that_are_no_numbers_are_refused(open_detector):
    with pytest.raises(ModelError, match="take the full precision file"):
        open_detector(Dino(fails=True)).propose_boxes(_picture(), "red")


def test_no_detector_is_refused_by_what_it_takes(tiny_sam_pair):
    with pytest.raises(ModelError, match=r"no detector that is known: it takes .*point_coords"):
        load_detector(tiny_sam_pair[1])
    with pytest.raises(ModelError, match="no detector that is known"):
        load_detector(tiny_sam_pair[0])


def test_missing_file_and_missing_tokenizer_are_named(tmp_path: Path):
    with pytest.raises(ModelError, match="There is no file"):
        load_detector(tmp_path / "none.onnx")
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    path = build_dino(folder / "dino.onnx", Dino())
    words = path.with_name("tokenizer.json")
    moved = words.rename(tmp_path / "words.json")

    with pytest.raises(ModelError, match=r"needs the tokenizer\.json of BERT"):
        load_detector(path)
    load_detector(path, tokenizer=moved).close()


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (0, 8, 3)])
def test_no_rgb_is_refused(shape, open_detector):
    with pytest.raises(ModelError, match=r"takes pictures of \(H, W, 3\) uint8"):
        open_detector(Yolo()).propose_boxes(np.zeros(shape, np.uint8))


def test_boxes_are_clipped_and_those_outside_dropped():
    edges = np.array([[-5.0, -5, 10, 10], [30, 30, 40, 40], [5, 5, 5, 9]])

    kept = keep_boxes(edges, np.array([0.5, 0.9, 0.8]), (20, 20), 0.1)

    np.testing.assert_allclose(kept.boxes, [[-0.5, -0.5, 9.5, 9.5]])


def test_nothing_found_is_no_error(open_detector):
    assert len(open_detector(Yolo()).propose_boxes(np.zeros((20, 30, 3), np.uint8))) == 0
    assert len(keep_boxes(np.zeros((0, 4)), np.zeros(0), (5, 5), 0.1)) == 0
    assert suppress_overlapping(np.zeros((0, 4)), [], 0.9).size == 0


def test_card_names_the_files(tmp_path):
    path = build_dino(tmp_path / "dino.onnx", Dino())
    words = path.with_name("tokenizer.json").rename(tmp_path / "words.json")
    files = (
        ModelFile("detector", path.name, path=path),
        ModelFile("tokenizer", words.name, path=words),
    )
    card = ModelCard(id="own-dino", name="Own", family="Grounding DINO", files=files)

    detector = load_detector(card, provider="cpu")

    assert len(detector.propose_boxes(_picture(), "red")) == 1
    detector.close()
    with pytest.raises(ModelError, match="own-dino is no detector; load it with load_model"):
        load_detector(replace(card, files=(replace(files[0], role="encoder"),)))
    with pytest.raises(ModelError, match="There is no model called 'no-such-detector'"):
        load_detector("no-such-detector")
    with pytest.raises(ModelError, match="pebble is no detector"):
        load_detector("pebble")


def test_boxes_become_masks_of_a_model_that_reads_no_text(open_detector):
    found = open_detector(Dino()).propose_boxes(_picture(), "green")

    masks = generate_masks(_picture(), ComponentModel(), mode="boxes", boxes=found.boxes)

    truth = np.zeros((96, 128), bool)
    truth[GREEN[0] : GREEN[2], GREEN[1] : GREEN[3]] = True
    assert len(masks) == 1
    assert (np.asarray(masks[0]) == truth).all()


def test_closed_detector_says_so(tmp_path):
    detector = load_detector(build_yolo(tmp_path / "yolo.onnx", Yolo()), provider="cpu")
    detector.close()

    with pytest.raises(ModelError, match="was closed; load it again"):
        detector.propose_boxes(_picture())


def test_tokenizer_of_another_kind_is_refused(tmp_path):
    path = write_tokenizer(tmp_path / "tokenizer.json", "bert")

    with pytest.raises(ModelError, match="is no tokenizer for CLIP: it does not know"):
        TextTokenizer(path, CLIP)
    path.write_text("{}")
    with pytest.raises(ModelError, match="is not a tokenizer that can be read"):
        TextTokenizer(path, BERT)
    with pytest.raises(ModelError, match="There is no file"):
        TextTokenizer(tmp_path / "none.json", BERT)


def test_missing_library_is_named(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "tokenizers", None)

    with pytest.raises(ModelError, match=r"install napari-sam-onnx\[text\]"):
        TextTokenizer(tmp_path / "tokenizer.json", CLIP)
