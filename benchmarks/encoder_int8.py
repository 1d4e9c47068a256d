"""What an encoder with weights of 8 bits saves, and what it changes in the masks.

    python -m benchmarks.encoder_int8 encoder.onnx decoder.onnx

ONNX Runtime's dynamic quantisation of matrix products, and of convolutions too. Masks are those of
clicks on pictures that come with scikit-image and on a drawn one; weights must be trained ones.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from onnxruntime.quantization import QuantType, quantize_dynamic
from skimage import data

from benchmarks.sam_speed import draw_plane
from benchmarks.timing import print_table
from napari_sam_onnx import Segmenter, load_model

CLICKS = 12
PRODUCTS = ["MatMul", "Gemm"]


def main() -> None:
    """Print a row for each encoder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("encoder", type=Path)
    parser.add_argument("decoder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    gray = [np.repeat(picture[..., None], 3, axis=2) for picture in (data.coins(), data.camera())]
    planes = [draw_plane((768, 1024)), data.astronaut(), *gray]
    expected: list[np.ndarray] = []
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        products, everything = Path(folder) / "products.onnx", Path(folder) / "everything.onnx"
        quantize_dynamic(
            arguments.encoder,
            products,
            op_types_to_quantize=PRODUCTS,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
        quantize_dynamic(
            arguments.encoder,
            everything,
            op_types_to_quantize=[*PRODUCTS, "Conv"],
            weight_type=QuantType.QUInt8,
        )
        files = {"as it is": arguments.encoder, "products": products, "all": everything}
        for name, file in files.items():
            model = load_model([file, arguments.decoder], provider="cpu", threads=arguments.threads)
            took, masks = [], []
            for number, plane in enumerate(planes):
                segmenter, random = Segmenter(model), np.random.default_rng(number)
                began = time.process_time()
                segmenter.set_image(plane)
                took.append(time.process_time() - began)
                for _ in range(CLICKS):
                    point = tuple(random.uniform(0.1, 0.9, 2) * plane.shape[:2])
                    masks.append(np.asarray(segmenter.segment(points=[point])))
            expected = expected or masks
            same = np.array(
                [
                    np.count_nonzero(a & b) / max(1, np.count_nonzero(a | b))
                    for a, b in zip(masks, expected, strict=True)
                ]
            )
            rows.append(
                [
                    name,
                    f"{file.stat().st_size / 2**20:.0f}",
                    f"{median(took[1:]):.2f}",
                    f"{np.median(same):.4f}",
                    f"{np.mean(same >= 0.99):.0%}",
                    f"{same.min():.2f}",
                ]
            )
    columns = ["8 bits", "MiB", "CPU s", "median IoU", "IoU ≥ 0.99", "least"]
    print_table(columns, rows)


if __name__ == "__main__":
    main()
