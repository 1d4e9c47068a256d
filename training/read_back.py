r"""Read a shipped ONNX pair back into a checkpoint, from which training goes on.

    python read_back.py --model ../src/napari_sam_onnx/models/pebble --data DATA \\
        --cache CACHE --out START.pt

The exporter folded every batch norm into its convolution; weights are stored as float16 or in 8
bits. Responsible for putting the weights back into the layers, and for unfolding: the means and
variances that the convolutions show on training crops become the norms' own, so that a model in
training mode starts with the answers of the shipped one. ``kinship`` and ``outline``, which only
training has, are not in the files and start at zero.
"""

from __future__ import annotations

import argparse
import copy
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import torch
from crops import Crops
from data import read_real, read_simulated
from export import EncoderGraph, check
from model import Pebble
from onnx import numpy_helper
from step import step_loss
from torch import Tensor, nn

ROUNDED = 0.2  # of an output's range, which maps of 8 bits may differ by from those of floats
ROW = 0.05  # root mean square of an unfolded filter; a norm follows, so that only steps feel it


def module_of(node: str) -> str:
    """Name of the module that the tracer named a node after: ``/s4/s4.1/a/a.0/Conv``, s4.1.a.0."""
    parts: list[str] = []
    for part in node.strip("/").split("/")[:-1]:
        if parts and part.startswith(f"{parts[-1]}."):
            parts.pop()
        parts.append(part)
    return ".".join(parts)


def stored(path: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """Weight and bias of every convolution and linear layer of a graph, by the module's name."""
    graph = onnx.load(path).graph
    values = {t.name: numpy_helper.to_array(t).astype(np.float32) for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
        elif node.op_type == "DequantizeLinear" and node.input[0] in values:
            steps, scale, zero = (values[name] for name in node.input)
            row = (-1, *[1] * (steps.ndim - 1))  # one scale for each output channel
            values[node.output[0]] = (steps - zero.reshape(row)) * scale.reshape(row)
    adds = {n.input[k]: n for n in graph.node if n.op_type == "Add" for k in (0, 1)}
    found = {}
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm") and node.input[1] in values:
            weight, bias = values[node.input[1]], values[node.input[2]]
        elif node.op_type == "MatMul" and node.input[1] in values:
            weight = values[node.input[1]].T
            add = adds[node.output[0]]
            bias = next(values[n] for n in add.input if n in values)
        else:
            continue
        pair = torch.from_numpy(weight.copy()), torch.from_numpy(bias.copy())
        found[module_of(node.name)] = pair
    return found


def norms(module: nn.Module) -> dict[nn.Conv2d, nn.BatchNorm2d]:
    """Return the norm behind each convolution that has one."""
    found: dict[nn.Conv2d, nn.BatchNorm2d] = {}
    for block in module.modules():
        children = list(block.children())
        for a, b in pairwise(children):
            if isinstance(a, nn.Conv2d) and isinstance(b, nn.BatchNorm2d):
                found[a] = b
    return found


def fill(module: nn.Module, path: Path) -> None:
    """Put the weights of a graph into a module; folded norms become shifts by the bias.

    Raises
    ------
    ValueError
        If the graph does not have the layers of the module.
    """
    held, behind = stored(path), norms(module)
    kinds = nn.Conv2d | nn.Linear
    layers = {name: m for name, m in module.named_modules() if isinstance(m, kinds)}
    if {n: m.weight.shape for n, m in layers.items()} != {n: w.shape for n, (w, _) in held.items()}:
        raise ValueError(f"{path} does not hold the layers of model.py.")
    with torch.no_grad():
        for name, layer in layers.items():
            weight, bias = held[name]
            layer.weight.copy_(weight)
            if layer in behind:
                norm = behind[layer]
                norm.running_mean.zero_()
                norm.running_var.fill_(1 - norm.eps)
                norm.weight.fill_(1)
                norm.bias.copy_(bias)
            else:
                layer.bias.copy_(bias)


def unfold(model: Pebble, batches: list[tuple[object, ...]], args: argparse.Namespace) -> None:
    """Give every norm the statistics that its convolution shows on training crops.

    The answers in inference mode stay what they were.
    """
    sums: dict[nn.Module, list[Tensor]] = {}

    def note(layer: nn.Module, _: object, out: Tensor) -> None:
        x = out.detach().double()
        each = [x.sum((0, 2, 3)), (x * x).sum((0, 2, 3)), torch.tensor(float(x[:, 0].numel()))]
        before = sums.get(layer, [0.0, 0.0, 0.0])
        sums[layer] = [a + b for a, b in zip(before, each, strict=True)]

    behind = norms(model)
    hooks = [layer.register_forward_hook(note) for layer in behind]
    with torch.no_grad():
        for *data, batch in batches:
            step_loss(model, data, batch, args, 1.0)
    for hook in hooks:
        hook.remove()
    with torch.no_grad():
        for layer, norm in behind.items():
            total, squares, n = sums[layer]
            mean = total / n
            var = (squares / n - mean * mean).clamp(min=1e-12)
            gain = ROW / layer.weight.flatten(1).square().mean(1).sqrt().clamp(min=1e-9)
            layer.weight.mul_(gain[:, None, None, None])
            norm.running_mean.copy_(mean * gain)
            norm.running_var.copy_(var * gain * gain)
            norm.bias.add_(mean)
            norm.weight.copy_(torch.sqrt(var * gain * gain + norm.eps) / gain)


def read_back(folder: Path) -> Pebble:
    """Return the model of a shipped pair, ready for inference, its norms still folded."""
    model = Pebble().eval()
    fill(EncoderGraph(model.encoder), folder / "encoder.onnx")
    fill(model.decoder, folder / "decoder.onnx")
    for head in (model.kinship, model.outline):
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    return model


def main() -> None:
    """Command line."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--model", type=Path, required=True, help="folder of the ONNX pair")
    p.add_argument("--data", type=Path, required=True)
    p.add_argument("--cache", type=Path, help="folder that simulate.py filled")
    p.add_argument("--out", type=Path, required=True, help="checkpoint for train.py --start")
    p.add_argument("--batches", type=int, default=60, help="of crops, for the norms")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args()
    model = read_back(args.model)
    check(model, args.model, ROUNDED)
    pictures = [q for q in read_real(args.data, "final") if not q.held]
    if args.cache:
        pictures += read_simulated(args.cache)
    shape = {"sizes": [256], "images": 8, "prompts": 6, "simulated": 0.4, "mild": 0.5, "crowd": 0.4}
    choices = argparse.Namespace(**shape, bf16=False, seed=args.seed)
    torch.manual_seed(args.seed)
    np.random.seed(args.seed)
    crops = iter(Crops(pictures, choices, 0))
    unfold(model, [next(crops) for _ in range(args.batches)], choices)
    check(model, args.model, ROUNDED)
    state = copy.deepcopy(model.state_dict())
    torch.save({"ema": state, "model": state}, args.out)


if __name__ == "__main__":
    main()
