"""Write ``encoder.onnx`` and ``decoder.onnx`` from a checkpoint and check them against torch.

    python export.py --checkpoint RUN/last.pt --out ../src/napari_sam_onnx/models/pebble

Weights are stored as float16 and cast back by the runtime when it loads the file.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.nn.functional as F
from model import GRID, MULTIPLE, Encoder, Pebble, normalise
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPSET = 17
LEVELS = ["detail", "features", "context", "extent"]


class EncoderGraph(nn.Module):
    """uint8 (H, W, 3) in, the five maps of one picture out; pads to a multiple of 32."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Normalise, pad at the right and bottom by repeating the edge, encode."""
        x = normalise(image.permute(2, 0, 1)[None].float())
        right, bottom = -image.shape[1] % MULTIPLE, -image.shape[0] % MULTIPLE
        x = F.pad(x, (0, right, 0, bottom), mode="replicate")
        detail, features, context, objectness, extent = self.encoder(x)
        return detail, features, context, extent, torch.sigmoid(objectness)


def load(path: Path | None) -> Pebble:
    """Return the model of a checkpoint (its averaged weights), ready for inference."""
    model = Pebble()
    if path is not None:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["ema"])
    return model.eval()


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large float32 weights as float16 with a Cast that runtimes fold when they load."""
    graph = model.graph
    casts = []
    for tensor in list(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < 256:
            continue
        name = tensor.name
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16))
        half.name = f"{name}_half"
        graph.initializer.remove(tensor)
        graph.initializer.append(half)
        casts.append(helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def write(
    module: nn.Module,
    args: tuple[Tensor, ...],
    path: Path,
    inputs: list[str],
    outputs: list[str],
    axes: dict[str, dict[int, str]],
) -> None:
    """Trace one graph and store it with our metadata."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            args,
            str(path),
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load(path)
    for value in model.graph.output:
        if 0 not in axes[value.name]:  # the tracer invents a name for a batch of one
            value.type.tensor_type.shape.dim[0].dim_value = 1
    model.producer_name = "napari-sam-onnx pebble"
    facts = {"model": "pebble", "grid": str(GRID), "multiple": str(MULTIPLE)}
    helper.set_model_props(model, facts)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def prompts(n: int, h: int, w: int, seed: int = 0) -> dict[str, Tensor]:
    """Make n mixed prompts: clicks, boxes, earlier masks."""
    g = torch.Generator().manual_seed(seed)
    size = torch.tensor([w, h], dtype=torch.float32)
    coords = torch.rand((n, 4, 2), generator=g) * size
    labels = torch.tensor([[1, 0, -1, -1], [2, 3, 1, -1], [1, 1, 0, 0], [1, -1, -1, -1]])
    corner = torch.rand((n, 2), generator=g) * size / 2
    window = torch.cat([corner, corner + torch.rand((n, 1), generator=g) * w / 2 + 9], 1)
    yy, xx = torch.meshgrid(torch.arange(GRID), torch.arange(GRID), indexing="ij")
    disc = 12.0 - ((yy - GRID / 2) ** 2 + (xx - GRID / 2) ** 2).sqrt()
    return {
        "point_coords": coords,
        "point_labels": labels[torch.arange(n) % 4].float(),
        "mask_input": disc.expand(n, 1, GRID, GRID).contiguous(),
        "mask_window": window,
        "has_mask_input": (torch.arange(n) % 3 == 0).float(),
    }


def export(model: Pebble, folder: Path) -> None:
    """Write both graphs into ``folder``, check them against torch, then halve their weights."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder = EncoderGraph(model.encoder).eval()
    image = torch.randint(0, 255, (160, 224, 3), dtype=torch.uint8)
    spatial = {n: {2: f"{n}_h", 3: f"{n}_w"} for n in [*LEVELS, "objectness"]}
    write(
        encoder,
        (image,),
        folder / "encoder.onnx",
        ["image"],
        [*LEVELS, "objectness"],
        {"image": {0: "H", 1: "W"}, **spatial},
    )
    with torch.no_grad():
        maps = encoder(image)
    p = prompts(4, 160, 224)
    outputs = ["low_res_masks", "iou_predictions", "windows"]
    axes: dict[str, dict[int, str]] = {n: {0: "B"} for n in [*p, *outputs]}
    axes["point_coords"] = axes["point_labels"] = {0: "B", 1: "N"}
    write(
        model.decoder,
        (*maps[:4], *p.values()),
        folder / "decoder.onnx",
        [*LEVELS, *p],
        outputs,
        {**axes, **{n: spatial[n] for n in LEVELS}},
    )
    check(model, folder)
    for name in ("encoder.onnx", "decoder.onnx"):
        onnx.save(halve(onnx.load(folder / name)), folder / name)


def check(model: Pebble, folder: Path, tolerance: float = 1e-3) -> float:
    """Compare ONNX Runtime with torch on a picture of odd size; return the largest difference.

    Raises
    ------
    ValueError
        If they differ by more than ``tolerance``.
    """
    run = [ort.InferenceSession(str(folder / f)) for f in ("encoder.onnx", "decoder.onnx")]
    worst = 0.0
    for h, w, n in ((203, 301, 7), (64, 40, 1)):
        yy, xx = np.mgrid[:h, :w]
        image = (127 + 90 * np.sin(yy / 9) * np.cos(xx / 13)).astype(np.uint8)
        rgb = np.stack([image, image // 2, 255 - image], -1)
        with torch.no_grad():
            maps = EncoderGraph(model.encoder)(torch.from_numpy(rgb))
            p = prompts(n, h, w)
            answer = model.decoder(*maps[:4], *p.values())
        got = run[0].run(None, {"image": rgb})
        feeds = dict(zip(LEVELS, got[:4], strict=True)) | {k: v.numpy() for k, v in p.items()}
        out = run[1].run(None, feeds)
        for a, b in zip([*maps, *answer], [*got, *out], strict=True):
            scale = max(1.0, float(np.abs(a.numpy()).max()))
            worst = max(worst, float(np.abs(a.numpy() - b).max()) / scale)
    if worst > tolerance:
        raise ValueError(f"ONNX Runtime and torch differ by {worst:.2e}; do not ship these files.")
    print(f"largest difference between ONNX Runtime and torch: {worst:.1e} of the range")
    return worst


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="omit for random weights")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    model = load(args.checkpoint)
    export(model, args.out)
    size = sum((args.out / f"{n}.onnx").stat().st_size for n in ("encoder", "decoder")) / 1e6
    print(f"{size:.2f} MB with float16 storage")


if __name__ == "__main__":
    main()
