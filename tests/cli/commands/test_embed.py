"""Planes encoded beforehand are found by `segment`; the cache is seen and cleared."""

import numpy as np
import pytest
import tifffile

from napari_sam_onnx.cache import DiskCache
from napari_sam_onnx.models.store.places import cache_dir


@pytest.fixture
def model(monkeypatch, tmp_path, component_model):
    monkeypatch.setenv("NAPARI_SAM_ONNX_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(
        "napari_sam_onnx.cli.commands.embed.load_model", lambda *_, **__: component_model
    )
    return component_model


@pytest.fixture
def stack(tmp_path, discs):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack([discs, discs[::-1]]), metadata={"axes": "ZYX"})
    return path


def test_a_stack_is_encoded_once_and_segmented_without_encoding(run, model, stack, tmp_path):
    code, said, err = run("embed", stack)
    assert (code, err, model.encoded) == (0, "", 2)
    assert said.startswith("Planes encoded: 2, there already: 0; embeddings kept: 2")
    assert run("embed", stack)[1].startswith("Planes encoded: 0, there already: 2")
    assert run("segment", stack, "-o", tmp_path / "out.tif", "--mode", "objects")[0] == 0
    assert model.encoded == 2


def test_a_folder_and_other_channels_are_other_planes(run, model, stack, picture):
    # the first plane of the stack is the picture: it is encoded once
    assert run("embed", stack.parent)[1].startswith("Planes encoded: 2, there already: 1")
    run("embed", picture, "--channels", "0[0-1000]")
    assert model.encoded == 3


def test_a_damaged_entry_is_encoded_again(run, model, picture):
    run("embed", picture)
    (entry,) = cache_dir().iterdir()
    entry.write_bytes(entry.read_bytes()[:-1])
    assert run("embed", picture)[1].startswith("Planes encoded: 1, there already: 0")


def test_the_cache_is_shown_and_cleared(run, model, picture):
    run("embed", picture)
    code, said, _ = run("cache", "info")
    assert code == 0 and str(cache_dir()) in said and "embeddings: 1" in said
    assert run("cache", "clear")[1].startswith("Embeddings deleted: 1")
    assert DiskCache(cache_dir()).info().entries == 0


def test_what_does_not_fit_is_said(run, model, tmp_path):
    large = tmp_path / "large.tif"
    tifffile.imwrite(large, np.zeros((600, 600), np.uint8))
    code, _, err = run("embed", large, "--gb", "0.001")
    assert (code, err.count("\n")) == (2, 1)
    assert "does not fit into a cache of 0.001 GB" in err
