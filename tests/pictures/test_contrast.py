import dask.array as dask_array
import numpy as np
import pytest
import zarr

from napari_sam_onnx.pictures.contrast import measure_limits, sample_channels
from napari_sam_onnx.pictures.image import fix_limits

rng = np.random.default_rng(0)


class Lazy:
    """Counts what is read of it, as a disk would."""

    def __init__(self, array, reads):
        self.array, self.reads = array, reads
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, key):
        return Lazy(self.array[key], self.reads)

    def __array__(self, dtype=None, copy=None):
        self.reads.append(self.array.size)
        return np.asarray(self.array, dtype=dtype)


def test_limits_of_a_lazy_stack_are_measured_on_a_sample():
    reads = []
    stack = rng.integers(0, 1000, (200, 100, 100)).astype(np.uint16)
    (channel,) = fix_limits(Lazy(stack, reads), "ZYX")
    assert sum(reads) < stack.size / 5
    np.testing.assert_allclose(channel.limits, np.percentile(stack, (0.1, 99.9)), atol=5)


def counted(shape, chunks, loads):
    """A dask array whose chunks are written down when they are computed."""

    def load(block_info=None):
        place = block_info[None]["chunk-location"]
        loads.append(place)
        return np.full(block_info[None]["chunk-shape"], place[0], np.uint16)

    return dask_array.map_blocks(load, chunks=chunks, dtype=np.uint16, meta=np.zeros(0, np.uint16))


def test_few_chunks_of_a_dask_array_are_computed_each_once():
    loads = []
    lazy = counted((400, 1024, 1024), ((1,) * 400, (1024,), (1024,)), loads)
    (channel,) = fix_limits(lazy, "ZYX")
    assert len(loads) == len(set(loads)) <= 64
    low, high = channel.limits
    assert low < 10 and high > 390  # from one end to the other


def test_chunks_with_channels_are_read_once_for_all_channels():
    loads = []
    lazy = counted((8, 3, 64, 64), ((1,) * 8, (3,), (64,), (64,)), loads)
    fix_limits(lazy, "ZCYX")
    assert len(loads) == len(set(loads)) == 8


def test_a_zarr_array_is_not_read_whole(tmp_path, monkeypatch):
    store = zarr.open_array(
        str(tmp_path / "a.zarr"), mode="w", shape=(4, 4096, 4096), chunks=(1, 256, 256), dtype="u2"
    )
    store[:, :256, :256] = 7
    read = []
    take = type(store).__getitem__

    def count(self, key):
        values = take(self, key)
        read.append(values.size)
        return values

    monkeypatch.setattr(type(store), "__getitem__", count)
    (sample,) = sample_channels(store, "ZYX", [0])
    assert sum(read) <= 64_000_000 and max(read) == 512 * 512
    assert sample.values.size > 1_000_000


@pytest.mark.parametrize("axes", ["TZYX", "YXZT", "TYXZ"])
def test_a_sample_covers_all_axes(axes):
    sizes = {"T": 40, "Z": 30, "Y": 10, "X": 12}
    shape = [sizes[axis] for axis in axes]
    for axis in "TZ":
        along = np.arange(sizes[axis]).reshape([-1 if a == axis else 1 for a in axes])
        (sample,) = sample_channels(np.broadcast_to(along, shape), axes, [0])
        seen = np.unique(sample.values)
        assert seen.min() <= sizes[axis] * 0.15 and seen.max() >= sizes[axis] * 0.85
        assert np.diff(seen).max() <= sizes[axis] / 4


def test_small_arrays_are_looked_at_whole():
    stack = rng.integers(0, 1000, (3, 2, 20, 30)).astype(np.uint16)
    for number, sample in enumerate(sample_channels(stack, "ZCYX", [1, 0])):
        assert sorted(sample.values) == sorted(stack[:, 1 - number].ravel())


def test_what_is_not_finite_does_not_count():
    values = np.array([np.nan, np.inf, 1, 2, 3, -np.inf])
    assert measure_limits(values, (0, 100)) == (1, 3)
    assert measure_limits(np.full(3, np.nan)) == (0, 0)
    assert measure_limits(np.array([True, False])) == (0, 1)


def spots(count, radius=3, hot=0, shape=(400, 500)):
    """Few bright objects, or hot pixels, on a dim and noisy ground."""
    plane = rng.normal(100, 8, shape)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for cy, cx in rng.integers(10, 390, (count, 2)):
        plane[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = 1000
    plane.ravel()[rng.integers(0, plane.size, hot)] = 1000
    return plane


def test_few_bright_objects_are_not_cut_off():
    plane = spots(6)  # 0.09 % of the pixels
    (channel,) = fix_limits(plane, "YX")
    assert channel.limits[1] == pytest.approx(1000)
    stack = np.stack([plane] * 3)
    (channel,) = fix_limits(dask_array.from_array(stack, chunks=(1, 200, 500)), "ZYX")
    assert channel.limits[1] == pytest.approx(1000)


def test_hot_pixels_do_not_count_as_objects():
    (channel,) = fix_limits(spots(0, hot=60), "YX")
    assert channel.limits[1] < 150


def test_many_bright_objects_keep_their_percentiles():
    plane = spots(150)
    (channel,) = fix_limits(plane, "YX")
    np.testing.assert_allclose(channel.limits, np.percentile(plane, (0.1, 99.9)))
