"""Planes and tiles divided among processes, killed in between, and gone on with; the same labels.

    python -m benchmarks.scale_out workers --planes 16 --side 512
    python -m benchmarks.scale_out mosaic --side 8192

`workers` labels a stack in this process, with one worker of Dask, with four, and with four of which
one is killed after the first plane. `mosaic` labels one large plane by the command line, kills that
process (SIGKILL) after a part of its tiles, goes on with ``--resume``, and compares with a run that
nobody disturbed; resident memory is the peak that the system tells of each process. Pictures are
made of the simulated sample nuclei, turned and shifted.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from benchmarks.timing import print_table
from napari_sam_onnx import load_model
from napari_sam_onnx.planes import ArrayPlanes
from napari_sam_onnx.stacks import iterate_stack
from napari_sam_onnx.stacks.cluster import Cluster, open_client

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MAIN = "from napari_sam_onnx.cli import main; main()"


def lay_nuclei(height: int, width: int, seed: int) -> NDArray[np.uint16]:
    """Lay the sample nuclei side by side, each copy turned and shifted."""
    copy = read_nuclei()
    rng = np.random.default_rng(seed)
    side = min(copy.shape)
    picture = np.zeros((height, width), copy.dtype)
    for top in range(0, height, side):
        for left in range(0, width, side):
            turned = np.rot90(copy[:side, :side], int(rng.integers(4)))
            moved = np.roll(turned, rng.integers(side, size=2), (0, 1))
            part = picture[top : top + side, left : left + side]
            part[...] = moved[: part.shape[0], : part.shape[1]]
    return picture


def read_nuclei() -> NDArray[np.uint16]:
    """Read the sample picture of nuclei."""
    return np.asarray(tifffile.imread(Path("sample_data") / "nuclei.tif"))


def label(planes: ArrayPlanes, workshop: Any, after_first: Callable[[], object] = bool) -> Any:
    """Label the planes, linked along z; seconds and labels."""
    began, found = time.perf_counter(), []
    model = load_model("pebble", threads=1)
    for update in iterate_stack(planes, model, link="z", mode="objects", workshop=workshop):
        if update.labels is not None:
            found.append(update.labels)
            if len(found) == 1:
                after_first()
    model.close()
    return time.perf_counter() - began, np.stack(found)


def compare_workers(args: argparse.Namespace) -> None:
    """Label a stack by one process, one worker, four, and four of which one is killed."""
    stack = np.stack([lay_nuclei(args.side, args.side, seed) for seed in range(args.planes)])
    planes = ArrayPlanes(stack, "ZYX")
    seconds, truth = label(planes, None)
    rows = [["this process, 1 thread", f"{seconds:.1f}", "", str(truth.max())]]
    for count, kill in ((1, False), (4, False), (4, True)):
        with open_client(workers=count) as client:
            processes = list(client.run(os.getpid).values())

            def end_one(processes: list[int] = processes, kill: bool = kill) -> None:
                if kill:
                    os.kill(processes[0], signal.SIGKILL)

            seconds, labels = label(planes, Cluster(client, "pebble"), end_one)
            now = set(client.run(os.getpid).values())
        name = f"{count} worker{'s' * (count > 1)}" + ", one killed" * kill
        same = "the same" if np.array_equal(labels, truth) else "OTHERS"
        rows.append([name, f"{seconds:.1f}", same, str(labels.max())])
        if kill and processes[0] in now:
            raise SystemExit("no worker was killed")
    print_table(["", "s", "labels", "objects"], rows)


def start(folder: Path, out: str, *options: str) -> subprocess.Popen[bytes]:
    """Start the command line."""
    words = ["segment", str(folder / "mosaic.tif"), "-o", str(folder / out), *options]
    return subprocess.Popen([sys.executable, "-c", MAIN, *words])


def follow(process: subprocess.Popen[bytes], kept: Path, tiles: int = 0) -> tuple[int, float, int]:
    """Wait for a process, or kill it after so many tiles; its exit, peak in GB, and tiles."""
    done = 0
    while True:
        over, status, usage = os.wait4(process.pid, os.WNOHANG)
        if over:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_maxrss / 1e6, done
        done = max(done, len(list(kept.glob("tile-*.npz"))))
        if tiles and done >= tiles:
            process.kill()
            tiles = 0
        time.sleep(0.1)


def label_mosaic(args: argparse.Namespace) -> None:
    """Label a large plane: undisturbed, killed, and gone on with."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture = lay_nuclei(args.side, args.side, 0)
        tifffile.imwrite(folder / "mosaic.tif", picture)
        options = ["--mode", "tiled", "--tile-side", str(args.tile), *args.options]

        def measure(title: str, out: str, tiles: int, *more: str) -> None:
            began = time.perf_counter()
            process = start(folder, out, *options, *more)
            kept = folder / f"{out}.unfinished"
            code, peak, done = follow(process, kept, tiles)
            seconds = time.perf_counter() - began
            rows.append([title, f"{seconds:.0f}", f"{peak:.2f}", str(done), str(code)])
            print(*rows[-1], sep=", ", flush=True)

        measure("undisturbed", "whole.tif", 0)
        tiles = int(rows[0][3])
        measure("killed", "again.tif", max(1, tiles // 2))
        measure("gone on with", "again.tif", 0, "--resume")
        whole, again = (tifffile.imread(folder / f"{out}.tif") for out in ("whole", "again"))
        left = (folder / "again.tif.unfinished").exists()
    print_table(["", "s", "peak GB", "tiles kept", "exit"], rows)
    same = "the same" if np.array_equal(whole, again) else "OTHERS"
    print(f"{whole.max()} objects, labels {same}, {'some' if left else 'no'} pieces left")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    workers = commands.add_parser("workers")
    workers.add_argument("--planes", type=int, default=16)
    workers.add_argument("--side", type=int, default=512)
    workers.set_defaults(run=compare_workers)
    mosaic = commands.add_parser("mosaic")
    mosaic.add_argument("--side", type=int, default=8192)
    mosaic.add_argument("--tile", type=int, default=1024)
    mosaic.add_argument("options", nargs="*", help="more options of segment, after --")
    mosaic.set_defaults(run=label_mosaic)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
