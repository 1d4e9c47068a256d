"""Whatever is wrong with the input is said in one sentence, with exit code 2; nothing is lost."""

import errno
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam_onnx.samples import sample_path


@pytest.fixture
def refused(run, tmp_path):
    """Run a command that must fail; returns the sentence."""

    def call(*arguments):
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        code, said, err = run(*arguments)
        assert code == 2
        assert said == ""
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
        assert err.endswith(".\n")
        assert "Traceback" not in err
        after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        assert after == before, "a file was lost, changed or left behind"
        return err[len("Error: ") : -1]

    return call


@pytest.fixture
def save(tmp_path):
    """Write an array as a TIFF, with or without named axes."""

    def call(array, axes=None):
        path = tmp_path / "in.tif"
        metadata = None if axes is None else {"axes": axes}
        tifffile.imwrite(path, array, metadata=metadata, photometric="minisblack")
        return path

    return call


def test_a_missing_picture(refused, tmp_path):
    sentence = refused("segment", tmp_path / "no.tif", "-o", tmp_path / "out.tif")
    assert sentence == f"There is no file {tmp_path / 'no.tif'}."


@pytest.mark.parametrize("name", ["bad.tif", "bad.png"])
def test_an_unreadable_picture(refused, tmp_path, name):
    (tmp_path / name).write_bytes(b"garbage")
    sentence = refused("segment", tmp_path / name, "-o", tmp_path / "out.tif")
    kind = "TIFF" if name.endswith("tif") else "PNG"
    assert sentence == f"{name} cannot be read: it is no {kind} file."


def test_a_folder_without_pictures(refused, tmp_path):
    (tmp_path / "in").mkdir()
    assert "holds no picture" in refused("segment", tmp_path / "in", "-o", tmp_path / "out")


def test_a_folder_cannot_be_its_own_output(refused, picture):
    sentence = refused("segment", picture.parent, "-o", picture.parent)
    assert "write them to another folder" in sentence


def test_a_picture_cannot_be_its_own_output(refused, picture):
    assert "would be overwritten" in refused("segment", picture, "-o", picture, "--force")


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ("Y", "name 1 dimension but the picture has 2"),
        ("YQ", "are not distinct letters"),
        ("YY", "are not distinct letters"),
        ("ZX", "lack Y or X"),
    ],
)
def test_wrong_axes(refused, picture, tmp_path, axes, reason):
    assert reason in refused("segment", picture, "-o", tmp_path / "out.tif", "--axes", axes)


@pytest.mark.parametrize("shape", [(2, 3, 2, 9, 8), (5, 9, 8)])
def test_unnamed_dimensions_want_axes(refused, save, tmp_path, shape):
    path = tmp_path / "in.tif"
    with tifffile.TiffWriter(path) as file:
        for page in np.zeros((int(np.prod(shape[:-2])), 9, 8), np.uint8):
            file.write(page, contiguous=False, metadata=None)
    sentence = refused("segment", path, "-o", tmp_path / "out.tif")
    assert "can be read in more than one way; name its axes" in sentence
    assert "--axes" in sentence


def test_five_dimensions_without_names(refused, tmp_path):
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, np.zeros((2, 3, 2, 9, 8), np.uint8), photometric="minisblack")
    sentence = refused("segment", path, "-o", tmp_path / "out.tif")
    assert "(2, 3, 2, 9, 8)" in sentence
    assert "--axes" in sentence


@pytest.mark.parametrize("shape", [(0, 7), (3, 0, 7)])
def test_no_pixels(refused, tmp_path, shape):
    path = tmp_path / "in.tif"
    with pytest.warns(UserWarning, match="zero-size"):
        tifffile.imwrite(path, np.zeros(shape, np.uint8), metadata={"axes": "ZYX"[-len(shape) :]})
    sentence = refused("segment", path, "-o", tmp_path / "out.tif")
    assert sentence == f"The picture is empty: its shape is {shape}."


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("shape", [(20, 20), (3, 20, 20)])
def test_no_finite_value(refused, save, component_model, tmp_path, value, shape):
    path = save(np.full(shape, value, np.float32), "ZYX"[-len(shape) :])
    sentence = refused("segment", path, "-o", tmp_path / "out.tif")
    assert "holds no finite value" in sentence


def test_numbers_that_cannot_be_shown(refused, save, component_model, tmp_path):
    path = save(np.ones((20, 20), np.complex64), "YX")
    sentence = refused("segment", path, "-o", tmp_path / "out.tif")
    assert sentence == "Pictures of type complex64 cannot be shown; convert to numbers."


def test_more_channels_than_colours(refused, save, component_model, tmp_path):
    path = save(np.zeros((7, 20, 20), np.uint16), "CYX")
    sentence = refused("segment", path, "-o", tmp_path / "out.tif")
    assert "has 7 channels and only 6 can be mapped" in sentence


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("5:red", "Channel 5 does not exist"),
        ("red", "'red' cannot be read"),
        ("0:mauve", "There is no color 'mauve'"),
        ("0:#12", "cannot be read"),
        ("0[9-3]", "not in ascending order"),
        ("0@0", "is not positive"),
        ("", "An argument is empty"),
        ("9" * 4000, "cannot be read"),
        ("9" * 5000, "An argument of 5,000 letters cannot be meant (9999"),
        ("0@1e999", "a number that is too large"),
        ("0[1-1e999]", "a number that is too large"),
    ],
)
def test_channels_that_do_not_fit(refused, picture, component_model, tmp_path, text, reason):
    sentence = refused("segment", picture, "-o", tmp_path / "out.tif", "--channels", text)
    assert reason in sentence


@pytest.mark.parametrize("name", ["out.tif", "out.png"])
def test_an_output_that_exists(refused, picture, tmp_path, name):
    (tmp_path / name).write_text("precious")
    assert refused("segment", picture, "-o", tmp_path / name).endswith(
        f"{name} exists; use --force to replace it."
    )


def test_a_preview_that_exists(refused, picture, tmp_path):
    (tmp_path / "seen.png").write_text("precious")
    sentence = refused(
        "segment", picture, "-o", tmp_path / "out.tif", "--preview", tmp_path / "seen.png"
    )
    assert "seen.png exists" in sentence


def test_a_folder_with_one_output_that_exists(refused, picture, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "discs_labels.tif").write_text("precious")
    assert "discs_labels.tif exists" in refused("segment", picture.parent, "-o", out)


@pytest.mark.parametrize("name", ["out.jpg", "out"])
def test_an_output_of_unknown_kind(refused, picture, component_model, tmp_path, name):
    assert "ends in none of them" in refused("segment", picture, "-o", tmp_path / name)


def test_a_png_of_a_stack(refused, save, component_model, tmp_path):
    path = save(np.zeros((3, 20, 20), np.uint8), "ZYX")
    assert "A PNG holds one plane" in refused("segment", path, "-o", tmp_path / "out.png")


def test_a_png_of_too_many_labels(refused, picture, component_model, tmp_path, monkeypatch):
    def write_many(planes, sink, *_):
        sink.write((), np.full(planes.plane_shape, 70_000, np.uint32))
        return 1

    monkeypatch.setattr("napari_sam_onnx.cli.label_planes._label_planes", write_many)
    sentence = refused("segment", picture, "-o", tmp_path / "out.png")
    assert "at most 65535 labels and there are 70000" in sentence


def test_a_folder_that_does_not_exist(refused, picture, component_model, tmp_path):
    sentence = refused("segment", picture, "-o", tmp_path / "no" / "out.tif")
    assert sentence == f"The folder {tmp_path / 'no'} does not exist; create it first."


def test_a_folder_that_takes_no_files(refused, picture, component_model, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("napari_sam_onnx.writing._create", refuse)
    sentence = refused("segment", picture, "-o", tmp_path / "out.tif")
    assert sentence.endswith("cannot be written: you may not write there; choose another folder.")
    assert component_model.encoded == 0, "it was found out too late"


@pytest.mark.parametrize(
    "writer", ["label_file.write_labels", "commands.segment_picture.write_png"]
)
def test_a_disk_that_fills_up(refused, picture, component_model, tmp_path, monkeypatch, writer):
    def write_half(path, *_):
        path.write_bytes(b"half a file")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(f"napari_sam_onnx.cli.{writer}", write_half)
    out, seen = tmp_path / "out.tif", tmp_path / "seen.png"
    out.write_text("precious")
    sentence = refused("segment", picture, "-o", out, "--preview", seen, "--force")
    assert "the disk is full" in sentence


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--model", "no-such-model"], "no-such-model"),
        (["--model", "missing.onnx", "--decoder", "missing.onnx"], "missing.onnx"),
    ],
)
def test_a_missing_model(refused, picture, tmp_path, arguments, reason):
    assert reason in refused("segment", picture, "-o", tmp_path / "out.tif", *arguments)


def test_a_corrupt_model(refused, picture, tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"\x08\x07 not a graph")
    path = tmp_path / "a.onnx"
    sentence = refused(
        "segment", picture, "-o", tmp_path / "out.tif", "--model", path, "--decoder", path
    )
    assert "a.onnx" in sentence


def test_an_onnx_file_that_is_no_sam(refused, picture, tmp_path):
    from onnx import TensorProto, checker, helper, save

    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3]) for n in ("a", "b")]
    graph = helper.make_graph([helper.make_node("Relu", ["a"], ["b"])], "g", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    checker.check_model(model)
    path = tmp_path / "relu.onnx"
    save(model, path)
    sentence = refused(
        "segment", picture, "-o", tmp_path / "out.tif", "--model", path, "--decoder", path
    )
    assert "a" in sentence


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--mode", "grid", "--points-per-side", 0], "points_per_side lies from 1 to"),
        (["--mode", "grid", "--min-radius", 5], "has no setting 'min_radius'"),
        (["--min-circularity", 5], "min_circularity lies from 0 to 1"),
        (["--mode", "boxes"], "--boxes FILE and --mode boxes go together"),
        (["--boxes", "x.tif"], "--boxes FILE and --mode boxes go together"),
        (["--link", "z"], "cannot be linked along 'z': the stack runs along no axis"),
    ],
)
def test_settings_that_do_not_fit(refused, picture, component_model, tmp_path, arguments, reason):
    assert reason in refused("segment", picture, "-o", tmp_path / "out.tif", *arguments)


def test_boxes_of_another_size(refused, picture, component_model, tmp_path):
    given = tmp_path / "given.png"
    Image.fromarray(np.ones((9, 9), np.uint8)).save(given)
    arguments = ("--mode", "boxes", "--boxes", given)
    assert "54 × 54" in refused("segment", picture, "-o", tmp_path / "out.tif", *arguments)


def test_too_little_memory(refused, picture, component_model, tmp_path, monkeypatch):
    def refuse(*_):
        raise MemoryError("Unable to allocate 80 GiB")

    monkeypatch.setattr("napari_sam_onnx.cli.label_planes._label_planes", refuse)
    sentence = refused("segment", picture, "-o", tmp_path / "out.tif")
    assert sentence.startswith("There is not enough memory (Unable to allocate 80 GiB)")


def test_a_bug_is_not_hidden(run, picture, component_model, tmp_path, monkeypatch):
    home = tmp_path / "home"
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(home))
    monkeypatch.setattr(component_model, "encode", lambda image: 1 / 0)
    code, said, err = run("segment", picture, "-o", tmp_path / "out.tif")
    log = home / "logs" / "napari-sam-onnx.log"
    assert (code, said) == (1, "")
    assert err.startswith("Error: This is a fault of napari-sam-onnx, not of yours (ZeroDivision")
    assert err.endswith(f"please report it with {log}.\n") and err.count("\n") == 1
    assert "in <lambda>" in log.read_text(encoding="utf-8")
    assert sorted(os.listdir(tmp_path)) == ["discs.tif", "home"]


def test_a_bug_is_told_where_no_log_can_be_written(
    run, picture, component_model, tmp_path, monkeypatch
):
    (tmp_path / "home").write_text("in the way")
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(component_model, "encode", lambda image: 1 / 0)
    code, _, err = run("segment", picture, "-o", tmp_path / "out.tif")
    assert code == 1
    assert "Traceback" in err and err.endswith("please report it with what stands above.\n")


def test_ctrl_c_leaves_nothing_half_written(run, picture, component_model, tmp_path, monkeypatch):
    def interrupt(image):
        raise KeyboardInterrupt

    monkeypatch.setattr(component_model, "encode", interrupt)
    out = tmp_path / "out.tif"
    out.write_text("precious")
    code, _, _ = run("segment", picture, "-o", out, "--preview", tmp_path / "seen.png", "--force")
    assert code == 130
    assert sorted(os.listdir(tmp_path)) == ["discs.tif", "out.tif"]
    assert out.read_text() == "precious"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_middle_of_a_run(tmp_path, number, code):
    """The real process, stopped once it has begun to write beside its output."""
    # SIGINT may have been inherited as ignored, as by what a shell starts in the background.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    begin = heard + "from napari_sam_onnx.cli import main; main()"
    command = [sys.executable, "-c", begin]
    # A grid so fine that the run cannot end before it is stopped.
    arguments = ["--mode", "grid", "--points-per-side", "200"]
    out = tmp_path / "out.tif"
    process = subprocess.Popen(
        [*command, "segment", sample_path("stack"), "-o", out, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        assert list(tmp_path.iterdir()), "the run never began"
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()  # nothing runs on where an assertion fails
        process.communicate()
    assert process.returncode == code
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ("segment", "x.tif", "-o", "y.tif", "--mode", "foo"),
        ("segment", "x.tif", "-o", "y.tif", "--project", "median"),
        ("export", "x.tif", "-o", "y.json", "--format", "foo"),
    ],
)
def test_a_word_that_is_no_choice_is_said_without_jargon(run, words):
    code, out, err = run(*words)
    assert code == 2 and out == ""
    assert f"{words[-1]!r} is not one of" in err and "Value error" not in err
    assert "Usage:" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("segment", "x.tif", "-o", "y.tif", "--cut", "q"), "a number is wanted, such as 0.5."),
        (("segment", "x.tif", "-o", "y.tif", "--min-planes", "1.5"), "a whole number is wanted."),
        (("track", "x.tif", "-o", "y.tif", "--max-gap", "-5"), "at least 0 is wanted."),
        (("track", "x.tif", "-o", "y.tif", "--min-size", "1e9"), "at most 10 is wanted."),
        (("track", "x.tif", "two", "three", "-o", "y.tif"), "These words are too many: two three."),
        (("segment", "x.tif", "-o", "y.tif", "--decoder", "d.onnx"), "give --model ENCODER.onnx"),
        (("export", "x.tif", "-o", "y.json", "--classes", "none.csv"), "There is no file"),
        (("replay", "words.txt", "x.tif", "-o", "y.tif"), "see line 1, column 1."),
        (("models", "check", "words.onnx", "words.onnx"), "or is damaged; get the file again."),
    ],
)
def test_what_libraries_say_is_said_in_our_words(run, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("x.tif", np.zeros((8, 8), np.uint8))
    for name in ("words.txt", "words.onnx"):
        (tmp_path / name).write_text("hello")
    code, out, err = run(*words)
    assert code == 2 and out == "" and said in err
    assert not any(word in err for word in ("Input should", "[ONNX", "Expecting", "argument(s)"))
