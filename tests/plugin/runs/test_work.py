"""One long piece of work: who hears of it, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_sam_onnx.plugin.runs.work import Work

if TYPE_CHECKING:
    from collections.abc import Generator


class _Stream:
    """Shows progress as napari does: other events come in meanwhile."""

    def __init__(self, generator: Generator[Any, None, None], *_: Any) -> None:
        self.meanwhile = lambda: None

    def stop(self) -> None: ...

    def report(self, done: int, total: int) -> None:
        self.meanwhile()


def test_nobody_hears_of_work_whose_dock_went_while_progress_was_shown() -> None:
    made: list[_Stream] = []

    def stream(*given: Any) -> _Stream:
        made.append(_Stream(*given))
        return made[-1]

    work, heard = Work(stream), []
    work.start(iter(()), "title", "text", heard.append, heard.append)  # type: ignore[arg-type]
    work.changed.connect(lambda: heard.append(work.fraction))
    work.tell("half", 0.5)
    assert heard == [0.5]
    made[0].meanwhile = work.close
    work.tell("more", 0.7)
    assert heard == [0.5]
