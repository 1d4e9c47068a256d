"""The tables themselves: every row is tried somewhere, and says consistent things."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from napari_sam_onnx.models.onnx.contracts.families import DECODERS, ENCODERS, REFUSALS
from tests.models.families import FAMILIES

PEBBLE = {"EP", "P"}  # tried on the embedded files, in test_pebble_model.py


def tried(position):
    return {family.contract.split(" + ")[position] for family in FAMILIES}


def test_every_encoder_row_is_tried_on_a_small_pair():
    assert set(ENCODERS) - PEBBLE == tried(0)


def test_every_decoder_row_is_tried_on_a_small_pair():
    assert set(DECODERS) - PEBBLE == tried(1)


@pytest.mark.parametrize("row", DECODERS.values(), ids=lambda row: row.name)
def test_a_row_can_be_told_from_those_above_it(row):
    """A row that asks for no more than an earlier one would never be reached twice."""
    for earlier in DECODERS.values():
        if earlier is row:
            return
        reached_first = set(earlier.needs) <= set(row.needs) and set(earlier.gives) <= set(
            row.gives
        )
        assert not reached_first or earlier.embedding_side not in (0, row.embedding_side)


@pytest.mark.parametrize("row", DECODERS.values(), ids=lambda row: row.name)
def test_a_row_is_consistent(row):
    assert row.points or row.boxes
    assert bool(row.mask_input) == bool(row.has_mask)
    assert bool(row.windows) == (row.frame == "window") == bool(row.mask_window)
    assert (row.box_as == "tensor") == bool(row.boxes)
    assert row.takes_masks == (bool(row.mask_input) and row.refines)
    assert "" not in row.prompt_inputs


def test_rows_cannot_be_changed_in_place():
    row = DECODERS["A"]
    with pytest.raises(FrozenInstanceError):
        row.pad = "never"


def test_fields_of_the_two_kinds_of_row_are_told_apart_by_name():
    """Overrides name a field alone; those that both have must name their row."""
    own = [
        {field.name for field in fields(next(iter(table.values())))}
        for table in (ENCODERS, DECODERS)
    ]
    assert own[0] & own[1] == {"name", "summary"}


def test_refusals_are_sentences():
    for reason in REFUSALS.values():
        assert reason.startswith("is ") and not reason.endswith(".")
