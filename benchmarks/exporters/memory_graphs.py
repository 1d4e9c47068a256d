"""SAM 2.1 with its memory, exported in the two public layouts of graphs; written here.

The layouts are those of the files that clients of them name: four graphs whose memory has any
length (V4), and five whose memory has one length (V5). Rotary encodings are written with real
numbers, since ONNX has no complex ones.
"""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING

import torch
from sam2.modeling.sam2_utils import get_1d_sine_pe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sam2.modeling.sam2_base import SAM2Base

NO_OBJECT = -1024.0
POINTERS = 16


class VisionEncoder(torch.nn.Module):
    """Picture -> three scales of features, and the positions of the coarse ones."""

    def __init__(self, model: SAM2Base, start: bool) -> None:
        super().__init__()
        self.model, self.start = model, start

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """(1, 3, S, S) normalised."""
        out = self.model.forward_image(picture)
        fine, middle, coarse = out["backbone_fpn"]
        positions = out["vision_pos_enc"]
        if self.start:
            begun = coarse + self.model.no_mem_embed.reshape(1, -1, 1, 1)
            return fine, middle, coarse, begun, positions[2]
        return fine, middle, coarse, *positions


class MaskDecoder(torch.nn.Module):
    """Features and points -> the mask that the video predictor takes, and what is kept of it."""

    def __init__(self, model: SAM2Base) -> None:
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
        model, decoder = self.model, self.model.sam_mask_decoder
        prompts = model.sam_prompt_encoder
        sparse = prompts._embed_points(points[0], labels[0], pad=True)
        side = coarse.shape[-1]
        dense = prompts.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(1, -1, side, side)
        masks, scores, tokens, presence = decoder.predict_masks(
            image_embeddings=coarse,
            image_pe=prompts.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            repeat_image=False,
            high_res_features=[fine, middle],
        )
        best = torch.argmax(scores[0, 1:]) + 1
        delta = decoder.dynamic_multimask_stability_delta
        single = masks[0, 0]
        inner, outer = (single > delta).sum().float(), (single > -delta).sum().float()
        stability = torch.where(outer > 0, inner / outer, torch.ones_like(outer))
        # one point at most: the best of three; more: the single mask, unless it is unstable
        several = (labels != -1).sum() <= 1
        unstable = stability < decoder.dynamic_multimask_stability_thresh
        mask_at = torch.where(several | unstable, best, torch.zeros_like(best))
        token_at = torch.where(several, best, torch.zeros_like(best))
        present = presence[0, 0] > 0
        low = torch.where(present, masks[0, mask_at], torch.full_like(single, NO_OBJECT))
        low = low[None, None]
        sharp = torch.nn.functional.interpolate(
            low, size=(model.image_size, model.image_size), mode="bilinear", align_corners=False
        )
        pointer = model.obj_ptr_proj(tokens[0, token_at][None])
        there = present.float()
        pointer = there * pointer + (1 - there) * model.no_obj_ptr
        return low, sharp, scores[0, mask_at].reshape(1, 1), presence.reshape(1, 1, 1), pointer


class MemoryEncoder(torch.nn.Module):
    """Features and a mask -> what is remembered of a plane."""

    def __init__(self, model: SAM2Base) -> None:
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
        model = self.model
        certain = pointed.reshape(()).float() > 0.5
        mask = torch.where(certain, (sharp > 0).float(), torch.sigmoid(sharp))
        mask = mask * model.sigmoid_scale_for_mem_enc + model.sigmoid_bias_for_mem_enc
        out = model.memory_encoder(coarse, mask, skip_mask_sigmoid=True)
        features, positions = out["vision_features"], out["vision_pos_enc"][-1]
        absent = 1 - (presence.reshape(1, 1, 1, 1) > 0).float()
        features = features + absent * model.no_obj_embed_spatial.reshape(1, -1, 1, 1)
        return features.flatten(2).permute(2, 0, 1), positions.flatten(2).permute(2, 0, 1)


class MemoryAttention(torch.nn.Module):
    """Coarse features conditioned on spatial memory and on pointers, (N, 1, C) to (1, N, C)."""

    def __init__(self, model: SAM2Base, pointer_tokens: int = 0) -> None:
        super().__init__()
        self.attention = model.memory_attention
        self.pointer_tokens = pointer_tokens
        turns = model.memory_attention.layers[0].self_attn.freqs_cis
        self.register_buffer("cosines", turns.real.float().repeat_interleave(2, -1))
        self.register_buffer("sines", turns.imag.float().repeat_interleave(2, -1))

    def turn(self, rows: torch.Tensor) -> torch.Tensor:
        """Rotate pairs of channels by their place on the grid; whole planes, one after another."""
        planes = rows.reshape(-1, *self.cosines.shape)
        pairs = planes.reshape(*planes.shape[:2], -1, 2)
        swapped = torch.stack([-pairs[..., 1], pairs[..., 0]], -1).reshape(planes.shape)
        return (planes * self.cosines + swapped * self.sines).reshape(rows.shape)

    def attend(
        self,
        layer: torch.nn.Module,
        queries: torch.Tensor,
        placed: torch.Tensor,
        free: torch.Tensor | None,
        values: torch.Tensor,
    ) -> torch.Tensor:
        """Attend with one head: keys that have a place on the grid, and keys that have none."""
        asked = self.turn(layer.q_proj(queries))
        keys = self.turn(layer.k_proj(placed))
        if free is not None:
            keys = torch.cat([keys, layer.k_proj(free)])
        weights = torch.softmax(asked @ keys.T / asked.shape[-1] ** 0.5, -1)
        return layer.out_proj(weights @ layer.v_proj(values))

    def condition(
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
            seen = layer.norm1(rows)
            rows = rows + self.attend(layer.self_attn, seen, seen, None, seen)
            seen = layer.norm2(rows)
            rows = rows + self.attend(layer.cross_attn_image, seen, placed, free, values)
            seen = layer.norm3(rows)
            rows = rows + layer.linear2(layer.activation(layer.linear1(seen)))
        return self.attention.norm(rows)[None]

    def forward(self, *memory: torch.Tensor) -> torch.Tensor:
        """Layout V4: (1, 1, N, C)."""
        return self.condition(*memory)[None]


class FixedMemoryAttention(MemoryAttention):
    """The same in layout V5: pointers are the last rows of one memory, (1, C, h, w)."""

    def forward(
        self,
        current: torch.Tensor,
        current_positions: torch.Tensor,
        memory: torch.Tensor,
        positions: torch.Tensor,
    ) -> torch.Tensor:
        """Cut the memory in two."""
        cut = memory.shape[0] - self.pointer_tokens
        out = self.condition(
            current,
            current_positions,
            memory[:cut],
            positions[:cut],
            memory[cut:],
            positions[cut:],
        )
        side = int(self.cosines.shape[0] ** 0.5)
        return out.transpose(1, 2).reshape(1, -1, side, side)


class PointerTimes(torch.nn.Module):
    """Ages of pointers -> their encoding."""

    def __init__(self, model: SAM2Base) -> None:
        super().__init__()
        self.model = model

    def forward(self, ages: torch.Tensor) -> torch.Tensor:
        """(P,) to (P, c)."""
        return self.model.obj_ptr_tpos_proj(get_1d_sine_pe(ages, dim=self.model.hidden_dim))


def save_graph(
    module: torch.nn.Module,
    path: Path,
    inputs: Mapping[str, torch.Tensor],
    outputs: Sequence[str],
    axes: Mapping[str, Mapping[int, str]] | None = None,
) -> None:
    """Write a module as a graph, with the names that a layout gives."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )


def export(model: SAM2Base, folder: Path, layout: str) -> list[Path]:
    """Write the graphs of a layout, and what is learned and in none of them.

    Parameters
    ----------
    model : SAM2Base
    folder : Path
    layout : {"V4", "V5"}

    Returns
    -------
    list of Path
        Graphs and JSON files.
    """
    five = layout == "V5"
    folder.mkdir(parents=True, exist_ok=True)
    side, grid = model.image_size, model.image_size // 16
    cells = grid * grid
    fine = torch.randn(1, 32, 4 * grid, 4 * grid)
    middle, coarse = torch.randn(1, 64, 2 * grid, 2 * grid), torch.randn(1, 256, grid, grid)
    extra = ["feats2_no_mem", "vision_pos_embed"] if five else ["pos0", "pos1", "pos2"]
    save_graph(
        VisionEncoder(model, five),
        folder / "vision_encoder.onnx",
        {"pixel_values": torch.randn(1, 3, side, side)},
        ["feats0", "feats1", "feats2", *extra],
    )
    open_points = {"input_points": {2: "points"}, "input_labels": {2: "points"}}
    answers = (
        ["low_res_mask", "high_res_mask", "iou", "object_score_logits", "object_pointer"]
        if five
        else ["pred_masks", "high_res_masks", "iou_scores", "object_score_logits", "object_pointer"]
    )
    save_graph(
        MaskDecoder(model),
        folder / "mask_decoder.onnx",
        {
            "feats0": fine,
            "feats1": middle,
            "feats2_cond" if five else "feats2": coarse,
            "input_points": torch.rand(1, 1, 2, 2) * side,
            "input_labels": torch.tensor([[[1, 0]]], dtype=torch.int32),
        },
        answers,
        open_points,
    )
    save_graph(
        MemoryEncoder(model),
        folder / "memory_encoder.onnx",
        {
            "feats2" if five else "vision_features": coarse,
            "high_res_mask" if five else "pred_masks_high_res": torch.randn(1, 1, side, side),
            "object_score_logits": torch.ones(1, 1),
            "binarize" if five else "is_mask_from_pts": torch.tensor(1.0)
            if five
            else torch.tensor([True]),
        },
        ["memory_tokens", "memory_pos" if five else "memory_pos_enc"],
    )
    now = {
        "current_vision_features": torch.randn(cells, 1, 256),
        "current_vision_position_embeddings": torch.randn(cells, 1, 256),
    }
    ages = model.maskmem_tpos_enc.detach().reshape(model.num_maskmem, -1)
    constants: dict[str, object] = {"memory_temporal_positional_encoding": ages.tolist()}
    pointer_tokens = POINTERS * 256 // model.mem_dim
    if five:
        rows = torch.randn(model.num_maskmem * cells + pointer_tokens, 1, model.mem_dim)
        save_graph(
            FixedMemoryAttention(model, pointer_tokens),
            folder / "memory_attention.onnx",
            {**now, "memory": rows, "memory_pos": rows},
            ["conditioned_feats"],
        )
        save_graph(
            PointerTimes(model),
            folder / "pointer_tpos.onnx",
            {"normalized_diffs": torch.rand(POINTERS)},
            ["pointer_pos"],
        )
    else:
        rows, free = torch.randn(2 * cells, 1, model.mem_dim), torch.randn(8, 1, model.mem_dim)
        names = ("spatial_memory", "pointer_memory")
        memory = {
            names[0]: rows,
            f"{names[0]}_position_embeddings": rows,
            names[1]: free,
            f"{names[1]}_position_embeddings": free,
        }
        save_graph(
            MemoryAttention(model),
            folder / "memory_attention.onnx",
            {**now, **memory},
            ["conditioned_features"],
            {name: {0: name.split("_")[0]} for name in memory},
        )
        layer = model.obj_ptr_tpos_proj
        projection = "temporal_positional_encoding_projection_layer"
        constants |= {
            "no_memory_embedding": model.no_mem_embed.detach().tolist(),
            f"{projection}.weight": layer.weight.detach().tolist(),
            f"{projection}.bias": layer.bias.detach().tolist(),
        }
    (folder / "constants.json").write_text(json.dumps(constants))
    return [*sorted(folder.glob("*.onnx")), folder / "constants.json"]
