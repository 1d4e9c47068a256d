"""Every command that is given labels refuses a picture in their place, with one sentence."""

import shutil

import pytest

from napari_sam_onnx.samples import sample_path

SENTENCE = "cells.tif looks like a picture and not like labels"


@pytest.fixture
def cells(tmp_path):
    """A picture of simulated nuclei, and its truth beside it."""
    shutil.copy(sample_path("nuclei"), tmp_path / "cells.tif")
    shutil.copy(sample_path("nuclei").with_name("nuclei_truth.tif"), tmp_path / "truth.tif")
    return tmp_path / "cells.tif"


@pytest.mark.parametrize(
    "words",
    [
        ("export", "{cells}", "-o", "{out}.json"),
        ("evaluate", "{cells}", "{truth}"),
        ("evaluate", "{truth}", "{cells}"),
        ("fit", "{cells}", "{cells}"),
        ("learn", "{cells}", "{cells}", "-o", "{out}.json"),
        ("refine", "{cells}", "{cells}", "-o", "{out}.tif"),
        ("similar", "{cells}", "{cells}", "-o", "{out}.tif", "--like", "1"),
        ("segment", "{cells}", "-o", "{out}.tif", "--fill", "{cells}"),
        ("segment", "{cells}", "-o", "{out}.tif", "--mode", "boxes", "--boxes", "{cells}"),
    ],
    ids=lambda words: " ".join(words[::3]),
)
def test_a_picture_in_place_of_labels_is_refused(run, component_model, cells, words):
    names = {"cells": cells, "truth": cells.with_name("truth.tif"), "out": cells.with_name("out")}
    code, _, err = run(*(word.format(**names) for word in words))
    assert code == 2 and SENTENCE in err and err.count("\n") == 1, err
    assert sorted(p.name for p in cells.parent.iterdir()) == ["cells.tif", "truth.tif"]


def test_a_series_of_pictures_has_no_tracks(run, tmp_path):
    shutil.copy(sample_path("series"), tmp_path / "cells.tif")
    cells = tmp_path / "cells.tif"
    code, _, err = run("track", cells, "-o", tmp_path / "out.tif", "--labels", cells)
    assert code == 2 and SENTENCE in err, err
    code, _, err = run("evaluate", "--tracks", cells, cells)
    assert code == 2 and SENTENCE in err, err
