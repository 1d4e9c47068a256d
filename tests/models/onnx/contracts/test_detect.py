"""From what graphs say of themselves to rows, or to a sentence that says why not."""

from __future__ import annotations

import pytest

from napari_sam_onnx.models import ModelError
from napari_sam_onnx.models.onnx.contracts.detect import detect_contract, is_decoder, stated_fields
from napari_sam_onnx.models.onnx.sessions.tensors import TensorSpec


def spec(name, *shape, dtype="float32"):
    return TensorSpec(name, dtype, shape, ranked=bool(shape))


IMAGE = spec("input_image", None, None, 3)
EMBEDDING = spec("image_embeddings", 1, 256, 64, 64)
E1 = ([IMAGE], [EMBEDDING])
CLICKS = [spec("point_coords", 1, None, 2), spec("point_labels", 1, None)]
MASK = [spec("mask_input", 1, 1, 256, 256), spec("has_mask_input", 1)]
SIZE = spec("orig_im_size", 2)
LOW = spec("low_res_masks", None, 4, 256, 256)
SCORES = spec("iou_predictions", None, 4)
PLANE = spec("masks", None, None, None, None)
A = ([EMBEDDING, *CLICKS, *MASK, SIZE], [PLANE, SCORES, LOW])

LEVELS = {"0": (1, 32, 256, 256), "1": (1, 64, 128, 128), "2": (1, 256, 64, 64)}


def levels(names):
    return [spec(name, *shape) for name, shape in zip(names, LEVELS.values(), strict=True)]


E12_OUT = levels(("high_res_feats_0", "high_res_feats_1", "image_embed"))
E13_OUT = levels(("high_res_features1", "high_res_features2", "image_embeddings"))
FIXED = spec("image", 1, 3, 1024, 1024)
OPEN_CLICKS = [spec("point_coords", None, None, 2), spec("point_labels", None, None)]
OPEN_MASK = [spec("mask_input", None, 1, 256, 256), spec("has_mask_input", None)]
I = ([*E12_OUT, *OPEN_CLICKS, *OPEN_MASK], [spec("masks", None, None, 256, 256), SCORES])  # noqa: E741
J = (
    [*E13_OUT, *OPEN_CLICKS, *OPEN_MASK, spec("orig_im_size", 2, dtype="int64")],
    [PLANE, SCORES, LOW],
)


def test_sizes_are_read_from_the_files():
    contract = detect_contract(E1, A)
    assert contract.name == "E1 + A"
    assert contract.encoder.size == (1024, 1024)
    assert contract.encoder.input == "input_image"
    assert contract.decoder.prompt_size == 1024
    assert contract.decoder.mask_side == 256
    assert contract.decoder.embeddings == ("image_embeddings",)
    assert contract.wiring == {"image_embeddings": ("image_embeddings",)}


def test_a_small_encoder_keeps_prompts_in_the_decoders_square():
    """EfficientViT-SAM encodes 512 pixels and is asked in 1024."""
    encoder = ([spec("input_image", None, 3, 512, 512)], [EMBEDDING])
    decoder = ([EMBEDDING, *OPEN_CLICKS], [spec("masks", None, 4, 256, 256), SCORES])
    contract = detect_contract(encoder, decoder)
    assert contract.name == "E6 + E"
    assert contract.encoder.size == (512, 512)
    assert contract.decoder.prompt_size == 1024


@pytest.mark.parametrize(
    ("encoder", "decoder", "name"),
    [
        (E12_OUT, I, "E12 + I"),
        (E13_OUT, J, "E13 + J"),
        (E12_OUT, J, "E13 + J"),
        (E13_OUT, I, "E12 + I"),
    ],
    ids=["E12-I", "E13-J", "E12-J", "E13-I"],
)
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (2, 1, 0)], ids=str)
def test_tensors_are_paired_by_name_and_shape_never_by_position(encoder, decoder, name, order):
    contract = detect_contract(([FIXED], [encoder[i] for i in order]), decoder)
    assert contract.name == name
    shapes = {output.name: output.shape for output in encoder}
    for taken in decoder[0][:3]:
        (given,) = contract.wiring[taken.name]
        assert shapes[given] == taken.shape


def test_a_batch_that_the_file_leaves_open_is_taken():
    assert detect_contract(([FIXED], E12_OUT), I).decoder.batch
    assert not detect_contract(E1, A).decoder.batch


@pytest.mark.parametrize(
    ("outputs", "masks"),
    [
        ([PLANE, SCORES, LOW], "low_res_masks"),
        ([SCORES, LOW], "low_res_masks"),
        (  # extra metrics shift the names: this one belongs to the stability scores
            [
                PLANE,
                SCORES,
                spec("low_res_masks", None, 4),
                spec("3010", None, 4),
                spec("3011", None, 4, 256, 256),
            ],
            "3011",
        ),
    ],
    ids=["usual", "reversed", "shifted"],
)
def test_low_resolution_masks_are_found_by_name_and_rank(outputs, masks):
    assert detect_contract(E1, (A[0], outputs)).decoder.masks == masks


def test_masks_at_plane_size_are_never_taken_instead():
    with pytest.raises(ModelError, match="no SAM decoder that is known"):
        detect_contract(E1, (A[0], [PLANE, SCORES]))


def test_hugging_face_sizes_decide_the_range_of_values():
    points = [
        spec("input_points", None, None, None, 2),
        spec("input_labels", None, None, None, dtype="int64"),
        spec("input_boxes", 1, None, 4),
    ]
    for side, name in ((1024, "E16 + M"), (1008, "E17 + M")):
        cells = side // 14 if side == 1008 else side // 16
        outputs = [
            spec(f"image_embeddings.{i}", None, c, cells * s, cells * s)
            for i, (c, s) in enumerate(((32, 4), (64, 2), (256, 1)))
        ]
        answers = [spec("iou_scores", None, None, 3), spec("pred_masks", None, None, 3, None, None)]
        contract = detect_contract(
            ([spec("pixel_values", None, 3, side, side)], outputs), ([*outputs, *points], answers)
        )
        assert contract.name == name
        assert contract.decoder.prompt_size == side
        assert contract.encoder.size == (side, side)


def test_old_hugging_face_exports_without_labels_take_positive_clicks():
    embeddings = [EMBEDDING, spec("image_positional_embeddings", 1, 256, 64, 64)]
    contract = detect_contract(
        ([spec("pixel_values", None, 3, 1024, 1024)], embeddings),
        (
            [*embeddings, spec("input_points", None, None, None, 2)],
            [spec("iou_scores", None, None, 3), spec("pred_masks", None, None, 3, 256, 256)],
        ),
    )
    assert contract.name == "E15 + L"
    assert contract.decoder.labels == ""


def test_half_precision_is_the_same_contract():
    half = [spec(s.name, *s.shape, dtype="float16") for s in A[0]]
    encoder = ([spec("input_image", 1, 3, 1024, 1024, dtype="float16")], [EMBEDDING])
    assert detect_contract(encoder, (half, A[1])).name == "E2 + A"


@pytest.mark.parametrize(
    ("inputs", "expected"), [(A[0], True), (I[0], True), ([IMAGE], False), ([FIXED], False)]
)
def test_decoders_are_known_by_their_prompts(inputs, expected):
    assert is_decoder(inputs) is expected


# ---- refusals -----------------------------------------------------------------------------


def test_a_sam_2_in_three_files_is_refused():
    inputs = [
        spec("sparse_prompt_embeddings", 1, None, 256),
        spec("image_embeddings", 1, 256, 64, 64),
    ]
    with pytest.raises(ModelError, match=r"three files \(ailia\); get an export in two files"):
        detect_contract(([FIXED], E12_OUT), (inputs, [spec("masks", 1, 4, 256, 256)]))


def test_a_text_decoder_is_refused():
    inputs = [spec("backbone_fpn_0", 1, 256, 288, 288), spec("language_mask", 1, 32)]
    with pytest.raises(ModelError, match="SAM 3 decoder for text prompts"):
        detect_contract(([FIXED], E12_OUT), (inputs, [spec("masks", None, 1, 288, 288)]))


def test_fast_sam_is_refused():
    graph = (
        [spec("images", 1, 3, 1024, 1024)],
        [spec("output0", 1, 37, 21504), spec("output1", 1, 32, 256, 256)],
    )
    with pytest.raises(ModelError, match=r"YOLO graph such as FastSAM's.*takes no prompts"):
        detect_contract(E1, graph)
    with pytest.raises(ModelError, match="YOLO graph such as FastSAM's"):
        detect_contract(None, graph)


def test_an_unknown_decoder_is_refused_with_what_it_takes_and_what_is_known():
    graph = ([spec("tokens", 1, 77, dtype="int64")], [spec("text", 1, 512)])
    with pytest.raises(
        ModelError,
        match=r"takes tokens int64 \[1, 77\] and gives text; known are .*J \(SAM 2.*A \(SAM 1",
    ):
        detect_contract(E1, graph)


def test_an_unknown_encoder_is_refused_with_what_it_takes():
    encoder = ([spec("sound", 1, 16000)], [EMBEDDING])
    with pytest.raises(ModelError, match=r"no SAM encoder.*takes sound float32 \[1, 16000\]"):
        detect_contract(encoder, A)


def test_an_encoder_of_several_inputs_is_refused():
    with pytest.raises(ModelError, match="no SAM encoder that is known"):
        detect_contract(([IMAGE, SIZE], [EMBEDDING]), A)


def test_an_encoder_of_any_size_whose_range_is_unknown_asks_for_its_row():
    encoder = ([spec("image", 1, 3, None, None)], [EMBEDDING])
    with pytest.raises(ModelError, match=r"no metadata tells.*encoder = 'E7'"):
        detect_contract(encoder, A)
    assert detect_contract(encoder, A, {"encoder": "E7"}).name == "E7 + A"


def test_files_that_do_not_fit_are_refused():
    with pytest.raises(ModelError, match=r"do not fit: the decoder needs high_res_feats_0"):
        detect_contract(E1, I)
    small = spec("image_embeddings", 1, 192, 64, 64)
    with pytest.raises(ModelError, match=r"needs image_embeddings float32 \[1, 256, 64, 64\]"):
        detect_contract(([IMAGE], [small]), A)


def test_one_file_that_is_only_a_decoder_is_refused():
    with pytest.raises(ModelError, match="give its encoder and its decoder"):
        detect_contract(None, A)


# ---- overrides ----------------------------------------------------------------------------


def test_overrides_replace_fields_by_name_by_row_or_by_table():
    changes = {
        "channels": "BGR",
        "decoder.pad": "never",
        "encoder": {"mean": [1, 2, 3], "size": [512, 512]},
    }
    contract = detect_contract(E1, A, changes)
    assert contract.encoder.channels == "BGR"
    assert contract.encoder.mean == (1, 2, 3)
    assert contract.encoder.size == (512, 512)
    assert contract.decoder.pad == "never"
    assert stated_fields(changes) == {"pad"}


def test_overrides_name_a_row():
    contract = detect_contract(E1, A, {"encoder": "E8", "decoder": "A"})
    assert contract.name == "E8 + A"
    assert contract.encoder.resize == "keep"


def test_a_row_that_the_file_cannot_follow_is_refused():
    with pytest.raises(ModelError, match="no SAM decoder that is known: it takes image_embed"):
        detect_contract(E1, A, {"decoder": "H"})


def test_shapes_that_a_graph_does_not_state_are_taken_for_open():
    inputs = [spec(given.name) for given in A[0]]
    outputs = [spec(given.name) for given in A[1]]
    contract = detect_contract(E1, (inputs, outputs))
    assert contract.name == "E1 + A"
    assert contract.decoder.masks == "low_res_masks"
    assert contract.decoder.exact_points == 0


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"colour": "BGR"}, "'colour' is no field"),
        ({"name": "Z"}, "'name' is no field of one of the two"),
        ({"encoder": "E99"}, "no contract 'E99'; known are E1, E2"),
        ({"decoder": {"colour": 1}}, "The decoder's contract has no field 'colour'"),
    ],
    ids=["unknown", "in both", "row", "in table"],
)
def test_overrides_that_mean_nothing_are_refused(changes, sentence):
    with pytest.raises(ModelError, match=sentence):
        detect_contract(E1, A, changes)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"decoder": {"pad": "sometimes"}}, "pad = 'sometimes' .*'never', 'without box', 'always'"),
        ({"channels": "GRB"}, "channels = 'GRB' .*'RGB', 'BGR'"),
        ({"mean": [1, 2]}, r"mean = \[1, 2\] .*tuple\[float, float, float\]"),
        ({"batch": 1}, "batch = 1 .*: bool"),
        ({"size": "large"}, "size = 'large'"),
        ({"double_below": True}, "double_below = True .*: int"),
    ],
    ids=["word", "channels", "length", "no bool", "no pair", "no int"],
)
def test_overrides_of_the_wrong_kind_are_refused(changes, sentence):
    with pytest.raises(ModelError, match=sentence):
        detect_contract(E1, A, changes)
