"""``replay``: a recipe and a picture -> the labels that the recipe makes of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer
from tqdm import tqdm

from napari_sam_onnx.cli.label_file import check_result, open_labels
from napari_sam_onnx.cli.options import shared as options
from napari_sam_onnx.cli.output import say
from napari_sam_onnx.export.beside import refuse_existing, write_beside
from napari_sam_onnx.labels.classes import write_class_table
from napari_sam_onnx.labels.linking import measure_areas
from napari_sam_onnx.models import Model, load_model
from napari_sam_onnx.pictures.image import infer_axes
from napari_sam_onnx.pictures.picture_file import read_picture
from napari_sam_onnx.records.recipes import Recipe, RecipeError, open_planes, replay_whole
from napari_sam_onnx.records.recipes import replay as follow_run


def replay(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="A recipe (.json), as the dock's runs keep it.")
    ],
    source: Annotated[Path, typer.Argument(metavar="IN", help="A picture or a stack.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="OUT", help="The label image, .tif or .png.")
    ],
    axes: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(help="The picture's axes, where they are others than the recipe's."),
    ] = None,
    classes: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Also write which object is of which class, as a table (.csv)."),
    ] = None,
    force: options.ForceFile = False,
    quiet: options.Quiet = False,
) -> None:
    """Make the labels of a picture as a recipe says: a run, and what was clicked after it."""
    from napari_sam_onnx.records.acts import name_objects  # the command line starts without scipy
    from napari_sam_onnx.records.follow import follow

    if classes is not None:
        refuse_existing(classes, overwrite=force)
    made = Recipe.from_json(_read_text(recipe))
    picture = read_picture(source)
    named = axes or picture.axes
    if named is None and len(picture.array.shape) != len(made.axes):
        named = infer_axes(picture.array.shape)
    planes = open_planes(made, picture.array, named)
    check_result(out, planes.label_axes, planes.label_shape)
    objects: set[int] = set()
    axes_now, shape = planes.label_axes, planes.label_shape
    with open_labels(out, axes_now, shape, picture.pixel_size, force=force) as sink:
        with tqdm(desc=source.name, disable=True if quiet else None, leave=False) as bar:
            if made.whole is not None:
                for step in replay_whole(made, planes, sink, _load(made.model)):
                    bar.total, bar.n = step.total, step.done
                    bar.refresh()
            elif made.mode:
                for update in follow_run(made, planes, _load(made.model)):
                    if update.labels is not None:
                        sink.write(update.index, update.labels)
                    bar.total, bar.n = update.total, update.done
                    bar.refresh()
            bar.total = len(made.acts)
            for bar.n in follow(made.acts, picture.array, sink.array, _load, named):
                bar.refresh()
        for index in np.ndindex(*sink.shape):
            objects.update(measure_areas(sink.read(index))[0].tolist())
    if classes is not None:
        classed = {n: name for n, name in name_objects(made.acts).items() if n in objects}
        with write_beside(classes, overwrite=force) as part:
            write_class_table(part, classed)
    if not quiet:
        say(f"{source.name}: {len(objects)} objects -> {out}")


def _load(source: str | Sequence[str]) -> Model:
    return load_model(source if isinstance(source, str) else tuple(source))


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        raise RecipeError(f"There is no file {path}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe {path} cannot be read; is it a file of JSON?") from error
