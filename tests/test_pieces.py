"""Pieces are kept until the run is done, for one run at a time, and by one recipe."""

import numpy as np
import pytest

from napari_sam_onnx.pieces import Here, KeptPieces, Piece, PiecesError, Task


def count_up(model, cache, number, calls):
    """A task of two steps."""
    calls.append(number)
    yield "half"
    return number * model


def make(calls, count=3):
    return [
        Piece(
            f"piece-{n}",
            lambda n=n: None if n == 1 else Task(count_up, (n, calls)),
            lambda value: {"value": np.array(value)},
            lambda parts: int(parts["value"]),
        )
        for n in range(count)
    ]


def told(moments):
    return [(m.number, m.step, m.done, m.value) for m in moments]


def test_pieces_are_done_in_order_and_nothing_to_do_is_told():
    calls = []
    assert told(Here().do(make(calls), 10, None)) == [
        (0, "half", False, None),
        (0, None, True, 0),
        (1, None, True, None),
        (2, "half", False, None),
        (2, None, True, 20),
    ]


def test_what_is_kept_is_not_done_again(tmp_path):
    folder, calls = tmp_path / "kept", []
    kept = KeptPieces(folder, {"model": 10}, resume=False)
    list(Here(kept).do(make(calls), 10, None))
    kept.close(finished=False)
    again = KeptPieces(folder, {"model": 10}, resume=True)
    assert (again.found, again.other) == (2, False)
    calls.clear()
    moments = told(Here(again).do(make(calls, 4), 10, None))
    assert calls == [3] and (2, None, True, 20) in moments
    again.close(finished=True)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("recipe", "resume", "found", "other"), [(11, True, 0, True), (10, False, 0, False)]
)
def test_another_recipe_begins_anew(tmp_path, recipe, resume, found, other):
    folder = tmp_path / "kept"
    first = KeptPieces(folder, {"model": 10}, resume=False)
    first.write("piece-0", {"value": np.array(1)})
    first.close(finished=False)
    kept = KeptPieces(folder, {"model": recipe}, resume=resume)
    assert (kept.found, kept.other, len(kept)) == (found, other, 0)
    kept.close(finished=False)
    assert not folder.exists()  # nothing is kept in it


def test_one_run_at_a_time(tmp_path):
    first = KeptPieces(tmp_path / "kept", {}, resume=True)
    first.write("piece-0", {"value": np.array(1)})
    with pytest.raises(PiecesError, match="Another run writes"):
        KeptPieces(tmp_path / "kept", {}, resume=True)
    assert first.read("piece-0") is not None
    first.close(finished=True)


def test_a_place_where_nothing_can_be_written(tmp_path):
    with pytest.raises(PiecesError, match="cannot be written: its folder does not exist"):
        KeptPieces(tmp_path / "no" / "kept", {}, resume=True)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(PiecesError, match="holds something else"):
        KeptPieces(tmp_path / "file", {}, resume=True)


def test_an_interrupt_in_the_middle_leaves_no_folder(tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(KeptPieces, "_open", stop)
    with pytest.raises(KeyboardInterrupt):
        KeptPieces(tmp_path / "kept", {}, resume=True)
    assert list(tmp_path.iterdir()) == []
