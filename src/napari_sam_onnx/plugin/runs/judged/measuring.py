"""Objects of the label image that is written to, measured; and compared with a truth."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from psygnal import Signal

from napari_sam_onnx.evaluation.evaluate import THRESHOLDS
from napari_sam_onnx.evaluation.scores import score_labels
from napari_sam_onnx.export.intensities import ChannelPlanes, MeasuredChannel
from napari_sam_onnx.export.table import measure_objects
from napari_sam_onnx.export.volumes import KEPT, join_planes
from napari_sam_onnx.export.writers import stack_of
from napari_sam_onnx.plugin.picture.geometry import role_of
from napari_sam_onnx.plugin.picture.plane import Plane
from napari_sam_onnx.plugin.picture.shown import layer_array, layer_shape, mixable_layers
from napari_sam_onnx.plugin.session.lanes import Job
from napari_sam_onnx.plugin.session.stack_axes import DEPTH
from napari_sam_onnx.writing import explain_write, write_beside

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from napari.layers import Labels

    from napari_sam_onnx.evaluation.scores import Scores
    from napari_sam_onnx.plugin.commits.label_target import LabelTarget
    from napari_sam_onnx.plugin.review import Reviewer
    from napari_sam_onnx.plugin.session.session import Session
    from napari_sam_onnx.plugin.session.stack_axes import StackAxes


class Measuring:
    """Measures objects, away from the interface, and goes to them.

    Parameters
    ----------
    session : Session
    labels : LabelTarget
        Says which label image is measured.
    reviewer : Reviewer
        Shows an object.
    axes : StackAxes
        Say what is depth and what is time.

    Attributes
    ----------
    changed : Signal
        `columns` or `scores` are others.
    columns : dict of list
        See `measure_objects` and `join_planes`; then `KEPT`, where the layer knows them.
    whole : bool
        Whether objects of volumes are measured as a whole, not plane by plane.
    scores : Scores or None
        How well the labels agree with the truth that was chosen.
    """

    changed = Signal()

    def __init__(
        self, session: Session, labels: LabelTarget, reviewer: Reviewer, axes: StackAxes
    ) -> None:
        self.session, self.labels, self._reviewer = session, labels, reviewer
        self._stack_axes = axes
        self.columns: dict[str, list[Any]] = {}
        self.scores: Scores | None = None
        self.whole = True
        self._layer: Labels | None = None
        self._axes = ""

    @property
    def layer(self) -> Labels | None:
        """The label image that was measured."""
        return self._layer

    @property
    def deep(self) -> bool:
        """Whether the picture is a volume, or volumes."""
        return self._stack_axes.axis_of(DEPTH) is not None

    def truths(self) -> list[Labels]:
        """List the label images that could be a truth."""
        return [layer for layer in self.labels.fitting() if layer is not self.labels.layer]

    def measure(self) -> None:
        """Measure all objects."""
        layer = self.labels.layer
        if layer is None:
            self.session.say("There are no labels to measure; choose some under Labels.", "error")
            return
        attributes = {
            "name": layer.name,
            "scale": layer.scale,
            "units": layer.units,
            "axis_labels": layer.axis_labels,
        }
        known = {str(name): list(values) for name, values in layer.features.items()}
        channels, named = self._channels(layer), self._name_axes(layer)
        run = partial(_measure, layer.data, attributes, known, channels, named, self.whole)
        self.session.say("Measuring objects …", "busy")
        done = partial(self._take, layer)
        self.session.lane.submit(Job(run, done, self.session.fail, replaceable=False))

    def _channels(self, layer: Labels) -> ChannelPlanes | None:
        """Return the intensities that lie on the pixels of labels: of all pictures that do."""
        picture = self.session.picture
        if picture is None or not self._fits(layer):
            return None
        images = [one for one in self.session.viewer.layers if isinstance(one, Image)]
        plain = [one for one in images if role_of(one) is None]
        channels: list[MeasuredChannel] = []
        for one in mixable_layers(plain, picture.main):
            array, axis = layer_array(one), picture.channel_axis
            if axis is None:
                channels.append(MeasuredChannel(one.name, array))
            else:
                named = picture.channels if one is picture.main else ()
                for at in range(array.shape[axis]):
                    name = named[at].name if at < len(named) else f"{one.name} {at}"
                    channels.append(MeasuredChannel(name, array, axis, at))
        if picture.main.rgb:
            array = layer_array(picture.main)
            channels = [
                MeasuredChannel(n, array, sample=i) for i, n in enumerate(("red", "green", "blue"))
            ]
        return ChannelPlanes(tuple(channels), picture.shape) if channels else None

    def _fits(self, layer: Labels) -> bool:
        """Whether labels lie on the picture's pixels."""
        picture = self.session.picture
        return picture is not None and layer_shape(layer) == picture.shape

    def _name_axes(self, layer: Labels) -> str:
        """Name the axes of labels as the picture's are; "" where they are not of it."""
        if not self._fits(layer):
            return ""
        roles, others = self._stack_axes.roles, iter("CSRQP")
        before = range(layer.ndim - 2)
        return "".join(roles.get(axis, "") or next(others) for axis in before) + "YX"

    def compare(self, truth: Labels | None) -> None:
        """Compare the labels with a truth."""
        layer = self.labels.layer
        if layer is None or truth is None:
            self.session.say("Choose labels, and other labels that are the truth.", "error")
            return
        run = partial(_compare, layer.data, truth.data)
        self.session.say("Comparing with the truth …", "busy")
        self.session.lane.submit(Job(run, self._judge, self.session.fail, replaceable=False))

    def save(self, path: Path) -> None:
        """Write the table as CSV."""
        try:
            with write_beside(path) as part, part.open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file)
                writer.writerow(self.columns)
                writer.writerows(zip(*self.columns.values(), strict=True))
        except OSError as error:
            self.session.say(f"The table was not saved: {explain_write(error)}.", "error")
        else:
            self.session.say(f"Saved {self._count()} as {path}.")

    def go_to(self, row: int) -> None:
        """Show the object of a row."""
        layer = self._layer
        if layer is None or layer not in self.session.viewer.layers:
            return
        names = [axis.lower() for axis in self._axes if axis not in "YX"]
        columns = (self.columns.get(name) for name in names)
        position = (*(0 if column is None else int(column[row]) for column in columns), 0, 0)
        y0, x0, y1, x1 = (self.columns[name][row] for name in ("y0", "x0", "y1", "x1"))
        plane = Plane((layer.ndim - 2, layer.ndim - 1), position)
        center = (y0 + y1 - 1) / 2, (x0 + x1 - 1) / 2
        self._reviewer.show(layer, plane, center, int(self.columns["label"][row]))

    def _count(self) -> str:
        count = len(self.columns.get("label", ()))
        return f"{count:,} object{'s' * (count != 1)}"

    def _take(self, layer: Labels, made: tuple[str, dict[str, list[Any]]]) -> None:
        self._layer = layer
        self._axes, self.columns = made
        self.session.say(f"Measured {self._count()} of “{layer.name}”.", "ready")
        self.changed.emit()

    def _judge(self, scores: Scores) -> None:
        self.scores = scores
        self.session.say("Compared with the truth.", "ready")
        self.changed.emit()


def describe_scores(scores: Scores) -> str:
    """Say how well labels agree with a truth, in a few words."""
    figures = scores.figures()
    named = (
        ("AP@0.5", "ap@0.5"),
        ("mSA", "msa"),
        ("F1", "f1@0.5"),
        ("precision", "precision@0.5"),
        ("recall", "recall@0.5"),
        ("IoU", "mean_iou"),
        ("boundary F", "boundary_f"),
    )
    text = " · ".join(f"{name} {figures[key]:.3f}" for name, key in named)
    return f"{text} · {figures['found']:,} found, {figures['expected']:,} expected"


def _measure(
    data: Any,
    attributes: Mapping[str, Any],
    features: Mapping[str, Sequence[Any]],
    channels: ChannelPlanes | None,
    axes: str,
    whole: bool,
) -> tuple[str, dict[str, list[Any]]]:
    stack = stack_of(data, attributes, axes)
    if channels is not None:
        stack = replace(stack, image=channels, channel_names=channels.names)
    columns = measure_objects(stack)
    if whole and "Z" in stack.axes and stack.labels.shape[stack.axes.index("Z")] > 1:
        columns = join_planes(columns, stack.axes, stack.pixel_size)
    known = dict(zip(features.get("index", ()), range(len(features.get("index", ()))), strict=True))
    for name in KEPT:
        if name in features and known:
            rows = [known.get(label) for label in columns["label"]]
            nothing = "" if name in ("judged", "class", "flags") else float("nan")
            values = [nothing if row is None else features[name][row] for row in rows]
            if any(value == value and value != "" for value in values):
                columns[name] = values
    return stack.axes, columns


def _compare(labels: Any, truth: Any) -> Scores:
    return score_labels(np.asarray(labels), np.asarray(truth), THRESHOLDS)
