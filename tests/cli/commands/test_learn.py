"""`learn` reads off corrected labels what is wanted; `segment --learned` and `--preset` heed it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_sam_onnx.records.presets import Preset, save_preset
from tests.fakes import ComponentModel, draw_discs

WANTED = [(20, 20 + 30 * i) for i in range(5)]
UNWANTED = [(60, 20 + 30 * i) for i in range(5)]


class SeeingModel(ComponentModel):
    """Also gives a map of features."""

    def encode(self, image):
        made = super().encode(image)
        seen = np.repeat((image[..., 0] / np.float32(255))[None, None], 8, axis=1)
        return replace(made, tensors={**made.tensors, "seen": seen})


@pytest.fixture
def model(monkeypatch):
    made = SeeingModel(id="component@1")
    for command in ("segment", "learn"):
        monkeypatch.setattr(
            f"napari_sam_onnx.cli.commands.{command}.load_model", lambda *_, **__: made
        )
    return made


@pytest.fixture
def picture(tmp_path):
    """Large discs, which are wanted, and small ones, which are not."""
    plane = np.maximum(draw_discs((80, 160), WANTED, 10), draw_discs((80, 160), UNWANTED, 4))
    path = tmp_path / "discs.tif"
    tifffile.imwrite(path, plane)
    return path


@pytest.fixture
def corrected(tmp_path, run, model, picture):
    """What `segment` makes of it, with two small ones deleted; the right half nobody has judged."""
    out = tmp_path / "made.tif"
    assert run("segment", picture, "-o", out, "--mode", "objects")[0] == 0
    labels = tifffile.imread(out)
    assert labels.max() == 10
    labels[50:, :] = 0
    path, inside = tmp_path / "corrected.tif", tmp_path / "inside.tif"
    tifffile.imwrite(path, labels)
    judged = np.zeros(labels.shape, np.uint8)
    judged[:, :90] = 1
    tifffile.imwrite(inside, judged)
    return path, inside


@pytest.mark.parametrize("recipe", [False, True])
def test_a_few_corrections_reject_the_rest(run, tmp_path, picture, corrected, recipe):
    labels, inside = corrected
    learned, out = tmp_path / "learned.json", tmp_path / "out.tif"
    words = ("learn", picture, labels, "-o", learned, "--inside", inside, "--mode", "objects")
    code, said, err = run(*words)
    assert (code, err) == (0, "") and "3 objects that were kept and 3 deleted" in said
    if recipe:  # a recipe of the dock holds the same words
        judge = json.loads(learned.read_text())["learned"]
        learned.write_text(json.dumps({"format": 1, "judge": judge}))
    segment = ("segment", picture, "-o", out, "--mode", "objects", "--learned", learned)
    code, said, _ = run(*segment)
    assert code == 0 and "5 objects" in said
    stored = tifffile.imread(out)
    assert all(stored[y, x] for y, x in WANTED) and not any(stored[y, x] for y, x in UNWANTED)


def test_what_cannot_be_learned_is_said(run, tmp_path, model, picture, corrected):
    labels, inside = corrected
    learned, out = tmp_path / "learned.json", tmp_path / "out.tif"
    everything = tmp_path / "made.tif"
    code, _, said = run("learn", picture, everything, "-o", learned, "--mode", "objects")
    assert code == 2 and "keep a few and delete a few" in said and not learned.exists()
    learned.write_text("{}")
    segment = ("segment", picture, "-o", out, "--mode", "objects", "--learned", learned)
    assert "nothing that was learned" in run(*segment)[2]
    learned.unlink()
    assert "There is no file" in run(*segment)[2]
    learned.write_text("no JSON")
    assert "cannot be read" in run(*segment)[2]
    learned.unlink()
    words = ("learn", picture, labels, "-o", learned, "--mode", "objects", "--inside", inside)
    assert run(*words)[0] == 0
    assert "--force" in run(*words)[2]
    model.id = "component@2"
    assert "learned with the model component@1" in run(*segment)[2]
    assert "no mode 'x'" in run("learn", picture, labels, "-o", out, "--mode", "x")[2]


def test_a_preset_is_heeded_and_options_win(run, tmp_path, monkeypatch, model, picture):
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))
    save_preset(Preset("small ones", "objects", {"max_diameter": 12.0}))
    out = tmp_path / "out.tif"
    words = ("segment", picture, "-o", out, "--force", "--preset")
    assert "5 objects" in run(*words, "small ones")[1]
    assert not tifffile.imread(out)[20].any()
    assert "10 objects" in run(*words, "small ones", "--max-diameter", "50")[1]
    assert "small ones" in run(*words, "other")[2]  # says which there are
    code, _, said = run(*words, "small ones", "--mode", "grid")
    assert code == 2 and "is for the mode objects" in said
