"""What was done to a picture, as a value: enough to do it again, here or elsewhere.

    run ─▶ Recipe ─ JSON ─▶ Recipe ─ replay ─▶ the same labels

A recipe holds what a run resolved, not what was asked: the mode that was chosen, every setting with
its value, and the contrast limits that were measured. It names the model by its id and by its
content, and refuses another one under the same name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.automatic.settings.modes import MODES, make_parameters, mode_of, split_limits
from napari_sam_onnx.automatic.taught.learn import Judge
from napari_sam_onnx.errors import UserError
from napari_sam_onnx.labels.classes import ObjectClass
from napari_sam_onnx.planes import ArrayPlanes
from napari_sam_onnx.stacks import WholeRequest, iterate_stack, iterate_whole

if TYPE_CHECKING:
    from collections.abc import Generator

    from napari_sam_onnx.automatic.settings.modes import Parameters
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pictures.image import Channel
    from napari_sam_onnx.planes import PlaneSink
    from napari_sam_onnx.records.acts import Act
    from napari_sam_onnx.stacks import StackUpdate, WholeResult, WholeStep

FORMAT = 1


class RecipeError(UserError, ValueError):
    """A recipe that cannot be read or followed; the message says why."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How labels were made of a picture.

    Parameters
    ----------
    model : str or list of str
        An id, or the files of a pair, as `napari_sam_onnx.load_model` takes them.
    fingerprint : str
        The model's own `id`, which follows its content; "" where any will do.
    axes : str
        One letter for each dimension of the picture.
    channels : tuple of Channel
        With their contrast limits.
    mode : str
        A key of `napari_sam_onnx.automatic.MODES`; "" where no run came before the acts.
    settings : mapping of str to value
        All settings of the mode, and the limits by which the result was filtered.
    link : str or None
        The axis along which an object keeps its label.
    planes : tuple of tuple of int, or None
        The planes that were done; None: all.
    view : str
        See `napari_sam_onnx.planes.ArrayPlanes`.
    judge : mapping or None
        What was learned from judged objects, see `napari_sam_onnx.automatic.taught.learn.Judge`.
    acts : tuple of Act
        What was clicked, accepted, corrected and deleted after that, see `records.acts`.
    style : mapping or None
        The outlines that were learnt, see `napari_sam_onnx.prompting.style.Style`, to go on with.
    classes : tuple of ObjectClass
        The classes there were, with their colours.
    whole : mapping or None
        How a whole stack was looked at, as a volume or as tracks, instead of a mode for each
        plane: `napari_sam_onnx.stacks.WholeRequest.to_dict`, and ``pixel_size``, micrometres by
        axis as far as they were known.
    """

    model: str | list[str] | tuple[str, ...]
    fingerprint: str
    axes: str
    channels: tuple[Channel, ...]
    mode: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    link: str | None = None
    planes: tuple[tuple[int, ...], ...] | None = None
    view: str = ""
    judge: Mapping[str, Any] | None = None
    acts: tuple[Act, ...] = ()
    classes: tuple[ObjectClass, ...] = ()
    style: Mapping[str, Any] | None = None
    whole: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be followed."""
        if not self.channels or any(channel.limits is None for channel in self.channels):
            raise RecipeError("The recipe names no channels, or one without contrast limits.")
        if self.whole is not None:
            self.whole_request()
            return
        if not self.mode and self.acts:
            return
        if self.mode not in MODES:
            raise RecipeError(f"The recipe has the mode {self.mode!r}, which does not exist here.")
        settings, _ = split_limits(self.mode, self.settings)
        make_parameters(self.mode, **settings)
        if self.judge is not None:
            Judge.from_dict(self.judge)

    def to_dict(self) -> dict[str, Any]:
        """Return it as values that JSON knows."""
        return {"format": FORMAT, **asdict(self)}

    def to_json(self) -> str:
        """Return it as JSON, to be read by people too."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_dict(cls, values: Any) -> Recipe:
        """Read what `to_dict` or JSON gives.

        Raises
        ------
        RecipeError
            If it is no recipe, or one of another format.
        ParameterError
            If a setting does not exist or is out of range.
        """
        from napari_sam_onnx.prompting.style import Style
        from napari_sam_onnx.records.acts import (  # the command line starts without scipy
            Act,
            read_channel,
        )

        if not isinstance(values, dict) or "format" not in values:
            raise RecipeError("This is no recipe: it does not say its format.")
        if values["format"] != FORMAT:
            raise RecipeError(
                f"The recipe has the format {values['format']!r}; this version reads {FORMAT}."
            )
        given = {name: value for name, value in values.items() if name != "format"}
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(given) - known):
            raise RecipeError(f"The recipe says something unknown: {', '.join(unknown)}.")
        try:
            given["channels"] = tuple(read_channel(channel) for channel in given["channels"])
            given["acts"] = tuple(Act.from_dict(act) for act in given.get("acts", ()))
            given["classes"] = tuple(ObjectClass(**one) for one in given.get("classes", ()))
            if given.get("style") is not None:
                given["style"] = Style.from_dict(given["style"]).to_dict()
            if given.get("planes") is not None:
                given["planes"] = tuple(tuple(map(int, index)) for index in given["planes"])
            return cls(**given)
        except (KeyError, TypeError) as error:
            raise RecipeError(f"The recipe is not complete: {explain_missing(error)}.") from error

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """Read JSON, see `from_dict`."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise RecipeError(
                f"The recipe is no JSON that can be read: see line {error.lineno}, column "
                f"{error.colno}."
            ) from error
        except ValueError as error:  # a number of more digits than Python reads
            raise RecipeError(f"The recipe is no JSON that can be read: {error}.") from error
        return cls.from_dict(values)

    def whole_request(self) -> WholeRequest:
        """Return how the whole stack is looked at.

        Raises
        ------
        RecipeError
            If that is not said.
        """
        if not isinstance(self.whole, Mapping):
            raise RecipeError("The recipe does not say how a whole stack is looked at.")
        values = {name: value for name, value in self.whole.items() if name != "pixel_size"}
        return WholeRequest.from_dict(values)

    def check_model(self, model: Model) -> None:
        """Refuse a model that is not the one the recipe was made with.

        Raises
        ------
        RecipeError
            If its content differs.
        """
        if self.fingerprint and model.id != self.fingerprint:
            raise RecipeError(
                f"The recipe was made with {self.fingerprint}, and {self.model} is {model.id} "
                "here; get that version, or empty the recipe's fingerprint to use this one."
            )


def describe_settings(settings: Parameters) -> tuple[str, dict[str, Any]]:
    """Name the mode of settings and list them all, those of a mode inside tiles included."""
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    inner = values.pop("inner_parameters", None)
    if inner is not None:
        values = {**{f.name: getattr(inner, f.name) for f in fields(inner)}, **values}
    return mode_of(settings), values


def open_planes(recipe: Recipe, array: Any, axes: str | None = None) -> ArrayPlanes:
    """Show a picture to a model as a recipe says.

    Parameters
    ----------
    recipe : Recipe
    array : array of any dtype
    axes : str, optional
        Names of the array's axes, where it has other ones than the recipe's picture (channels in
        one array instead of in several, say).

    Raises
    ------
    RecipeError
        If the picture has not as many axes as that of the recipe.
    """
    named = recipe.axes if len(recipe.axes) == len(array.shape) else axes
    if named is None or len(named) != len(array.shape):
        raise RecipeError(
            f"The recipe is for a picture of the axes {recipe.axes}; this one has "
            f"{len(array.shape)}: name them."
        )
    sizes = (recipe.whole or {}).get("pixel_size")
    return ArrayPlanes(array, named, recipe.channels, sizes, view=recipe.view)


def replay(recipe: Recipe, planes: ArrayPlanes, model: Model) -> Generator[StackUpdate, None, None]:
    """Do a recipe's run again, plane by plane; see `napari_sam_onnx.stacks.iterate_stack`.

    Nothing where it has none. What comes after it is done by `napari_sam_onnx.records.acts.follow`.

    Raises
    ------
    RecipeError
        If the model is another one.
    """
    if not recipe.mode:
        return
    recipe.check_model(model)
    indices = None if recipe.planes is None else list(recipe.planes)
    yield from iterate_stack(
        planes,
        model,
        None,
        recipe.link,
        recipe.mode,
        indices=indices,
        judge=None if recipe.judge is None else Judge.from_dict(recipe.judge),
        keep=True,  # as in the dock: a search for what is kept does not end early
        **recipe.settings,
    )


def replay_whole(
    recipe: Recipe, planes: ArrayPlanes, sink: PlaneSink, model: Model
) -> Generator[WholeStep, None, WholeResult]:
    """Do again the run of a recipe that looks at a whole stack; see `iterate_whole`.

    Raises
    ------
    RecipeError
        If the model is another one, or the recipe has no such run.
    """
    recipe.check_model(model)
    return (yield from iterate_whole(planes, sink, model, recipe.whole_request()))


def explain_missing(error: Exception) -> str:
    """Say which part of a recipe is missing or of a wrong kind."""
    return " ".join(str(error).replace("Recipe.__init__()", "it").split())
