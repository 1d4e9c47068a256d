"""Networks that see all cells at once: tiles, the mode, the catalogue's role, the command line."""

import numpy as np
import pytest

import napari_sam_onnx as nso
from napari_sam_onnx.automatic import ParameterError, automask, generate_masks
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.models.add import add_local
from napari_sam_onnx.models.model import Model, ModelError
from napari_sam_onnx.models.onnx.flow_model import FlowModel
from napari_sam_onnx.prompts import make_prompts
from tests.fakes import ComponentModel, draw_discs
from tests.models.flow_files import build_flows

CENTERS = [(20, 20), (24, 60), (60, 30), (75, 100), (30, 110)]


@pytest.fixture
def plane():
    return np.where(draw_discs((96, 130), CENTERS, 9) > 0, 200, 20).astype(np.uint8)


@pytest.fixture
def network(tmp_path):
    model = nso.load_model(build_flows(tmp_path / "flows.onnx"))
    yield model
    model.close()


def test_a_network_is_told_from_a_pair_by_its_shapes(network):
    assert isinstance(network, FlowModel) and isinstance(network, Model)
    assert network.contract_name == "O" and "contract O (flows)" in network.description
    assert network.id.startswith("flows@")


def test_all_cells_are_found_across_tiles(network, plane):
    masks = generate_masks(plane, network, mode="flows")
    assert len(masks) == len(CENTERS)
    centres = {tuple(np.round(np.argwhere(np.asarray(m)).mean(axis=0)).astype(int)) for m in masks}
    assert centres == set(CENTERS)
    assert all(mask.area == np.count_nonzero(plane == 200) / len(CENTERS) for mask in masks)
    scores = [mask.score for mask in masks]
    assert scores == sorted(scores, reverse=True) and scores[-1] > 0.6


def test_the_mode_is_chosen_by_itself_and_a_small_plane_is_padded(network, plane):
    labels = automask(plane[:40, :70], network)
    assert labels.shape == (40, 70) and set(np.unique(labels)) == {0, 1, 2}


def test_float16_graphs_and_open_sides_run(tmp_path, plane):
    half = nso.load_model(build_flows(tmp_path / "half.onnx", dtype="float16"))
    open_side = nso.load_model(build_flows(tmp_path / "open.onnx", side=None))
    for model in (half, open_side):
        assert automask(plane, model).max() == len(CENTERS)
        model.close()


def test_settings_are_heard(network, plane):
    assert generate_masks(plane, network, mode="flows", min_area=1000) == []
    assert generate_masks(plane, network, mode="flows", max_area=100) == []
    assert generate_masks(plane, network, mode="flows", cell_threshold=6) == []
    assert generate_masks(plane, network, mode="flows", flow_threshold=0.001) == []
    few = generate_masks(plane, network, mode="flows", flow_steps=10)
    assert len(few) == len(CENTERS)


def test_the_flow_field_is_kept(network, plane, monkeypatch):
    cache = EmbeddingCache()
    first = automask(plane, network, cache=cache)
    monkeypatch.setattr(network._session, "run", None)
    np.testing.assert_array_equal(automask(plane, network, cache=cache), first)


def test_colours_reach_the_network_and_gray_is_one_channel(network, plane):
    red = np.stack([plane, plane * 0, plane * 0], axis=-1)
    green = np.stack([plane * 0, plane, plane * 0], axis=-1)
    assert automask(red, network).max() == len(CENTERS)
    assert automask(green, network).max() == 0  # the small network looks at red


def test_prompts_are_refused_with_what_to_do(network, plane):
    embedding = network.encode(np.repeat(plane[..., None], 3, axis=2))
    assert network.propose(embedding) is None
    with pytest.raises(ModelError, match="answers no clicks"):
        network.decode(embedding, [make_prompts([(20, 20)], plane_shape=plane.shape)])


def test_a_model_without_flows_is_refused(plane):
    with pytest.raises(ParameterError, match="gives no flows"):
        generate_masks(plane, ComponentModel(), mode="flows")


def test_an_added_network_has_the_role_that_answers_no_clicks(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))
    card = add_local(build_flows(tmp_path / "net.onnx"), None, "my-cells")
    assert [file.role for file in card.files] == ["flows"] and card.contract == "O"
    model = nso.load_model("my-cells")
    assert isinstance(model, FlowModel)
    model.close()


@pytest.mark.parametrize("diameter", [24.0, 45.0])
def test_a_diameter_sets_the_scale_at_which_the_network_looks(network, plane, diameter):
    sizes = []
    true = network.iterate_maps

    def watch(channels):
        sizes.append(channels.shape[1:])
        return (yield from true(channels))

    network.iterate_maps = watch
    masks = generate_masks(plane, network, mode="flows", diameter=diameter)
    assert sizes == [tuple(round(n * 30 / diameter) for n in plane.shape)]
    assert len(masks) == len(CENTERS)
    area = np.count_nonzero(plane == 200) / len(CENTERS)
    assert all(0.6 * area < mask.area < 1.4 * area for mask in masks)
