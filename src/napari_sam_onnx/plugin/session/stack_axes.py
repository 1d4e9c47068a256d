"""What the axes of a picture beside its planes are: depth, time, or separate pictures.

Told by the labels and units of the layer's axes, else the last is depth and the one before it
time; what the user says instead is remembered with the layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from psygnal import Signal

from napari_sam_onnx.plugin.picture.picture import split_axis
from napari_sam_onnx.plugin.picture.shown import layer_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Image

    from napari_sam_onnx.plugin.picture.picture import Picture
    from napari_sam_onnx.plugin.session.session import Session

DEPTH, TIME, APART, CHANNELS = "Z", "T", "", "C"

_DEPTH_WORDS = {"z", "depth", "slice", "slices", "section", "plane"}
_TIME_WORDS = {"t", "time", "frame", "frames", "timepoint"}
_CHANNEL_WORDS = {"c", "ch", "channel", "channels"}
_LETTERS = "SRQPONMLKJIHGFEDBAUVW"  # for axes that are neither

_chosen: WeakKeyDictionary[Any, dict[int, str]] = WeakKeyDictionary()


def guess_roles(layer: Image, channel_axis: int | None = None) -> dict[int, str]:
    """Say what each axis of a layer beside the last two is.

    Parameters
    ----------
    layer : napari Image layer
    channel_axis : int or None
        One that is known to hold channels.

    Returns
    -------
    dict of int to {"Z", "T", ""}
        By axis. An axis of one plane is what is left over.
    """
    roles: dict[int, str] = {}
    shape = layer_shape(layer)
    others = [axis for axis in range(layer.ndim - 2) if axis != channel_axis]
    for axis in others:
        word = str(layer.axis_labels[axis]).strip().lower()
        if word in _DEPTH_WORDS:
            roles.setdefault(axis, DEPTH)
        elif word in _TIME_WORDS or _is_time(layer.units[axis]):
            roles.setdefault(axis, TIME)
        elif word in _CHANNEL_WORDS:
            roles.setdefault(axis, APART)
    roles = _keep_first(roles)
    free = [role for role in (DEPTH, TIME) if role not in roles.values()]
    open_axes = [axis for axis in others if axis not in roles]
    for axis in sorted(open_axes, key=lambda axis: (shape[axis] == 1, -axis)):
        roles[axis] = free.pop(0) if free and shape[axis] > 1 else APART
    return dict(sorted(roles.items()))


def _keep_first(roles: Mapping[int, str]) -> dict[int, str]:
    """No two axes are both depth or both time."""
    kept: dict[int, str] = {}
    for axis, role in roles.items():
        kept[axis] = APART if role and role in kept.values() else role
    return kept


def _is_time(unit: Any) -> bool:
    dimensions = getattr(unit, "dimensionality", None)
    return dimensions is not None and dict(dimensions) == {"[time]": 1}


class StackAxes:
    """What the axes of the session's picture are, and changing it.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    changed : Signal
        Another picture, or an axis is taken for something else.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        self.session = session
        self._shown: Any = None
        session.picture_changed.connect(self._on_picture)

    @property
    def roles(self) -> dict[int, str]:
        """By axis of the picture that numbers its planes, see `guess_roles`; {} without any."""
        picture = self.session.picture
        if picture is None:
            return {}
        guessed = guess_roles(picture.main, picture.channel_axis)
        said = _chosen.get(picture.main, {})
        return {axis: said.get(axis, role) for axis, role in guessed.items()}

    @property
    def long(self) -> dict[int, str]:
        """The same, of axes of more than one plane."""
        picture = self.session.picture
        assert picture is not None or not self.roles
        return {a: r for a, r in self.roles.items() if picture and picture.shape[a] > 1}

    def axis_of(self, role: str) -> int | None:
        """Return the axis that is depth or time, or None where there is none of many planes."""
        return next((axis for axis, known in self.long.items() if known == role), None)

    def choose(self, axis: int, role: str) -> None:
        """Take an axis for something else; one that was that before takes its place."""
        picture = self.session.picture
        if picture is None:
            return
        if role == CHANNELS:
            self.session.choose_picture(split_axis(picture.main, axis))
            return
        roles = self.roles
        before = roles.get(axis)
        if before == role:
            return
        for other, known in roles.items():
            if role and known == role:
                roles[other] = before or APART
        _chosen.setdefault(picture.main, {}).update({**roles, axis: role})
        self._shown = self._key()
        self.changed.emit()

    def letters(self) -> str:
        """Name the axes of the picture's layer as a source of planes knows them."""
        picture = self.session.picture
        assert picture is not None
        free = iter(_LETTERS)
        named = {picture.main.ndim - 2: "Y", picture.main.ndim - 1: "X"}
        if picture.channel_axis is not None:
            named[picture.channel_axis] = "C"
        named |= {axis: role or next(free) for axis, role in self.roles.items()}
        return "".join(named[axis] for axis in range(picture.main.ndim))

    def spacing(self) -> dict[str, float]:
        """Size of a pixel along Z, Y and X, where the layer says it; {} where all are 1."""
        picture = self.session.picture
        assert picture is not None
        return read_spacing(picture, self.letters())

    def _on_picture(self) -> None:
        key = self._key()
        if key != self._shown:
            self._shown = key
            self.changed.emit()

    def _key(self) -> Any:
        picture = self.session.picture
        return None if picture is None else (id(picture.main), tuple(self.long.items()))


def read_spacing(picture: Picture, letters: str) -> dict[str, float]:
    """Read how far apart pixels lie, by letter; {} where the layer does not say."""
    layer = picture.main
    scale = dict(zip(letters, (abs(float(s)) for s in layer.scale), strict=True))
    units = dict(zip(letters, map(str, layer.units), strict=True))
    known = {axis: scale[axis] for axis in "ZYX" if axis in scale}
    plain = all(value == 1 for value in known.values())
    if plain and all(units[axis] in ("pixel", "dimensionless", "") for axis in known):
        return {}
    return known
