"""What is written, where, under which number; and what is refused aloud."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam_onnx.labels.label_store import find_largest
from napari_sam_onnx.labels.rules import Rules
from napari_sam_onnx.plugin.commits import numbers
from tests.fakes import draw_discs
from tests.plugin.conftest import CENTERS, RADIUS, Bench

if TYPE_CHECKING:
    from pathlib import Path

A, B, C = CENTERS
SHAPE = (100, 120)
DISC = int(np.count_nonzero(draw_discs(SHAPE, [A], RADIUS)))


def disc(at: tuple[int, int], radius: float = RADIUS) -> Any:
    return draw_discs(SHAPE, [at], radius) > 0


def add_labels(bench: Bench, data: Any, name: str = "mine") -> Any:
    """Open labels of the user's and write into them."""
    layer = bench.viewer.add_labels(data, name=name)
    bench.commits.labels.choose(layer)
    bench.session.layers.activate()
    return layer


# What is written is what was shown


def test_crumbs_beside_a_label_are_refused_and_shift_n_replaces_the_label(bench: Bench) -> None:
    bench.open()
    mine = np.zeros(SHAPE, np.uint16)
    mine[disc(A, RADIUS - 1)] = 7
    layer = add_labels(bench, mine)
    layer.features = {"kind": ["-"] * 7 + ["cell"]}
    bench.click(*A)
    preview = bench.session.layers.preview.layer
    assert "labelled already as object 7" in bench.said and bench.session.status.kind == "info"
    assert preview.colormap.map(preview.data[preview.data > 0])[:, :3].std(axis=1).max() < 0.01
    bench.commits.accept()
    assert bench.session.status.kind == "error" and not (layer.data == 8).any()
    assert len(bench.session.layers.points.data) == 1
    bench.commits.accept(replacing=True)
    np.testing.assert_array_equal(layer.data == 7, disc(A))
    assert np.unique(layer.data).tolist() == [0, 7] and layer.features["kind"][7] == "cell"
    assert bench.commits.labels.next_label == 8
    bench.commits.undo()
    np.testing.assert_array_equal(layer.data == 7, disc(A, RADIUS - 1))


def test_the_preview_is_what_is_written(bench: Bench) -> None:
    bench.open()
    mine = np.zeros(SHAPE, np.uint16)
    mine[:, :26] = 3  # a part of the disc
    mine[:, 27:29] = 4  # and a wall that cuts a sliver off
    layer = add_labels(bench, mine)
    bench.click(*A)
    shown = bench.session.layers.preview.layer.data > 0
    assert 0 < shown.sum() < DISC
    bench.commits.accept()
    np.testing.assert_array_equal(layer.data == 5, shown)
    assert not (layer.data[:, 26] == 5).any()  # the sliver
    bench.commits.undo()
    bench.commits.rules = Rules("overwrite")
    assert bench.shown == DISC
    bench.commits.rules = Rules()
    assert bench.shown == shown.sum()
    bench.commits.labels.choose(None)
    assert bench.shown == DISC


def test_an_empty_mask_makes_no_layer(bench: Bench) -> None:
    bench.open()
    bench.click(3, 3)
    bench.commits.accept()
    assert "empty" in bench.said and bench.commits.labels.layer is None
    bench.session.layers.points.data = np.zeros((0, 2))
    bench.lane.hold()
    bench.click(3, 3)
    bench.commits.accept()  # before its answer
    bench.lane.release()
    assert "empty" in bench.said and bench.commits.labels.layer is None
    assert len(bench.session.layers.points.data) == 1


def test_what_fits_of_several_is_written_and_the_rest_stays_open(bench: Bench) -> None:
    bench.open()
    mine = np.zeros(SHAPE, np.uint16)
    mine[disc(B)] = 4
    add_labels(bench, mine)
    for y, x in CENTERS:
        bench.session.add_box((y - 15, x - 15, y + 15, x + 15))
    assert "1 cannot be written" in bench.said
    bench.commits.accept()
    assert "1 of 3 were not written" in bench.said and "object 4" in bench.said
    assert [int(bench.labels[at]) for at in CENTERS] == [5, 4, 6]
    (left,) = bench.session.layers.boxes.data
    np.testing.assert_allclose(left.mean(axis=0), B)
    bench.commits.undo()
    assert bench.ids == [4] and len(bench.session.layers.boxes.data) == 3


@pytest.mark.parametrize("how", ["hidden", "transparent", "removed"])
def test_nothing_is_written_that_is_not_seen(bench: Bench, how: str) -> None:
    bench.open()
    bench.click(*A)
    preview = bench.session.layers.preview.layer
    if how == "hidden":
        preview.visible = False
    elif how == "transparent":
        preview.opacity = 0
    else:
        bench.viewer.layers.remove(preview)
    assert bench.session.status.kind == "info" and "press “Click objects”" in bench.said
    bench.commits.accept()
    assert bench.commits.labels.layer is None and bench.session.status.kind == "error"
    bench.session.renew_layers()
    assert bench.shown == DISC and bench.session.layers.preview.layer.visible
    assert len(bench.session.layers.points.data) == 1  # kept
    bench.commits.accept()
    assert bench.ids == [1]


def test_the_preview_cannot_be_painted(bench: Bench) -> None:
    bench.open()
    preview = bench.session.layers.preview.layer
    for at in (A, B):
        bench.click(*at)
        assert not preview.editable
        bench.viewer.dims.ndisplay = 3
        bench.viewer.dims.ndisplay = 2
        preview.mode = "paint"
        assert preview.mode == "pan_zoom" and not preview.editable


def test_a_doubtful_mask_looks_and_is_said_to_be_doubtful(bench: Bench) -> None:
    bench.open()
    model = bench.models["pebble"]
    bench.click(*A)
    preview = bench.session.layers.preview.layer
    sure = set(np.unique(preview.data))
    assert "N accepts" in bench.said and bench.session.status.kind == "ready"
    bench.commits.discard()
    model.scores = (0.05, 0.03, 0.01)
    bench.click(*B)
    assert "doubtful" in bench.said and "0.05" in bench.said
    assert bench.session.status.kind == "info"
    assert not sure & set(np.unique(preview.data)) - {0}
    bench.commits.accept()  # the user's word counts
    assert bench.ids == [1]


# Numbers


def test_a_number_that_a_pixel_holds_is_never_given_again(bench: Bench) -> None:
    bench.open()
    for at in (A, B):
        bench.click(*at)
        bench.commits.accept()
    layer = bench.commits.labels.layer
    layer.mode = "paint"
    layer.paint((5, 5), 2)  # with the number that was given last
    bench.commits.undo()
    assert bench.ids == [1, 2]
    bench.session.layers.activate()
    bench.commits.accept()
    assert int(layer.data[B]) == 3 and (layer.data == 2).any()
    layer.paint((5, 100), 9)
    bench.session.layers.activate()
    bench.click(*C)
    bench.commits.accept()
    assert int(layer.data[C]) == 10
    bench.commits.undo()
    layer.data[90, 5] = 10  # by a script, without a word
    bench.commits.accept()
    assert int(layer.data[C]) == 11


def test_a_number_that_was_chosen_and_is_taken_is_said(bench: Bench) -> None:
    bench.open()
    layer = add_labels(bench, np.where(disc(A), 4, 0).astype(np.uint16))
    bench.commits.labels.next_label = 4
    bench.click(*B)
    bench.commits.accept()
    assert int(layer.data[B]) == 5 and "Number 4 was taken" in bench.said
    bench.commits.labels.next_label = 40
    bench.click(*C)
    bench.commits.accept()
    assert int(layer.data[C]) == 40 and "taken" not in bench.said


def test_numbers_of_a_large_label_image_are_sought_away_from_the_interface(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbers, "QUICK_PIXELS", 10)
    bench.open()
    mine = np.zeros(SHAPE, np.uint16)
    mine[90, 90] = 41
    bench.lane.hold()
    layer = add_labels(bench, mine)
    assert bench.commits.labels.next_label is None
    held, bench.lane.held = bench.lane.held, None
    bench.click(*A)
    bench.commits.accept()
    assert not (layer.data == 42).any() and bench.commits.painter.pending == 1
    other = add_labels(bench, np.zeros(SHAPE, np.uint16), "other")  # chosen meanwhile
    for job in held:
        bench.lane._run(job)
    np.testing.assert_array_equal(layer.data == 42, disc(A))  # where it was accepted for
    assert not other.data.any() and bench.commits.painter.pending == 0


def test_a_search_that_fails_gives_the_prompts_back_and_is_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(data: Any) -> int:
        raise OSError("The disk is gone.")

    monkeypatch.setattr(numbers, "QUICK_PIXELS", 10)
    monkeypatch.setattr(numbers, "find_largest", fail)
    bench.open()
    layer = add_labels(bench, np.zeros(SHAPE, np.uint16))
    bench.click(*A)
    bench.commits.accept()
    assert "The disk is gone" in bench.said and bench.session.status.kind == "error"
    assert len(bench.session.layers.points.data) == 1 and bench.commits.painter.pending == 0
    monkeypatch.setattr(numbers, "find_largest", find_largest)
    bench.commits.accept()
    np.testing.assert_array_equal(layer.data == 1, disc(A))


# Arrays that are not in memory


def test_a_zarr_array_is_written_as_one_in_memory(bench: Bench, tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    stack = np.stack([draw_discs(SHAPE, CENTERS, RADIUS)] * 3)
    bench.open(stack)
    data = zarr.create_array(
        str(tmp_path / "labels.zarr"), shape=stack.shape, dtype="uint16", chunks=(1, 50, 50)
    )
    data[0, 90:, 90:] = 6
    add_labels(bench, data)
    assert bench.commits.labels.next_label == 7
    plane = int(bench.viewer.dims.current_step[0])
    bench.session.layers.points.add((plane, *A))
    bench.commits.accept()
    np.testing.assert_array_equal(np.asarray(data[plane]) == 7, disc(A))
    bench.commits.undo()
    assert np.unique(np.asarray(data[:])).tolist() == [0, 6]
    bench.commits.redo()
    bench.commits.delete_at((plane, *A))
    assert np.unique(np.asarray(data[:])).tolist() == [0, 6]


def test_a_number_that_a_plane_on_disk_holds_is_not_given_again(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zarr = pytest.importorskip("zarr")
    monkeypatch.setattr(numbers, "ROWS", 16)
    bench.open(np.stack([draw_discs(SHAPE, CENTERS, RADIUS)] * 3))
    data = zarr.create_array(str(tmp_path / "a.zarr"), shape=(3, *SHAPE), dtype="uint16")
    add_labels(bench, data)
    plane = int(bench.viewer.dims.current_step[0])
    data[plane, SHAPE[0] - 1, SHAPE[1] - 1] = 1  # written behind napari's back
    bench.session.layers.points.add((plane, *A))
    bench.commits.accept()
    np.testing.assert_array_equal(np.asarray(data[plane]) == 2, disc(A))


def test_labels_that_cannot_be_painted_are_refused_before_anything_is_accepted(
    bench: Bench,
) -> None:
    dask = pytest.importorskip("dask.array")
    bench.open()
    locked = np.zeros(SHAPE, np.uint16)
    locked.flags.writeable = False
    bench.click(*A)
    for data, words in ((locked, "read-only"), (dask.zeros(SHAPE, dtype=np.uint16), "dask")):
        layer = bench.viewer.add_labels(data, name="mine")
        bench.commits.labels.choose(layer)
        assert words in bench.said and bench.session.status.kind == "error"
        assert bench.commits.labels.layer is None
    bench.session.layers.activate()
    bench.commits.accept()
    assert bench.ids == [1]  # a new layer took it
    layer = bench.commits.labels.layer
    layer.data.flags.writeable = False
    bench.click(*B)
    bench.commits.accept()
    assert "read-only" in bench.said and bench.session.status.kind == "error"
    assert len(bench.session.layers.points.data) == 1
    bench.commits.delete_at(A)
    assert "read-only" in bench.said and bench.ids == [1]
    layer.data.flags.writeable = True


# Accepted objects are written where they were accepted for


def test_another_picture_is_chosen_before_the_answer_comes(bench: Bench) -> None:
    first = bench.open()
    bench.lane.hold()
    bench.click(*A)
    bench.commits.accept()
    second = bench.viewer.add_image(np.zeros((40, 50), np.uint8), name="second")
    assert bench.session.picture.main is second
    bench.lane.release()
    layer = bench.viewer.layers["cells labels"]
    np.testing.assert_array_equal(layer.data == 1, disc(A))
    assert bench.commits.labels.layer is None  # that of the second picture is still to be made
    bench.session.choose_layer(first)
    assert layer in bench.commits.labels.fitting()


@pytest.mark.parametrize("what", ["removed", "reshaped"])
def test_the_picture_is_gone_before_the_answer_comes(bench: Bench, what: str) -> None:
    layer = bench.open()
    bench.lane.hold()
    bench.click(*A)
    bench.commits.accept()
    if what == "removed":
        bench.viewer.layers.remove(layer)
    else:
        layer.data = np.zeros((30, 40), np.uint8)
    bench.lane.release()
    assert bench.session.status.kind == "error" and "not written" in bench.said
    assert not [e for e in bench.viewer.layers if e.name.endswith("labels")]


def test_the_target_is_removed_before_the_answer_comes(bench: Bench) -> None:
    bench.open()
    layer = add_labels(bench, np.zeros(SHAPE, np.uint16))
    bench.lane.hold()
    bench.click(*A)
    bench.commits.accept()
    bench.viewer.layers.remove(layer)
    bench.lane.release()
    assert "was removed before the object was written" in bench.said
    assert len(bench.session.layers.points.data) == 1


def test_two_accepted_before_their_answers_share_the_new_layer(bench: Bench) -> None:
    bench.open()
    bench.lane.hold()
    for at in (A, B):
        bench.click(*at)
        bench.commits.accept()
    assert bench.commits.painter.pending == 2
    bench.lane.release()
    assert [int(bench.labels[at]) for at in (A, B)] == [1, 2]


# Deleting


def test_delete_names_what_it_did_and_undo_brings_it_back(bench: Bench) -> None:
    stack = np.stack([draw_discs(SHAPE, CENTERS, RADIUS)] * 3)
    bench.open(stack)
    mine = np.where(stack > 0, 5, 0).astype(np.uint16)
    layer = add_labels(bench, mine.copy())
    plane = int(bench.viewer.dims.current_step[0])
    bench.commits.delete_at((plane, *A))
    assert "off this plane" in bench.said and "Shift+K" in bench.said
    assert not layer.data[plane].any() and (layer.data == 5).any()
    bench.commits.undo()
    np.testing.assert_array_equal(layer.data, mine)
    bench.commits.delete_at((plane, *A), whole=True)
    assert "Deleted object 5 on all planes" in bench.said and not layer.data.any()
    bench.commits.undo()
    np.testing.assert_array_equal(layer.data, mine)
    assert "Undone: object 5 is there" in bench.said


# Correcting what exists


def test_an_object_is_corrected_in_its_place(bench: Bench) -> None:
    bench.open()
    model, seen = bench.models["pebble"], []
    decode = model.decode

    def watch(embedding: Any, prompts: Any) -> Any:
        seen.append(prompts[0])
        return decode(embedding, prompts)

    model.decode = watch
    mine = np.zeros(SHAPE, np.uint16)
    mine[disc(A, RADIUS - 3)] = 7
    mine[disc(B)] = 9
    layer = bench.viewer.add_labels(mine.copy(), name="cellpose")
    layer.features = {"kind": [""] * 7 + ["cell", "", "other"]}
    bench.session.layers.activate()
    bench.commits.correct_at(A)
    assert bench.commits.labels.layer is layer and not seen
    assert "Clicks correct this object" in bench.said and bench.shown == (mine == 7).sum()
    bench.commits.accept()
    assert bench.said == "Object 7 stays as it is. Nothing was corrected."
    assert bench.session.status.kind == "info" and not bench.shown
    np.testing.assert_array_equal(layer.data, mine)
    bench.commits.undo()  # opens it again
    assert bench.shown == (mine == 7).sum() and not seen
    bench.click(*A)
    asked = seen[-1]
    assert asked.mask is not None and len(asked.points) == 1
    middle = [int(v) // 2 for v in asked.mask.logits.shape]
    assert asked.mask.logits[tuple(middle)] > 0 > asked.mask.logits[0, 0]
    bench.commits.accept()
    np.testing.assert_array_equal(layer.data == 7, disc(A))
    np.testing.assert_array_equal(layer.data == 9, disc(B))
    assert layer.features["kind"].tolist()[7:] == ["cell", "", "other"]
    assert bench.commits.labels.next_label == 10
    bench.commits.undo()
    np.testing.assert_array_equal(layer.data, mine)
    assert bench.shown == DISC  # open as it was
    for _ in range(2):  # the click, then the opening
        bench.commits.undo()
    assert bench.shown == 0 and not bench.session.prompts.corrections


def test_a_correction_can_shrink_and_never_takes_a_neighbour(bench: Bench) -> None:
    bench.open()
    mine = np.zeros(SHAPE, np.uint16)
    mine[20:41, 20:100] = 7  # two cells that were taken for one
    mine[disc(C)] = 8
    layer = add_labels(bench, mine.copy())
    bench.commits.correct_at(A)
    bench.click(*A)
    bench.commits.accept()
    np.testing.assert_array_equal(layer.data == 7, disc(A))
    changed = np.count_nonzero((mine == 7) != disc(A))
    assert bench.said.startswith(f"Object 7: {changed:,} pixels changed in")
    bench.commits.undo()
    assert bench.said.startswith("Undone: the correction of object 7;")
    bench.commits.redo()
    assert bench.said.startswith("Done again: the correction of object 7;")
    bench.commits.correct_at(C)
    bench.click(*A)  # the wrong one: nothing of object 8 would be left there
    assert "object 7" in bench.said
    bench.commits.accept()
    assert (layer.data == 8).sum() == DISC
    bench.commits.correct_at((1, 1))
    assert "no labelled object" in bench.said


def test_a_correction_that_only_takes_away_keeps_its_number_in_all_that_is_said(
    bench: Bench,
) -> None:
    bench.open()
    layer = add_labels(bench, np.where(disc(A, RADIUS + 3), 7, 0).astype(np.uint16))
    bench.commits.correct_at(A)
    bench.click(*A)
    bench.commits.accept()
    gone = np.count_nonzero(disc(A, RADIUS + 3)) - DISC
    assert bench.said.startswith(f"Object 7: {gone:,} pixels changed in")
    assert layer.selected_label == 7


def test_a_correction_stays_with_its_layer(bench: Bench) -> None:
    bench.open()
    mine = np.where(disc(A, 7), 7, 0).astype(np.uint16)
    layer = add_labels(bench, mine.copy())
    bench.commits.correct_at(A)
    bench.click(*A)
    other = add_labels(bench, np.zeros(SHAPE, np.uint16), "other")
    bench.commits.accept()
    assert "choose that under Labels" in bench.said
    assert not other.data.any() and (layer.data == mine).all()
    bench.commits.labels.choose(layer)
    bench.commits.accept()
    np.testing.assert_array_equal(layer.data == 7, disc(A))


def test_turbo_corrects_what_is_open_and_commits_the_rest(bench: Bench) -> None:
    bench.open()
    layer = add_labels(bench, np.where(disc(A, 7), 7, 0).astype(np.uint16))
    bench.commits.toggle_turbo()
    bench.commits.correct_at(A)
    bench.click(*A)
    assert len(bench.session.layers.points.data) == 1
    bench.commits.accept()
    bench.click(*B)
    assert np.unique(layer.data).tolist() == [0, 7, 8]


@pytest.mark.parametrize(
    ("picture", "labels"), [((1, 100, 120), (100, 120)), ((100, 120), (1, 1, 100, 120))]
)
def test_labels_without_an_axis_of_one_pixel_are_a_target(
    bench: Bench, picture: tuple[int, ...], labels: tuple[int, ...]
) -> None:
    bench.open(draw_discs((100, 120), CENTERS, RADIUS).reshape(picture))
    layer = bench.viewer.add_labels(np.zeros(labels, np.uint16), name="mine")
    wrong = bench.viewer.add_labels(np.zeros((2, 100, 120), np.uint16), name="two planes")
    assert bench.commits.labels.fitting() == [layer] and wrong not in bench.commits.labels.fitting()
    bench.commits.labels.choose(layer)
    at = (0,) * (len(picture) - 2)
    for number, center in enumerate((A, B), 1):
        bench.session.renew_layers()
        bench.click(*at, *center)
        bench.commits.accept()
        assert bench.ids == list(range(1, number + 1))
    assert layer.data.shape == labels and layer.data.reshape(100, 120)[A] == 1
    assert np.count_nonzero(layer.data == 1) == np.count_nonzero(layer.data == 2) == DISC
    bench.commits.undo()
    assert bench.ids == [1]
    bench.commits.delete_at((*at, *A))
    assert bench.ids == []


def test_labels_that_were_opened_without_a_scale_are_laid_over_the_picture(bench: Bench) -> None:
    picture = bench.open(scale=(0.5, 0.5), translate=(3, 4), units=("um", "um"))
    opened, own = (
        bench.viewer.add_labels(np.ones((100, 120), np.uint8), name=name, **options)
        for name, options in (("opened", {}), ("own", {"scale": (0.25, 0.5)}))
    )
    bench.commits.labels.choose(opened)
    assert "“opened” was opened without the scale of “cells”" in bench.said
    assert opened.units == picture.units and tuple(opened.translate) == (3, 4)
    np.testing.assert_array_equal(opened.data_to_world((7, 9)), picture.data_to_world((7, 9)))
    bench.session.say("")
    bench.commits.labels.choose(own)
    assert tuple(own.scale) == (0.25, 0.5) and bench.said == ""
    bench.commits.labels.choose(opened)
    assert bench.said == ""
