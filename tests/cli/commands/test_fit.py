"""`fit` prints the options that reproduce labels."""

import numpy as np
import tifffile
from PIL import Image

from tests.automatic.taught.test_fit import LABELS, PICTURE
from tests.fakes import ComponentModel


def test_options_are_printed(run, tmp_path, monkeypatch):
    picture, labels, part = tmp_path / "p.png", tmp_path / "l.tif", tmp_path / "part.png"
    Image.fromarray(PICTURE).save(picture)
    tifffile.imwrite(labels, LABELS.astype(np.uint16))
    Image.fromarray(np.full(PICTURE.shape, 255, np.uint8)).save(part)
    model = ComponentModel(scores=(0.5, 0.2, 0.1))
    monkeypatch.setattr("napari_sam_onnx.cli.commands.fit.load_model", lambda _: model)
    code, said, err = run("fit", picture, labels, "--inside", part)
    assert (code, err) == (0, "")
    assert "0.000 by default, 1.000 with\n--min-rating 0.3\n" in said
    model.scores = (0.9, 0.2, 0.1)
    assert "no other setting" in run("fit", picture, labels)[1]
