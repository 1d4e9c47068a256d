"""``replay``: a recipe and a picture -> labels."""

import json
from dataclasses import replace

import numpy as np
import tifffile

from napari_sam_onnx.pictures.image import Channel
from napari_sam_onnx.records.recipes import Recipe
from napari_sam_onnx.samples import sample_path
from napari_sam_onnx.stacks import VolumeParameters, WholeRequest
from tests.cli.conftest import CENTERS, objects_of
from tests.stacks.volumes.balls import SectionModel, draw_balls

RECIPE = Recipe("pebble", "component", "YX", (Channel(0, limits=(0.0, 255.0)),), "objects")


def test_a_recipe_makes_labels(run, picture, tmp_path, component_model, monkeypatch):
    monkeypatch.setattr("napari_sam_onnx.cli.commands.replay.load_model", lambda _: component_model)
    recipe, out = tmp_path / "recipe.json", tmp_path / "out.tif"
    recipe.write_text(RECIPE.to_json(), "utf-8")
    code, said, _ = run("replay", recipe, picture, "-o", out)
    assert code == 0 and "3 objects" in said
    labels = tifffile.imread(out)
    assert {bool(labels[at]) for at in CENTERS} == {True} and len(objects_of(labels)) == 3
    code, _, problem = run("replay", recipe, picture, "-o", out)
    assert code and problem.startswith("Error:") and "exist" in problem
    assert run("replay", recipe, picture, "-o", out, "--force", "-q")[:2] == (0, "")
    recipe.write_text("{}", "utf-8")
    code, _, problem = run("replay", recipe, picture, "-o", tmp_path / "no.tif")
    assert code and "no recipe" in problem and not (tmp_path / "no.tif").exists()
    assert run("replay", tmp_path / "none.json", picture, "-o", tmp_path / "no.tif")[0]


def test_pebble_makes_the_labels_of_segment_again(run, tmp_path):
    import napari_sam_onnx as nso
    from napari_sam_onnx.planes import ArrayPlanes

    source, model = sample_path("nuclei"), nso.load_model("pebble")
    planes = ArrayPlanes(tifffile.imread(source), "YX")
    planes.read(())
    made, again = tmp_path / "made.tif", tmp_path / "again.tif"
    assert run("segment", source, "-o", made, "--mode", "objects", "-q")[0] == 0
    recipe = Recipe("pebble", model.id, "YX", planes.channels, "objects")
    (tmp_path / "recipe.json").write_text(recipe.to_json(), "utf-8")
    assert run("replay", tmp_path / "recipe.json", source, "-o", again, "-q")[0] == 0
    first, second = tifffile.imread(made), tifffile.imread(again)
    np.testing.assert_array_equal(first, second)
    assert len(np.unique(first)) > 20


def test_a_volume_and_tracks_are_made_again(run, tmp_path, monkeypatch):
    """A recipe of a whole stack, as the dock keeps it."""
    monkeypatch.setattr("napari_sam_onnx.cli.commands.replay.load_model", lambda _: SectionModel())
    monkeypatch.setattr(
        "napari_sam_onnx.cli.commands.segment.load_model", lambda *_, **__: SectionModel()
    )
    stack, _ = draw_balls((20, 48, 44), [(7, 14, 14), (12, 34, 30)], 8.5, 2.0)
    source, made, again = (tmp_path / name for name in ("stack.tif", "made.tif", "again.tif"))
    tifffile.imwrite(source, stack)
    volume = VolumeParameters(min_volume=0.1)
    whole = WholeRequest("volume", volume=volume, thickness=2.0).to_dict()
    values = {"whole": {**whole, "pixel_size": {}}, "mode": "", "axes": "ZYX"}
    recipe = replace(RECIPE, fingerprint="section", **values)
    assert Recipe.from_json(recipe.to_json()) == recipe
    (tmp_path / "recipe.json").write_text(recipe.to_json(), "utf-8")
    words = ("segment", source, "-o", made, "--axes", "ZYX", "--z-spacing", "2", "--min-volume")
    assert run(*words, "0.1", "--channels", "0[0-255]")[0] == 0
    code, said, err = run("replay", tmp_path / "recipe.json", source, "-o", again)
    assert (code, err) == (0, "") and "2 objects" in said
    np.testing.assert_array_equal(tifffile.imread(made), tifffile.imread(again))
    for change, sentence in [
        ({"method": "spheres"}, "cannot be looked at as 'spheres'"),
        ({"volume": {"min_volume": -1}}, "min_volume"),
        ({"speed": 3}, "something unknown"),
    ]:
        words = recipe.to_dict()
        words["whole"] = {**words["whole"], **change}
        (tmp_path / "bad.json").write_text(json.dumps(words), "utf-8")
        code, _, said = run("replay", tmp_path / "bad.json", source, "-o", tmp_path / "no.tif")
        assert code == 2 and sentence in said


def test_files_that_are_not_there_are_named(run, picture, tmp_path):
    nothing, out = tmp_path / "nothing.json", tmp_path / "out.tif"
    for command in (
        ["replay", nothing, picture, "-o", out],
        ["segment", picture, "-o", out, "--inside", tmp_path / "nothing.json"],
    ):
        code, _, err = run(*command)
        assert code == 2 and f"There is no file {nothing}." in err
