"""EdgeTAM, SAM 3's tracker and SAM 2.1 of transformers, exported in layout V4; written here.

The graphs call the model's own parts, except for the attention to memory: transformers counts
planes and pointers in Python, which a graph cannot, so that is written out with the model's
weights. Of EdgeTAM's memory only the last tokens of a plane have a place on the grid.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch

from benchmarks.exporters.memory_graphs import save_graph

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedModel

NO_OBJECT = -1024.0


class VisionEncoder(torch.nn.Module):
    """Picture -> three scales of features, and their positions."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(1, 3, S, S) normalised."""
        seen = self.model.get_image_features(picture, return_dict=True)
        sizes = self.model.backbone_feature_sizes
        return tuple(
            rows.permute(1, 2, 0).reshape(1, -1, *size)
            for part in (seen.fpn_hidden_states, seen.fpn_position_encoding)
            for rows, size in zip(part, sizes, strict=True)
        )


class MaskDecoder(torch.nn.Module):
    """Features and points -> the mask that the video model takes, and what is kept of it."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        fine: torch.Tensor,
        middle: torch.Tensor,
        coarse: torch.Tensor,
        points: torch.Tensor,
        labels: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Low-resolution logits, logits at the input's size, IoU, presence, pointer."""
        answers = [
            self.model._single_frame_forward(
                input_points=points,
                input_labels=labels,
                image_embeddings=[fine, middle, coarse],
                multimask_output=several,
            )
            for several in (True, False)
        ]
        several = (labels != -1).sum() <= self.model.config.multimask_max_pt_num
        best = answers[0].iou_scores.reshape(1, -1).amax(-1, keepdim=True)
        pairs = [
            (getattr(answers[0], name), getattr(answers[1], name))
            for name in ("pred_masks", "high_res_masks", "object_pointer")
        ]
        low, sharp, pointer = (torch.where(several, *pair) for pair in pairs)
        score = torch.where(several, best, answers[1].iou_scores.reshape(1, -1)[:, :1])
        side, size = low.shape[-1], self.model.image_size
        presence = answers[0].object_score_logits.reshape(1, 1, 1)
        return (
            low.reshape(1, 1, side, side),
            sharp.reshape(1, 1, size, size),
            score,
            presence,
            pointer.reshape(1, 1, -1),
        )


class MemoryEncoder(torch.nn.Module):
    """Features and a mask -> what is remembered of a plane."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        coarse: torch.Tensor,
        sharp: torch.Tensor,
        presence: torch.Tensor,
        pointed: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(S, 1, c) tokens and their positions."""
        model, config = self.model, self.model.config
        side = 4 * model.prompt_encoder.mask_input_size[0]
        if sharp.shape[-1] != side:  # SAM 3's, whose patches have 14 pixels
            sharp = torch.nn.functional.interpolate(
                sharp, size=(side, side), mode="bilinear", align_corners=False
            )
        mask = torch.where(pointed, (sharp > 0).float(), torch.sigmoid(sharp))
        mask = mask * config.sigmoid_scale_for_mem_enc + config.sigmoid_bias_for_mem_enc
        tokens, positions = model.memory_encoder(coarse, mask)
        absent = 1 - (presence.reshape(1, 1, 1, 1) > 0).float()
        tokens = tokens + absent * model.occlusion_spatial_embedding_parameter.reshape(1, -1, 1, 1)
        if hasattr(model, "spatial_perceiver"):
            tokens, positions = model.spatial_perceiver(tokens, positions)
            return tokens.permute(1, 0, 2), positions.reshape(1, -1, tokens.shape[-1])[0][:, None]
        return tokens.flatten(2).permute(2, 0, 1), positions.flatten(2).permute(2, 0, 1)


class MemoryAttention(torch.nn.Module):
    """Coarse features conditioned on spatial memory and on pointers; (1, 1, N, C)."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.attention = attention = model.memory_attention
        compressed = hasattr(model, "spatial_perceiver")
        if compressed:
            here = attention.rotary_emb(torch.zeros(1), attention.position_ids)
            there = attention.rotary_emb(torch.zeros(1), attention.position_ids_k)
            apart = model.config.perceiver_resampler_num_latents
        else:
            here = there = attention.rotary_emb(torch.zeros(1), attention.position_ids)
            apart = 0
        width = here[0].shape[-1]
        for name, table in zip(("cosines", "sines"), here, strict=True):
            self.register_buffer(name, table.reshape(-1, width).float())
        for name, table, still in zip(("key_cosines", "key_sines"), there, (1.0, 0.0), strict=True):
            rest = torch.full((apart, width), still)  # the first tokens of a plane are not turned
            self.register_buffer(name, torch.cat([rest, table.reshape(-1, width).float()]))

    def turn(self, rows: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
        """Rotate pairs of channels by their place on the grid; whole planes, one after another."""
        planes = rows.reshape(-1, *cosines.shape)
        pairs = planes.reshape(*planes.shape[:2], -1, 2)
        swapped = torch.stack([-pairs[..., 1], pairs[..., 0]], -1).reshape(planes.shape)
        return (planes * cosines + swapped * sines).reshape(rows.shape)

    def attend(
        self,
        layer: torch.nn.Module,
        queries: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
    ) -> torch.Tensor:
        """Attend with one head."""
        asked = self.turn(layer.q_proj(queries), self.cosines, self.sines)
        weights = torch.softmax(asked @ keys.T * layer.scaling, -1)
        return layer.o_proj(weights @ layer.v_proj(values))

    def forward(
        self,
        current: torch.Tensor,
        current_positions: torch.Tensor,
        spatial: torch.Tensor,
        spatial_positions: torch.Tensor,
        pointers: torch.Tensor,
        pointer_positions: torch.Tensor,
    ) -> torch.Tensor:
        """(N, 1, C), (N, 1, C), (S, 1, c), (S, 1, c), (P, 1, c), (P, 1, c)."""
        rows = (current + 0.1 * current_positions)[:, 0]
        placed = (spatial + spatial_positions)[:, 0]
        free = (pointers + pointer_positions)[:, 0]
        values = torch.cat([spatial, pointers])[:, 0]
        for layer in self.attention.layers:
            seen = layer.layer_norm1(rows)
            own = self.turn(layer.self_attn.k_proj(seen), self.cosines, self.sines)
            rows = rows + self.attend(layer.self_attn, seen, own, seen)
            seen = layer.layer_norm2(rows)
            cross = layer.cross_attn_image
            keys = self.turn(cross.k_proj(placed), self.key_cosines, self.key_sines)
            keys = torch.cat([keys, cross.k_proj(free)])
            rows = rows + self.attend(cross, seen, keys, values)
            seen = layer.layer_norm3(rows)
            if hasattr(layer, "mlp"):
                rows = rows + layer.mlp(seen)
            else:
                rows = rows + layer.linear2(layer.activation(layer.linear1(seen)))
        return self.attention.layer_norm(rows)[None, None]


def export(model: PreTrainedModel, folder: Path) -> list[Path]:
    """Write the four graphs of V4, and what is learned and in none of them.

    Returns
    -------
    list of Path
        Graphs and JSON file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    side, config = model.image_size, model.config
    picture = torch.randn(1, 3, side, side)
    with torch.no_grad():
        fine, middle, coarse, *_ = VisionEncoder(model)(picture)
    places = [f"pos{level}" for level in range(3)]
    scales = [f"feats{level}" for level in range(3)]
    save_graph(
        VisionEncoder(model),
        folder / "vision_encoder.onnx",
        {"pixel_values": picture},
        [*scales, *places],
    )
    labels = torch.tensor([[[1, 0]]], dtype=torch.int32)
    save_graph(
        MaskDecoder(model),
        folder / "mask_decoder.onnx",
        {
            **dict(zip(scales, (fine, middle, coarse), strict=True)),
            "input_points": torch.rand(1, 1, 2, 2) * side,
            "input_labels": labels,
        },
        ["pred_masks", "high_res_masks", "iou_scores", "object_score_logits", "object_pointer"],
        {"input_points": {2: "points"}, "input_labels": {2: "points"}},
    )
    sharp = torch.randn(1, 1, side, side)
    pointed, present = torch.tensor([True]), torch.ones(1, 1)
    save_graph(
        MemoryEncoder(model),
        folder / "memory_encoder.onnx",
        {
            "vision_features": coarse,
            "pred_masks_high_res": sharp,
            "object_score_logits": present,
            "is_mask_from_pts": pointed,
        },
        ["memory_tokens", "memory_pos_enc"],
    )
    with torch.no_grad():
        tokens, _ = MemoryEncoder(model)(coarse, sharp, present, pointed)
    rows, free = torch.cat([tokens, tokens]), torch.randn(8, 1, tokens.shape[-1])
    now = coarse.flatten(2).permute(2, 0, 1)
    memory = {
        "spatial_memory": rows,
        "spatial_memory_position_embeddings": rows,
        "pointer_memory": free,
        "pointer_memory_position_embeddings": free,
    }
    save_graph(
        MemoryAttention(model),
        folder / "memory_attention.onnx",
        {
            "current_vision_features": now,
            "current_vision_position_embeddings": now,
            **memory,
        },
        ["conditioned_features"],
        {name: {0: name.split("_")[0]} for name in memory},
    )
    timed = config.enable_temporal_pos_encoding_for_object_pointers
    stated: dict[str, object] = {
        "memory_temporal_positional_encoding": _list(model.memory_temporal_positional_encoding),
        "no_memory_embedding": _list(model.no_memory_embedding),
        "enable_temporal_pos_encoding_for_object_pointers": timed,
        "max_cond_frame_num": config.max_cond_frame_num,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    if timed:
        name = "temporal_positional_encoding_projection_layer"
        layer = getattr(model, name)
        stated |= {f"{name}.weight": _list(layer.weight), f"{name}.bias": _list(layer.bias)}
    (folder / "constants.json").write_text(json.dumps(stated))
    return [*sorted(folder.glob("*.onnx")), folder / "constants.json"]


def _list(parameter: torch.Tensor) -> object:
    return parameter.detach().tolist()
