"""Whole objects of volumes, measured; compared with scikit-image on the volume itself."""

import csv

import numpy as np
import pytest
from skimage.measure import regionprops

from napari_sam_onnx.export.formats import write_objects
from napari_sam_onnx.export.intensities import ChannelPlanes, MeasuredChannel
from napari_sam_onnx.export.label_stack import LabelStack
from napari_sam_onnx.export.table import measure_objects
from napari_sam_onnx.export.volumes import join_planes
from napari_sam_onnx.labels.label_image import LabelError

SIZES = {"Z": 2.0, "Y": 0.5, "X": 0.5}


def draw() -> np.ndarray:
    z, y, x = np.indices((9, 30, 40))
    labels = np.zeros(z.shape, np.uint32)
    labels[((z - 4) / 3) ** 2 + ((y - 12) / 8) ** 2 + ((x - 11) / 6) ** 2 < 1] = 70_000
    labels[((z - 3) / 4) ** 2 + ((y - 17) / 5) ** 2 + ((x - 28) / 9) ** 2 < 1] = 2
    labels[5, labels[5] == 2] = 0  # a gap
    return labels


def test_a_row_for_each_object_as_measured_in_the_volume(tmp_path):
    labels = draw()
    image = np.random.default_rng(0).integers(0, 4000, (9, 2, 30, 40))
    channels = (MeasuredChannel("DAPI", image, 1, 0), MeasuredChannel("GFP", image, 1, 1))
    planes = ChannelPlanes(channels, (9, 1, 30, 40))
    stack = LabelStack(
        labels[:, None], "ZCYX", "", SIZES, planes, channel_names=planes.names, whole=True
    )
    write_objects(tmp_path / "a.csv", stack)
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["2", "70000"]
    for row in rows:
        inside = labels == int(row["label"])
        (prop,) = regionprops(inside.astype(int), spacing=(2.0, 0.5, 0.5))
        assert float(row["volume_um3"]) == pytest.approx(prop.area)
        assert float(row["diameter_um"]) == pytest.approx(prop.equivalent_diameter_area)
        center = [float(row[f"centroid_{axis}_um"]) for axis in "zyx"]
        assert center == pytest.approx(prop.centroid)
        box = [int(row[name]) for name in ("z0", "y0", "x0", "z1", "y1", "x1")]
        assert box == list(prop.bbox)
        area = inside.sum((1, 2))
        assert int(row["planes"]) == np.count_nonzero(area) and int(row["z"]) == area.argmax()
        assert float(row["largest_section_um2"]) == area.max() / 4
        for at, name in enumerate(("DAPI", "GFP")):
            values = image[:, at][inside]
            assert float(row[f"intensity_mean_{name}"]) == pytest.approx(values.mean())
            assert float(row[f"intensity_max_{name}"]) == values.max()


def test_frames_stay_apart_and_unknown_sizes_are_voxels():
    labels = np.stack([draw(), draw() * (draw() == 2)])
    stack = LabelStack(labels, "TZYX", pixel_size={"Y": 0.5, "X": 0.5}, classes={2: "cell"})
    rows = join_planes(measure_objects(stack), stack.axes, stack.pixel_size)
    assert rows["label"] == [2, 70_000, 2] and rows["t"] == [0, 0, 1]
    assert rows["volume_voxels"] == pytest.approx([(draw() == n).sum() for n in rows["label"]])
    assert rows["class"] == ["cell", "", "cell"] and "diameter_um" not in rows
    assert rows["centroid_z"][2] == pytest.approx(np.nonzero(draw() == 2)[0].mean())
    nothing = LabelStack(np.zeros((3, 8, 8), np.uint8), "ZYX")
    assert join_planes(measure_objects(nothing), "ZYX", {})["volume_voxels"] == []
    with pytest.raises(LabelError, match="no axis Z"):
        join_planes({"label": []}, "TYX", {})
