"""Objects followed through planes: our runner beside transformers' video models.

EdgeTAM, SAM 3's tracker and SAM 2.1 with random weights on small pictures, exported by
`memory_hf_graphs`; two objects through twenty planes of a drawn stack: forwards, both ways from
the middle, and pointed at on two and six planes. A correction of a plane that was reached is
remembered otherwise by transformers than by the authors' predictor, and is no part of this.

    python -m benchmarks.exporters.memory_hf
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import benchmarks.exporters.torchvision_ops  # isort: skip  # noqa: F401
import numpy as np
import torch
import transformers
from transformers import (
    EdgeTamVideoConfig,
    EdgeTamVideoModel,
    Sam2VideoConfig,
    Sam2VideoModel,
    Sam3TrackerVideoConfig,
    Sam3TrackerVideoModel,
    TimmWrapperConfig,
)
from transformers.models.edgetam.configuration_edgetam import EdgeTamVisionConfig
from transformers.models.edgetam_video import modeling_edgetam_video
from transformers.models.sam2.configuration_sam2 import Sam2HieraDetConfig, Sam2VisionConfig
from transformers.models.sam2_video import modeling_sam2_video
from transformers.models.sam3.configuration_sam3 import Sam3VisionConfig, Sam3ViTConfig
from transformers.models.sam3_tracker_video import modeling_sam3_tracker_video

from benchmarks.exporters.memory_cases import (
    SHAPE,
    ask_ours,
    correction,
    draw_planes,
    iou,
    objects,
    points_beside,
)
from benchmarks.exporters.memory_hf_graphs import export
from benchmarks.exporters.weights import centre_logits, sharpen_attention, spread_scores
from napari_sam_onnx.models import load_model
from napari_sam_onnx.models.onnx.framing.preprocess import prepare_plane
from napari_sam_onnx.models.onnx.memory.constants import MemoryConstants
from napari_sam_onnx.models.onnx.memory.layouts import LAYOUTS
from napari_sam_onnx.models.onnx.memory.shapes import make_contract

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel

    from benchmarks.exporters.memory_cases import Answers
    from napari_sam_onnx.prompts import Prompts

WANTED_IOU = 0.99
ABSENT = 0.01  # what is absent once is remembered as absent, so that it becomes more
CASES = ("forwards", "both ways", "two planes", "six planes")
NAMES = ("edgetam", "sam3-tracker", "sam2.1")
SESSIONS = {
    "edgetam": modeling_edgetam_video.EdgeTamVideoInferenceSession,
    "sam3-tracker": modeling_sam3_tracker_video.Sam3TrackerVideoInferenceSession,
    "sam2.1": modeling_sam2_video.Sam2VideoInferenceSession,
}


def build_model(name: str, seed: int) -> PreTrainedModel:
    """Build a small model of a family, with random weights."""
    torch.manual_seed(seed)
    sizes = [[32, 32], [16, 16], [8, 8]]
    prompts = {"image_size": 128}
    if name == "sam3-tracker":
        backbone = Sam3ViTConfig(
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            window_size=4,
            global_attn_indexes=[1],
            image_size=112,
            pretrain_image_size=56,
        )
        vision = Sam3VisionConfig(backbone_config=backbone)
        config = Sam3TrackerVideoConfig(vision_config=vision, image_size=112)
        model: PreTrainedModel = Sam3TrackerVideoModel(config)
    elif name == "edgetam":
        levels = {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]}
        backbone = TimmWrapperConfig(architecture="repvit_m1", model_args=levels)
        vision = EdgeTamVisionConfig(backbone_config=backbone, backbone_feature_sizes=sizes)
        config = EdgeTamVideoConfig(
            vision_config=vision,
            prompt_encoder_config=prompts,
            image_size=128,
            memory_attention_rope_feat_sizes=[8, 8],
            memory_attention_rope_k_sizes=[4, 4],
            perceiver_resampler_num_latents=16,
            perceiver_resampler_num_latents_2d=16,
            enable_temporal_pos_encoding_for_object_pointers=False,  # as published
        )
        model = EdgeTamVideoModel(config)
    else:
        vision = Sam2VisionConfig(
            backbone_config=Sam2HieraDetConfig(image_size=[128, 128]),
            backbone_feature_sizes=sizes,
        )
        config = Sam2VideoConfig(
            vision_config=vision,
            prompt_encoder_config=prompts,
            image_size=128,
            memory_attention_rope_feat_sizes=[8, 8],
        )
        model = Sam2VideoModel(config)
    return model.eval()


@torch.no_grad()
def wake(name: str, model: PreTrainedModel, planes: list[NDArray[np.uint8]]) -> None:
    """Make masks depend on prompts, pictures and memory, and objects vanish on some planes."""
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
        else:
            for parameter in module.parameters(recurse=False):
                parameter.normal_(std=0.02)
    decoder = model.mask_decoder
    sharpen_attention(decoder)
    sharpen_attention(model.memory_attention, 1.5)
    for part in model.memory_encoder.memory_fuser.layers:
        part.scale.fill_(0.3)
    for learned in (
        model.memory_temporal_positional_encoding,
        model.no_memory_embedding,
        model.no_object_pointer,
        model.occlusion_spatial_embedding_parameter,
    ):
        learned.normal_(std=0.5)

    def ask() -> None:
        session = start(name, model, planes[:1])
        point(session, 0, 1, objects(0)[1])
        model(session, frame_idx=0)

    networks = list(decoder.output_hypernetworks_mlps)
    layers = [network.proj_out for network in networks]
    upscaled: list[torch.nn.Module] = [decoder.activation]
    centre_logits(ask, upscaled, networks, layers)
    spread_scores(ask, decoder.iou_prediction_head, decoder.iou_prediction_head.proj_out)
    head = decoder.pred_obj_score_head.proj_out
    head.weight *= 20.0
    seen: list[float] = []
    hook = head.register_forward_hook(lambda _m, _i, out: seen.append(float(out.flatten()[0])))
    head.bias.fill_(1e4)
    for case in CASES:
        ask_theirs(name, model, planes, case)
    hook.remove()
    head.bias.fill_(-float(np.quantile(np.array(seen) - 1e4, ABSENT)))


def start(name: str, model: PreTrainedModel, planes: list[NDArray[np.uint8]]) -> object:
    """Begin a video of planes that were prepared as our runner prepares them."""
    half = (0.5, 0.5, 0.5)
    constants = MemoryConstants(np.zeros((7, 64), np.float32), mean=half, std=half)
    row = make_contract(LAYOUTS[0], constants, model.image_size).encoder
    frames = [torch.from_numpy(prepare_plane(plane, row)[0][0]).float() for plane in planes]
    return SESSIONS[name](
        video=torch.stack(frames), video_height=SHAPE[0], video_width=SHAPE[1], dtype=torch.float32
    )


def point(session: object, position: int, number: int, prompts: Prompts) -> None:
    """Point at an object; corners of a box are points of their own kind."""
    points, labels = prompts.points[:, ::-1], list(prompts.labels)
    if prompts.box is not None:
        corners = prompts.box.reshape(2, 2)[:, ::-1]
        points, labels = np.concatenate([corners, points]), [2, 3, *labels]
    side = session.processed_frames[0].shape[-1]
    scaled = points * np.array([side / SHAPE[1], side / SHAPE[0]])
    at = session.obj_id_to_idx(number)
    inputs = {
        "point_coords": torch.tensor(scaled.copy(), dtype=torch.float32)[None, None],
        "point_labels": torch.tensor(labels, dtype=torch.int32)[None, None],
    }
    session.add_point_inputs(at, position, inputs)
    session.obj_with_new_inputs.append(number)


@torch.no_grad()
def ask_theirs(
    name: str, model: PreTrainedModel, planes: list[NDArray[np.uint8]], case: str
) -> Answers:
    """Follow both objects with transformers."""
    at = 0 if case != "both ways" else len(planes) // 2
    found: Answers = {}
    for number, prompts in objects(at).items():
        session = start(name, model, planes)

        def keep(answer: object, number: int = number) -> None:
            logits = torch.nn.functional.interpolate(
                answer.pred_masks.reshape(1, 1, *answer.pred_masks.shape[-2:]),
                size=SHAPE,
                mode="bilinear",
                align_corners=False,
            )
            found[number, answer.frame_idx] = (logits[0, 0].numpy() > 0, 0.0)

        point(session, at, number, prompts)
        keep(model(session, frame_idx=at))
        for place in points_beside(case, number):
            point(session, place, number, correction(place))
            keep(model(session, frame_idx=place))
        for reverse in (False, True) if case == "both ways" else (False,):
            for answer in model.propagate_in_video_iterator(session, at, reverse=reverse):
                keep(answer)
    return found


def compare(name: str, count: int, seed: int) -> bool:
    """Print a row for every case; whether all are good enough."""
    planes = draw_planes(count)
    model = build_model(name, seed)
    wake(name, model, planes)
    good = True
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        opened = load_model(export(model, Path(folder)))
        for case in CASES:
            theirs = ask_theirs(name, model, planes, case)
            ours = ask_ours(opened, planes, case)
            assert ours.keys() == theirs.keys()
            values = [iou(ours[key][0], theirs[key][0]) for key in sorted(theirs)]
            absent = sum(not mask.any() for mask, _ in theirs.values())
            moved = [
                iou(theirs[n, p][0], theirs[n, p + 1][0]) for n, p in theirs if (n, p + 1) in theirs
            ]
            print(
                f"| {name} | {case} | {len(values)} / {absent} | {min(values):.4f} "
                f"| {np.mean(values):.4f} | {np.mean(moved):.2f} |",
                flush=True,
            )
            good &= min(values) >= WANTED_IOU
        opened.close()
    return good


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--planes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=4)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print(f"transformers {transformers.__version__}, {chosen.planes} planes, seed {chosen.seed}")
    print("| model | case | masks / absent | worst IoU | mean IoU | IoU of neighbours |")
    print("|-|-|-|-|-|-|")
    good = [compare(name, chosen.planes, chosen.seed) for name in chosen.names]
    if not all(good):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
