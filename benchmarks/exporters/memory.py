"""Objects followed through planes: our runner beside SAM 2's own video predictor.

SAM 2.1 tiny with random weights at 128 pixels, exported in both layouts of `memory_graphs`; two
objects through twenty planes of a drawn stack: forwards, both ways from the middle, and with a
correction on a plane that was reached. The predictor sees the planes that we see, so that nothing
but the graphs and the memory is compared.

    python -m benchmarks.exporters.memory
"""

from __future__ import annotations

import argparse
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

import benchmarks.exporters.torchvision_ops  # isort: skip  # noqa: F401
import numpy as np
import torch
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from sam2 import sam2_video_predictor
from sam2.build_sam import build_sam2_video_predictor

from benchmarks.exporters.memory_cases import (
    CORRECTED,
    ask_ours,
    correction,
    draw_planes,
    iou,
    objects,
)
from benchmarks.exporters.memory_graphs import export
from benchmarks.exporters.weights import centre_logits, sharpen_attention, spread_scores
from napari_sam_onnx.models import load_model
from napari_sam_onnx.models.onnx.framing.preprocess import prepare_plane

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sam2.sam2_video_predictor import SAM2VideoPredictor

    from benchmarks.exporters.memory_cases import Answers
    from napari_sam_onnx.prompts import Prompts

WANTED_IOU = 0.99
ABSENT = 0.02  # what is absent once is remembered as absent, so that it becomes more


def build_predictor(side: int, seed: int) -> SAM2VideoPredictor:
    """Build a small SAM 2.1 with random weights that answer."""
    torch.manual_seed(seed)
    GlobalHydra.instance().clear()
    grid = side // 16
    attention = "++model.memory_attention.layer"
    with initialize_config_module("sam2", version_base="1.2"):
        predictor = build_sam2_video_predictor(
            "configs/sam2.1/sam2.1_hiera_t.yaml",
            device="cpu",
            hydra_overrides_extra=[
                f"++model.image_size={side}",
                f"{attention}.self_attention.feat_sizes=[{grid},{grid}]",
                f"{attention}.cross_attention.feat_sizes=[{grid},{grid}]",
                # corrections become memory of the first kind, and are not undone by the next pass
                "++model.add_all_frames_to_correct_as_cond=true",
            ],
        )
    predictor.fill_hole_area = 0  # needs the authors' CUDA extension
    return predictor


@torch.no_grad()
def wake(predictor: SAM2VideoPredictor, planes: list[NDArray[np.uint8]]) -> None:
    """Make masks depend on prompts, pictures and memory, and objects vanish on some planes."""
    decoder = predictor.sam_mask_decoder
    sharpen_attention(decoder)
    sharpen_attention(predictor.memory_attention, 1.5)
    for part in predictor.memory_encoder.fuser.layers:
        part.gamma.fill_(0.3)  # 1e-6 as built, which training changes
    predictor.maskmem_tpos_enc.normal_(std=0.5)
    predictor.no_mem_embed.normal_(std=0.5)
    predictor.no_obj_ptr.normal_(std=0.5)
    predictor.no_obj_embed_spatial.normal_(std=0.5)
    state = start(predictor, planes[:1])
    prompt = {"points": np.array([[90.0, 60.0]], np.float32), "labels": np.array([1])}

    def ask() -> None:
        predictor.reset_state(state)
        predictor.add_new_points_or_box(state, 0, 1, **prompt)

    networks = list(decoder.output_hypernetworks_mlps)
    layers = [network.layers[-1] for network in networks]
    centre_logits(ask, [decoder.output_upscaling[-1]], networks, layers)
    spread_scores(ask, decoder.iou_prediction_head, decoder.iou_prediction_head.layers[-1])
    head = decoder.pred_obj_score_head.layers[-1]
    head.weight *= 20.0
    seen: list[float] = []
    hook = head.register_forward_hook(lambda _m, _i, out: seen.append(float(out.flatten()[0])))
    head.bias.fill_(1e4)  # present everywhere, while it is found out how the scores vary
    everywhere = start(predictor, planes)
    predictor.add_new_points_or_box(everywhere, 0, 1, **prompt)
    for _ in predictor.propagate_in_video(everywhere):
        pass
    hook.remove()
    head.bias.fill_(-float(np.quantile(np.array(seen) - 1e4, ABSENT)))


def start(predictor: SAM2VideoPredictor, planes: list[NDArray[np.uint8]]) -> dict[str, object]:
    """Begin a video of planes that were prepared as our runner prepares them."""
    from napari_sam_onnx.models.onnx.memory.constants import MemoryConstants
    from napari_sam_onnx.models.onnx.memory.layouts import LAYOUTS
    from napari_sam_onnx.models.onnx.memory.shapes import make_contract

    constants = MemoryConstants(np.zeros((7, 64), np.float32))
    row = make_contract(LAYOUTS[0], constants, predictor.image_size).encoder
    tensors = [torch.from_numpy(prepare_plane(plane, row)[0][0]).float() for plane in planes]
    state: dict[str, object] = {
        "images": tensors,
        "num_frames": len(planes),
        "offload_video_to_cpu": False,
        "offload_state_to_cpu": False,
        "video_height": planes[0].shape[0],
        "video_width": planes[0].shape[1],
        "device": torch.device("cpu"),
        "storage_device": torch.device("cpu"),
        "obj_id_to_idx": OrderedDict(),
        "obj_idx_to_id": OrderedDict(),
        "obj_ids": [],
    }
    for name in ("point_inputs_per_obj", "mask_inputs_per_obj", "cached_features", "constants"):
        state[name] = {}
    for name in ("output_dict_per_obj", "temp_output_dict_per_obj", "frames_tracked_per_obj"):
        state[name] = {}
    return state


def ask_theirs(
    predictor: SAM2VideoPredictor, planes: list[NDArray[np.uint8]], case: str
) -> Answers:
    """Follow both objects with the authors' predictor."""
    state = start(predictor, planes)
    at = 0 if case != "both ways" else len(planes) // 2
    found: Answers = {}

    def add(position: int, number: int, prompts: Prompts) -> None:
        predictor.add_new_points_or_box(
            state,
            position,
            number,
            points=np.ascontiguousarray(prompts.points[:, ::-1], np.float32),
            labels=prompts.labels,
            box=None if prompts.box is None else prompts.box[[1, 0, 3, 2]].astype(np.float32),
        )

    def follow(**where: object) -> None:
        for position, numbers, logits in predictor.propagate_in_video(state, **where):
            for row, number in enumerate(numbers):
                found[number, position] = (logits[row, 0].numpy() > 0, 0.0)

    for number, prompts in objects(at).items():
        add(at, number, prompts)
    follow(start_frame_idx=at)
    if case == "both ways":
        follow(start_frame_idx=at, reverse=True)
    if case == "corrected":
        original = predictor._run_single_frame_inference

        def without_earlier_mask(*args: object, **named: object) -> object:
            named["prev_sam_mask_logits"] = None  # no public decoder takes one
            return original(*args, **named)

        predictor._run_single_frame_inference = without_earlier_mask
        try:
            add(CORRECTED, 1, correction(CORRECTED))
        finally:
            predictor._run_single_frame_inference = original
        follow(start_frame_idx=CORRECTED)
    return found


def compare(side: int, count: int, seed: int) -> bool:
    """Print the worst IoU of every case; whether all are good enough."""
    planes = draw_planes(count)
    predictor = build_predictor(side, seed)
    wake(predictor, planes)
    good = True
    theirs = {
        case: ask_theirs(predictor, planes, case) for case in ("forwards", "both ways", "corrected")
    }
    print(f"{side} pixels, {count} planes, 2 objects, seed {seed}")
    print("| layout | case | masks | absent | worst IoU | mean IoU | IoU of neighbours |")
    print("|-|-|-|-|-|-|-|")
    for layout in ("V4", "V5"):
        with tempfile.TemporaryDirectory() as folder:
            model = load_model(export(predictor, Path(folder), layout))
            for case, answers in theirs.items():
                ours = ask_ours(model, planes, case)
                assert ours.keys() == answers.keys()
                values = [iou(ours[key][0], answers[key][0]) for key in sorted(answers)]
                absent = sum(not mask.any() for mask, _ in answers.values())
                moved = [
                    iou(answers[n, p][0], answers[n, p + 1][0])
                    for n, p in answers
                    if (n, p + 1) in answers
                ]
                print(
                    f"| {layout} | {case} | {len(values)} | {absent} | {min(values):.4f} "
                    f"| {np.mean(values):.4f} | {np.mean(moved):.2f} |",
                    flush=True,
                )
                good &= min(values) >= WANTED_IOU
            model.close()
    return good


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--planes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=3)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    sam2_video_predictor.tqdm = lambda planes, **_: planes
    if not compare(chosen.side, chosen.planes, chosen.seed):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
