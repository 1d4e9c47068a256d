"""Work in steps runs to its value, and is closed with who runs it."""

import pytest

from napari_sam_onnx.generators import drive, relay


def steps(closed):
    try:
        yield 0
        yield 1
        return "value"
    finally:
        closed.append(True)


def test_a_generator_is_driven_to_its_value():
    seen, closed = [], []
    assert drive(steps(closed), lambda step: seen.append(step)) == "value"
    assert (seen, closed) == ([0, 1], [True])


def test_what_is_driven_or_relayed_is_closed_with_its_driver():
    closed = []
    with pytest.raises(ZeroDivisionError):
        drive(steps(closed), lambda step: 1 / 0)
    outer = relay(steps(closed), lambda step: step)
    assert next(outer) == 0
    outer.close()
    assert closed == [True, True]


def test_a_relay_hands_the_value_on():
    def outer():
        return (yield from relay(steps([]), lambda step: step))

    running, seen = outer(), []
    assert drive(running, seen.append) == "value"
    assert seen == [0, 1]
