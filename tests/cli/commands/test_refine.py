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
    monkeypatch.setattr(
        "napari_sam_onnx.cli.commands.refine.load_model", lambda _: ComponentModel()
    )
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


def test_a_stack_is_refined_plane_by_plane(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "napari_sam_onnx.cli.commands.refine.load_model", lambda _: ComponentModel()
    )
    picture, labels = tmp_path / "p.tif", tmp_path / "l.tif"
    out, table = tmp_path / "o.tif", tmp_path / "t.csv"
    tifffile.imwrite(picture, np.stack([PICTURE, PICTURE]))
    tifffile.imwrite(labels, np.stack([BEFORE, BEFORE]))
    arguments = ("refine", picture, labels, "-o", out, "--table", table)
    assert "more than one way" in run(*arguments)[2]
    code, said, err = run(*arguments, "--axes", "ZYX")
    assert (code, err) == (0, "") and "2 planes: 4 of 6 objects" in said
    made = tifffile.imread(out)
    np.testing.assert_array_equal(made == 7, np.stack([TRUTH, TRUTH]) == 2)
    rows = list(csv.reader(table.read_text(encoding="utf-8").splitlines()))
    assert rows[0] == ["z", *COLUMNS] and {row[0] for row in rows[1:]} == {"0", "1"}
    tifffile.imwrite(labels, BEFORE)
    assert "of one size" in run(*arguments, "--axes", "ZYX", "--force")[2]


def test_a_projected_stack_is_refined_as_one_plane(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "napari_sam_onnx.cli.commands.refine.load_model", lambda _: ComponentModel()
    )
    picture, labels, out = (tmp_path / f"{name}.tif" for name in ("picture", "labels", "out"))
    tifffile.imwrite(picture, np.stack([PICTURE, PICTURE // 2]), metadata={"axes": "ZYX"})
    tifffile.imwrite(labels, BEFORE)
    code, said, err = run("refine", picture, labels, "-o", out, "--project", "max")
    assert (code, err) == (0, "") and "2 of 3 objects" in said
    np.testing.assert_array_equal(tifffile.imread(out) == 7, TRUTH == 2)
