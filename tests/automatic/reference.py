"""SAM's automatic mask generator written down plainly: whole planes, loops, no shortcuts.

Everything is in plane coordinates (y, x); boxes are (y0, x0, y1, x1) with both corners inclusive.
It shares no code with the package but the upscaling of the logits, which is the runner's choice.
"""

import math

import numpy as np
from scipy import ndimage

from napari_sam_onnx.masks.upscale import upscale_region
from napari_sam_onnx.prompts import Prompts


def generate(rgb, model, p):
    """Records in the reference's order: dicts of mask, iou, stability, point, crop, box."""
    height, width = rgb.shape[:2]
    everything = []
    crops = crop_boxes(height, width, p.crop_n_layers, p.crop_overlap_ratio)
    for layer, crop in crops:
        records = search(rgb, model, p, layer, crop)
        keep = nms([r["box"] for r in records], [r["iou"] for r in records], p.box_nms_thresh)
        everything += [records[i] for i in keep]
    if len(crops) > 1:
        scores = [1 / ((c[2] - c[0]) * (c[3] - c[1])) for c in (r["crop"] for r in everything)]
        keep = nms([r["box"] for r in everything], scores, p.crop_nms_thresh)
        everything = [everything[i] for i in keep]
    if p.min_mask_region_area > 0:
        everything = postprocess(everything, p)
    return everything


def crop_boxes(height, width, layers, ratio):
    boxes = [(0, (0, 0, height, width))]
    for i in range(layers):
        k = 2 ** (i + 1)
        overlap = int(ratio * min(height, width) * (2 / k))
        crop_h = math.ceil((overlap * (k - 1) + height) / k)
        crop_w = math.ceil((overlap * (k - 1) + width) / k)
        for x0 in [int((crop_w - overlap) * j) for j in range(k)]:
            for y0 in [int((crop_h - overlap) * j) for j in range(k)]:
                box = (y0, x0, min(y0 + crop_h, height), min(x0 + crop_w, width))
                boxes.append((i + 1, box))
    return boxes


def search(rgb, model, p, layer, crop):
    y0, x0, y1, x1 = crop
    height, width = rgb.shape[:2]
    crop_h, crop_w = y1 - y0, x1 - x0
    embedding = model.encode(np.ascontiguousarray(rgb[y0:y1, x0:x1]))
    n = int(p.points_per_side / p.crop_n_points_downscale_factor**layer)
    records = []
    for row in range(n):
        for column in range(n):
            y = (1 / (2 * n) + row / n) * crop_h
            x = (1 / (2 * n) + column / n) * crop_w
            answer = model.decode(embedding, [Prompts(np.array([[y, x]]), np.array([1]))])
            for candidate in answer.ambiguity_set:
                iou = float(answer.predicted_iou[0, candidate])
                if p.pred_iou_thresh > 0 and not iou > np.float32(p.pred_iou_thresh):
                    continue
                logits = whole_plane(answer.mask(0, candidate), (crop_h, crop_w))
                with np.errstate(invalid="ignore", divide="ignore"):
                    stability = np.float64((logits > p.stability_score_offset).sum()) / np.float64(
                        (logits > -p.stability_score_offset).sum()
                    )
                if p.stability_score_thresh > 0 and not stability >= p.stability_score_thresh:
                    continue
                binary = logits > 0
                box = np.add(box_of(binary), (y0, x0, y0, x0))
                if near_edge(box, crop, (0, 0, height, width)):
                    continue
                plane = np.zeros((height, width), bool)
                plane[y0:y1, x0:x1] = binary
                records.append(
                    {
                        "mask": plane,
                        "iou": iou,
                        "stability": stability,
                        "point": (y + y0, x + x0),
                        "crop": crop,
                        "box": tuple(int(v) for v in box),
                    }
                )
    return records


def whole_plane(low_res, shape):
    """Logits on every pixel; -inf where no pixel can exceed -100."""
    (top, left), region = upscale_region(low_res, shape, -100.0)
    plane = np.full(shape, -np.inf)
    plane[top : top + region.shape[0], left : left + region.shape[1]] = region
    return plane


def box_of(binary):
    if not binary.any():
        return (0, 0, 0, 0)
    rows, columns = np.nonzero(binary)
    return (rows.min(), columns.min(), rows.max(), columns.max())


def near_edge(box, crop, image):
    return any(
        abs(b - c) <= 20 and not abs(b - i) <= 20 for b, c, i in zip(box, crop, image, strict=True)
    )


def nms(boxes, scores, threshold):
    """Torchvision's: greedy, strictly greater suppresses, areas without + 1."""
    left = sorted(range(len(boxes)), key=lambda i: -scores[i])
    keep = []
    while left:
        best = left.pop(0)
        keep.append(best)
        left = [i for i in left if not box_iou(boxes[best], boxes[i]) > threshold]
    return keep


def box_iou(a, b):
    high = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    wide = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - high * wide
    return high * wide / union if union else float("nan")


def postprocess(records, p):
    new, scores = [], []
    for record in records:
        mask, holes = drop_small(record["mask"], p.min_mask_region_area, "holes")
        mask, islands = drop_small(mask, p.min_mask_region_area, "islands")
        new.append(mask)
        scores.append(0.0 if holes or islands else 1.0)
    keep = nms([box_of(mask) for mask in new], scores, max(p.box_nms_thresh, p.crop_nms_thresh))
    out = []
    for i in keep:
        record = dict(records[i])
        if scores[i] == 0.0:
            record["mask"] = new[i]
            record["box"] = tuple(int(v) for v in box_of(new[i]))
        out.append(record)
    return out


def drop_small(mask, area, mode):
    holes = mode == "holes"
    regions, count = ndimage.label(mask ^ holes, structure=np.ones((3, 3)))
    sizes = [int((regions == i).sum()) for i in range(1, count + 1)]
    small = [i + 1 for i, size in enumerate(sizes) if size < area]
    if not small:
        return mask, False
    fill = [0, *small]
    if not holes:
        fill = [i for i in range(count + 1) if i not in fill]
        if not fill:
            fill = [1 + int(np.argmax(sizes))]
    return np.isin(regions, fill) if not holes else mask | np.isin(regions, small), True
