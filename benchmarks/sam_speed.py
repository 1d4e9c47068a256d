"""The same SAM weights run by PyTorch, by a plain ONNX Runtime loop, and by this package.

    python -m benchmarks.exporters.make mobile-sam --cache FOLDER     # with torch and samexporter
    python -m benchmarks.sam_speed FOLDER/mobile-sam --side 16

Each contestant lives in a process of its own, so that its memory is its own; they take turns
task by task, so that a machine that is busy with something else slows all. Processor time is that
of all threads. Without torch leave the first out: ``--contestants plain ours pebble``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.contestants import CONTESTANTS
from benchmarks.timing import print_table

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SHORT = {name.split(",")[0].split()[0].replace("this", "ours"): name for name in CONTESTANTS}
CLICK_SIDES = (1024, 2048, 4096)
GRID_SHAPE = (768, 1024)
CLICKS = 7
STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def draw_plane(shape: tuple[int, int]) -> np.ndarray:
    """Discs of many sizes and colours on a grey ground, ``(H, W, 3)`` uint8."""
    random = np.random.default_rng(0)
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
        if task == "draw":
            contestant.see(draw_plane(arguments[0]))
            pipe.send((0.0, 0.0, read_memory("VmRSS"), None))
            continue
        forget_peak()
        wall, processor = time.perf_counter(), time.process_time()
        answer = getattr(contestant, task)(*arguments)
        took = time.perf_counter() - wall, time.process_time() - processor
        pack = (
            [(begin, mask.shape, np.packbits(mask)) for begin, mask in answer]
            if (task == "grid")
            else None
        )
        pipe.send((*took, read_memory("VmHWM"), pack))


def ask(pipe: Connection, task: str, *arguments: Any) -> tuple[float, float, float, Any]:
    """Have a task done: seconds by the clock and of processor time, MiB, masks."""
    pipe.send((task, arguments))
    result: tuple[float, float, float, Any] = pipe.recv()
    return result


def count_same(ours: list[Any], theirs: list[Any], shape: tuple[int, int]) -> tuple[int, float]:
    """How many of their masks we have with an IoU of at least 0.99, and the smallest such IoU."""

    def unpack(entry: Any) -> np.ndarray:
        (y, x), (height, width), bits = entry
        plane = np.zeros(shape, bool)
        crop = np.unpackbits(bits, count=height * width).reshape(height, width)
        plane[y : y + height, x : x + width] = crop
        return plane

    mine, same, least = [unpack(entry) for entry in ours], 0, 1.0
    for entry in theirs:
        other = unpack(entry)
        best = max(
            (np.count_nonzero(m & other) / max(1, np.count_nonzero(m | other)) for m in mine),
            default=0.0,
        )
        if best >= 0.99:
            same, least = same + 1, min(least, best)
    return same, least


def main() -> None:
    """Print a row for each task and contestant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of encoder.onnx and decoder.onnx")
    parser.add_argument("--contestants", nargs="+", choices=SHORT, default=list(SHORT))
    parser.add_argument("--side", type=int, default=32, help="clicks along a side of the grid")
    parser.add_argument("--few", type=float, default=0.88, help="predicted IoU for few survivors")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    names = [SHORT[short] for short in arguments.contestants]
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name in names:
        pipes[name], theirs = context.Pipe()
        options = (theirs, name, arguments.folder, arguments.threads)
        processes.append(context.Process(target=serve, args=options, daemon=True))
        processes[-1].start()
    rows = []
    for side in CLICK_SIDES:
        kept = {name: ask(pipe, "draw", (side, side))[2] for name, pipe in pipes.items()}
        took: dict[str, list[tuple[float, float, float, Any]]] = {name: [] for name in names}
        for turn in range(CLICKS):
            for name, pipe in pipes.items():
                took[name].append(ask(pipe, "click", side * (0.2 + 0.08 * turn), side * 0.4))
        for name in names:
            wall, processor, peak = (
                median(run[part] for run in took[name][1:]) for part in range(3)
            )
            cells = [f"{1e3 * wall:.0f} ms", f"{1e3 * processor:.0f} ms", f"{peak:.0f}"]
            row = [f"click, {side}²", name, *cells, f"{kept[name]:.0f} MiB before"]
            rows.append(row)
            print(*row, sep=" | ", flush=True)  # a run takes long: what was measured is not lost
    for pipe in pipes.values():
        ask(pipe, "draw", GRID_SHAPE)
    for title, limits in (("all kept", (0.0, 0.0)), ("few survive", (arguments.few, 0.0))):
        found = {name: ask(pipe, "grid", arguments.side, *limits) for name, pipe in pipes.items()}
        for name, (wall, processor, peak, masks) in found.items():
            note = f"{len(masks)} masks"
            if name in list(CONTESTANTS)[:2] and SHORT["ours"] in found:
                same, least = count_same(found[SHORT["ours"]][3], masks, GRID_SHAPE)
                note += f", {same} of them ours (IoU ≥ {least:.5f})"
            task = f"grid {arguments.side}², {title}"
            row = [task, name, f"{wall:.1f} s", f"{processor:.1f} s", f"{peak:.0f}", note]
            rows.append(row)
            print(*row, sep=" | ", flush=True)
    for pipe, process in zip(pipes.values(), processes, strict=True):
        pipe.send(("end", ()))
        process.join(10)
    print_table(["task", "contestant", "clock", "processor", "peak MiB", ""], rows)


if __name__ == "__main__":
    main()
