import dask.array as dask_array
import numpy as np
import pytest
import zarr

from napari_sam_onnx.labels import label_store
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.labels.label_store import find_largest, make_labels, remove_labels
from napari_sam_onnx.memory import format_bytes, free_memory


def test_small_labels_are_in_memory():
    labels, place = make_labels((3, 4, 5))
    assert place is None and labels.shape == (3, 4, 5) and labels.dtype == np.uint32
    assert not labels.any()


def test_huge_labels_cost_neither_memory_nor_disk(tmp_path, monkeypatch):
    monkeypatch.setenv(label_store.FOLDER_VARIABLE, str(tmp_path))
    before = free_memory()
    labels, place = make_labels((200_000, 8192, 8192))
    assert place.parent == tmp_path and labels.chunks == (1, 1024, 1024)
    labels[5, 10:20, 10:20] = 7
    assert int(np.asarray(labels[5, :100, :100]).sum()) == 700
    assert sum(file.stat().st_size for file in place.rglob("*") if file.is_file()) < 100_000
    assert free_memory() > before - 2**30
    remove_labels(place)
    assert not place.exists()


def test_places_that_cannot_be_used(tmp_path, monkeypatch):
    with pytest.raises(LabelError, match="a zarr folder"):
        make_labels((3, 3), tmp_path / "labels")
    with pytest.raises(LabelError, match="does not exist"):
        make_labels((3, 3), tmp_path / "no" / "labels.zarr")
    monkeypatch.setenv(label_store.FOLDER_VARIABLE, str(tmp_path / "no"))
    with pytest.raises(LabelError, match=r"GB, more than fits.*does not exist"):
        make_labels((200_000, 8192, 8192))


def test_without_zarr_the_sentence_names_it(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(LabelError, match="pip install"):
        make_labels((3, 3), tmp_path / "labels.zarr")


@pytest.mark.parametrize(
    ("count", "text"),
    [(7, "7 bytes"), (64_200_000, "64 MB"), (1.5e9, "1.5 GB"), (1.25e11, "125 GB")],
)
def test_bytes_as_people_say_them(count, text):
    assert format_bytes(count) == text


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("name", ["a.zarr", "group.zarr"])
def test_the_largest_label_is_found_in_what_was_written(tmp_path, zarr_format, name):
    shape, chunks = (2000, 4096, 4096), (1, 1024, 1024)
    options = {"shape": shape, "chunks": chunks, "dtype": "u4", "zarr_format": zarr_format}
    if name == "a.zarr":
        labels = zarr.create_array(tmp_path / name, **options)
    else:
        labels = zarr.open_group(tmp_path / name, mode="w").create_array(
            "labels", **{key: options[key] for key in ("shape", "chunks", "dtype")}
        )
    assert find_largest(labels) == 0
    labels[3, 5, 7] = 12
    labels[1999, 4095, 4000] = 70_000
    assert find_largest(labels) == 70_000  # reading all of it would take minutes


def test_the_largest_label_of_any_array():
    labels = np.zeros((3, 20, 30), np.int32)
    labels[2, 3, 4] = 9
    lazy = dask_array.from_array(labels, chunks=(1, 7, 30))
    inside = zarr.array(labels)
    assert [find_largest(array) for array in (labels, lazy, inside, labels[:0])] == [9, 9, 9, 0]
