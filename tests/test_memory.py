"""Memory is given back to the system, and not more often than it is wanted."""

from napari_sam_onnx import memory


def test_memory_is_given_back_now_and_then(monkeypatch):
    calls = []
    monkeypatch.setattr(memory, "_find_trim", lambda: calls.append)
    monkeypatch.setattr(memory, "_last_given", [float("-inf")])
    memory.give_back_memory(at_most_every=1000)
    memory.give_back_memory(at_most_every=1000)
    assert calls == [0]
    memory.give_back_memory()
    assert calls == [0, 0]


def test_where_nothing_can_be_given_back_nothing_is_done(monkeypatch):
    monkeypatch.setattr(memory, "_find_trim", lambda: None)
    memory.give_back_memory()
