import numpy as np
import pytest
import tifffile

from napari_sam_onnx import automask_stack
from tests.stacks.volumes.balls import SectionModel, draw_balls


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr(
        "napari_sam_onnx.cli.commands.segment.load_model", lambda *_, **__: SectionModel()
    )


@pytest.fixture
def balls(tmp_path):
    """A stack file that does not say how far apart its planes are, and its array."""
    stack, _ = draw_balls((13, 44, 44), [(3, 12, 12), (9, 13, 30), (6, 32, 20)], 8, 3.0)
    path = tmp_path / "balls.tif"
    tifffile.imwrite(path, stack)
    return path, stack


@pytest.mark.usefixtures("model")
def test_a_stack_along_z_is_a_volume(run, tmp_path, balls):
    path, stack = balls
    out = tmp_path / "out.tif"
    code, said, _ = run("segment", path, "-o", out, "--axes", "ZYX", "--z-spacing", "3")
    assert code == 0 and "3 objects" in said
    expected = automask_stack(stack, SectionModel(), "ZYX", pixel_size={"Z": 3, "Y": 1})
    np.testing.assert_array_equal(tifffile.imread(out), expected)
    with tifffile.TiffFile(out) as file:
        assert file.series[0].axes == "ZYX"


@pytest.mark.usefixtures("model")
def test_the_spacing_of_the_file_is_taken(run, tmp_path, balls):
    path, stack = balls
    metadata = {"axes": "ZYX", "PhysicalSizeZ": 1.5, "PhysicalSizeY": 0.5, "PhysicalSizeX": 0.5}
    tifffile.imwrite(tmp_path / "known.ome.tif", stack, ome=True, metadata=metadata)
    run("segment", tmp_path / "known.ome.tif", "-o", tmp_path / "a.tif")
    run("segment", path, "-o", tmp_path / "b.tif", "--axes", "ZYX", "--z-spacing", "3")
    np.testing.assert_array_equal(
        tifffile.imread(tmp_path / "a.tif"), tifffile.imread(tmp_path / "b.tif")
    )


@pytest.mark.usefixtures("model")
def test_settings_of_volumes_are_options(run, tmp_path, balls):
    out = tmp_path / "out.tif"
    arguments = ["segment", balls[0], "-o", out, "--axes", "ZYX", "--z-spacing", "3"]
    code, said, _ = run(*arguments, "--as", "volume", "--min-volume", "9")
    assert code == 0 and "0 objects" in said


def test_what_cannot_be_a_volume_is_said(run, tmp_path, balls, component_model):
    arguments = ["segment", balls[0], "-o", tmp_path / "out.tif", "--axes"]
    code, _, said = run(*arguments, "ZYX", "--link", "z", "--gap", "2")
    assert code == 2 and "linked or stitched" in said
    code, _, said = run(*arguments, "TYX", "--as", "volume")
    assert code == 2 and "needs an axis Z" in said
    code, _, said = run(*arguments, "ZYX", "--as", "planes")
    assert code == 0 and not said


def test_planes_are_stitched(run, tmp_path, balls, component_model):
    out = tmp_path / "out.tif"
    arguments = ["segment", balls[0], "-o", out, "--axes", "ZYX"]
    code, said, _ = run(*arguments, "--as", "volume")
    assert code == 0 and "3 objects" in said
    code, said, _ = run(*arguments, "--force", "--min-planes", "1", "--min-voxels", "100000")
    assert code == 0 and "0 objects" in said
    code, _, said = run(*arguments, "--force", "--min-um3", "3")
    assert code == 2 and "how large a voxel is" in said
