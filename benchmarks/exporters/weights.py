"""Random weights that answer: masks that have an inside and an outside, and depend on prompts.

A freshly initialised decoder answers every prompt with one nearly constant plane, on which
two clients agree whatever they do. These changes keep the graph and make it sensitive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

LOGIT_SPREAD = 3.0
SCORE_SPREAD = 0.2


@torch.no_grad()
def sharpen_attention(decoder: torch.nn.Module, gain: float = 2.5) -> None:
    """Make attention choose: scale what queries and keys are projected with.

    Parameters
    ----------
    decoder : Module
        Every part of it with ``q_proj`` and ``k_proj`` is changed.
    gain : float
        Factor of both.
    """
    for module in decoder.modules():
        if hasattr(module, "q_proj") and hasattr(module, "k_proj"):
            module.q_proj.weight *= gain
            module.k_proj.weight *= gain


@torch.no_grad()
def centre_logits(
    ask: Callable[[], object],
    activations: Sequence[torch.nn.Module],
    hypernetworks: Sequence[torch.nn.Module],
    last_layers: Iterable[torch.nn.Linear],
) -> None:
    """Shift and scale the masks of all tokens to mean 0 and deviation `LOGIT_SPREAD`.

    A mask is the product of a hypernetwork's answer with the upscaled embedding. The part
    of the answer that points along the embedding's mean is the constant: it is removed from
    the hypernetwork's last layer.

    Parameters
    ----------
    ask : callable
        Runs the decoder once on a picture and a prompt.
    activations : sequence of Module
        Whose last outputs in a run add up to the upscaled embedding, (B, C, h, w).
    hypernetworks : sequence of Module
        One for each mask token.
    last_layers : iterable of Linear
        The last layer of each.
    """
    seen: dict[object, torch.Tensor] = {}

    def keep(module: torch.nn.Module, _: object, output: torch.Tensor) -> None:
        seen[module] = output

    hooks = [module.register_forward_hook(keep) for module in (*activations, *hypernetworks)]
    try:
        ask()
        layers = list(last_layers)
        mean = sum(seen[module].mean(dim=(0, 2, 3)) for module in activations)
        direction = mean / mean.norm()
        for layer in layers:
            layer.weight -= torch.outer(direction, direction @ layer.weight)
            layer.bias -= direction * (direction @ layer.bias)
        ask()
        embedding = sum(seen[module][0].flatten(1) for module in activations)  # (C, h·w)
        for layer, hypernetwork in zip(layers, hypernetworks, strict=True):
            logits = seen[hypernetwork].reshape(-1, embedding.shape[0])[0] @ embedding
            layer.weight *= LOGIT_SPREAD / logits.std()
            layer.bias *= LOGIT_SPREAD / logits.std()
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def spread_scores(
    ask: Callable[[], object], head: torch.nn.Module, last_layer: torch.nn.Linear
) -> None:
    """Move the predicted IoU to 0.6 ± `SCORE_SPREAD`, the tokens apart from one another."""
    seen: list[torch.Tensor] = []
    hook = head.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    try:
        ask()
        scores = seen[-1].reshape(-1, last_layer.out_features)[0]
        last_layer.weight *= 4.0
        last_layer.bias *= 4.0
        ask()
        scores = seen[-1].reshape(-1, last_layer.out_features)[0]
        wanted = torch.linspace(-SCORE_SPREAD, SCORE_SPREAD, len(scores)) + 0.6
        last_layer.bias += wanted.roll(2) - scores
    finally:
        hook.remove()
