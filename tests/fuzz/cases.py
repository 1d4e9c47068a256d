"""What is tried: damaged pictures, models, cards and memory; words for options; paths; objects."""

from __future__ import annotations

import os
import random
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.fuzz.nonsense import damage, name, thing, word

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("picture", "truth", "option", "path", "model", "card", "memory", "object")

OPTIONS = (
    "--axes", "--channels", "--mode", "--link", "--threads", "--provider", "--model", "--decoder",
    "--boxes", "--preview", "--points-per-side", "--min-area", "--max-area", "--min-radius",
    "--max-radius", "--pred-iou-thresh", "--stability-score-thresh", "--tile-side",
    "--tile-overlap", "--points-per-batch", "--max-overlap", "--contrast", "--polarity",
    "--prompt", "--min-confidence", "--nonsense",
)  # fmt: skip


def prepare(folder: Path) -> None:
    """Write the sound files that cases damage."""
    import tifffile
    from PIL import Image

    from tests.fakes import draw_discs
    from tests.models.families import FAMILIES

    plane = draw_discs((40, 48), [(12, 12), (26, 34)], 6)
    stack = np.stack([plane, plane, plane])
    save = partial(tifffile.imwrite, photometric="minisblack")
    save(folder / "plain.tif", plane)
    save(folder / "zlib.tif", plane, compression="zlib", predictor=True)
    save(folder / "tiles.tif", plane, tile=(16, 16))
    save(folder / "ome.tif", stack, ome=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(
        folder / "ij.tif", stack.astype(np.uint16), imagej=True, metadata={"axes": "ZYX"}
    )
    save(folder / "big.tif", stack.astype(np.float32), bigtiff=True)
    picture = Image.fromarray(np.repeat(plane[..., None], 3, axis=2))
    for suffix in ("png", "jpg", "bmp"):
        picture.save(folder / f"rgb.{suffix}")
    picture.convert("P").save(folder / "palette.png")
    build_pair(folder, FAMILIES[0])


def warm_up() -> None:
    """Import what cases need, once for all of them; nothing here starts a thread."""
    from importlib import import_module

    for module in (
        "napari_sam_onnx.cli.app",
        "napari_sam_onnx.models.load",
        "napari_sam_onnx.models.check",
        "napari_sam_onnx.models.text.load_text",
        "napari_sam_onnx.models.text.detectors",
        "napari_sam_onnx.models.onnx.compile.graphs.factors",
        "napari_sam_onnx.prompting.compare",
        "napari_sam_onnx.stacks",
        "scipy.ndimage",
        "scipy.sparse.csgraph",
        "skimage.measure",
        "skimage.feature",
        "tests.fakes",
    ):
        import_module(module)


def build_pair(folder: Path, family: Any) -> None:
    """Write a small model, ``encoder.onnx`` and ``decoder.onnx``."""
    from tests.models.onnx_pairs import build_decoder, build_encoder

    build_encoder(folder / "encoder.onnx", family.encoder)
    build_decoder(folder / "decoder.onnx", family.decoder)


def act(seed: int, sound: Path, folder: Path) -> None:
    """Do one case; leaves by SystemExit as a command does, or returns."""
    rng = random.Random(seed)
    os.environ["NAPARI_SAM_ONNX_HOME"] = str(folder / "home")
    os.chdir(folder)
    kind = KINDS[seed % len(KINDS)]
    globals()[f"_try_{kind}"](rng, sound, folder)


def _run(*words: object) -> None:
    from napari_sam_onnx.cli import main

    main([str(w) for w in words])


def _pick(rng: random.Random, sound: Path, *suffixes: str) -> Path:
    return rng.choice(sorted(p for p in sound.iterdir() if p.suffix in suffixes))


def _damaged(rng: random.Random, sound: Path, folder: Path, *suffixes: str) -> Path:
    chosen = _pick(rng, sound, *suffixes)
    path = folder / chosen.name
    path.write_bytes(damage(rng, chosen.read_bytes()))
    return path


def _try_picture(rng: random.Random, sound: Path, folder: Path) -> None:
    path = _damaged(rng, sound, folder, ".tif", ".png", ".jpg", ".bmp")
    _run("segment", path, "-o", folder / "out.tif", "--mode", "blobs", "--threads", 1)


def _try_truth(rng: random.Random, sound: Path, folder: Path) -> None:
    path = _damaged(rng, sound, folder, ".tif", ".png")
    _run("evaluate", path, rng.choice((path, sound / "plain.tif")))


def _try_option(rng: random.Random, sound: Path, folder: Path) -> None:
    given: list[object] = []
    for option in rng.sample(OPTIONS, rng.choice((1, 1, 2, 3))):
        value = word(rng).replace("\0", "")
        given += [f"{option}={value}"] if rng.random() < 0.5 else [option, value]
    _run("segment", sound / "plain.tif", "-o", folder / "out.tif", *given)


def _try_path(rng: random.Random, sound: Path, folder: Path) -> None:
    source = folder / "in.tif"
    source.write_bytes((sound / "plain.tif").read_bytes())
    strange = rng.choice(("folder", "circle", "dangling", "below a file", "pipe", "name", "word"))
    path = folder / "strange.tif"
    if strange == "folder":
        path.mkdir()
    elif strange in ("circle", "dangling"):
        path.symlink_to(path if strange == "circle" else folder / "nothing" / "at all.tif")
    elif strange == "below a file":
        path = source / "x.tif"
    elif strange == "pipe":
        os.mkfifo(path)
    elif strange == "name":
        path = folder / name(rng)
    words: list[object] = ["segment", source, "-o", folder / "out.tif", "--mode=blobs", "--force"]
    place = rng.choice((1, 3))
    words[place] = word(rng) if strange == "word" else path
    if place == 1 and strange == "name":
        try:
            path.write_bytes(source.read_bytes())
        except OSError:
            pass
    _run(*words)


def _try_model(rng: random.Random, sound: Path, folder: Path) -> None:
    encoder, decoder = sound / "encoder.onnx", sound / "decoder.onnx"
    chosen = rng.choice((encoder, decoder))
    path = folder / chosen.name
    path.write_bytes(damage(rng, chosen.read_bytes()))
    pair = [path if p.name == path.name else p for p in (encoder, decoder)]
    if rng.random() < 0.3:
        _run("models", "add", *pair, "--id", "x")
    else:
        _run("models", "check", *pair, "--time-limit", 5)


CARD = b"""[[model]]
id = "mine"
name = "Mine"
files = [{ role = "model", name = "a.onnx", path = "/nowhere/a.onnx", size = 12 }]
[model.overrides]
size = [1024, 1024]
"""


def _try_card(rng: random.Random, sound: Path, folder: Path) -> None:
    cards = folder / "home" / "cards"
    cards.mkdir(parents=True)
    for number in range(2):
        (cards / f"{number}.toml").write_bytes(damage(rng, CARD))
    from napari_sam_onnx.models.store.catalog import read_catalogue

    assert any(card.id == "pebble" for card in read_catalogue().cards)
    _run(
        "models", *rng.choice((("list",), ("info", "mine"), ("clean", "--yes"), ("check", "mine")))
    )


MEMORY = b'{"files": {"/a": {"size": 1, "mtime_ns": 1, "ctime_ns": 1, "sha256": "00"}}, "pins": {}}'
SPEEDS = b'{"pebble": {"encode_ms": 10.0, "decode_ms": 1.5, "runs_on": "cpu"}}'


def _try_memory(rng: random.Random, sound: Path, folder: Path) -> None:
    from napari_sam_onnx.cache import DiskCache
    from napari_sam_onnx.cache.disk import pack
    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.models.store.integrity import sha256_of
    from napari_sam_onnx.models.store.speed import read_speeds

    home = folder / "home"
    home.mkdir()
    (home / "hashes.json").write_bytes(damage(rng, MEMORY))
    (home / "speeds.json").write_bytes(damage(rng, SPEEDS))
    read_speeds()
    assert len(sha256_of(sound / "plain.tif")) == 64
    embedding = Embedding({"x": np.arange(50.0)}, (3, 4), (3, 4), "m")
    content = pack(embedding)
    hurt = damage(rng, content)
    (home / f"{'0' * 32}.embedding").write_bytes(hurt)
    found = DiskCache(home).get("0" * 32)
    assert (found is None) == (hurt != content)


def _try_object(rng: random.Random, sound: Path, folder: Path) -> None:
    """Hand the Python API objects of the wrong kind: an answer, or an error that is a sentence."""
    import napari_sam_onnx as nso
    from napari_sam_onnx.errors import UserError
    from tests.fakes import ComponentModel

    image, model = np.zeros((20, 30), np.uint8), ComponentModel()
    image[5:12, 5:15] = 255

    def set_and_ask(image: Any, **asked: Any) -> Any:
        segmenter = nso.Segmenter(model)
        segmenter.set_image(image)
        return segmenter.segment(**asked)

    one = thing(rng)
    calls = (
        lambda: nso.load_model(one),
        lambda: nso.load_text_model(one),
        lambda: nso.load_detector(one),
        lambda: nso.load_model("pebble", threads=one),
        lambda: nso.load_model("pebble", provider=one),
        lambda: nso.to_rgb(one),
        lambda: nso.to_rgb(image, axes=one),
        lambda: nso.to_rgb(image, channels=one),
        lambda: set_and_ask(one, points=[(8, 8)]),
        lambda: set_and_ask(image, points=one),
        lambda: set_and_ask(image, points=[(8, 8)], labels=one),
        lambda: set_and_ask(image, box=one),
        lambda: set_and_ask(image, points=[(8, 8)], mask=one),
        lambda: nso.generate_masks(image, one),
        lambda: nso.generate_masks(one, model),
        lambda: nso.automask(image, model, one),
        lambda: nso.automask(image, model, "boxes", boxes=one),
        lambda: nso.automask(image, model, "objects", min_area=one),
        lambda: nso.automask_stack(one, model, axes="ZYX"),
        lambda: nso.automask_stack(np.stack([image] * 2), model, axes=one),
        lambda: nso.automask_stack(np.stack([image] * 2), model, axes="ZYX", link=one),
        lambda: nso.automask_stack(np.stack([image] * 2), model, axes="ZYX", out=one),
        lambda: nso.compare_models(nso.to_rgb(image), one, [model]),
        lambda: nso.ensemble(one),
    )
    call = rng.choice(calls)
    try:
        call()
    except UserError as error:
        assert str(error).strip(), "an empty sentence"
        assert "\n" not in str(error)
    except MemoryError:
        pass
