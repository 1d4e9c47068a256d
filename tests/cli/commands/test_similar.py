"""`similar` writes what looks like examples."""

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from tests.automatic.taught.test_similar import LABELS, PICTURE, Seeing


@pytest.fixture(autouse=True)
def seeing_model(monkeypatch):
    monkeypatch.setattr("napari_sam_onnx.cli.commands.similar.load_model", lambda _: Seeing())


def test_examples_are_named_or_all(run, tmp_path):
    picture, labels, out = tmp_path / "p.png", tmp_path / "l.tif", tmp_path / "o.tif"
    Image.fromarray(PICTURE).save(picture)
    tifffile.imwrite(labels, LABELS.astype(np.uint16))
    asked = ["similar", picture, labels, "-o", out]
    code, said, err = run(*asked, "--like", "1,3")
    assert (code, err) == (0, "") and "5 similar objects" in said
    assert ndimage.label(tifffile.imread(out))[1] == 5
    assert "exists" in run(*asked, "--like", "1")[2]
    said = run(*asked, "--like", "1", "--unlike", "2", "--similarity", -1, "--force")[1]
    assert "similar objects" in said
    assert "9 similar" in run(*asked, "--similarity", -1, "--force")[1]
    assert "5 similar" in run(*asked, "--like", "1", "--search", picture, "--force")[1]
    assert "cannot be read" in run(*asked, "--like", "one", "--force")[2]
    assert "no label 99" in run(*asked, "--like", "99", "--force")[2]
