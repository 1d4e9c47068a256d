"""What a few runs of a decoder find out that its metadata does not tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_sam_onnx.models import load_model
from napari_sam_onnx.prompts import PromptError, make_prompts
from tests.models.families import E2, E12, FAMILIES, M_NAMES, A, E, I, M, levels
from tests.models.onnx_pairs import PADDING_COUNTS, SIDE, Encoder

E16 = Encoder(input="pixel_values", shape=(1, 3, SIDE, SIDE), embeddings=levels(*M_NAMES))


def load(build_pair, encoder, decoder, **options):
    pair = build_pair(encoder, decoder)
    return load_model(pair, threads=1, compiled=False, **options)


def decode(model, *prompts):
    embedding = model.encode(np.full((96, 128, 3), 90, np.uint8))
    return model.decode(embedding, [make_prompts(**p, plane_shape=(96, 128)) for p in prompts])


def padding(answer, decoder):
    return round(float(answer.predicted_iou[0, 0] - decoder.scores[0]) / PADDING_COUNTS)


@pytest.mark.parametrize("pads_itself", [False, True], ids=["padded by us", "padded by itself"])
def test_clicks_are_padded_once_whoever_does_it(build_pair, pads_itself):
    decoder = replace(M, pads=pads_itself)
    if pads_itself:  # such a graph pads a box in its own branch, and so once too
        decoder = replace(decoder, boxes_unpadded=True)
    model = load(build_pair, E16, decoder)
    assert padding(decode(model, {"points": [(40, 50)]}), decoder) == 1
    assert padding(decode(model, {"box": (20, 20, 60, 70)}), decoder) == 1
    assert padding(decode(model, {"points": [(40, 50)], "box": (20, 20, 60, 70)}), decoder) == 1
    assert any("padded in the graph" in finding for finding in model.findings)


def test_clicks_are_sent_as_they_are_where_the_probe_cannot_tell(build_pair):
    """Labels 2 and 3 mean nothing to this graph, so the comparison says nothing."""
    decoder = replace(M, knows=(0, 1), box_tensor_knows=True)
    model = load(build_pair, E16, decoder)
    assert "is unknown" in model.findings[0]
    assert padding(decode(model, {"points": [(40, 50)]}), decoder) == 0
    boxed = decode(model, {"box": (20, 20, 60, 70)}, {"box": (30, 30, 80, 90)})
    sides = [(boxed.logits[row, 0] > 0).any(axis=0).sum() for row in (0, 1)]
    assert sides[0] == pytest.approx(50 / 4, abs=1.5)
    assert sides[1] == pytest.approx(60 / 4, abs=1.5)


def test_logits_of_a_graph_that_takes_a_size_are_no_pictures(build_pair):
    decoder = replace(
        I,
        size="orig_im_size",
        size_dtype="int32",
        meanings={"masks": "resized", "iou_predictions": "scores"},
    )
    model = load(build_pair, E12, decoder)
    assert model.contract.name == "E12 + I'"
    assert model.contract.decoder.middle == 0
    answer = decode(model, {"points": [(48, 64)]})
    assert answer.logits.min() < 0 < answer.logits.max()


def test_pictures_of_0_and_255_become_logits(build_pair):
    family = next(f for f in FAMILIES if f.contract == "E12 + I'")
    model = load(build_pair, family.encoder, family.decoder)
    answer = decode(model, {"points": [(48, 64)]})
    assert answer.logits.min() == pytest.approx(-12.75)
    assert answer.logits.max() == pytest.approx(12.75)
    assert model.findings == ("masks are pictures of 0 and 255, so answers cannot be refined",)


def test_a_batch_that_is_stated_and_fails_is_not_used(build_pair):
    """The file leaves the batch open and its graph answers one prompt."""
    decoder = replace(E, batch="lying")
    model = load(build_pair, replace(E2, input="image"), decoder)
    assert not model.takes_batches
    assert "states a batch and fails" in model.findings[0]
    answer = decode(model, {"points": [(20, 20)]}, {"points": [(70, 90)]})
    assert (answer.logits[0, 0] > 0).nonzero()[0].mean() < 10
    assert (answer.logits[1, 0] > 0).nonzero()[0].mean() > 15


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_graph_for_a_fixed_number_of_points_is_filled_up(build_pair, count):
    """What exports without dynamic axes need."""
    model = load(build_pair, E2, replace(A, exact_points=count))
    assert model.takes_batches
    answer = decode(model, {"points": [(48, 64)]})
    assert (answer.logits[0, 0] > 0).any()
    assert padding(answer, A) == count - 1
    with pytest.raises(PromptError, match=f"reads {count} points at most"):
        decode(model, {"points": [(8 * i, 9) for i in range(1, count + 2)]})


def test_what_a_card_states_is_not_probed(build_pair):
    model = load(build_pair, E2, A, overrides={"batch": False})
    assert not model.takes_batches
    assert model.findings == ("whether prompts run in batches is stated by the card",)


def test_a_decoder_of_open_sides_is_not_probed(build_pair):
    decoder = replace(A, embeddings=(("image_embeddings", (1, 4, 8, "width")),))
    model = load(build_pair, E2, decoder, overrides={"prompt_size": SIDE})
    assert model.findings == ()
    assert not model.takes_batches
    assert (decode(model, {"points": [(48, 64)]}).logits > 0).any()
