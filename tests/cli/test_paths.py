"""No path of a call has two roles, names are distinct, and killed runs go on."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam_onnx.cli.jobs import name_outputs, plan_jobs
from napari_sam_onnx.cli.ledger import LEDGER
from napari_sam_onnx.pictures.picture_file import PictureFileError

posix = pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")


@pytest.mark.parametrize(
    ("pictures", "names"),
    [
        (["a.tif", "b.tif"], ["a", "b"]),
        (["a.png", "a.tif", "a_tif.tif"], ["a_png", "a_tif_2", "a_tif"]),
        (["a.tif", "A.png"], ["a_tif", "A_png"]),
        (["a.b.tif", "a_b.tif", "a.b.png"], ["a_b_tif", "a_b", "a_b_png"]),
        (["é.tif", "e\u0301.tif"], ["é_tif", "e\u0301_tif_2"]),
        (["x.tif", "X.TIF", "x_tif.png"], ["x_tif_2", "X_TIF_3", "x_tif"]),
    ],
)
def test_outputs_of_a_folder_have_distinct_names(pictures, names):
    found = name_outputs([Path(name) for name in pictures])
    assert found == names
    assert len({name.casefold() for name in found}) == len(pictures)


@pytest.fixture
def folder(tmp_path, discs):
    """Three pictures whose outputs would have one name."""
    pictures = tmp_path / "in"
    pictures.mkdir()
    tifffile.imwrite(pictures / "a.tif", discs)
    tifffile.imwrite(pictures / "a_tif.tif", np.zeros_like(discs))
    Image.fromarray(discs[::-1]).save(pictures / "a.png")
    return pictures


def test_each_picture_of_a_folder_keeps_its_result_and_it_is_said(run, component_model, folder):
    out = folder.parent / "out"
    code, said, _ = run("segment", folder, "-o", out)
    assert code == 0
    assert (
        "Names that would clash were changed: a.png -> a_png_labels.tif, a.tif -> a_tif_2" in said
    )
    counts = {path.name: len(np.unique(tifffile.imread(path))) - 1 for path in out.glob("*.tif")}
    assert counts == {"a_png_labels.tif": 3, "a_tif_2_labels.tif": 3, "a_tif_labels.tif": 0}


@pytest.mark.parametrize("how", ["same", "link", "detour", "hard link"])
def test_no_output_is_another_path_of_the_call(tmp_path, picture, how):
    out = tmp_path / "other.tif"
    if how == "same":
        out = picture
    elif how == "link":
        out.symlink_to(picture)
    elif how == "hard link":
        os.link(picture, out)
    else:
        (tmp_path / "below").mkdir()
        out = tmp_path / "below" / ".." / picture.name
    with pytest.raises(PictureFileError, match="would be overwritten"):
        plan_jobs(picture, out, None)


@pytest.mark.parametrize("role", ["--boxes", "--model", "--decoder"])
def test_what_is_read_besides_is_not_written_either(run, picture, component_model, tmp_path, role):
    other = tmp_path / "other.tif"
    other.write_bytes(picture.read_bytes())
    given = {
        "--boxes": ["--mode", "boxes", "--boxes", other],
        "--model": ["--model", other, "--decoder", picture],
        "--decoder": ["--model", picture, "--decoder", other],
    }[role]
    code, _, err = run("segment", picture, "-o", other, "--force", *given)
    assert (code, err) == (2, f"Error: {other} would be overwritten; choose another output.\n")


def test_labels_and_preview_are_two_files(run, picture, component_model, tmp_path):
    out = tmp_path / "x.png"
    code, _, err = run("segment", picture, "-o", out, "--preview", out, "--force")
    assert code == 2 and "would be written twice" in err


@pytest.mark.parametrize("word", ["IN", "-o", "--boxes="])
def test_an_empty_word_is_no_path(run, picture, tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    words = {
        "IN": ["", "-o", "out.tif"],
        "-o": [picture, "-o", ""],
        "--boxes=": [picture, "-o", "out.tif", "--boxes="],
    }[word]
    code, _, err = run("segment", *words)
    assert code == 2 and 'is empty ("")' in err
    assert os.listdir(tmp_path) == [picture.name]


@posix
@pytest.mark.parametrize("place", ["IN", "--boxes", "-o", "truth"])
def test_a_pipe_is_refused_and_not_waited_for(run, picture, component_model, tmp_path, place):
    pipe = tmp_path / "pipe.tif"
    os.mkfifo(pipe)
    words = {
        "IN": ["segment", pipe, "-o", tmp_path / "o.tif"],
        "--boxes": [
            "segment",
            picture,
            "-o",
            tmp_path / "o.tif",
            "--mode=boxes",
            f"--boxes={pipe}",
        ],
        "-o": ["segment", picture, "-o", pipe, "--force"],
        "truth": ["evaluate", picture, pipe],
    }[place]
    code, _, err = run(*words)
    assert code == 2 and "is no file but a pipe" in err
    assert pipe.is_fifo()


@posix
def test_links_that_lead_in_a_circle_are_one_sentence(run, picture, component_model, tmp_path):
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    for words in ([circle / "in.tif", "-o", tmp_path / "o.tif"], [picture, "-o", circle / "o.tif"]):
        code, _, err = run("segment", *words)
        assert code == 2 and err.startswith("Error: ") and err.count("\n") == 1


# ---- resuming -----------------------------------------------------------------------------


@pytest.fixture
def half_done(run, component_model, folder, monkeypatch):
    """A run over three pictures that was stopped in the second; returns where results are."""
    out = folder.parent / "out"
    decode, calls = component_model.encode, []

    def stop_at_the_second(image):
        calls.append(image)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return decode(image)

    with monkeypatch.context() as patch:
        patch.setattr(component_model, "encode", stop_at_the_second)
        assert run("segment", folder, "-o", out, "--mode", "objects")[0] == 130
    assert sorted(os.listdir(out)) == [LEDGER, "a_png_labels.tif"]
    component_model.encoded = 0
    return out


def test_a_run_goes_on_where_it_was_stopped(run, component_model, folder, half_done):
    first = half_done / "a_png_labels.tif"
    before = first.stat().st_mtime_ns
    again = ("segment", folder, "-o", half_done, "--mode", "objects", "--resume")
    code, said, _ = run(*again)
    assert code == 0 and "1 done already" in said
    assert component_model.encoded == 2
    assert first.stat().st_mtime_ns == before
    assert run(*again)[:2] == (0, "3 done already\n") or "3 done already" in run(*again)[1]
    assert component_model.encoded == 2


@pytest.mark.parametrize("what", ["picture", "settings", "result", "ledger"])
def test_what_is_not_the_same_is_not_taken_for_done(run, component_model, folder, half_done, what):
    more = []
    if what == "picture":
        Image.fromarray(np.zeros((54, 54), np.uint8)).save(folder / "a.png")
    elif what == "settings":
        more = ["--min-area", "5"]
    elif what == "result":
        (half_done / "a_png_labels.tif").write_bytes(b"edited by hand")
    else:
        (half_done / LEDGER).write_text('{"labels": 3}\n[[[\nnot json\n')
    words = ("segment", folder, "-o", half_done, "--mode", "objects", "--resume", *more)
    code, _, err = run(*words)
    assert code == 2 and "a_png_labels.tif exists; use --force" in err
    assert component_model.encoded == 0
    assert run(*words, "--force")[0] == 0
    assert component_model.encoded == 3


def test_a_line_that_was_cut_off_hides_no_other(run, component_model, folder, half_done):
    ledger = half_done / LEDGER
    ledger.write_text(ledger.read_text() + '{"labels": "a_tif_lab')
    assert "1 done already" in run(
        "segment", folder, "-o", half_done, "--mode", "objects", "--resume"
    )[1]  # fmt: skip
    assert all(isinstance(json.loads(line), dict) for line in ledger.read_text().splitlines()[:1])
