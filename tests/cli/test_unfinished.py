"""A stack or a large plane that was stopped goes on with the next plane or tile."""

import os
import threading

import numpy as np
import pytest
import tifffile

from napari_sam_onnx.stacks.volumes import run as volumes
from tests.fakes import draw_discs
from tests.stacks.volumes.balls import SectionModel, draw_balls

pytestmark = pytest.mark.usefixtures("component_model")


@pytest.fixture
def stack(tmp_path):
    planes = [draw_discs((54, 54), [(12, 12 + z), (40, 40 - z)], 7) for z in range(5)]
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack(planes), metadata={"axes": "ZYX"})
    return path


@pytest.fixture
def large(tmp_path):
    centers = [(y, x) for y in range(20, 300, 40) for x in range(20, 300, 40)]
    path = tmp_path / "large.tif"
    tifffile.imwrite(path, draw_discs((300, 300), centers, 7))
    return path


class Stop:
    """Ends the process, as far as can be told here, when the model encodes so often."""

    def __init__(self, model, after):
        self.model, self.left, self.encode = model, after, model.encode

    def __call__(self, image):
        if not self.left:  # other threads hear of no signal
            main = threading.current_thread() is threading.main_thread()
            raise KeyboardInterrupt if main else RuntimeError
        self.left -= 1
        return self.encode(image)


def interrupt(run, monkeypatch, model, after, *words):
    with monkeypatch.context() as patch:
        patch.setattr(model, "encode", Stop(model, after))
        code, _, said = run(*words)
    assert code == 130
    model.encoded = 0
    return said


@pytest.mark.parametrize("link", [(), ("--link", "z")])
def test_a_stack_goes_on_with_the_next_plane(
    run, tmp_path, monkeypatch, component_model, stack, link
):
    whole, out = tmp_path / "whole.tif", tmp_path / "out.tif"
    words = ("segment", stack, "--mode", "objects", *link, "-o")
    assert run(*words, whole)[0] == 0
    said = interrupt(run, monkeypatch, component_model, 3, *words, out)
    assert "3 finished pieces are kept" in said and "--resume" in said
    kept = tmp_path / "out.tif.unfinished"
    assert not out.exists() and len(list(kept.glob("*.npz"))) == 3
    code, _, said = run(*words, out)  # nobody said what is to become of them
    assert code == 2 and "3 finished pieces" in said and component_model.encoded == 0
    code, said, _ = run(*words, out, "--resume")
    assert code == 0 and "3 finished pieces of the earlier run are used" in said
    assert component_model.encoded == 2 and not kept.exists()
    np.testing.assert_array_equal(tifffile.imread(out), tifffile.imread(whole))


def test_a_large_plane_goes_on_with_the_next_tile(
    run, tmp_path, monkeypatch, component_model, large
):
    whole, out = tmp_path / "whole.tif", tmp_path / "out.tif"
    words = ("segment", large, "--mode", "tiled", "--tile-side", "128",
             "--tile-overlap", "40", "-o")  # fmt: skip
    assert run(*words, whole)[0] == 0
    tiles, component_model.encoded = component_model.encoded, 0
    interrupt(run, monkeypatch, component_model, 4, *words, out)
    assert run(*words, out, "--resume")[0] == 0
    assert component_model.encoded == tiles - 4 > 4
    np.testing.assert_array_equal(tifffile.imread(out), tifffile.imread(whole))
    assert tifffile.imread(out).max() == 49


@pytest.mark.parametrize("what", ["settings", "picture", "damaged", "force"])
def test_pieces_of_another_run_are_not_used(
    run, tmp_path, monkeypatch, component_model, stack, what
):
    out = tmp_path / "out.tif"
    words = ["segment", stack, "--mode", "objects", "-o", out]
    interrupt(run, monkeypatch, component_model, 3, *words)
    kept = tmp_path / "out.tif.unfinished"
    if what == "settings":
        words += ["--min-area", "1"]
    elif what == "picture":
        os.utime(stack, ns=(1, 1))
    elif what == "damaged":
        (kept / "plane-1.npz").write_bytes(b"PK nonsense")
    code, said, _ = run(*words, "--force" if what == "force" else "--resume")
    assert code == 0
    assert component_model.encoded == (3 if what == "damaged" else 5)
    assert ("begun anew" in said) == (what in ("settings", "picture"))


def test_what_is_no_unfinished_run_is_not_touched(run, tmp_path, stack):
    folder = tmp_path / "out.tif.unfinished"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    code, _, said = run("segment", stack, "-o", tmp_path / "out.tif")
    assert code == 2 and "holds something else" in said
    assert (folder / "mine.txt").read_text() == "mine"


def test_a_failing_run_keeps_what_is_done_and_an_empty_one_nothing(
    run, tmp_path, monkeypatch, component_model, stack
):
    words = ["segment", stack, "--mode", "objects", "-o", tmp_path / "out.tif"]
    interrupt(run, monkeypatch, component_model, 0, *words)
    assert sorted(os.listdir(tmp_path)) == ["stack.tif"]


def test_a_volume_goes_on_with_the_next_chunk(run, tmp_path, monkeypatch, stack):
    model = SectionModel()
    monkeypatch.setattr("napari_sam_onnx.cli.commands.segment.load_model", lambda *_, **__: model)
    monkeypatch.setattr(volumes, "CHUNK_VOXELS", 500_000)
    places = [(9, y, x) for y in range(9, 50, 18) for x in range(10, 150, 19)]
    picture, truth = draw_balls((19, 56, 152), places, 7.5)
    tifffile.imwrite(stack, picture, metadata={"axes": "ZYX"})
    words = ("segment", stack, "--as", "volume", "--z-spacing", "1", "-o")
    whole, out = tmp_path / "whole.tif", tmp_path / "out.tif"
    assert run(*words, whole)[0] == 0
    label, chunks = volumes._label_chunk, []

    def stop(*values):
        chunks.append(1)
        if len(chunks) == 3:
            raise KeyboardInterrupt
        return label(*values)

    with monkeypatch.context() as patch:
        patch.setattr(volumes, "_label_chunk", stop)
        assert run(*words, out)[0] == 130
    kept = tmp_path / "out.tif.unfinished"
    assert len(list(kept.glob("volume-chunk-*.npz"))) == 2
    code, said, _ = run(*words, out, "--resume")
    assert code == 0 and "2 finished pieces" in said
    np.testing.assert_array_equal(tifffile.imread(out), tifffile.imread(whole))
    assert tifffile.imread(out).max() == truth.max()
