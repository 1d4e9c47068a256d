"""Classes of a label image as they are seen: as colours, and as text beside the objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from napari_sam_onnx.plugin.layers.classes import ClassTexts, color_classes, uncolor
from napari_sam_onnx.plugin.layers.prompts import insert_under_prompts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari.layers import Labels

    from napari_sam_onnx.labels.classes import ObjectClass
    from napari_sam_onnx.plugin.session.session import Session

Shown = Literal["nothing", "colors", "text", "both"]


class ClassView:
    """Colours the objects of one label image at a time by their class, or names it beside them.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._colored: tuple[Any, ...] = ()
        self._texts: ClassTexts | None = None

    def show(
        self,
        layer: Labels | None,
        named: Mapping[int, str],
        listed: Sequence[ObjectClass],
        shown: Shown,
    ) -> None:
        """Show the classes of a label image; those of the one before are not shown any more.

        Parameters
        ----------
        layer : napari Labels layer or None
        named : mapping of int to str
            The class of each object that has one.
        listed : sequence of ObjectClass
        shown : str
            As what.
        """
        if layer is not None:
            self._color(layer, named, tuple(listed) if shown in ("colors", "both") else ())
        self._write(layer if named and shown in ("text", "both") else None, listed)

    def close(self) -> None:
        """Take what was written on the objects away; their colours stay."""
        texts, self._texts = self._texts, None
        layers = self._session.viewer.layers
        if texts is not None and texts.layer in layers:
            layers.remove(texts.layer)

    def _color(
        self, layer: Labels, named: Mapping[int, str], listed: tuple[ObjectClass, ...]
    ) -> None:
        wanted = listed if named else ()
        state = (layer, wanted, named)
        if state == self._colored:
            return
        old = self._colored[0] if self._colored else None
        if old is not None and (old is not layer or not wanted):
            uncolor(old)
        if wanted:
            color_classes(layer, wanted)
        self._colored = state

    def _write(self, layer: Labels | None, listed: Sequence[ObjectClass]) -> None:
        session, plane = self._session, self._session.plane
        if layer is None or plane is None:
            self.close()
            return
        if self._texts is not None and self._texts.labels is not layer:
            self.close()
        if self._texts is None or self._texts.layer not in session.viewer.layers:
            self._texts = ClassTexts(layer)
            insert_under_prompts(session.viewer, session.layers, self._texts.layer)
        left = self._texts.show(plane, listed)
        if left:
            session.say(f"{left:,} objects are shown without the text of their class.")
