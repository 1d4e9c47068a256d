"""TIFF and LSM files: read when what they claim is what they hold, else refused."""

from __future__ import annotations

import re
import shutil
import tempfile
from itertools import islice
from math import prod
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.memory import format_bytes, free_memory
from napari_sam_onnx.pictures.contents import MICROMETRES, PictureFile, PictureFileError
from napari_sam_onnx.pictures.image import AXES
from napari_sam_onnx.pictures.parts import EXTRA, open_parts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import tifffile

# Compressed files larger than this are unpacked into a temporary file instead of memory.
MEMORY_BYTES = 2**30
# The most that one byte can stand for, by TIFF's number of the compression.
_MOST = {1: 1, 5: 2731, 8: 1032, 32773: 64, 32946: 1032}
# Denser than any print or screen is told to be (1200 per inch): a microscope's pixel size.
_DOTS_PER_MICROMETRE = 1200 / 25400


def read_tiff(path: Path) -> PictureFile:
    """Read the first picture of a TIFF or LSM file, at its full resolution.

    Raises
    ------
    PictureFileError
        If pixels are missing, or there is no room for them.
    """
    import tifffile

    with tifffile.TiffFile(path) as file:
        if not file.series:
            raise ValueError("the file holds no picture")
        series = file.series[0]
        _check_pages(path, file, series)
        axes, squeezed = _name_axes(series.axes, series.shape)
        if series.dataoffset is not None and series.nbytes:
            array: Any = tifffile.memmap(path, series=0, mode="r")
        else:
            array = _unpack(path, series)
        others = 0 if file.is_lsm else len(file.series) - 1  # the second of an LSM: thumbnails
        return PictureFile(
            array.reshape(squeezed), axes, _read_pixel_size(file), others, "S" in series.axes
        )


def _check_pages(path: Path, file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> None:
    """Compare what the file says about its pixels with what it holds of them."""
    if not series.nbytes:
        return
    if series.dataoffset is not None:  # one run of bytes, whatever the single pages say
        if series.dataoffset + series.nbytes > file.filehandle.size:
            raise PictureFileError(
                f"{path.name} is damaged or was copied in part: it says that it holds "
                f"{format_bytes(series.nbytes)} of pixels, and the file has "
                f"{format_bytes(file.filehandle.size)}."
            )
        return
    pages = list(series.pages)
    missing = sum(page is None for page in pages)
    if missing:
        raise PictureFileError(
            f"{path.name} lacks {missing} of its {len(pages)} planes{_name_missing(path, file)}."
        )
    for page in pages:
        _check_segments(path, page)


def _check_segments(path: Path, page: tifffile.TiffPage | tifffile.TiffFrame) -> None:
    """Refuse a page whose strips or tiles are missing, cut off, or too few for its pixels."""
    wanted = prod(page.chunked)
    held = [
        count
        for start, count in zip(page.dataoffsets, page.databytecounts, strict=False)
        if start and count
    ]
    if len(held) < wanted:
        raise PictureFileError(
            f"{path.name} is damaged or incomplete: {wanted - len(held)} of the {wanted} strips or "
            "tiles of a plane hold no data."
        )
    size = page.parent.filehandle.size
    ends = zip(islice(page.dataoffsets, wanted), page.databytecounts, strict=False)
    if any(start + count > size for start, count in ends):
        raise PictureFileError(
            f"{path.name} is damaged or was copied in part: its pixels reach beyond its end."
        )
    most = _MOST.get(int(page.compression))
    if most is not None and page.nbytes > most * sum(held):
        raise PictureFileError(
            f"{path.name} is damaged: it says that a plane is "
            f"{' × '.join(map(str, page.shape))}, and holds {format_bytes(sum(held))} for it."
        )


def _name_missing(path: Path, file: tifffile.TiffFile) -> str:
    """Name the files that an OME-TIFF speaks of and that do not lie beside it."""
    named = set(re.findall(r'FileName="([^"]+)"', file.ome_metadata or ""))
    absent = sorted(name for name in named if not (path.parent / name).exists())
    if not absent:
        return ""
    shown = ", ".join(absent[:3]) + (" …" if len(absent) > 3 else "")
    return f"; put {shown} into its folder"


def _unpack(path: Path, series: tifffile.TiffPageSeries) -> Any:
    """Read a compressed picture: into memory, into a temporary file, or part by part when asked.

    Raises
    ------
    PictureFileError
        If there is no room for it, and nothing that reads it part by part.
    """
    if series.nbytes > MEMORY_BYTES:
        free, where = shutil.disk_usage(tempfile.gettempdir()).free, "for temporary files"
    else:
        free, where = free_memory(), "in memory"
    if series.nbytes <= free:
        return series.asarray(out="memmap" if series.nbytes > MEMORY_BYTES else None)
    try:
        import tifffile
        import zarr

        store = tifffile.imread(path, aszarr=True, series=0, level=0)
        return open_parts(zarr.open(store, mode="r"), path, store.close)
    except (ImportError, TypeError, ValueError) as error:  # none, or one unknown to tifffile
        raise PictureFileError(
            f"{path.name} unpacks to {format_bytes(series.nbytes)} "
            f"({' × '.join(map(str, series.shape))}), and {format_bytes(free)} are free {where}; "
            f"to read it in parts: {EXTRA}. Or save it uncompressed."
        ) from error


def _name_axes(axes: str, shape: tuple[int, ...]) -> tuple[str | None, tuple[int, ...]]:
    """Translate tifffile's axes to ours; dimensions of length 1 that have no name are dropped.

    Returns
    -------
    axes : str or None
        None where a dimension that is longer than 1 has no name among ours.
    shape : tuple of int
        The dimensions that are kept.
    """
    if "S" in axes and "C" not in axes:  # samples per pixel are channels: RGB
        axes = axes.replace("S", "C")
    kept = [(a, n) for a, n in zip(axes, shape, strict=True) if a in AXES or n != 1]
    named = "".join(a for a, _ in kept)
    known = not set(named) - set(AXES) and len(set(named)) == len(named)
    return (named if known else None), tuple(n for _, n in kept)


def _read_pixel_size(file: tifffile.TiffFile) -> dict[str, float]:
    """Micrometres by axis, as far as the file says."""
    if file.is_lsm and file.lsm_metadata:
        sizes = {axis: float(file.lsm_metadata.get(f"VoxelSize{axis}", 0)) * 1e6 for axis in "ZYX"}
        return {axis: size for axis, size in sizes.items() if size > 0}
    if file.is_ome and file.ome_metadata:
        return _read_ome_size(file.ome_metadata)
    if file.imagej_metadata:
        return _read_imagej_size(file)
    return _read_plain_size(file)


def _read_ome_size(text: str) -> dict[str, float]:
    import tifffile

    sizes: dict[str, float] = {}
    image = tifffile.xml2dict(text)["OME"]["Image"]
    pixels: Mapping[str, Any] = (image[0] if isinstance(image, list) else image)["Pixels"]
    for axis in "ZYX":
        unit = MICROMETRES.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
        if unit and (size := pixels.get(f"PhysicalSize{axis}")):
            sizes[axis] = float(size) * unit
    return sizes


def _read_imagej_size(file: tifffile.TiffFile) -> dict[str, float]:
    sizes: dict[str, float] = {}
    metadata = file.imagej_metadata or {}
    unit = MICROMETRES.get(str(metadata.get("unit", "")).replace("\\u00B5", "µ"))
    if not unit:
        return sizes
    if spacing := metadata.get("spacing"):
        sizes["Z"] = float(spacing) * unit
    return sizes | {axis: unit / dots for axis, dots in _read_dots(file).items()}


def _read_plain_size(file: tifffile.TiffFile) -> dict[str, float]:
    """Read the resolution of a plain TIFF; that of prints and screens says nothing."""
    units = {2: 25_400.0, 3: 10_000.0}  # micrometres in an inch, in a centimetre
    unit = units.get(int(file.pages[0].tags.valueof("ResolutionUnit", 0) or 0))
    if unit is None:
        return {}
    dots = _read_dots(file)
    return {a: unit / n for a, n in dots.items() if n / unit > _DOTS_PER_MICROMETRE}


def _read_dots(file: tifffile.TiffFile) -> dict[str, float]:
    """Pixels per unit along Y and X, as far as the file says."""
    dots: dict[str, float] = {}
    for axis, name in (("Y", "YResolution"), ("X", "XResolution")):
        count, length = file.pages[0].tags.valueof(name, (0, 1))
        if count and length:
            dots[axis] = count / length
    return dots
