import numpy as np
import pytest
import tifffile

from tests.fakes import ComponentModel
from tests.stacks.test_carry import ball


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """A ball in eleven planes."""
    monkeypatch.setattr(
        "napari_sam_onnx.cli.commands.carry.load_model",
        lambda *_: ComponentModel(scores=(0.95, 0.3, 0.1)),
    )
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, ball())
    return path


def test_an_object_is_carried_from_a_point(run, tmp_path, stack):
    out = tmp_path / "object.tif"
    code, said, _ = run("carry", stack, "-o", out, "--axes", "ZYX", "--point", "5,30,40",
                        "--max-change", "4", "--last", "8")  # fmt: skip
    labels = tifffile.imread(out)
    assert code == 0 and "planes 0 to 8" in said
    np.testing.assert_array_equal(labels[:9] > 0, ball()[:9] > 0)
    assert not labels[9:].any()


def test_what_is_refused(run, tmp_path, stack):
    out = tmp_path / "object.tif"
    for words, sentence in [
        ((), "Say where the object is"),
        (("--point", "5,30"), "PLANE,Y,X"),
        (("--box", "5,30,x,1,1"), "PLANE,Y0,X0,Y1,X1"),
        (("--point", "5,30,40", "--along", "t"), "runs along 'Z'"),
        (("--point", "50,30,40"), "of 11"),
    ]:
        code, _, said = run("carry", stack, "-o", out, "--axes", "ZYX", *words)
        assert code == 2 and sentence in said, words
    assert not out.exists()
