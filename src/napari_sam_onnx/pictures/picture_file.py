"""A file -> an array whose axes have names, where the file names them.

TIFF (OME-TIFF, ImageJ hyperstacks, LSM, plain), the ordinary picture formats, OME-Zarr, and the
formats of microscopes for which bioio has a reader. What the file says about its axes and pixel
sizes is taken; what it does not say is left open, never guessed. What a file claims is compared
with what it holds before it is decoded.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.errors import logger
from napari_sam_onnx.pictures.contents import PictureFile, PictureFileError, check_room
from napari_sam_onnx.pictures.zarr_file import ZARR_SUFFIX, read_zarr

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from numpy.typing import NDArray

__all__ = [
    "SUFFIXES",
    "TIFF_SUFFIXES",
    "PictureFile",
    "PictureFileError",
    "is_folder",
    "load_picture",
    "read_picture",
]

TIFF_SUFFIXES = (".tif", ".tiff")
LSM_SUFFIXES = (".lsm",)
PLAIN_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")
BIO_SUFFIXES = (".czi", ".nd2", ".lif")
SUFFIXES = TIFF_SUFFIXES + LSM_SUFFIXES + PLAIN_SUFFIXES + BIO_SUFFIXES + (ZARR_SUFFIX,)

# What files of a kind begin with.
_BEGINNINGS: dict[str, bytes | tuple[bytes, ...]] = {
    **dict.fromkeys(TIFF_SUFFIXES + LSM_SUFFIXES, (b"II", b"MM", b"EP")),
    ".png": b"\x89PNG",
    **dict.fromkeys((".jpg", ".jpeg"), b"\xff\xd8"),
    ".bmp": b"BM",
}
_KINDS = {".tif": "TIFF file", ".tiff": "TIFF file", ".jpg": "JPEG file", ".jpeg": "JPEG file"}

# Pillow's names of the pixels that can be taken as they are.
_PLAIN_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "F", "RGB", "RGBA")

_pillow_lock = Lock()


def read_picture(path: str | PathLike[str]) -> PictureFile:
    """Read a picture or stack.

    Parameters
    ----------
    path : path
        A file with one of the suffixes in `SUFFIXES`.

    Raises
    ------
    PictureFileError
        If the file is missing, is no picture that can be read, or is damaged.
    """
    path = Path(path)
    if is_folder(path):
        raise PictureFileError(f"{path} is a folder; name a picture in it.")
    if not path.exists():
        raise PictureFileError(f"There is no file {path}.")
    if path.suffix.lower() not in SUFFIXES:
        raise PictureFileError(
            f"{path.name} is no picture that can be read; give one of {', '.join(SUFFIXES)}."
        )
    try:
        if path.suffix.lower() in TIFF_SUFFIXES + LSM_SUFFIXES:
            from napari_sam_onnx.pictures.tiff_file import read_tiff

            return read_tiff(path)
        if path.suffix.lower() in BIO_SUFFIXES:
            from napari_sam_onnx.pictures.bio_file import read_bio

            return read_bio(path)
        if path.suffix.lower() == ZARR_SUFFIX:
            return read_zarr(path)
        return _read_plain(path)
    except (PictureFileError, MemoryError):
        raise
    except Exception as error:  # decoders raise whatever a damaged file leads them to
        if "imagecodecs" in str(error):
            raise PictureFileError(
                f"{path.name} is compressed in a way that needs one more package: "
                "pip install imagecodecs."
            ) from error
        logger.info("%s cannot be read", path, exc_info=error)
        raise PictureFileError(
            f"{path.name} cannot be read: {_find_reason(path, error)}."
        ) from error


def _find_reason(path: Path, error: Exception) -> str:
    """Say why a file cannot be read, whatever the words of its decoder are."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    if isinstance(error, NotImplementedError) or "support" in str(error):
        return "it is written in a way that is not supported; save it in another one"
    kind = _KINDS.get(path.suffix.lower(), f"{path.suffix[1:].upper()} file")
    if path.is_dir():
        return "it is damaged, or was copied in part"
    with path.open("rb") as file:
        begun = file.read(8)
    if not begun:
        return "it is empty"
    if not begun.startswith(_BEGINNINGS.get(path.suffix.lower(), b"")):
        return f"it is no {kind}"
    return "it is damaged, or was copied in part"


def load_picture(path: str | PathLike[str]) -> NDArray[Any]:
    """Read all pixels of a picture, see `read_picture`.

    Raises
    ------
    PictureFileError
        If memory has no room for them, too.
    """
    import numpy as np

    array = read_picture(path).array
    if not isinstance(array, np.ndarray):
        check_room(Path(path), array.shape, int(array.nbytes))
    return np.asarray(array)


def is_folder(path: Path) -> bool:
    """Whether a path is a folder of files, and not one that is a picture itself."""
    return path.is_dir() and path.suffix.lower() != ZARR_SUFFIX


def list_pictures(folder: Path) -> list[Path]:
    """List the files of a folder that `read_picture` may read, by name, hidden ones left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES
        and (path.is_dir() if path.suffix.lower() == ZARR_SUFFIX else path.is_file())
        and not path.name.startswith(".")
    )


def _read_plain(path: Path) -> PictureFile:
    """Read PNG, JPEG or BMP: (H, W), or (H, W, 3 or 4) samples."""
    import numpy as np
    from PIL import Image

    with _of_any_size(Image), Image.open(path) as file:
        check_room(path, file.size[::-1], 4 * file.size[0] * file.size[1])
        if file.mode == "P":
            file = file.convert("RGBA" if "transparency" in file.info else "RGB")
        elif file.mode not in _PLAIN_MODES:
            file = file.convert("RGB")
        array = np.asarray(file)
    if array.ndim == 3 and array.shape[-1] == 2:  # gray and alpha: alpha says nothing here
        array = array[..., 0]
    colour = array.ndim == 3
    return PictureFile(array, "YXC" if colour else "YX", samples=colour)


@contextmanager
def _of_any_size(pillow: Any) -> Iterator[None]:
    """Let Pillow open a large picture: whether there is room for it is looked at here."""
    with _pillow_lock:
        most, pillow.MAX_IMAGE_PIXELS = pillow.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            pillow.MAX_IMAGE_PIXELS = most
