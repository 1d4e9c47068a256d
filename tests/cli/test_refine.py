"""`refine` outlines labels anew, and says what became of each."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile
from PIL import Image

from napari_sam_onnx.automatic.refine import COLUMNS
from tests.automatic.test_refine import BEFORE, PICTURE, TRUTH
from tests.fakes import ComponentModel

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_command_writes_labels_and_a_table(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_sam_onnx.cli.refine.load_model", lambda _: ComponentModel())
    picture, labels = tmp_path / "p.png", tmp_path / "l.tif"
    out, table = tmp_path / "o.tif", tmp_path / "t.csv"
    Image.fromarray(PICTURE).save(picture)
    tifffile.imwrite(labels, BEFORE)
    code, said, err = run("refine", picture, labels, "-o", out, "--table", table)
    assert (code, err) == (0, "") and "2 of 3 objects" in said
    made = tifffile.imread(out)
    np.testing.assert_array_equal(made == 7, TRUTH == 2)
    rows = list(csv.reader(table.read_text(encoding="utf-8").splitlines()))
    assert rows[0] == list(COLUMNS) and [row[0] for row in rows[1:]] == ["4", "7", "9"]
    assert "exists" in run("refine", picture, labels, "-o", out)[2]
    assert "None of 3" in run("refine", picture, labels, "-o", out, "--force", "--gain", 1)[1]
