"""Grounding DINO against its own predictor: ``python -m benchmarks.exporters.grounding_dino``.

A small Grounding DINO of transformers with random weights is exported in the layout of
transformers.js, with open sides, at one size. Prints how far our boxes and scores are from
those of transformers' own processor and model: at that size, and at another one, where an
export says that it works and does not.

Needs this package with ``text``, and transformers and torch beside it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import transformers
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from napari_sam_onnx.models.text import grounding_dino
from napari_sam_onnx.models.text.detectors import load_detector

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACED, OTHER = (224, 288), (320, 224)
PICTURES = ((96, 128), (150, 60))
WORDS = {"[PAD]": 0, "red": 7, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, ".": 1012, "?": 1029}
IDS = [[101, 7, 1012, 102]]
INPUTS = ("pixel_values", "input_ids", "token_type_ids", "attention_mask", "pixel_mask")


def main() -> None:
    """Export, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    torch.set_num_threads(parser.parse_args().threads)
    torch.manual_seed(0)
    model = make_model()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export(model, folder / "model.onnx")
        write_tokenizer(folder / "tokenizer.json")
        print("| input | picture | boxes, px | scores |\n|-|-|-|-|")
        for size in (TRACED, OTHER):
            settings = {"size": {"height": size[0], "width": size[1]}}
            (folder / grounding_dino.SIZE_FILE).write_text(json.dumps(settings))
            for shape in PICTURES:
                boxes, scores = compare(model, folder / "model.onnx", size, shape)
                print(f"| {size} | {shape} | {boxes:.4f} | {scores:.1e} |", flush=True)


def make_model() -> Any:
    """Build a Grounding DINO small enough for a test, whose boxes are spread."""
    text = {
        "model_type": "bert",
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "vocab_size": 1100,
    }
    backbone = transformers.SwinConfig(
        embed_dim=24,
        depths=[1, 1, 1, 1],
        num_heads=[1, 2, 3, 4],
        out_features=["stage2", "stage3", "stage4"],
    )
    config = transformers.GroundingDinoConfig(
        backbone_config=backbone,
        text_config=text,
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        num_queries=30,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        max_text_len=16,
        disable_custom_kernels=True,
    )
    config._attn_implementation = "eager"
    model = transformers.GroundingDinoForObjectDetection(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bbox_embed" in name:
                parameter.copy_(torch.randn_like(parameter) * 0.3)
    return model


class _Extreme(NamedTuple):
    values: torch.Tensor
    indices: torch.Tensor


def _cumulative_maximum(x: torch.Tensor, dim: int = -1) -> _Extreme:
    assert dim in (1, -1)
    before = torch.arange(x.shape[-1])[:, None] >= torch.arange(x.shape[-1])[None]
    low = torch.full_like(x.unsqueeze(-2), -(10**6))
    values = torch.where(before, x.unsqueeze(-2), low).amax(-1)
    return _Extreme(values, values)


@contextmanager
def _exportable_operations() -> Iterator[None]:
    """Put equivalents in place of four operations that ONNX or ONNX Runtime has not."""
    homes = (torch, torch.Tensor)
    kept = [(home, name, getattr(home, name)) for home in homes for name in ("cummax", "cummin")]
    kept += [(torch, name, getattr(torch, name)) for name in ("isin", "eye")]
    torch.isin = lambda x, among, **_: (x.unsqueeze(-1) == torch.as_tensor(among)).any(-1)
    torch.eye = lambda n, dtype=None, **_: (torch.arange(n)[:, None] == torch.arange(n)[None]).to(
        dtype or torch.float32
    )
    torch.cummax = torch.Tensor.cummax = _cumulative_maximum
    torch.cummin = torch.Tensor.cummin = lambda x, dim=-1: _Extreme(
        -_cumulative_maximum(-x, dim).values, x
    )
    try:
        yield
    finally:
        for home, name, operation in kept:
            setattr(home, name, operation)


def export(model: Any, path: Path) -> None:
    """Trace the model with one word, sides and length stated as open."""

    class Traced(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            answer = self.model(**dict(zip(INPUTS, tensors, strict=True)))
            return answer.logits, answer.pred_boxes

    ids = torch.tensor(IDS)
    ones = torch.ones(1, *TRACED, dtype=torch.long)
    inputs = (torch.rand(1, 3, *TRACED), ids, ids * 0, ids * 0 + 1, ones)
    sides = {"pixel_values": {2: "h", 3: "w"}, "pixel_mask": {1: "h", 2: "w"}}
    lengths = {name: {1: "n"} for name in INPUTS[1:4]}
    with torch.no_grad(), _exportable_operations():
        torch.onnx.export(
            Traced().eval(),
            inputs,
            str(path),
            input_names=list(INPUTS),
            output_names=["logits", "pred_boxes"],
            dynamic_axes={**sides, **lengths},
            opset_version=17,
            dynamo=False,
        )


def write_tokenizer(path: Path) -> None:
    """Write a BERT tokenizer that knows one word, at BERT's own places of the marks."""
    taken = {number: word for word, number in WORDS.items()}
    vocabulary = {taken.get(n, f"[unused{n}]"): n for n in range(1100)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(path))


def compare(
    model: Any, path: Path, size: tuple[int, int], shape: tuple[int, int]
) -> tuple[float, float]:
    """Largest difference of the boxes (pixels of the picture) and of the scores."""
    colours = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    picture = Image.fromarray(colours).resize((shape[1], shape[0]))
    processor = transformers.GroundingDinoImageProcessorPil(
        size={"height": size[0], "width": size[1]}
    )
    ids = torch.tensor(IDS)
    with torch.no_grad():
        answer = model(
            **processor(images=picture, return_tensors="pt"),
            input_ids=ids,
            token_type_ids=ids * 0,
            attention_mask=ids * 0 + 1,
        )
    expected = answer.pred_boxes[0].numpy()
    x, y, w, h = expected.T * np.tile([shape[1], shape[0]], 2)[:, None]
    edges = np.stack([y - h / 2, x - w / 2, y + h / 2, x + w / 2], axis=1)
    scores = answer.logits.sigmoid().amax(-1)[0].numpy()
    ours = _all_boxes(path, np.asarray(picture))
    return float(np.abs(ours[0] - edges).max()), float(np.abs(ours[1] - scores).max())


def _all_boxes(path: Path, rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Our boxes (edge coordinates) and scores, before any are dropped."""
    seen: list[Any] = []
    keep = grounding_dino.keep_boxes

    def note(*arguments: Any) -> Any:
        seen.append(arguments[:2])
        return keep(*arguments)

    detector = load_detector(path, provider="cpu")
    grounding_dino.keep_boxes = note
    try:
        detector.propose_boxes(rgb, "Red", threshold=0.0)
    finally:
        grounding_dino.keep_boxes = keep
        detector.close()
    return seen[0]


if __name__ == "__main__":
    main()
