"""What was clicked, accepted, corrected and deleted, as values.

    session ─▶ acts ─ JSON ─▶ acts ─ follow.py ─▶ the same labels

An act is one change of a label image that was not undone. Accepted objects are asked again, from
the same clicks in the same order, and written by the same rules. What no model can be asked again
(a mask from elsewhere, a thick slice, an edit of labels, a deletion) is kept as pixels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.errors import UserError
from napari_sam_onnx.labels.fitting import PLAIN
from napari_sam_onnx.labels.rules import Rules
from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.pictures.image import Channel
from napari_sam_onnx.prompting.style import Style

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.prompts import Prompts

    Sight = Callable[[Prompts, Style], Mask]


PLAIN_STYLE = Style()


class ActError(UserError, ValueError):
    """An act that cannot be read or done again; the message says why."""


@dataclass(frozen=True, slots=True)
class Area:
    """Some pixels of an array.

    Parameters
    ----------
    shape : tuple of int
        Of the array.
    runs : tuple of int
        Where each run of pixels begins, in C order, and how long it is, by turns.
    """

    shape: tuple[int, ...]
    runs: tuple[int, ...]

    @classmethod
    def of_pixels(cls, flat: NDArray[np.integer], shape: Sequence[int]) -> Area:
        """Make one of pixels' positions in C order."""
        at = np.unique(flat)
        starts = np.flatnonzero(np.diff(at, prepend=-2) != 1)
        lengths = np.diff(starts, append=len(at))
        runs = np.stack([at[starts], lengths], axis=1).ravel()
        return cls(tuple(map(int, shape)), tuple(runs.tolist()))

    @classmethod
    def of_mask(cls, mask: Mask) -> Area:
        """Make one of a mask, on its plane."""
        rows, columns = np.nonzero(mask.crop)
        flat = (rows + mask.origin[0]) * mask.shape[1] + columns + mask.origin[1]
        return cls.of_pixels(flat, mask.shape)

    @property
    def pixels(self) -> NDArray[np.int64]:
        """The pixels' positions in C order."""
        pairs = np.array(self.runs, np.int64).reshape(-1, 2)
        parts = [np.arange(start, start + length) for start, length in pairs]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)

    def to_mask(self) -> Mask:
        """Return them as a mask of a plane."""
        plane = np.zeros(self.shape, bool)
        plane.ravel()[self.pixels] = True
        return Mask.from_array(plane)


@dataclass(frozen=True, slots=True)
class Look:
    """One question about an object, which the next one refines.

    Parameters
    ----------
    points : tuple of (y, x)
        In pixels of the plane.
    signs : tuple of int
        1 for a click on the object, 0 for one beside it.
    box : (y0, x0, y1, x1) or None
    candidate : int
        Which of the answers was shown: 0 for the first, see `rank_candidates`.
    style : Style
        How the answer was taken.
    """

    points: tuple[tuple[float, float], ...] = ()
    signs: tuple[int, ...] = ()
    box: tuple[float, float, float, float] | None = None
    candidate: int = 0
    style: Style = PLAIN_STYLE


@dataclass(frozen=True, slots=True)
class Accepted:
    """One object that was written.

    Parameters
    ----------
    label : int
        Its number.
    looks : tuple of Look
        What was asked, one after another.
    opened : Area or None
        The pixels of an object that was there, from which the first question began.
    area : Area or None
        Its pixels before they were fitted, where no model can be asked again.
    replaces : bool
        Whether it took the place of the object that had its number.
    """

    label: int
    looks: tuple[Look, ...] = ()
    opened: Area | None = None
    area: Area | None = None
    replaces: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """Pixels of a label image that were given a number; 0: that were deleted."""

    label: int
    area: Area


@dataclass(frozen=True, slots=True)
class Act:
    """One change of a label image.

    Parameters
    ----------
    what : str
        For people.
    changes : tuple of Change
        Pixels that were set; of what was accepted instead:
    objects : tuple of Accepted
        In the order in which they were written.
    axes : str
        One letter for each dimension of the picture, as the plane lay in it.
    index : tuple of int
        The plane.
    channels : tuple of Channel
        What was shown to the model, with contrast limits.
    view : str
        Another way in which it was shown, see `napari_sam_onnx.pictures.views`.
    model : str or tuple of str
        An id, or the files of a pair.
    fingerprint : str
        The model's own `id`, which follows its content; "" where any will do.
    rules : Rules
    classes : tuple of (int, str)
        Objects that were given a class, by their numbers; "" took theirs away.
    """

    what: str
    changes: tuple[Change, ...] = ()
    objects: tuple[Accepted, ...] = ()
    axes: str = ""
    index: tuple[int, ...] = ()
    channels: tuple[Channel, ...] = ()
    model: str | tuple[str, ...] = ""
    fingerprint: str = ""
    rules: Rules = PLAIN
    classes: tuple[tuple[int, str], ...] = ()
    view: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as values that JSON knows."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> Act:
        """Read what `to_dict` or JSON gives.

        Raises
        ------
        ActError
            If it is no act.
        """
        try:
            given = dict(values)
            given["changes"] = tuple(
                Change(int(change["label"]), _read_area(change["area"]))
                for change in given.get("changes", ())
            )
            given["objects"] = tuple(_read_accepted(one) for one in given.get("objects", ()))
            given["index"] = tuple(int(at) for at in given.get("index", ()))
            given["channels"] = tuple(read_channel(one) for one in given.get("channels", ()))
            given["classes"] = tuple((int(n), str(name)) for n, name in given.get("classes", ()))
            given["rules"] = Rules(**given.get("rules", {}))
            if not isinstance(given.get("model", ""), str):
                given["model"] = tuple(map(str, given["model"]))
            return cls(**given)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, UserError):
                raise
            detail = " ".join(str(error).split())
            raise ActError(f"A step of the recipe cannot be read: {detail}.") from error


def read_channel(values: Any) -> Channel:
    """Read a channel from what JSON gives; a TypeError where it is none."""
    made = Channel(**values)
    red, green, blue = made.color
    ramp = tuple((float(r), float(g), float(b)) for r, g, b in made.ramp)
    limits = None if made.limits is None else (float(made.limits[0]), float(made.limits[1]))
    return replace(made, color=(float(red), float(green), float(blue)), limits=limits, ramp=ramp)


def name_objects(acts: Sequence[Act]) -> dict[int, str]:
    """Return the class that each object has after all acts; those without one are left out."""
    named: dict[int, str] = {}
    for act in acts:
        named.update(act.classes)
    return {label: name for label, name in named.items() if name}


def _read_area(values: Any) -> Area:
    runs = tuple(int(n) for n in values["runs"])
    area = Area(tuple(int(n) for n in values["shape"]), runs)
    size = int(np.prod(area.shape))
    pairs = np.array(runs, np.int64).reshape(-1, 2)
    if (pairs < 0).any() or (pairs.sum(axis=1) > size).any():
        raise ActError("A step of the recipe names pixels outside its picture.")
    return area


def _read_accepted(values: Any) -> Accepted:
    opened, area = values.get("opened"), values.get("area")
    return Accepted(
        int(values["label"]),
        tuple(_read_look(look) for look in values.get("looks", ())),
        None if opened is None else _read_area(opened),
        None if area is None else _read_area(area),
        bool(values.get("replaces", False)),
    )


def _read_look(values: Any) -> Look:
    box = values.get("box")
    points = tuple((float(y), float(x)) for y, x in values.get("points", ()))
    signs = tuple(int(sign) for sign in values.get("signs", ()))
    if len(points) != len(signs):
        raise ActError("A step of the recipe has not one sign for each click.")
    y0, x0, y1, x1 = (0.0, 0.0, 0.0, 0.0) if box is None else map(float, box)
    return Look(
        points,
        signs,
        None if box is None else (y0, x0, y1, x1),
        int(values.get("candidate", 0)),
        Style.from_dict(values["style"]) if "style" in values else Style(),
    )
