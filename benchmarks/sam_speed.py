"""The same SAM weights run by PyTorch, by a plain ONNX Runtime loop, and by this package.

    python -m benchmarks.exporters.make mobile-sam --cache FOLDER     # with torch and samexporter
    python -m benchmarks.sam_speed FOLDER/mobile-sam --save results/speed.json

Each contestant lives in a process of its own, so that its memory is its own; they take turns
task by task, so that a machine that is busy with something else slows all. Processor time is that
of all threads.

Long tasks can be run one after the other: ``--contestants official --tasks grid`` adds to what
``--save`` holds, and ``--report`` prints all that it holds with ratios, and draws it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.contestants import CONTESTANTS, look_at
from benchmarks.sam_speed_results import Record, Results, report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

TASKS = ("encode", "click", "box", "seeds", "planes", "few", "grid")
SEES = (1024, 2048, 4096)
GRID_SHAPE = (768, 1024)
REPEATS = 7
SEEDS, PLANES, PLANE_SIDE = 300, 100, 512
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


class Took(NamedTuple):
    """What a task took: seconds by the clock and of processor time, MiB at most and after it."""

    wall: float
    processor: float
    peak: float
    kept: float
    answer: Any


def draw_plane(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Discs of many sizes and colours on a grey ground, ``(H, W, 3)`` uint8."""
    random = np.random.default_rng(seed)
    plane = np.full((*shape, 3), 50.0, np.float32)
    y, x = np.ogrid[: shape[0], : shape[1]]
    for _ in range(80):
        (top, left), radius = random.uniform(0, 1, 2) * shape, random.uniform(0.01, 0.06)
        inside = (y - top) ** 2 + (x - left) ** 2 < (radius * max(shape)) ** 2
        plane[inside] = random.uniform(60, 250, 3)
    return (plane + random.normal(0, 3, (*shape, 1))).clip(0, 255).astype(np.uint8)


def read_memory(field: str) -> float:
    """Memory of this process in MiB: ``VmRSS`` now, ``VmHWM`` at most since `forget_peak`."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 2**10


def forget_peak() -> None:
    """Let the peak begin anew (Linux)."""
    CLEAR.write_text("5")


def serve(pipe: Connection, name: str, folder: Path, threads: int) -> None:
    """Do the tasks that come through a pipe, and say what they took."""
    contestant = CONTESTANTS[name](folder, threads)
    while True:
        task, arguments = pipe.recv()
        if task == "end":
            return
        if task == "see":
            arguments = (draw_plane(arguments[0], *arguments[1:]),)
        forget_peak()
        wall, processor = time.perf_counter(), time.process_time()
        answer = getattr(contestant, task)(*arguments)
        if task == "grid":  # masks are there to be looked at
            sum(int(np.count_nonzero(look_at(mask))) for _, mask in answer)
        took = time.perf_counter() - wall, time.process_time() - processor
        peak = read_memory("VmHWM")
        if task == "grid":
            looks = ((begin, look_at(mask)) for begin, mask in answer)
            answer = [(begin, crop.shape, np.packbits(crop)) for begin, crop in looks]
        elif task != "seeds":
            answer = None
        pipe.send(Took(*took, peak, read_memory("VmRSS"), answer))


class Field:
    """Contestants in their processes."""

    def __init__(self, names: list[str], folder: Path, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipes: dict[str, Connection] = {}
        self._processes = []
        for name in names:
            self.pipes[name], theirs = context.Pipe()
            options = (theirs, CONTESTANTS_BY_SHORT[name], folder, threads)
            self._processes.append(context.Process(target=serve, args=options, daemon=True))
            self._processes[-1].start()

    def ask(self, task: str, *arguments: Any) -> dict[str, Took]:
        """Have all do a task, one after the other."""
        took = {}
        for name, pipe in self.pipes.items():
            pipe.send((task, arguments))
            took[name] = pipe.recv()
        return took

    def end(self) -> None:
        """End all."""
        for pipe, process in zip(self.pipes.values(), self._processes, strict=True):
            pipe.send(("end", ()))
            process.join(10)


CONTESTANTS_BY_SHORT = {
    name.split(",")[0].split()[0].replace("this", "ours"): name for name in CONTESTANTS
}


def run_tasks(field: Field, tasks: list[str], side: int, few: float) -> Iterator[Record]:
    """Run tasks, and give a record for each and each contestant."""
    if "encode" in tasks:
        yield from _summarise("encode 1024²", _repeat(field, "see", [((1024, 1024), 0)] * 4))
    for length in SEES if "click" in tasks else ():
        field.ask("see", (length, length), 0)
        places = [(length * (0.2 + 0.08 * turn), length * 0.4) for turn in range(REPEATS)]
        yield from _summarise(f"click {length}²", _repeat(field, "click", places))
    if "box" in tasks:
        field.ask("see", (1024, 1024), 0)
        places = [(200 + 80.0 * turn, 400.0) for turn in range(REPEATS)]
        yield from _summarise("box 1024²", _repeat(field, "box", places))
    if "seeds" in tasks:
        field.ask("see", (1024, 1024), 0)
        points = np.random.default_rng(0).uniform(20, 1000, (SEEDS, 2))
        yield from _summarise(f"{SEEDS} given clicks 1024²", [field.ask("seeds", points)])
    if "planes" in tasks:
        yield from _run_planes(field)
    limits = {"grid": ("all kept", 0.0), "few": ("few survive", few)}
    for task, (title, iou) in limits.items():
        if task in tasks:
            field.ask("see", GRID_SHAPE, 0)
            took = field.ask("grid", side, iou, 0.0)
            yield from _summarise(f"grid {side}² {title}", [took], compare=True)


def _repeat(field: Field, task: str, arguments: list[Any]) -> list[dict[str, Took]]:
    """Do a task with several arguments; the first time does not count."""
    return [field.ask(task, *given) for given in arguments][1:]


def _summarise(task: str, runs: list[dict[str, Took]], compare: bool = False) -> Iterator[Record]:
    for name in runs[0]:
        wall, processor, peak, kept = (median(run[name][i] for run in runs) for i in range(4))
        answer, note = runs[-1][name].answer, ""
        if isinstance(answer, list):
            note = f"{len(answer)} masks"
        yield Record(name, task, wall, processor, peak, kept, note, answer if compare else None)


def _run_planes(field: Field) -> Iterator[Record]:
    """See planes one after the other, with 16 clicks each: whether the last take longer."""
    steps = (np.arange(4) + 0.5) * PLANE_SIDE / 4
    points = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    runs = []
    for plane in range(PLANES):
        seen = field.ask("see", (PLANE_SIDE, PLANE_SIDE), plane)
        clicked = field.ask("seeds", points)
        runs.append(
            {
                name: Took(
                    *(seen[name][i] + clicked[name][i] for i in range(2)),
                    *(max(seen[name][i], clicked[name][i]) for i in range(2, 4)),
                    None,
                )
                for name in seen
            }
        )
    for record in _summarise(f"a plane of {PLANES}, {PLANE_SIDE}², 16 clicks", runs):
        own = [run[record.contestant].processor for run in runs]
        grown = runs[-1][record.contestant].kept - runs[10][record.contestant].kept
        note = f"last ten {_drift(own):+.1%} of the first, {grown:+.0f} MiB since the tenth"
        if "plain" in runs[0] and record.contestant != "plain":  # what the machine did, left out
            beside = [o / run["plain"].processor for o, run in zip(own, runs, strict=True)]
            note += f"; beside the plain loop {_drift(beside):+.1%}"
        yield record._replace(note=note)


def _drift(values: list[float]) -> float:
    """How much larger the last ten are than the first ten, without the very first."""
    return median(values[-10:]) / median(values[1:11]) - 1


def main() -> None:
    """Run what is asked for, keep it, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of encoder.onnx and decoder.onnx")
    names = list(CONTESTANTS_BY_SHORT)
    parser.add_argument("--contestants", nargs="+", choices=names, default=names)
    parser.add_argument("--tasks", nargs="*", choices=TASKS, default=list(TASKS))
    parser.add_argument("--side", type=int, default=32, help="clicks along a side of the grid")
    parser.add_argument("--few", type=float, default=0.88, help="predicted IoU for few survivors")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save", type=Path, default=Path("results/speed.json"))
    parser.add_argument("--report", action="store_true", help="print all that was saved")
    parser.add_argument("--page", type=Path, help="put the table into this page; with --report")
    parser.add_argument("--plot", type=Path, help="draw ratios into an SVG file; with --report")
    arguments = parser.parse_args()
    results = Results(arguments.save, arguments.folder.name)
    if not arguments.report:
        field = Field(arguments.contestants, arguments.folder, arguments.threads)
        for record in run_tasks(field, arguments.tasks, arguments.side, arguments.few):
            results.add(record)  # a run takes long: what was measured is not lost
            print(*record[:7], sep=" | ", flush=True)
        field.end()
    report(results, GRID_SHAPE, arguments.plot, arguments.page)


if __name__ == "__main__":
    main()
