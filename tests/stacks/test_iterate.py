import threading

import dask.array as dask_array
import numpy as np
import pytest
import zarr
from scipy import ndimage

from napari_sam_onnx.automatic import ParameterError
from napari_sam_onnx.labels import label_store
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.pictures.image import Channel, ImageError
from napari_sam_onnx.planes import ArrayPlanes
from napari_sam_onnx.stacks import automask_stack, iterate_stack
from tests.fakes import ComponentModel, draw_discs

HEIGHT, WIDTH = 50, 80


def moving(shift=2, planes=4):
    """Two discs that move down by `shift` px per plane; the second is gone in plane 2."""
    stack = np.zeros((planes, HEIGHT, WIDTH), np.uint8)
    for z in range(planes):
        centers = [(12 + shift * z, 20)] + ([] if z == 2 else [(15 + shift * z, 60)])
        stack[z] = draw_discs((HEIGHT, WIDTH), centers, 7)
    return stack


def ids(plane):
    return [int(v) for v in np.unique(plane) if v]


def test_labels_are_unique_over_the_stack():
    stack = moving()
    labels = automask_stack(stack, ComponentModel(), "ZYX", method="planes")
    assert labels.dtype == np.uint32 and labels.shape == stack.shape
    np.testing.assert_array_equal(labels > 0, stack > 0)
    assert [ids(plane) for plane in labels] == [[1, 2], [3, 4], [5], [6, 7]]


def test_a_linked_object_keeps_its_label():
    labels = automask_stack(moving(), ComponentModel(), "ZYX", link="z")
    assert [ids(plane) for plane in labels] == [[1, 2], [1, 2], [1], [1, 3]]
    assert len({int(labels[z, 12 + 2 * z, 20]) for z in range(4)}) == 1


def test_what_moves_too_far_is_another_object():
    labels = automask_stack(moving(shift=13, planes=2), ComponentModel(), "TYX", link="t")
    assert [ids(plane) for plane in labels] == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("z", [[[1, 2], [1, 2]], [[3, 4], [3, 4]], [[5, 6], [5, 6]]]),
        ("t", [[[1, 2], [3, 4]], [[1, 2], [3, 4]], [[1, 2], [3, 4]]]),
        (None, [[[1, 2], [3, 4]], [[5, 6], [7, 8]], [[9, 10], [11, 12]]]),
    ],
)
def test_links_run_along_one_axis_and_start_anew_along_the_others(link, expected):
    plane = draw_discs((HEIGHT, WIDTH), [(12, 20), (15, 60)], 7)
    stack = np.broadcast_to(plane, (3, 2, HEIGHT, WIDTH))
    labels = automask_stack(stack, ComponentModel(), "TZYX", link=link, method="planes")
    assert [[ids(labels[t, z]) for z in range(2)] for t in range(3)] == expected


def test_axes_may_come_in_any_order_and_channels_go():
    stack = moving(planes=3)  # ZYX
    two = np.stack([stack, np.zeros_like(stack)])  # CZYX
    expected = automask_stack(stack, ComponentModel(), "ZYX", link="z")
    for axes in ("CZYX", "ZYXC", "XZCY", "YXZC"):
        moved = two.transpose(["CZYX".index(axis) for axis in axes])
        labels = automask_stack(moved, ComponentModel(), axes, link="z", channels=[Channel(0)])
        kept = axes.replace("C", "")
        back = labels.transpose([kept.index(axis) for axis in "ZYX"])
        np.testing.assert_array_equal(back, expected)


def test_a_single_plane_is_a_stack_too():
    labels = automask_stack(moving()[0], ComponentModel(), "YX")
    assert ids(labels) == [1, 2]


def test_the_contrast_is_that_of_the_whole_stack():
    seen = []

    class Watching(ComponentModel):
        def encode(self, image):
            seen.append(int(image.max()))
            return super().encode(image)

    stack = moving().astype(np.uint16) * 10
    stack[1] //= 5  # bleached: a fifth as bright, and it stays so
    automask_stack(stack, Watching(), "ZYX")
    assert seen == [255, 51, 255, 255]


class Counting:
    """A lazy stack that records which planes are read and refuses to be loaded whole."""

    def __init__(self, stack):
        self._stack = stack
        self.shape, self.ndim, self.dtype = stack.shape, stack.ndim, stack.dtype
        self.planes = []

    def __getitem__(self, key):
        part = self._stack[key]
        whole = part.size == self._stack.size
        if np.ndim(key) == 0 or not isinstance(key[0], slice):
            self.planes.append(key)
        return Counting(part) if whole else part

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("the stack was loaded whole")


def test_a_lazy_stack_is_read_plane_by_plane():
    lazy = Counting(moving())
    channels = [Channel(0, limits=(0, 255))]
    updates = iterate_stack(lazy, ComponentModel(), "ZYX", channels=channels)
    for update in updates:
        if update.labels is not None:
            assert len(lazy.planes) <= update.done + 1  # those after the next were not touched yet
    assert [key[0] for key in lazy.planes] == [0, 1, 2, 3]


def test_dask_planes_are_loaded_one_ahead_at_most_and_not_twice_at_once():
    stack = np.repeat(moving(), 10, axis=0)  # 40 planes
    lock, loads, alive = threading.Lock(), [], []

    def load(block_info=None):
        z = block_info[None]["array-location"][0][0]
        with lock:
            loads.append(z)
        return stack[z : z + 1]

    lazy = dask_array.map_blocks(
        load,
        chunks=((1,) * 40, (HEIGHT,), (WIDTH,)),
        dtype=np.uint8,
        meta=np.zeros((0, 0, 0), np.uint8),
    )
    channels = [Channel(0, limits=(0, 255))]
    for update in iterate_stack(lazy, ComponentModel(), "ZYX", link="z", channels=channels):
        alive.append(len(loads) - update.done)
    assert sorted(loads) == list(range(40))  # every plane once
    assert max(alive) <= 2  # the one in work, and the next
    loads.clear()
    labels = automask_stack(lazy, ComponentModel(), "ZYX", link="z")  # limits are measured now
    assert len(loads) < 40 + 25
    np.testing.assert_array_equal(labels > 0, stack > 0)


def test_results_go_to_a_memmap_or_zarr_array(tmp_path):
    stack = moving()
    expected = automask_stack(stack, ComponentModel(), "ZYX")
    file = np.memmap(tmp_path / "labels.raw", np.uint32, "w+", shape=stack.shape)
    assert automask_stack(stack, ComponentModel(), "ZYX", out=file) is file
    np.testing.assert_array_equal(file, expected)
    store = zarr.open_array(
        str(tmp_path / "labels.zarr"), mode="w", shape=stack.shape, chunks=(1, 50, 80), dtype="u4"
    )
    automask_stack(stack, ComponentModel(), "ZYX", out=store)
    np.testing.assert_array_equal(store[:], expected)
    with pytest.raises(LabelError, match="uint32 of shape"):
        automask_stack(stack, ComponentModel(), "ZYX", out=np.zeros(stack.shape, np.uint8))
    with pytest.raises(LabelError, match="uint32 of shape"):
        automask_stack(stack, ComponentModel(), "ZYX", out=np.zeros((1, 2), np.uint32))


def test_results_go_to_a_folder_that_is_named(tmp_path):
    labels = automask_stack(
        moving(), ComponentModel(), "ZYX", out=tmp_path / "labels.zarr", method="planes"
    )
    np.testing.assert_array_equal(
        zarr.open_array(str(tmp_path / "labels.zarr"), mode="r")[:], labels[:]
    )
    np.testing.assert_array_equal(labels[:] > 0, moving() > 0)
    with pytest.raises(LabelError, match="exists already"):
        automask_stack(moving(), ComponentModel(), "ZYX", out=tmp_path / "labels.zarr")
    with pytest.raises(ParameterError):
        automask_stack(moving(), ComponentModel(), "ZYX", mode="all", out=tmp_path / "no.zarr")
    assert not (tmp_path / "no.zarr").exists()


def test_labels_too_large_for_memory_go_to_disk(tmp_path, monkeypatch):
    monkeypatch.setenv(label_store.FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(label_store, "free_memory", lambda: 4 * moving().size * 2 - 1)
    labels = automask_stack(moving(), ComponentModel(), "ZYX", method="planes")
    assert isinstance(labels, zarr.Array) and len(list(tmp_path.glob("*.zarr"))) == 1
    np.testing.assert_array_equal(labels[:] > 0, moving() > 0)
    monkeypatch.setattr(label_store, "free_memory", lambda: 4 * moving().size * 2)
    assert isinstance(automask_stack(moving(), ComponentModel(), "ZYX"), np.ndarray)


def test_some_planes_of_a_source():
    source = ArrayPlanes(moving(), "ZYX")
    updates = iterate_stack(source, ComponentModel(), indices=[(3,), (1,)])
    done = [update for update in updates if update.labels is not None]
    assert [update.index for update in done] == [(1,), (3,)] and done[-1].total == 2
    assert [ids(update.labels) for update in done] == [[1, 2], [3, 4]]
    with pytest.raises(ImageError, match="has its own axes"):
        next(iterate_stack(source, ComponentModel(), "ZYX"))
    with pytest.raises(ImageError, match="Name the axes"):
        next(iterate_stack(moving(), ComponentModel()))
    with pytest.raises(ImageError, match="got list"):
        next(iterate_stack([1, 2], ComponentModel(), "ZYX"))


def test_progress_counts_planes():
    seen = []
    automask_stack(moving(), ComponentModel(), "ZYX", progress=lambda *now: seen.append(now))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_closed_run_keeps_the_planes_that_are_finished():
    model = ComponentModel()
    updates = iterate_stack(moving(), model, "ZYX", mode="grid", points_per_batch=100)
    kept = {}
    for update in updates:
        if update.labels is not None:
            kept[update.index] = update.labels
        elif update.index == (1,) and update.step.done == 200:  # in the middle of plane 1
            updates.close()
    assert list(kept) == [(0,)]
    assert ids(kept[0,]) == [1, 2]
    assert model.decoded == 11 + 2


def test_a_plane_without_values_has_no_objects():
    stack = moving().astype(float)
    stack[1] = np.nan
    labels = automask_stack(stack, ComponentModel(), "ZYX", method="planes")
    assert [ids(plane) for plane in labels] == [[1, 2], [], [3], [4, 5]]
    with pytest.raises(ImageError, match="no finite value"):
        automask_stack(np.full((3, 9, 9), np.nan), ComponentModel(), "ZYX")


def test_what_cannot_be_run_is_refused_before_anything_is_read():
    lazy = Counting(moving())
    model = ComponentModel()
    with pytest.raises(ImageError, match="name 2 dimensions"):
        automask_stack(lazy, model, "YX")
    with pytest.raises(ImageError, match="linked along 't'"):
        automask_stack(lazy, model, "ZYX", link="t")
    with pytest.raises(ParameterError, match="no mode"):
        automask_stack(lazy, model, "ZYX", mode="all")
    with pytest.raises(ParameterError, match="points_per_side"):
        automask_stack(lazy, model, "ZYX", mode="grid", points_per_side=0)
    with pytest.raises(ImageError, match="empty"):
        automask_stack(np.zeros((0, 5, 5)), model, "ZYX")
    assert not lazy.planes and not model.encoded


def test_an_object_stays_itself_while_it_grows_splits_off_and_shrinks():
    """A cell body that shows in five planes: its caps are small, and it is still one object."""
    radii = (4, 7, 9, 7, 4)
    stack = np.stack([draw_discs((HEIGHT, WIDTH), [(25, 40)], r) for r in radii])
    labels = automask_stack(stack, ComponentModel(), "ZYX", link="z")
    assert ids(labels) == [1]
    assert ndimage.label(labels)[1] == 1
