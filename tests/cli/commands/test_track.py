import numpy as np
import pytest
import tifffile

from napari_sam_onnx.stacks.tracks import read_csv, read_ctc
from tests.fakes import ComponentModel, draw_discs


@pytest.fixture
def series(tmp_path, monkeypatch):
    """Two discs that move, in five frames."""
    monkeypatch.setattr(
        "napari_sam_onnx.cli.commands.track.load_model", lambda *_, **__: ComponentModel()
    )
    frames = [draw_discs((54, 54), [(12, 12 + 2 * t), (40, 40 - 2 * t)], 7) for t in range(5)]
    path = tmp_path / "series.tif"
    tifffile.imwrite(path, np.stack(frames))
    return path


def test_a_series_becomes_tracks_and_tables(run, tmp_path, series):
    out, csv, ctc = tmp_path / "t.tif", tmp_path / "t.csv", tmp_path / "ctc"
    code, said, _ = run("track", series, "-o", out, "--axes", "TYX", "--csv", csv, "--ctc", ctc)
    assert code == 0 and "2 tracks, 0 divisions" in said
    labels = tifffile.imread(out)
    assert all(set(np.unique(frame)) == {0, 1, 2} for frame in labels)
    assert labels[0, 12, 12] == labels[4, 12, 20]
    np.testing.assert_array_equal(read_ctc(ctc)[0], labels)
    assert read_csv(csv).table.shape == (10, 4)
    code, said, _ = run("evaluate", out, out, "--tracks")
    assert code == 0 and "TRA                       1.000" in said
    code, said, _ = run("evaluate", ctc, ctc, "--tracks")
    assert code == 0 and "SEG                       1.000" in said
    code, _, said = run("track", series, "-o", out, "--axes", "TYX")
    assert code == 2 and "--force" in said


def test_labels_that_are_there_are_followed(run, tmp_path, series):
    labels = np.zeros((5, 54, 54), np.uint16)
    for t in range(5):
        labels[t, 5:15, 5:15] = t + 1
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    out = tmp_path / "t.tif"
    arguments = ["track", series, "-o", out, "--axes", "TYX", "--labels"]
    code, said, _ = run(*arguments, tmp_path / "labels.tif")
    assert code == 0 and "1 tracks" in said
    np.testing.assert_array_equal(tifffile.imread(out), (labels > 0).astype(np.uint16))
    tifffile.imwrite(tmp_path / "other.tif", labels[:2])
    code, _, said = run(*arguments, tmp_path / "other.tif", "--force")
    assert code == 2 and "of shape (5, 54, 54)" in said


def test_settings_are_heeded(run, tmp_path, series):
    arguments = ["track", series, "-o", tmp_path / "t.tif", "--axes", "TYX"]
    code, said, _ = run(*arguments, "--min-frames", "3", "--max-move", "0.05", "--no-divide")
    assert code == 0 and "tracks" in said
    code, _, said = run(*[a if a != "TYX" else "ZYX" for a in arguments], "--force")
    assert code == 2 and "Tracks run along T" in said
