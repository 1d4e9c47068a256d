import dataclasses

import pytest

from napari_sam_onnx.automatic import (
    MODES,
    BlobsParameters,
    GridParameters,
    ObjectsParameters,
    ParameterError,
    TiledParameters,
    form_fields,
    make_parameters,
    mode_of,
)
from napari_sam_onnx.automatic.settings.modes import explain_nothing


@pytest.mark.parametrize("mode", MODES)
def test_every_setting_can_be_shown_in_a_form(mode):
    kind = MODES[mode]
    shown = form_fields(kind)
    assert shown
    for field in shown:
        rule = field.metadata
        assert field.type in (int, float, str)
        assert rule["help"].endswith(".") and rule["label"]
        assert isinstance(field.default, field.type)
        if field.type is str:
            assert field.default in rule["choices"]
        else:
            assert rule["min"] <= field.default <= rule["max"]
            assert rule["step"] > 0
    assert mode_of(kind()) == mode
    assert make_parameters(mode) == kind()


@pytest.mark.parametrize("mode", MODES)
def test_every_bound_is_kept(mode):
    for field in form_fields(MODES[mode]):
        if field.metadata["min"] is None:
            continue
        for wrong in (field.metadata["min"] - 1, field.metadata["max"] + 1, float("nan")):
            with pytest.raises(ParameterError, match=f"{field.name} .*(lies|whole)"):
                make_parameters(mode, **{field.name: wrong})
        with pytest.raises(ParameterError, match="is a number"):
            make_parameters(mode, **{field.name: "many"})


def test_what_does_not_exist_is_refused_with_what_does():
    with pytest.raises(ParameterError, match="no mode 'magic'; choose one of objects, grid"):
        make_parameters("magic")
    with pytest.raises(ParameterError, match=r"no setting 'points'.*points_per_side"):
        make_parameters("grid", points=3)
    with pytest.raises(ParameterError, match="bright, dark, both"):
        make_parameters("blobs", polarity="green")
    with pytest.raises(ParameterError, match="whole number"):
        make_parameters("grid", points_per_side=3.5)
    with pytest.raises(ParameterError, match="swap them"):
        BlobsParameters(min_radius=9, max_radius=3)
    with pytest.raises(ParameterError, match="more than half"):
        TiledParameters(tile_side=128, tile_overlap=100)


def test_tiles_pass_settings_on_to_the_mode_inside():
    made = make_parameters("tiled", inner="grid", points_per_side=5, tile_side=256)
    assert made.inner_parameters == GridParameters(points_per_side=5)
    assert made.tile_side == 256
    assert TiledParameters().inner_parameters == ObjectsParameters()
    with pytest.raises(ParameterError, match="'objects' has no setting 'points_per_side'"):
        make_parameters("tiled", points_per_side=5)
    with pytest.raises(ParameterError, match="takes GridParameters"):
        TiledParameters(inner="grid", inner_parameters=ObjectsParameters())


def test_settings_survive_a_recipe():
    for mode, kind in MODES.items():
        values = {f.name: getattr(kind(), f.name) for f in form_fields(kind)}
        assert make_parameters(mode, **values) == kind()
        assert dataclasses.replace(kind()) == kind()


def test_high_limits_are_named_where_nothing_passed():
    said = explain_nothing("grid", {"pred_iou_thresh": 0.9, "min_circularity": 0.5})
    assert "above 0.9 " in said and "0.95 stable" in said
    assert explain_nothing("objects", {}) == explain_nothing(None, {}) == ""
