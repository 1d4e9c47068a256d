"""What `benchmarks.sam_speed` measured: kept in a file, and shown as a table and a drawing."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.timing import print_table

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = {"official": "#b2182b", "plain": "#ef8a62", "ours": "#2166ac", "pebble": "#67a9cf"}


class Record(NamedTuple):
    """What a contestant took for a task: seconds, MiB; and masks, where they are compared."""

    contestant: str
    task: str
    wall: float
    processor: float
    peak: float
    kept: float
    note: str
    masks: Any = None


class Results:
    """Records of several models in a JSON file; the newest of a task and a contestant counts.

    Masks lie beside it, one file for each contestant and task.
    """

    def __init__(self, path: Path, model: str) -> None:
        self.path, self.model = path, model
        self._all = json.loads(path.read_text()) if path.is_file() else {}

    @property
    def records(self) -> list[Record]:
        """Those of this model."""
        return [Record(*entry["values"]) for entry in self._all.get(self.model, {}).values()]

    def add(self, record: Record) -> None:
        """Keep a record."""
        key = f"{record.task}, {record.contestant}"
        values = [*record[:-1]]
        entry = {"values": values, "load": round(os.getloadavg()[0], 1)}
        self._all.setdefault(self.model, {})[key] = entry
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(self._all, indent=1, ensure_ascii=False))
        if record.masks is not None:
            begins = np.array([begin for begin, _, _ in record.masks])
            shapes = np.array([shape for _, shape, _ in record.masks])
            bits = np.concatenate([np.zeros(0, np.uint8), *[bits for *_, bits in record.masks]])
            np.savez(self._mask_file(key), begins=begins, shapes=shapes, bits=bits)

    def load(self, record: Record) -> float:
        """Load of the machine when a record was made."""
        return float(self._all[self.model][f"{record.task}, {record.contestant}"]["load"])

    def read_masks(self, task: str, contestant: str) -> list[Any] | None:
        """Read masks: where each begins, and its pixels."""
        file = self._mask_file(f"{task}, {contestant}")
        if not file.is_file():
            return None
        with np.load(file) as kept:
            shapes, bits, start, masks = kept["shapes"], kept["bits"], 0, []
            for begin, (height, width) in zip(kept["begins"], shapes, strict=True):
                size = -(-height * width // 8)
                pixels = np.unpackbits(bits[start : start + size], count=height * width)
                masks.append((begin, pixels.reshape(height, width).view(bool)))
                start += size
        return masks

    def _mask_file(self, key: str) -> Path:
        plain = "".join(c if c.isalnum() else "-" for c in f"{self.model} {key}")
        return self.path.with_name(f"{self.path.stem} {plain}.npz")


def count_same(ours: list[Any], theirs: list[Any], shape: tuple[int, int]) -> tuple[int, float]:
    """How many of their masks we have with an IoU of at least 0.99, and the smallest such IoU.

    Those of nearly the same area are compared, the likeliest first, until one is the same.
    """
    planes = np.zeros((len(ours), -(-shape[0] * shape[1] // 8)), np.uint8)
    for number, entry in enumerate(ours):
        planes[number] = _paint(entry, shape)
    areas = np.bitwise_count(planes).sum(axis=1, dtype=np.int64)
    same, least = 0, 1.0
    for entry in theirs:
        other = _paint(entry, shape)
        area = int(np.bitwise_count(other).sum(dtype=np.int64))
        apart = np.abs(areas - area)
        near = np.flatnonzero(apart <= 0.011 * np.maximum(areas, area))
        best = 0.0
        for some in np.array_split(near[np.argsort(apart[near])], len(near) // 16 + 1):
            shared = np.bitwise_count(planes[some] & other).sum(axis=1, dtype=np.int64)
            union = np.maximum(areas[some] + area - shared, 1)
            best = max(best, float((shared / union).max(initial=0.0)))
            if best >= 0.99:
                break
        if best >= 0.99:
            same, least = same + 1, min(least, best)
    return same, least


def _paint(entry: Any, shape: tuple[int, int]) -> np.ndarray:
    (y, x), crop = entry
    plane = np.zeros(shape, bool)
    plane[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    return np.packbits(plane)


def report(
    results: Results, shape: tuple[int, int], plot: Path | None, page: Path | None = None
) -> None:
    """Print a row for each task and contestant, with what the others take as multiples of ours.

    Parameters
    ----------
    results : Results
    shape : (H, W)
        Of the plane that grids of clicks were asked of.
    plot : Path, optional
        Takes a drawing, as SVG.
    page : Path, optional
        Takes the table, between the comments ``sam_speed MODEL begin`` and ``end``.
    """
    records = results.records
    ours = {record.task: record for record in records if record.contestant == "ours"}
    rows, bars = [], []
    for record in sorted(records, key=lambda r: [x.task for x in records].index(r.task)):
        own, note = ours.get(record.task), record.note
        ratio = record.processor / own.processor if own else float("nan")
        if own and record.contestant == "official":
            theirs, mine = (results.read_masks(record.task, n) for n in ("official", "ours"))
            if theirs is not None and mine is not None:
                same, least = count_same(mine, theirs, shape)
                note += f", {same} of them ours (IoU ≥ {least:.5f})"
        unit, factor = ("s", 1) if record.processor >= 1 else ("ms", 1e3)
        rows.append(
            [
                record.task,
                record.contestant,
                *(f"{factor * t:.3g} {unit}" for t in (record.wall, record.processor)),
                f"{ratio:.1f}",
                f"{record.peak:.0f}",
                f"{record.kept:.0f}",
                f"{results.load(record):.1f}",
                note,
            ]
        )
        bars.append((record.task, record.contestant, ratio))
    columns = ["task", "contestant", "clock", "CPU", "× ours", "peak MiB", "kept MiB", "load", ""]
    print_table(columns, rows)
    if page is not None:
        write_table(page, results.model, columns, rows)
    if plot is not None:
        plot.write_text(draw_bars(bars), encoding="utf-8")


def write_table(page: Path, model: str, columns: list[str], rows: list[list[str]]) -> None:
    """Put a table into a page of Markdown, in place of the one of the same model.

    Raises
    ------
    SystemExit
        If the page has no place for it.
    """
    begin, end = (f"<!-- sam_speed {model} {part} -->" for part in ("begin", "end"))
    text = page.read_text(encoding="utf-8")
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise SystemExit(f"{page} has no place for the table: {begin} … {end}.")
    lines = [columns, ["-"] * len(columns), *rows]
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    page.write_text(f"{before}{begin}\n\n{table}\n\n{end}{after}", encoding="utf-8")


def draw_bars(bars: list[tuple[str, str, float]]) -> str:
    """Draw how many times ours the others take, on a logarithmic axis, as an SVG."""
    lines, top, left, width = [], 24, 220, 520
    most = np.log10(max(ratio for *_, ratio in bars if np.isfinite(ratio)) * 1.3)
    least = np.log10(min(ratio for *_, ratio in bars if np.isfinite(ratio)) / 1.3)

    def place(ratio: float) -> float:
        return left + width * (np.log10(ratio) - least) / (most - least)

    task = ""
    for name, contestant, ratio in bars:
        if not np.isfinite(ratio):
            continue
        if name != task:
            top, task = top + 10, name
            lines.append(f'<text x="{left - 8}" y="{top + 11}" text-anchor="end">{name}</text>')
        begin, end = sorted((place(1.0), place(ratio)))
        lines.append(
            f'<rect x="{begin:.1f}" y="{top}" width="{max(end - begin, 1):.1f}" height="13" '
            f'fill="{COLOURS[contestant]}"/>'
            f'<text x="{end + 5:.1f}" y="{top + 11}">{contestant} {ratio:.1f}</text>'
        )
        top += 16
    style = "font-family='sans-serif' font-size='12'"
    body = "\n".join(lines)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{left + width + 110}' height='{top + 14}' "
        f"{style}>\n<rect width='100%' height='100%' fill='white'/>\n"
        f"<text x='8' y='18'>processor time as a multiple of this package's (logarithmic)</text>\n"
        f"{body}\n</svg>\n"
    )
