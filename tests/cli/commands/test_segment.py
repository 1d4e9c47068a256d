"""`segment` writes the labels that it found, with axes, sizes and overlay."""

import os
import re

import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy import ndimage

from napari_sam_onnx.cli.ledger import LEDGER
from napari_sam_onnx.pictures.picture_file import read_picture
from tests.cli.conftest import objects_of
from tests.fakes import ComponentModel

pytestmark = pytest.mark.usefixtures("component_model")


def components(plane):
    return objects_of(ndimage.label(plane > 127)[0])


@pytest.mark.parametrize("name", ["out.tif", "out.png"])
def test_a_picture_becomes_a_label_image(run, tmp_path, picture, discs, name):
    code, out, err = run("segment", picture, "-o", tmp_path / name)
    assert (code, err) == (0, "")
    assert re.fullmatch(rf"discs.tif: 3 objects in \d+\.\d s -> .*{name}\n", out)
    stored = read_picture(tmp_path / name)
    assert stored.array.dtype == np.uint16
    assert objects_of(np.asarray(stored.array)) == components(discs)
    assert sorted(os.listdir(tmp_path)) == sorted(["discs.tif", name])


def test_quiet_says_nothing(run, tmp_path, picture):
    assert run("segment", picture, "-o", tmp_path / "out.tif", "--quiet") == (0, "", "")


def test_the_preview_shows_the_objects_at_full_resolution(run, tmp_path, picture, discs):
    preview = tmp_path / "seen.png"
    code, _, _ = run("segment", picture, "-o", tmp_path / "out.tif", "--preview", preview)
    assert code == 0
    shown = np.asarray(Image.open(preview)).astype(int)
    assert shown.shape == (54, 54, 3)
    coloured = np.ptp(shown, axis=2) > 20
    np.testing.assert_array_equal(coloured, discs > 127)


def test_a_stack_keeps_one_label_per_object_and_its_metadata(run, tmp_path, discs):
    stack = np.stack([discs, np.roll(discs, 2, axis=1), np.roll(discs, 4, axis=1)])
    path = tmp_path / "stack.ome.tif"
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "PhysicalSizeZ": 2.0}
    tifffile.imwrite(path, stack, metadata={"axes": "ZYX", **sizes})
    out, preview = tmp_path / "out.tif", tmp_path / "seen.png"
    code, _, err = run("segment", path, "-o", out, "--link", "z", "--preview", preview)
    assert (code, err) == (0, "")
    stored = read_picture(out)
    assert stored.axes == "ZYX"
    assert stored.pixel_size == {"Z": 2.0, "Y": 0.5, "X": 0.5}
    assert sorted(np.unique(stored.array)) == [0, 1, 2, 3]
    for plane, labels in zip(stack, np.asarray(stored.array), strict=True):
        assert objects_of(labels) == components(plane)
    assert np.asarray(Image.open(preview)).shape == (2 * 54 + 4, 2 * 54 + 4, 3)


def test_without_a_link_every_plane_has_labels_of_its_own(run, tmp_path, discs):
    path, out = tmp_path / "stack.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, np.stack([discs, discs]), metadata={"axes": "TYX"})
    assert run("segment", path, "-o", out)[0] == 0
    assert sorted(np.unique(read_picture(out).array)) == [0, 1, 2, 3, 4, 5, 6]


def test_axes_named_by_the_user_win(run, tmp_path, discs):
    path, out = tmp_path / "stack.tif", tmp_path / "out.tif"
    stack = np.moveaxis(np.stack([discs, discs[::-1]]), 0, -1)  # YXT
    tifffile.imwrite(path, stack, photometric="minisblack", metadata=None)
    code, _, _ = run("segment", path, "-o", out, "--axes", "YXT")
    assert code == 0
    stored = read_picture(out)
    assert stored.axes == "YXT"
    assert stored.array.shape == (54, 54, 2)
    assert objects_of(np.asarray(stored.array)[..., 1]) == components(discs[::-1])


def test_channels_choose_what_the_model_sees(run, tmp_path, discs):
    path = tmp_path / "two.tif"
    other = np.zeros_like(discs)
    other[30:50, 2:12] = 200
    tifffile.imwrite(path, np.stack([other, discs]), metadata={"axes": "CYX"})
    for text, expected in (("0:gray", other), ("1:green", discs), ("0:red,1:blue", other + discs)):
        out = tmp_path / f"{len(text)}.tif"
        assert run("segment", path, "-o", out, "--channels", text)[0] == 0
        assert objects_of(np.asarray(read_picture(out).array)) == components(expected)


def test_limits_of_a_channel_change_what_is_bright(run, tmp_path, discs):
    path, out = tmp_path / "dim.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, (discs > 0).astype(np.uint16) * 100)
    run("segment", path, "-o", out, "--channels", "0[0-1000]")
    assert not np.asarray(read_picture(out).array).any()
    run("segment", path, "-o", out, "--channels", "0:gray[0-150]", "--force")
    assert np.asarray(read_picture(out).array).max() == 3


def test_settings_of_the_mode_are_passed_on(run, tmp_path, picture):
    out = tmp_path / "out.tif"
    code, _, err = run("segment", picture, "-o", out, "--mode", "objects", "--min-area", 10_000)
    assert (code, err) == (0, "")
    assert not np.asarray(read_picture(out).array).any()


def test_grid_mode(run, tmp_path, picture, discs):
    out = tmp_path / "out.tif"
    arguments = ("--mode", "grid", "--points-per-side", 8, "--stability-score-thresh", 0)
    assert run("segment", picture, "-o", out, *arguments)[0] == 0
    assert objects_of(np.asarray(read_picture(out).array)) == components(discs)


def test_an_empty_grid_says_which_limits_it_has(run, tmp_path, picture):
    arguments = ("--mode", "grid", "--points-per-side", 4, "--min-area", 10_000)
    code, out, _ = run("segment", picture, "-o", tmp_path / "out.tif", *arguments)
    assert code == 0 and "0 objects" in out and "rates above 0.88 " in out


def test_boxes_mode_redraws_given_objects(run, tmp_path, picture, discs):
    rough = np.zeros((54, 54), np.uint16)
    rough[5:20, 5:20] = 9
    given, out = tmp_path / "rough.tif", tmp_path / "out.tif"
    tifffile.imwrite(given, rough)
    code, _, err = run("segment", picture, "-o", out, "--mode", "boxes", "--boxes", given)
    assert (code, err) == (0, "")
    found = objects_of(np.asarray(read_picture(out).array))
    assert len(found) == 1
    assert found < components(discs)


def test_a_folder_of_pictures(run, tmp_path, discs):
    folder, out, seen = tmp_path / "in", tmp_path / "labels", tmp_path / "seen"
    folder.mkdir()
    tifffile.imwrite(folder / "a.tif", discs)
    Image.fromarray(discs).save(folder / "b.png")
    Image.fromarray(discs).save(folder / "b.bmp")
    (folder / "notes.txt").write_text("not a picture")
    code, said, err = run("segment", folder, "-o", out, "--preview", seen)
    assert (code, err) == (0, "")
    assert said.count("3 objects") == 3
    assert sorted(os.listdir(out)) == [
        LEDGER,
        "a_labels.tif",
        "b_bmp_labels.tif",
        "b_png_labels.tif",
    ]
    assert sorted(os.listdir(seen)) == ["a_overlay.png", "b_bmp_overlay.png", "b_png_overlay.png"]
    for name in sorted(os.listdir(out))[1:]:
        assert objects_of(np.asarray(read_picture(out / name).array)) == components(discs)


def test_one_bad_picture_does_not_stop_a_folder(run, tmp_path, discs):
    folder, out = tmp_path / "in", tmp_path / "labels"
    folder.mkdir()
    (folder / "a.tif").write_bytes(b"no picture")
    tifffile.imwrite(folder / "b.tif", discs)
    code, said, err = run("segment", folder, "-o", out)
    assert code == 2
    assert "b.tif: 3 objects" in said
    assert err.startswith("Error: a.tif cannot be read")
    assert err.endswith("Error: 1 of 2 pictures could not be segmented.\n")
    assert sorted(os.listdir(out)) == [LEDGER, "b_labels.tif"]


def test_force_replaces(run, tmp_path, picture):
    out = tmp_path / "out.tif"
    out.write_text("old")
    assert run("segment", picture, "-o", out, "--force")[0] == 0
    assert np.asarray(read_picture(out).array).max() == 3


def test_one_pixel_has_no_object(run, tmp_path):
    tifffile.imwrite(tmp_path / "dot.tif", np.array([[7]], np.uint8))
    code, said, err = run("segment", tmp_path / "dot.tif", "-o", tmp_path / "out.tif")
    assert (code, err) == (0, "")
    assert "0 objects" in said or "1 objects" in said
    assert read_picture(tmp_path / "out.tif").array.shape == (1, 1)


def test_help_names_every_setting_of_every_mode(run):
    from napari_sam_onnx.automatic import MODES, form_fields

    code, said, _ = run("segment", "--help")
    assert code == 0
    for kind in MODES.values():
        for field in form_fields(kind):
            assert f"--{field.name.replace('_', '-')} " in said


def test_version(run):
    code, said, _ = run("--version")
    assert code == 0
    assert re.fullmatch(r"napari-sam-onnx \d+\.\d+\.\d+\S*\n", said)


@pytest.mark.parametrize("given", ["20", "20px", "10um", "10 µm", "10000nm"])
def test_a_diameter_sets_the_scale_in_pixels_or_micrometres(run, tmp_path, discs, given):
    looks = []

    class Free(ComponentModel):
        largest_input = 4000

        def encode(self, image, scale=None):
            looks.append(scale)
            return super().encode(image)

    source = tmp_path / "sized.tif"
    sizes = {f"PhysicalSize{axis}": 0.5 for axis in "YX"}
    units = {f"PhysicalSize{axis}Unit": "µm" for axis in "YX"}
    tifffile.imwrite(source, discs, ome=True, metadata={"axes": "YX", **sizes, **units})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_sam_onnx.cli.commands.segment.load_model", lambda *_, **__: Free())
        code, _, err = run("segment", source, "-o", tmp_path / "o.tif", "--diameter", given)
    assert (code, err) == (0, "")
    assert looks[-1] == pytest.approx(2.5)


def test_a_diameter_that_says_nothing_is_refused(run, tmp_path, picture):
    out = tmp_path / "o.tif"
    assert "12um" in run("segment", picture, "-o", out, "--diameter", "large")[2]
    assert "12um" in run("segment", picture, "-o", out, "--diameter", "0")[2]
    assert "in pixels" in run("segment", picture, "-o", out, "--diameter", "3um")[2]


def test_limits_choose_what_is_written(run, tmp_path, picture):
    out = tmp_path / "o.tif"
    assert "0 objects" in run("segment", picture, "-o", out, "--min-diameter", 500)[1]


def test_suggestions_are_ranked_and_drawn(run, tmp_path, discs):
    source, sheet = tmp_path / "two.tif", tmp_path / "sheet.png"
    noise = np.zeros_like(discs)
    tifffile.imwrite(source, np.stack([noise, discs]), ome=True, metadata={"axes": "CYX"})
    code, out, err = run("segment", source, "--suggest", "-o", sheet)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 1 + 6
    assert "--channels 1:gray" in "".join(lines[1:4]) and " 3 " in lines[1]
    assert np.asarray(Image.open(sheet)).ndim == 3
    assert "exists" in run("segment", source, "--suggest", "-o", sheet)[2]
    assert ".png" in run("segment", source, "--suggest", "-o", tmp_path / "a.tif")[2]
    stack = tmp_path / "stack.tif"
    tifffile.imwrite(stack, np.stack([discs] * 5))
    assert "--axes" in run("segment", stack, "--suggest", "-o", sheet, "--force")[2]
    again = run("segment", stack, "--suggest", "-o", sheet, "--force", "--axes", "ZYX")
    assert again[0] == 0


def test_a_view_shows_the_picture_another_way(run, tmp_path, discs):
    source, out = tmp_path / "dark.png", tmp_path / "o.tif"
    Image.fromarray(255 - discs).save(source)
    assert "1 objects" in run("segment", source, "-o", out)[1]
    assert "3 objects" in run("segment", source, "-o", out, "--force", "--view", "inverted")[1]


def test_axes_of_one_pixel_may_be_named(run, component_model, picture, discs, tmp_path):
    for name in ("out.tif", "out.png"):
        code, _, err = run("segment", picture, "-o", tmp_path / name, "--axes", "TZYX", "-q")
        assert (code, err) == (0, "")
        written = read_picture(tmp_path / name).array
        assert objects_of(np.asarray(written).reshape(54, 54)) == objects_of(
            ndimage.label(discs)[0]
        )


def test_four_channels_of_eight_bits_are_all_seen(run, component_model, discs, tmp_path):
    four = np.zeros((4, *discs.shape), np.uint8)
    four[3] = discs // 4  # where RGBA has its alpha
    tifffile.imwrite(tmp_path / "four.ome.tif", four, metadata={"axes": "CYX"})
    code, said, _ = run("segment", tmp_path / "four.ome.tif", "-o", tmp_path / "out.tif")
    assert code == 0 and "3 objects" in said


def test_the_resolution_of_a_plain_tiff_is_kept(run, component_model, discs, tmp_path):
    options = {"resolution": (40_000, 40_000), "resolutionunit": "CENTIMETER", "metadata": None}
    tifffile.imwrite(tmp_path / "a.tif", discs, **options)
    run("segment", tmp_path / "a.tif", "-o", tmp_path / "out.tif", "-q")
    assert read_picture(tmp_path / "out.tif").pixel_size == pytest.approx({"Y": 0.25, "X": 0.25})


def test_a_mask_of_zero_and_255_as_boxes(run, component_model, picture, discs, tmp_path):
    tifffile.imwrite(tmp_path / "mask.tif", discs)
    options = ("--mode", "boxes", "--boxes", tmp_path / "mask.tif")
    code, said, _ = run("segment", picture, "-o", tmp_path / "out.tif", *options)
    assert code == 0 and "3 objects" in said
    foreign = ndimage.label(discs)[0].astype(np.uint16) * 100
    tifffile.imwrite(tmp_path / "mask.tif", foreign)
    run("segment", picture, "-o", tmp_path / "out.tif", *options, "--force")
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "out.tif"), foreign)


def test_a_region_and_gaps_between_labels(run, tmp_path, picture, discs):
    region, there, out = tmp_path / "region.png", tmp_path / "there.tif", tmp_path / "o.tif"
    left = np.zeros_like(discs)
    left[:, :20] = 255
    Image.fromarray(left).save(region)
    assert "1 objects" in run("segment", picture, "-o", out, "--inside", region)[1]
    existing = np.zeros(discs.shape, np.uint16)
    existing[:27, :27] = 40 * (discs[:27, :27] > 0)
    tifffile.imwrite(there, existing)
    assert "3 objects" in run("segment", picture, "-o", out, "--fill", there, "--force")[1]
    stored = tifffile.imread(out)
    assert set(np.unique(stored)) == {0, 40, 41, 42} and stored[12, 12] == 40
    boxes = ["--mode", "boxes", "--boxes", there, "--force"]
    assert "leave --boxes" in run("segment", picture, "-o", out, *boxes, "--fill", there)[2]
    stack = tmp_path / "stack.tif"
    tifffile.imwrite(stack, np.stack([discs] * 2))
    code, said, _ = run("segment", stack, "-o", out, "--axes", "ZYX", "--fill", there, "--force")
    assert code == 0 and "5 objects" in said
    stored = tifffile.imread(out)
    assert set(np.unique(stored)) == {0, 40, 41, 42, 43, 44}
    assert (stored[:, 12, 12] == 40).all()
    whole = tmp_path / "whole.tif"  # another plane of labels for each plane
    tifffile.imwrite(whole, np.stack([existing, existing * 0]))
    code, said, _ = run("segment", stack, "-o", out, "--axes", "ZYX", "--fill", whole, "--force")
    assert code == 0 and "6 objects" in said
    assert run("segment", stack, "-o", out, "--axes", "ZYX", "--inside", region, "--force")[0] == 0
    assert not tifffile.imread(out)[:, :, 20:].any()
    tifffile.imwrite(whole, np.stack([existing] * 3), photometric="minisblack")
    said = run("segment", stack, "-o", out, "--axes", "ZYX", "--fill", whole, "--force")[2]
    assert "(3, 54, 54)" in said and "of one size" in said


def test_ome_zarr_is_segmented_and_a_folder_with_it_goes_on(run, component_model, discs, tmp_path):
    import zarr

    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    zarr.save_array(str(folder / "discs.zarr"), discs)
    tifffile.imwrite(folder / "other.tif", discs)
    code, said, _ = run("segment", folder / "discs.zarr", "-o", tmp_path / "one.tif")
    assert code == 0 and "discs.zarr: 3 objects" in said
    for resume in ((), ("--resume",)):
        code, said, _ = run("segment", folder, "-o", out, *resume)
        assert code == 0
    assert said.startswith("2 done already")
    np.testing.assert_array_equal(
        tifffile.imread(out / "discs_labels.tif") > 0, tifffile.imread(tmp_path / "one.tif") > 0
    )


def test_settings_have_types_and_not_their_names():
    """Typer 0.26 refuses the name of a type where a module leaves annotations unevaluated."""
    from napari_sam_onnx.cli.app import app

    (command,) = [c.callback for c in app.registered_commands if c.callback.__name__ == "segment"]
    told = {name: str(kind) for name, kind in command.__annotations__.items()}
    assert "min_iou" in told and not [name for name in told if "ForwardRef" in told[name]]


@pytest.mark.parametrize("mode", ["max", "mean"])
def test_planes_along_z_are_segmented_as_one(run, tmp_path, discs, mode):
    halves = np.stack([discs, discs])
    halves[0, 27:] = 0
    halves[1, :27] = 0
    path, out = tmp_path / "stack.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, np.stack([halves, halves]), metadata={"axes": "TZYX"})
    code, _, err = run("segment", path, "-o", out, "--project", mode, "--link", "t")
    assert (code, err) == (0, "")
    stored = read_picture(out)
    assert stored.axes == "TYX"
    for plane in np.asarray(stored.array):
        assert objects_of(plane) == components(discs)
    flat = tmp_path / "flat.tif"
    tifffile.imwrite(flat, discs)
    code, _, err = run("segment", flat, "-o", out, "--force", "--project", mode)
    assert code == 2 and "no Z to project along" in err
    assert "max" in run("segment", flat, "-o", out, "--force", "--project", "median")[2]
