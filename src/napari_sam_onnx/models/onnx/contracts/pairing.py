"""Which encoder output fills which decoder input: by name, then by shape, never by position."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam_onnx.models.model import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from napari_sam_onnx.models.onnx.sessions.tensors import TensorSpec

    Specs = Sequence[TensorSpec]


def pair_tensors(
    given: Specs, inputs: Specs, wanted_names: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """Find for each of the decoder's tensors the encoder outputs that it is made of.

    Parameters
    ----------
    given, inputs : sequence of TensorSpec
        What the encoder gives and the decoder takes.
    wanted_names : tuple of str
        The decoder's inputs that are no prompts.

    Returns
    -------
    dict of str to tuple of str
        See `Contract`.

    Raises
    ------
    ModelError
        If an input has no output that fits, or several.
    """
    wiring: dict[str, tuple[str, ...]] = {}
    free = {spec.name: spec for spec in given}
    wanted = [spec for spec in inputs if spec.name in wanted_names]
    for spec in wanted:  # names first, so that shapes only decide over what is left
        if spec.name in free and _fits(free[spec.name].shape, spec.shape):
            wiring[spec.name] = (spec.name,)
            del free[spec.name]
    for spec in wanted:
        if spec.name in wiring:
            continue
        alike = [name for name, other in free.items() if _fits(other.shape, spec.shape)]
        parts = _stackable(spec, free.values())
        if len(alike) == 1:
            wiring[spec.name] = (alike[0],)
        elif parts:
            wiring[spec.name] = parts
        else:
            raise ModelError(
                f"The encoder and the decoder do not fit: the decoder needs {spec}, and the "
                f"encoder gives {'; '.join(map(str, given))}; take both from one export."
            )
        for name in wiring[spec.name]:
            del free[name]
    return wiring


def _stackable(spec: TensorSpec, outputs: Iterable[TensorSpec]) -> tuple[str, ...]:
    """Find outputs that form a tensor when stacked, as the layers of HQ-SAM's encoders do."""
    if len(spec.shape) != 5 or spec.shape[0] is None:
        return ()
    layers = tuple(
        output.name
        for output in outputs
        if len(output.shape) == 4
        and _fits(output.shape, spec.shape[1:])
        and output.shape[-1] == spec.shape[-1]
    )
    return layers if len(layers) == spec.shape[0] else ()


def _fits(given: tuple[int | None, ...], wanted: tuple[int | None, ...]) -> bool:
    """Whether a tensor of one shape can be fed where the other is stated."""
    if not given or not wanted:
        return True
    return len(given) == len(wanted) and all(
        a is None or b is None or a == b for a, b in zip(given, wanted, strict=True)
    )
