"""`evaluate` prints how well labels fit a truth."""

import numpy as np
import pytest
import tifffile


@pytest.fixture
def files(tmp_path):
    truth = np.zeros((40, 40), np.uint16)
    truth[2:12, 2:12], truth[2:12, 20:30], truth[25:35, 2:12] = 1, 2, 3
    labels = np.zeros_like(truth)
    labels[2:12, 2:12], labels[2:12, 22:32], labels[25:35, 25:35] = 9, 4, 2
    tifffile.imwrite(tmp_path / "truth.tif", truth)
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    return tmp_path / "labels.tif", tmp_path / "truth.tif"


def read_table(text):
    return {line[:24].strip(): float(line[24:]) for line in text.splitlines()}


def test_the_table(run, files):
    code, said, err = run("evaluate", *files)
    assert (code, err) == (0, "")
    table = read_table(said)
    assert table["objects found"] == table["objects in the truth"] == 3
    assert table["matched at IoU 0.5"] == 2
    assert table["false positives"] == table["missed"] == 1
    assert table["AP at IoU 0.5"] == 0.5
    assert table["AP at IoU 0.75"] == 0.2
    # two matches up to 0.65 (80 of 120 pixels are shared), one beyond: (4 * 2/4 + 6 * 1/5) / 10
    assert table["mSA (IoU 0.5 to 0.95)"] == 0.32
    assert table["mean IoU of the matched"] == pytest.approx((1 + 80 / 120) / 2, abs=1e-3)


def test_a_label_image_against_itself(run, files):
    table = read_table(run("evaluate", files[1], files[1])[1])
    assert table["mSA (IoU 0.5 to 0.95)"] == table["F1 at IoU 0.5"] == 1


def test_sizes_that_differ(run, files, tmp_path):
    tifffile.imwrite(tmp_path / "small.tif", np.zeros((4, 4), np.uint16))
    code, said, err = run("evaluate", files[0], tmp_path / "small.tif")
    assert (code, said) == (2, "")
    assert "must be of one size" in err


def test_a_missing_truth(run, files, tmp_path):
    code, said, err = run("evaluate", files[0], tmp_path / "no.tif")
    assert (code, said) == (2, "")
    assert err == f"Error: There is no file {tmp_path / 'no.tif'}.\n"
