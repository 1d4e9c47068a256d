"""Muon: steps whose every direction has the same length.

Keller Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024); scaled as by
Liu et al. 2025 (arXiv:2502.16982), so that learning rates and weight decay mean what they do for
AdamW.
"""

from __future__ import annotations

import torch
from torch import Tensor


def orthogonalise(matrices: Tensor, rounds: int = 5) -> Tensor:
    """Bring all singular values of (n, rows, columns) near 1 by a Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices.bfloat16() if matrices.is_cuda else matrices  # fast where it is fast
    wide = x.shape[1] <= x.shape[2]
    x = x if wide else x.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x if wide else x.mT).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Momentum (Nesterov), orthogonalised; convolutions are (out, in * k * k) matrices.

    Convolutions of one shape take their step together.
    """

    def __init__(
        self, parameters: list[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            alike: dict[tuple[int, ...], list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    alike.setdefault(tuple(p.shape), []).append(p)
            for shape, some in alike.items():
                means = [self.state[p].setdefault("mean", torch.zeros_like(p)) for p in some]
                grads = [p.grad for p in some]
                torch._foreach_lerp_(means, grads, 1 - group["momentum"])
                ahead = torch._foreach_lerp(grads, means, group["momentum"])
                flat = torch.stack([x.flatten(1) for x in ahead])
                length = 0.2 * max(flat.shape[1:]) ** 0.5
                way = orthogonalise(flat).reshape(-1, *shape)
                torch._foreach_mul_(some, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(some, list(way), alpha=-group["lr"] * length)
