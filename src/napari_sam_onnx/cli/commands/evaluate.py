"""``evaluate``: label images against truths, per picture and pooled."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import typer
from numpy.typing import NDArray

from napari_sam_onnx.cli.given import load_labels
from napari_sam_onnx.cli.options import shared as options
from napari_sam_onnx.evaluation.evaluate import THRESHOLDS, EvaluationError, evaluate_labels
from napari_sam_onnx.evaluation.evaluate_tracks import evaluate_tracks
from napari_sam_onnx.evaluation.scores import Scores, pool_scores, score_labels
from napari_sam_onnx.export.beside import write_beside
from napari_sam_onnx.pictures.picture_file import (
    PictureFileError,
    is_folder,
    list_pictures,
)
from napari_sam_onnx.stacks.tracks import read_ctc

# What names of label images end in; the same picture may have its truth under another.
ENDINGS = ("_labels", "_label", "_truth", "_masks", "_mask", "_gt")
POOLED = "pooled"


def evaluate(
    labels: Annotated[
        Path,
        typer.Argument(metavar="LABELS", help="The label image to judge, or a folder of them."),
    ],
    truth: Annotated[
        Path,
        typer.Argument(metavar="TRUTH", help="The label image to compare to, or a folder of them."),
    ],
    thresholds: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="IoU thresholds, such as 0.3,0.5,0.75; 0.5 to 0.95 where omitted."),
    ] = None,
    boundary: Annotated[
        float, typer.Option(min=0.0, help="Pixels within which two outlines agree.")
    ] = 2.0,
    csv_file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--csv", help="Write all figures: a row per picture, and one pooled."),
    ] = None,
    json_file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--json", help="Write all figures as JSON."),
    ] = None,
    tracks: Annotated[
        bool,
        typer.Option(
            "--tracks",
            help="The first axis is time and numbers are tracks: print TRA, DET and SEG of the "
            "Cell Tracking Challenge too. Folders in its format bring their divisions.",
        ),
    ] = False,
    force: options.ForceFiles = False,
) -> None:
    """Match the objects of label images to those of truths and print how well they fit.

    Volumes and series are matched as a whole: an object is what has one number in all planes.
    """
    if tracks:
        print_tracks(labels, truth)
        return
    levels = THRESHOLDS if thresholds is None else parse_thresholds(thresholds)
    scores: dict[str, Scores] = {}
    for name, found, expected in pair_files(labels, truth):
        ours, theirs = (load_labels(path) for path in (found, expected))
        try:
            scores[name] = score_labels(ours, theirs, levels, boundary)
        except EvaluationError as error:
            raise EvaluationError(f"{name}: {error}") from error
    pooled = pool_scores(list(scores.values()))
    if len(scores) > 1:
        _print_pictures(scores, levels[0])
    _print_scores(pooled)
    rows = {name: score.figures() for name, score in scores.items()}
    if len(scores) > 1:
        rows[POOLED] = pooled.figures()
    if csv_file is not None:
        with write_beside(csv_file, overwrite=force) as part:
            _write_csv(part, rows)
    if json_file is not None:
        with write_beside(json_file, overwrite=force) as part:
            part.write_text(json.dumps(_finite(rows), indent=1) + "\n", encoding="utf-8")


def parse_thresholds(text: str) -> tuple[float, ...]:
    """Read thresholds, ascending.

    Raises
    ------
    EvaluationError
        If one is no number.
    """
    try:
        return tuple(sorted({float(part) for part in text.split(",")}))
    except ValueError as error:
        raise EvaluationError(
            f"The thresholds {text!r} cannot be read; write 0.5 or 0.3,0.5,0.75."
        ) from error


def pair_files(labels: Path, truth: Path) -> list[tuple[str, Path, Path]]:
    """Pair label images with truths: two files, or those of two folders that share a name.

    Returns
    -------
    list of (name, labels, truth)

    Raises
    ------
    PictureFileError
        If a truth has no labels, or nothing is there.
    """
    if not is_folder(labels) and not is_folder(truth):
        return [(labels.name, labels, truth)]
    if not (is_folder(labels) and is_folder(truth)):
        raise PictureFileError("Compare two files or two folders, not a file and a folder.")
    found, expected = _by_name(labels), _by_name(truth)
    missing = sorted(expected.keys() - found.keys())
    if missing or not expected:
        what = f"no labels for {missing[0]!r}" if missing else "no truths"
        raise PictureFileError(f"There are {what}; names are to be the same in both folders.")
    return [(name, found[name], expected[name]) for name in sorted(expected)]


def _by_name(folder: Path) -> dict[str, Path]:
    """Label images of a folder by the picture's name; all pictures where none is named so."""
    pictures = list_pictures(folder)
    named = [path for path in pictures if path.stem.lower().endswith(ENDINGS)]
    return {_strip(path.stem): path for path in named or pictures}


def _strip(stem: str) -> str:
    for ending in ENDINGS:
        if stem.lower().endswith(ending):
            return stem[: -len(ending)]
    return stem


def _print_pictures(scores: Mapping[str, Scores], least: float) -> None:
    at = f"@{least:g}"
    width = max(8, *(len(name) for name in scores))
    columns = ("found", "truth", f"AP{at}", f"F1{at}", "mSA", "boundary F")
    print(f"{'picture':{width}} " + " ".join(f"{c:>10}" for c in columns))
    for name, score in scores.items():
        f = score.figures()
        values = (f[f"ap{at}"], f[f"f1{at}"], f["msa"], f["boundary_f"])
        shown = " ".join(f"{value:10.3f}" for value in values)
        print(f"{name:{width}} {f['found']:10} {f['expected']:10} {shown}")
    print(f"all {len(scores)} pictures pooled:")


def _print_scores(scores: Scores) -> None:
    evaluation = scores.evaluation
    least, first = evaluation.thresholds[0], evaluation.matchings[0]
    at = f"at IoU {least:g}"
    rows = [
        ("objects found", str(first.found)),
        ("objects in the truth", str(first.expected)),
        (f"matched {at}", str(first.true_positives)),
        ("false positives", str(first.false_positives)),
        ("missed", str(first.false_negatives)),
        (f"precision {at}", f"{first.precision:.3f}"),
        (f"recall {at}", f"{first.recall:.3f}"),
        (f"F1 {at}", f"{first.f1:.3f}"),
    ]
    many = len(evaluation.thresholds) > 4
    for threshold, matching in zip(evaluation.thresholds, evaluation.matchings, strict=True):
        if not many or threshold in (least, 0.75):
            rows.append((f"AP at IoU {threshold:g}", f"{matching.average_precision:.3f}"))
    if len(evaluation.thresholds) > 1:
        span = f"{least:g} to {evaluation.thresholds[-1]:g}"
        rows.append((f"mSA (IoU {span})", f"{evaluation.msa:.3f}"))
    rows.append(("mean IoU of the matched", f"{first.mean_iou:.3f}"))
    rows.append(("boundary F", f"{scores.boundary.f:.3f}"))
    for name, value in rows:
        print(f"{name:24} {value:>6}")


def _write_csv(path: Path, rows: Mapping[str, Mapping[str, float | int]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = list(next(iter(rows.values())))
        writer.writerow(["picture", *names])
        writer.writerows([name, *(row[key] for key in names)] for name, row in rows.items())


def _finite(rows: Mapping[str, Mapping[str, float | int]]) -> dict[str, Any]:
    """JSON knows no NaN."""
    return {
        name: {key: None if np.isnan(value) else value for key, value in row.items()}
        for name, row in rows.items()
    }


def print_tracks(labels: Path, truth: Path) -> None:
    """Print how well a series of tracks fits a truth."""
    found, parents = _read_series(labels)
    expected, true_parents = _read_series(truth)
    series = evaluate_tracks(found, expected, parents, true_parents)
    matching = evaluate_labels(found, expected, (0.5,)).at(0.5)
    rows = [
        ("tracks found", str(matching.found)),
        ("tracks in the truth", str(matching.expected)),
        ("F1 of tracks at IoU 0.5", f"{matching.f1:.3f}"),
        ("objects in all frames", str(series.found)),
        ("of the truth", str(series.objects)),
        ("missed, false, to split", f"{series.missed}, {series.false}, {series.splits}"),
        ("TRA", f"{series.tra:.3f}"),
        ("DET", f"{series.det:.3f}"),
        ("SEG", f"{series.seg:.3f}"),
    ]
    for name, value in rows:
        print(f"{name:24} {value:>6}")


def _read_series(path: Path) -> tuple[NDArray[Any], Mapping[int, int]]:
    """Read labels whose numbers are tracks, and the divisions where the format has them."""
    if is_folder(path):
        labels, tracks = read_ctc(path)
        return labels, tracks.parents
    return load_labels(path), {}
