"""Pieces of work that run several at once."""

import threading

import pytest

from napari_sam_onnx.automatic.finders.lanes import PIECE, cut_pieces, find_lanes, work_ahead
from napari_sam_onnx.models import load_model
from napari_sam_onnx.prompting.scales import AtScale
from tests.fakes import ComponentModel


def test_pieces_cover_all_prompts_and_are_smaller_where_several_run_at_once():
    for lanes in (1, 2):
        pieces = cut_pieces(50, 40, lanes)
        assert [n for piece in pieces for n in range(piece.start, piece.stop)] == list(range(50))
        assert pieces[0].stop == (40 if lanes == 1 else PIECE)
    assert cut_pieces(50, 3, 2)[0].stop == 3
    assert cut_pieces(0, 40, 2) == []


def test_results_come_in_order_though_the_first_takes_longest():
    second = threading.Event()

    def work(number):
        if number == 0:
            assert second.wait(10)
        if number == 1:
            second.set()
        return number * number

    assert list(work_ahead(work, range(9), 2)) == [n * n for n in range(9)]


def test_one_lane_does_nothing_before_it_is_asked_for():
    done = []
    steps = work_ahead(done.append, range(5), 1)
    next(steps)
    assert done == [0]


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("error", [ValueError, TimeoutError])
def test_an_error_reaches_who_asked_and_ends_the_work(lanes, error):
    done = []

    def work(number):
        done.append(number)
        if number == 1:
            raise error("broken")

    steps = work_ahead(work, range(100), lanes)
    next(steps)
    with pytest.raises(error, match="broken"):
        next(steps)
    assert len(done) < 10
    assert not [t for t in threading.enumerate() if t.name.startswith("lane")]


def test_closing_drops_what_waits_and_leaves_no_thread():
    done = []
    steps = work_ahead(done.append, range(100), 2)
    next(steps)
    steps.close()
    assert len(done) < 10
    assert not [t for t in threading.enumerate() if t.name.startswith("lane")]


def test_a_model_that_cannot_be_split_is_asked_itself():
    model = ComponentModel()
    assert find_lanes(model) == (model, 1)


def test_a_model_that_looks_at_one_scale_is_split_as_it_would_be_at_its_own():
    model = load_model("pebble")
    assert find_lanes(AtScale(model, 2.0)) == find_lanes(model)
    whole = AtScale(ComponentModel(), 2.0)
    assert find_lanes(whole) == (whole, 1)
