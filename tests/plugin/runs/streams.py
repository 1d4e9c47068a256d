"""A stream that runs step by step, when told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class StepStream:
    """Runs a generator step by step, when told."""

    def __init__(
        self,
        generator: Generator[Any, None, None],
        step: Callable[[Any], None],
        finished: Callable[[Exception | None], None],
        title: str,
    ) -> None:
        self.generator, self.step, self.finished, self.title = generator, step, finished, title
        self.reports: list[tuple[int, int]] = []
        self.stopped = False

    def report(self, done: int, total: int) -> None:
        self.reports.append((done, total))

    def stop(self) -> None:
        self.stopped = True

    def run(self, steps: int | None = None) -> None:
        error: Exception | None = None
        try:
            for taken, value in enumerate(self.generator, 1):
                self.step(value)
                if self.stopped:
                    break
                if taken == steps:
                    return
        except Exception as raised:
            error = raised
        self.generator.close()
        self.finished(error)
