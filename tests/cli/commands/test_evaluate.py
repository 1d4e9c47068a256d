"""`evaluate` prints how well labels fit a truth."""

import csv
import json

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


@pytest.fixture
def folders(tmp_path, files):
    found, truth = tmp_path / "found", tmp_path / "truth"
    found.mkdir()
    truth.mkdir()
    for name, number in (("a", 1), ("b", 0)):  # a is perfect
        (found / f"{name}_labels.tif").write_bytes(files[number].read_bytes())
        (truth / f"{name}.tif").write_bytes(files[1].read_bytes())
    return found, truth


def test_folders_are_paired_and_pooled(run, folders, tmp_path):
    table, document = tmp_path / "out.csv", tmp_path / "out.json"
    code, said, err = run("evaluate", *folders, "--csv", table, "--json", document)
    assert (code, err) == (0, "")
    lines = said.splitlines()
    assert lines[1].split()[:3] == ["a", "3", "3"] and lines[2].split()[0] == "b"
    assert read_table("\n".join(lines[4:]))["matched at IoU 0.5"] == 5
    with table.open() as file:
        rows = {row["picture"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["a", "b", "pooled"]
    assert float(rows["pooled"]["ap@0.5"]) == pytest.approx(5 / 7)
    assert float(rows["a"]["boundary_f"]) == 1
    stored = json.loads(document.read_text())
    assert stored["b"]["ap@0.75"] == 0.2
    assert "exists" in run("evaluate", *folders, "--csv", table)[2]
    assert run("evaluate", *folders, "--csv", table, "--force")[0] == 0


def test_thresholds_are_chosen(run, files, tmp_path):
    said = run("evaluate", *files, "--thresholds", "0.9,0.3")[1]
    table = read_table(said)
    assert table["matched at IoU 0.3"] == 2 and table["AP at IoU 0.9"] == 0.2
    assert table["mSA (IoU 0.3 to 0.9)"] == 0.35
    assert "cannot be read" in run("evaluate", *files, "--thresholds", "half")[2]
    assert "lies above 0" in run("evaluate", *files, "--thresholds", "0")[2]


def test_nothing_matched_is_null_in_json(run, tmp_path):
    empty, out = tmp_path / "empty.tif", tmp_path / "o.json"
    tifffile.imwrite(empty, np.zeros((5, 5), np.uint8))
    assert run("evaluate", empty, empty, "--json", out)[0] == 0
    assert json.loads(out.read_text())["empty.tif"]["mean_iou"] is None


def test_files_that_have_no_partner(run, folders, files):
    (folders[0] / "b_labels.tif").unlink()
    assert "no labels for 'b'" in run("evaluate", *folders)[2]
    assert "not a file and a folder" in run("evaluate", files[1], folders[1])[2]
