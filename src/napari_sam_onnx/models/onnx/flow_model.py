"""Networks of the Cellpose family: tiles of a plane -> the plane's flow field.

One graph, no prompts: ``(B, 3, S, S)`` in, ``(B, 3, S, S)`` out, flow along y, flow along x and
the logit of the cell probability. Tiles overlap and are blended with tapered edges. An embedding
of such a model is the flow field, so that it is kept like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy

from napari_sam_onnx.embedding import Embedding
from napari_sam_onnx.generators import drive
from napari_sam_onnx.masks.flows import FlowField
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.contracts.rows import FLOWS_CONTRACT
from napari_sam_onnx.models.onnx.framing.preprocess import check_plane

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import LowResMasks, Proposals
    from napari_sam_onnx.models.onnx.sessions.runtime import Session
    from napari_sam_onnx.prompts import Prompts

PERCENTILES = (1.0, 99.0)
"""Of each channel, mapped to 0 and 1."""

TILE_OVERLAP = 0.1
TAPER = 7.5, 20.0
"""Width of the taper, and how far inside the edge a tile counts half; pixels."""

_OPEN_SIDE = 256  # of graphs that take tiles of any side: what the networks were trained on


def is_flow_network(session: Session) -> bool:
    """Whether a graph is a network of this family: a tile in, three maps of its size out."""
    if len(session.inputs) != 1 or not session.outputs:
        return False
    tile, maps = session.inputs[0].shape, session.outputs[0].shape
    return (
        len(tile) == len(maps) == 4
        and tile[1] == maps[1] == 3
        and tile[2:] == maps[2:]
        and session.inputs[0].dtype.startswith("float")
    )


class FlowModel:
    """A network that sees all cells at once and answers no prompts.

    Parameters
    ----------
    session : Session
        The graph, see `is_flow_network`.
    model_id : str
        Identifies the weights.
    name : str
        What users call the model.
    """

    def __init__(self, session: Session, *, model_id: str, name: str = "") -> None:
        self._session = session
        self._id = model_id
        self.name = name or model_id
        self.findings: tuple[str, ...] = ()
        self._side = int(session.inputs[0].shape[2] or _OPEN_SIDE)

    @property
    def id(self) -> str:
        """Identifies the weights, not only the name: equal ids give equal embeddings."""
        return self._id

    @property
    def takes_points(self) -> bool:
        """False: it answers no prompts."""
        return False

    @property
    def gives_maps(self) -> bool:
        """False: its flows are asked for by themselves, see `flows`."""
        return False

    @property
    def contract_name(self) -> str:
        """The letter of the family, see docs/contracts.md."""
        return FLOWS_CONTRACT

    @property
    def description(self) -> str:
        """The contract, and where the graph runs and why."""
        runs = self._session.description
        return f"{self.name}: contract {FLOWS_CONTRACT} (flows); network on {runs}"

    @property
    def runs_on(self) -> str:
        """Where the graph runs now, in short, such as ``cpu, 2 threads``."""
        threads = self._session.threads
        return f"{self._session.provider}, {threads} thread{'s' * (threads != 1)}"

    def encode(self, image: NDArray[np.uint8]) -> Embedding:
        """Compute the flow field of a plane; see `iterate_encode`."""
        return drive(self.iterate_encode(image))

    def iterate_encode(
        self, image: NDArray[np.uint8]
    ) -> Generator[tuple[int, int], None, Embedding]:
        """Compute the flow field of a plane, tile by tile.

        Parameters
        ----------
        image : (H, W, 3) uint8
            RGB. Of a gray picture the network sees one channel, as in the authors' program.

        Yields
        ------
        done, total : int
            Tiles.

        Returns
        -------
        Embedding
            The generator's value; `field_of` reads it.

        Raises
        ------
        ModelError
            If the picture has another shape or type, or the network fails.
        """
        check_plane(image)
        maps = yield from self.iterate_maps(self.normalise(np.moveaxis(image, -1, 0)))
        shape = (image.shape[0], image.shape[1])
        return Embedding({"flow": maps[:2], "cell": maps[2]}, shape, shape, self._id)

    def normalise(self, channels: NDArray[np.generic]) -> NDArray[np.float32]:
        """Stretch each channel of a picture or a volume between its percentiles.

        Parameters
        ----------
        channels : (3, …) array

        Returns
        -------
        (3, …) float32
            About 0 to 1; of what is gray the second and the third are 0.
        """
        return _normalise(channels)

    def iterate_maps(
        self, channels: NDArray[np.float32]
    ) -> Generator[tuple[int, int], None, NDArray[np.float32]]:
        """Run the network over a plane that is normalised already, tile by tile.

        Parameters
        ----------
        channels : (3, H, W) float32

        Yields
        ------
        done, total : int
            Tiles.

        Returns
        -------
        (3, H, W) float32
            The generator's value: flow along y and x, and the logit of the cell probability.
        """
        shape = channels.shape[1:]
        missing = [max(0, self._side - size) for size in shape]
        channels = np.pad(channels, ((0, 0), (0, missing[0]), (0, missing[1])))
        tiles = [(y, x) for y in self._starts(shape[0]) for x in self._starts(shape[1])]
        maps = np.zeros(channels.shape, np.float32)
        weights = np.zeros(channels.shape[1:], np.float32)
        taper = _taper(self._side)
        feed, output = self._session.inputs[0].name, self._session.outputs[0].name
        for number, (y, x) in enumerate(tiles):
            yield number, len(tiles)
            where = slice(y, y + self._side), slice(x, x + self._side)
            tile, last = channels[None, :, *where], number == len(tiles) - 1
            answer = self._session.run({feed: tile}, [output], release=last)[output]
            if answer.shape != (1, 3, self._side, self._side):
                raise ModelError(
                    f"{self.name} gave maps of shape {answer.shape} for a tile of side "
                    f"{self._side}; this is no network of the Cellpose family."
                )
            maps[:, *where] += answer[0].astype(np.float32) * taper
            weights[where] += taper
        whole = (maps / weights)[:, : shape[0], : shape[1]]
        return np.ascontiguousarray(whole, np.float32)

    def field_of(self, embedding: Embedding) -> FlowField:
        """Read the flow field that an embedding holds."""
        return FlowField(
            np.asarray(embedding.tensors["flow"], np.float32),
            np.asarray(embedding.tensors["cell"], np.float32),
        )

    def decode(self, embedding: Embedding, prompts: Sequence[Prompts]) -> LowResMasks:
        """Refuse: these networks take no prompts.

        Raises
        ------
        ModelError
            Always.
        """
        raise ModelError(
            f"{self.name} answers no clicks and boxes: it finds all cells by itself (mode "
            "'flows'). Correct its labels with another model, such as pebble."
        )

    def propose(self, embedding: Embedding) -> Proposals | None:
        """Return None: the objects are in the flow field."""
        return None

    def warm_up(self) -> None:
        """Run one empty tile, so that the first plane is not slower than the others."""
        session = self._session
        tile = np.zeros((1, 3, self._side, self._side), np.float32)
        session.run({session.inputs[0].name: tile})

    def close(self) -> None:
        """Free the network's memory."""
        self._session.close()

    def _starts(self, size: int) -> list[int]:
        """Where tiles begin along one axis, the authors' spacing."""
        if size <= self._side:
            return [0]
        count = int(np.ceil((1 + 2 * TILE_OVERLAP) * size / self._side))
        return [int(start) for start in np.linspace(0, size - self._side, count)]


def _normalise(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """Stretch each channel between its percentiles; ``(3, …)`` float32, about 0 to 1."""
    channels = np.zeros(values.shape, np.float32)
    gray = bool((values == values[:1]).all())
    for number in range(1 if gray else 3):
        channel = np.asarray(values[number], np.float32)
        low, high = np.percentile(channel, PERCENTILES)
        if high - low > 1e-3:
            channels[number] = (channel - np.float32(low)) / np.float32(high - low)
    return channels


def _taper(side: int) -> NDArray[np.float32]:
    """Weights of a tile's pixels: 1 in the middle, falling towards the edges."""
    width, inside = TAPER
    from_middle = np.abs(np.arange(side) - (side - 1) / 2)
    weights = scipy.special.expit((side / 2 - inside - from_middle) / width)
    return np.outer(weights, weights).astype(np.float32)
