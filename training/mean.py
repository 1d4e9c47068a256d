"""Mean of the weights of several checkpoints, with shares of their own for encoder and decoder.

    python mean.py --encoder G2/at100.pt=0.88 R1.pt=0.12 --decoder G2/at100.pt=0.3 … --out MEAN.pt

``export.py --checkpoint MEAN.pt`` makes the ONNX pair of it. Blocks that an older checkpoint lacks
are identities there (`loop.begin`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from loop import begin
from model import Pebble
from torch import Tensor


def parse(shares: list[str]) -> dict[Path, float]:
    """Read ``PATH=SHARE``; shares must add up to one."""
    read = {Path(path): float(share) for path, _, share in (s.rpartition("=") for s in shares)}
    if abs(sum(read.values()) - 1) > 1e-6:
        raise SystemExit(f"The shares {list(read.values())} do not add up to 1.")
    return read


def mean_weights(encoder: dict[Path, float], decoder: dict[Path, float]) -> dict[str, Tensor]:
    """Average the weights, the statistics of the norms included."""
    states = {}
    for path in {**encoder, **decoder}:
        model = Pebble()
        begin(model, path)
        states[path] = model.state_dict()
    mean = dict(states[next(iter(encoder))])
    for name, value in mean.items():
        if value.dtype.is_floating_point:
            shares = decoder if name.startswith("decoder.") else encoder
            mean[name] = sum(
                (states[path][name].float() * share for path, share in shares.items()),
                torch.zeros(()),
            )
    return mean


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--encoder", nargs="+", required=True, metavar="PATH=SHARE")
    p.add_argument("--decoder", nargs="+", required=True, metavar="PATH=SHARE")
    p.add_argument("--out", type=Path, required=True)
    args = p.parse_args()
    torch.save({"ema": mean_weights(parse(args.encoder), parse(args.decoder))}, args.out)


if __name__ == "__main__":
    main()
