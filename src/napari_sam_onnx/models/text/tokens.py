"""From words to the numbers that a language encoder takes.

The rules and the vocabulary lie in a ``tokenizer.json`` that comes with the model's files;
the library `tokenizers` reads it. Text that does not fit is refused, never cut. Why it is
done this way: ``docs/adr/0004-text-tokens.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.prompts import PromptError

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class TokenRule:
    """The marks that a language encoder expects around a text.

    Parameters
    ----------
    name : str
        The language encoder, for messages.
    start, end : str
        The marks as they stand in the vocabulary.
    source : str
        A public page that offers the file.
    """

    name: str
    start: str
    end: str
    source: str


CLIP = TokenRule(
    "CLIP",
    "<|startoftext|>",
    "<|endoftext|>",
    "https://huggingface.co/openai/clip-vit-base-patch32",
)
BERT = TokenRule(
    "BERT", "[CLS]", "[SEP]", "https://huggingface.co/onnx-community/grounding-dino-tiny-ONNX"
)


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """A text as a language encoder takes it.

    Parameters
    ----------
    ids : (1, L) int64
        Start mark, words, end mark, padding.
    mask : (1, L) int64
        1 where `ids` is not padding.
    """

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]


class TextTokenizer:
    """Turns text into tokens by the rules in a ``tokenizer.json``.

    Parameters
    ----------
    path : Path
        The file.
    rule : TokenRule
        Which language encoder it must be for.

    Raises
    ------
    ModelError
        If the library or the file is missing, or the file is for another language encoder.
    """

    def __init__(self, path: str | Path, rule: TokenRule) -> None:
        path = Path(path)
        self._tokenizer = _read(path)
        self.rule = rule
        marks = [self._tokenizer.token_to_id(mark) for mark in (rule.start, rule.end)]
        if None in marks:
            raise ModelError(
                f"{path} is no tokenizer for {rule.name}: it does not know {rule.start} and "
                f"{rule.end}; take the file from {rule.source}."
            )
        self.start, self.end = marks

    def encode(self, text: str, most: int, *, length: int | None = None, pad: int = 0) -> Tokens:
        """Turn a text into tokens.

        Parameters
        ----------
        text : str
            Case and surplus spaces do not matter.
        most : int
            Tokens that the language encoder reads, both marks included.
        length : int, optional
            Tokens to fill up to; none are added where omitted.
        pad : int
            The token to fill up with.

        Raises
        ------
        PromptError
            If the text is empty, too long, or holds nothing the vocabulary knows.
        """
        clean = " ".join(text.lower().split())
        words = self._tokenizer.encode(clean, add_special_tokens=False).ids
        if not words:
            raise PromptError("The text is empty; write what to look for, such as nucleus.")
        if len(words) + 2 > most:
            raise PromptError(
                f"The text has {len(words)} tokens and the model reads {most - 2}; shorten it."
            )
        ids = [self.start, *words, self.end]
        missing = max(0, (length or 0) - len(ids))
        mask = [1] * len(ids) + [0] * missing
        return Tokens(
            np.array([ids + [pad] * missing], np.int64),
            np.array([mask], np.int64),
        )


def find_tokenizer(graph: Path, rule: TokenRule) -> Path:
    """Find the ``tokenizer.json`` of a graph: beside it, or one folder up.

    Hugging Face keeps graphs in a folder ``onnx`` below the tokenizer's.

    Raises
    ------
    ModelError
        If there is none.
    """
    for folder in (graph.parent, graph.parent.parent):
        path = folder / TOKENIZER_FILE
        if path.is_file():
            return path
    raise ModelError(
        f"{graph.name} reads text and needs the {TOKENIZER_FILE} of {rule.name}, which is not "
        f"beside it; put it there, for example from {rule.source}."
    )


def _read(path: Path) -> Any:
    """Read a tokenizer, without the cutting and filling up that the file may ask for."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise ModelError(
            "Text prompts need the package tokenizers; install napari-sam-onnx[text]."
        ) from error
    if not path.is_file():
        raise ModelError(f"There is no file {str(path)!r}; check the path of the tokenizer.")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise ModelError(
            f"{path} is not a tokenizer that can be read; get the file again ({error})."
        ) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
