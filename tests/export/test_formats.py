"""Each format is read back with its own library, or by its own rules."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import roifile
from pycocotools.coco import COCO
from scipy.ndimage import gaussian_filter
from scipy.ndimage import label as label_parts
from shapely.geometry import shape as make_shape
from skimage.measure import regionprops

from napari_sam_onnx.export.coco import decode_runs, encode_runs
from napari_sam_onnx.export.formats import (
    FORMATS,
    find_format,
    measure_loss,
    read_objects,
    write_objects,
)
from napari_sam_onnx.export.intensities import ChannelPlanes, MeasuredChannel
from napari_sam_onnx.export.label_stack import LabelStack
from napari_sam_onnx.export.table import measure_objects
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.pictures.picture_file import PictureFileError, read_picture

SHAPE = (40, 60)


def draw():
    """Objects with a hole, with two pieces, one pixel large, at the edge; large numbers."""
    labels = np.zeros(SHAPE, np.uint32)
    labels[5:15, 5:15] = 3
    labels[8:11, 8:11] = 0
    labels[20:25, 5:9] = labels[30:35, 20:30] = 70_000
    labels[2, 40] = 5
    labels[30:, 50:] = 4_000_000_000
    labels[9, 9] = 6  # lies in the hole
    return labels


LABELS = draw()
EXACT = LabelStack(LABELS, "YX", "cells.tif", tolerance=0.0)
STACK = np.stack([LABELS, np.roll(LABELS, 7, axis=1), np.zeros_like(LABELS)])


@pytest.mark.parametrize("suffix", [".json", ".geojson", ".zip", ".zarr", ".tif"])
def test_what_is_written_is_read_again(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    write_objects(path, EXACT)
    if suffix == ".tif":
        read, axes = np.asarray(read_picture(path).array), "YX"
    else:
        read, axes = read_objects(path, SHAPE)
    assert axes == "YX"
    np.testing.assert_array_equal(read, LABELS)


@pytest.mark.parametrize("name", ["yolo", "yolo-boxes"])
def test_yolo_numbers_the_objects_anew(tmp_path, name):
    path = tmp_path / "out.txt"
    write_objects(path, EXACT, name)
    lines = path.read_text().splitlines()
    assert len(lines) == 5 and all(line.startswith("0 ") for line in lines)
    read, _ = read_objects(path, SHAPE)
    ids = [0, 3, 5, 6, 70_000, 4_000_000_000]
    if name == "yolo":
        np.testing.assert_array_equal(read, np.searchsorted(ids, LABELS))
    else:
        x, y, w, h = (float(v) for v in lines[3].split()[1:])
        assert (x * 60 - w * 30, x * 60 + w * 30) == pytest.approx((5, 30))
        assert (y * 40 - h * 20, y * 40 + h * 20) == pytest.approx((20, 35))
        assert (read > 0).sum() > (LABELS > 0).sum()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # its own
def test_coco_is_read_by_pycocotools(tmp_path, capsys):
    path = tmp_path / "out.json"
    write_objects(path, LabelStack(STACK, "ZYX", "cells"))
    coco = COCO(str(path))
    assert [image["file_name"] for image in coco.imgs.values()] == [
        "cells_z000",
        "cells_z001",
        "cells_z002",
    ]
    for number, plane in enumerate(STACK, start=1):
        found = np.zeros(SHAPE, np.uint32)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=[number])):
            mask = coco.annToMask(annotation).astype(bool)
            assert mask.sum() == annotation["area"]
            x, y, w, h = annotation["bbox"]
            assert mask[y : y + h, x : x + w].sum() == mask.sum()
            found[mask] = annotation["label"]
        np.testing.assert_array_equal(found, plane)
    read, axes = read_objects(path)
    assert axes == "ZYX"
    np.testing.assert_array_equal(read, STACK)


def test_coco_polygons_of_others_are_read(tmp_path):
    path = tmp_path / "other.json"
    document = {
        "images": [{"id": 7, "height": 20, "width": 30, "file_name": "x"}],
        "annotations": [
            {"id": 1, "image_id": 7, "segmentation": [[2, 3, 12, 3, 12, 9, 2, 9]]},
            {"id": 2, "image_id": 7, "segmentation": {"size": [20, 30], "counts": [599, 1]}},
        ],
    }
    path.write_text(json.dumps(document))
    read, _ = read_objects(path)
    assert (read == 1).sum() == 60 and read[3:9, 2:12].all()
    assert read[-1, -1] == 2


def test_runs_are_lossless():
    rng = np.random.default_rng(1)
    for _ in range(20):
        plane = rng.random((9, 11)) > rng.random()
        assert (decode_runs(encode_runs(plane, (0, 0), (9, 11)), (9, 11)) == plane).all()
    crop = np.ones((2, 3), bool)
    whole = np.zeros((9, 11), bool)
    whole[7:9, 8:11] = True
    np.testing.assert_array_equal(decode_runs(encode_runs(crop, (7, 8), (9, 11)), (9, 11)), whole)


@pytest.mark.parametrize("top", [0, 3, 6])
@pytest.mark.parametrize("left", [0, 4, 9])
def test_runs_of_objects_at_borders_end_with_them(top: int, left: int) -> None:
    whole = np.zeros((9, 11), bool)
    crop = np.array([[False, True], [True, True], [False, True]])
    whole[top : top + 3, left : left + 2] = crop
    counts = encode_runs(crop, (top, left), whole.shape)
    assert sum(counts) == whole.size and min(counts[1:]) > 0
    np.testing.assert_array_equal(decode_runs(counts, whole.shape), whole)


def test_geojson_holds_valid_geometries_of_the_right_area(tmp_path):
    path = tmp_path / "out.geojson"
    write_objects(path, LabelStack(STACK, "ZYX", tolerance=0.0))
    features = json.loads(path.read_text())["features"]
    assert {f["geometry"]["plane"]["z"] for f in features} == {0, 1}
    for feature in features:
        geometry = make_shape(feature["geometry"])
        assert geometry.is_valid
        label = feature["properties"]["measurements"]["Label"]
        plane = STACK[feature["geometry"]["plane"]["z"]]
        assert geometry.area == (plane == label).sum()
        ys, xs = np.nonzero(plane == label)
        assert geometry.bounds == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    with pytest.raises(LabelError, match="several planes"):
        read_objects(path, SHAPE)


def test_imagej_regions_are_read_by_roifile(tmp_path):
    path = tmp_path / "out.zip"
    write_objects(path, LabelStack(STACK, "ZYX", tolerance=0.0))
    rois = roifile.roiread(path)
    assert {roi.z_position for roi in rois} == {1, 2}
    assert rois[0].name == "z1-3"
    assert rois[0].shape_roi_size > 0  # composite: it has a hole
    square = next(roi for roi in rois if roi.name == "z1-4000000000")
    assert square.coordinates().min(axis=0).tolist() == [50, 30]
    assert square.coordinates().max(axis=0).tolist() == [60, 40]
    hole = rois[0].coordinates(multi=True)
    assert sorted(len(line) for line in hole) == [5, 5]


def test_the_table_measures_in_micrometres(tmp_path):
    image = np.random.default_rng(0).integers(0, 4000, (*SHAPE, 2))
    sizes = {"Y": 0.5, "X": 0.5}
    path = tmp_path / "out.csv"
    stack = LabelStack(LABELS, "YX", pixel_size=sizes, image=image)
    write_objects(path, stack)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["label"]) for row in rows] == [3, 5, 6, 70_000, 4_000_000_000]
    for row in rows:
        inside = int(row["label"]) == LABELS
        (prop,) = regionprops(inside.astype(int), image)
        assert float(row["area_um2"]) == pytest.approx(inside.sum() / 4)
        assert float(row["centroid_x_um"]) == pytest.approx(prop.centroid[1] / 2)
        assert float(row["intensity_mean_1"]) == pytest.approx(image[inside, 1].mean())
        assert int(row["y0"]) == prop.bbox[0]
        assert 0 < float(row["circularity"]) <= 1
    both = ChannelPlanes(
        (MeasuredChannel("DAPI", image[..., 0]), MeasuredChannel("DAPI", image, sample=1)), SHAPE
    )
    named = LabelStack(LABELS, "YX", image=both, channel_names=both.names)
    assert measure_objects(named)["intensity_max_DAPI 2"][0] == image[LABELS == 3, 1].max()
    one = replace(named, image=image[..., :1], channel_names=("DAPI",))
    assert measure_objects(one)["intensity_mean"][0] == image[LABELS == 3, 0].mean()
    plain = measure_objects(LabelStack(STACK, "TYX"))
    assert plain["t"] == [0] * 5 + [1] * 5
    assert plain["area_px2"][0] == 91
    uneven = measure_objects(LabelStack(LABELS, "YX", pixel_size={"Y": 1.0, "X": 0.5}))
    assert "perimeter_um" not in uneven and uneven["area_um2"][0] == 45.5
    assert measure_objects(LabelStack(np.zeros(SHAPE, int), "YX")).get("label") == []


def test_ome_zarr_keeps_axes_sizes_and_a_pyramid(tmp_path):
    import zarr

    path = tmp_path / "out.zarr"
    stack = LabelStack(STACK, "ZYX", pixel_size={"Z": 2.0, "Y": 0.5, "X": 0.25})
    write_objects(path, stack)
    group = zarr.open_group(str(path / "labels" / "objects"), mode="r")
    scales = group.attrs["ome"]["multiscales"][0]
    text = json.dumps(scales)
    assert [axis["name"] for axis in _axes(scales)] == ["z", "y", "x"]
    assert "[2.0, 0.5, 0.25]" in text and "micrometer" in text
    assert len(scales["datasets"]) > 1
    small = group[scales["datasets"][1]["path"]]
    assert small.shape == (3, 20, 30) and set(np.unique(small)) <= set(np.unique(STACK))
    read, axes = read_objects(path)
    assert axes == "ZYX"
    np.testing.assert_array_equal(read, STACK)
    with pytest.raises(PictureFileError, match="exists"):
        write_objects(path, stack)
    write_objects(path, EXACT, overwrite=True)
    np.testing.assert_array_equal(read_objects(path)[0], LABELS)
    (tmp_path / "mine.zarr").mkdir()
    with pytest.raises(PictureFileError, match="exists"):  # no zarr: it is not ours to remove
        write_objects(tmp_path / "mine.zarr", EXACT, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.zarr", "out.zarr"]


def _axes(scales):
    if "axes" in scales:
        return scales["axes"]
    return scales["coordinateSystems"][0]["axes"]


@pytest.mark.parametrize("tolerance", [0.0, 0.5, 2.0])
def test_the_loss_of_polygons_is_told(tolerance):
    rng = np.random.default_rng(4)
    blobs = label_parts(gaussian_filter(rng.random((80, 80)), 3) > 0.52)[0]
    mean, worst, corners = measure_loss(LabelStack(blobs, "YX", tolerance=tolerance))
    assert 0 < worst <= mean <= 1
    assert (mean > 0.999) == (tolerance < 1)
    assert corners > 0
    finer = measure_loss(LabelStack(blobs, "YX", tolerance=tolerance / 2))
    assert finer[0] >= mean and finer[2] >= corners
    assert measure_loss(LabelStack(np.zeros((3, 3), int), "YX")) == (1, 1, 0)


@pytest.mark.parametrize("suffix", [".geojson", ".zip", ".txt"])
def test_simplified_polygons_come_back_nearly_as_they_were(tmp_path, suffix):
    y, x = np.mgrid[:80, :80]
    disc = ((y - 40) ** 2 + (x - 40) ** 2 < 30**2).astype(int)
    write_objects(tmp_path / f"a{suffix}", LabelStack(disc, "YX", tolerance=1.5))
    read, _ = read_objects(tmp_path / f"a{suffix}", (80, 80))
    both = np.count_nonzero((read == 1) & (disc == 1))
    assert 0.9 < both / np.count_nonzero((read == 1) | (disc == 1)) < 1


def test_files_that_say_nothing_are_refused(tmp_path):
    for suffix in (".json", ".geojson", ".zip", ".txt"):
        path = tmp_path / f"bad{suffix}"
        path.write_text("0 a b c\n")
        with pytest.raises(LabelError):
            read_objects(path, SHAPE)
    with pytest.raises(LabelError, match="holds no OME-Zarr"):
        (tmp_path / "bad.zarr").mkdir()
        read_objects(tmp_path / "bad.zarr")
    with pytest.raises(LabelError, match="give the shape"):
        read_objects(tmp_path / "bad.txt")
    with pytest.raises(LabelError, match="ends in none of them"):
        read_objects(tmp_path / "bad.xyz")
    (tmp_path / "five.txt").write_text("0 1 2 3 4 5\n")
    with pytest.raises(LabelError, match="neither a box nor a polygon"):
        read_objects(tmp_path / "five.txt", SHAPE)
    with pytest.raises(LabelError, match="one plane"):
        write_objects(tmp_path / "a.txt", LabelStack(STACK, "ZYX"))
    with pytest.raises(LabelError, match="tells no format"):
        find_format(tmp_path / "a.doc")
    with pytest.raises(LabelError, match="choose one of"):
        find_format(tmp_path / "a.doc", "doc")
    assert {find_format(tmp_path / f"a{f.suffixes[0]}").suffixes for f in FORMATS.values()}


@pytest.mark.parametrize(
    ("labels", "axes", "reason"),
    [
        (LABELS, "ZYX", "Y and X last"),
        (LABELS.T, "XY", "Y and X last"),
        (LABELS.astype(float), "YX", "whole numbers"),
        (LABELS.astype(np.int64) - 1, "YX", "not negative"),
    ],
)
def test_labels_that_cannot_be_exported(labels, axes, reason):
    with pytest.raises(LabelError, match=reason):
        LabelStack(labels, axes)


def test_a_picture_of_another_size_is_refused():
    with pytest.raises(LabelError, match="of one size"):
        LabelStack(LABELS, "YX", image=np.zeros((3, 4)))
