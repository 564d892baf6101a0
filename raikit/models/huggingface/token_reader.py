"""Texts that are divided into tokens by their data: which of a tokenizer's pieces stands for each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from raikit.errors import ModelError, raised
from raikit.format import count
from raikit.models.huggingface.quiet import is_panic
from raikit.models.huggingface.readers import TextReader
from raikit.models.positions import Tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raikit.data.batch import Batch
    from raikit.data.dataset import Dataset

_AT_ONCE = 1024  # texts whose sizes are counted together


def wholes(batch: Batch) -> tuple[Batch, np.ndarray]:
    """Return one case of each text, or of each case that may have several labels, and which of them each case of a batch is."""
    assert batch.whole is not None
    _, first, back = np.unique(batch.whole, return_index=True, return_inverse=True)
    return batch.take(first.tolist()), back.reshape(-1)


@dataclass
class TokenReader(TextReader):
    """The text of each token, through a fast tokenizer. A token is scored at its first piece, as is usual."""

    def _tokenize(self, batch: Batch) -> Any:
        """Return the pieces of each case's text; a text that several cases share is read once."""
        own, back = wholes(batch)
        pieces = self._pieces(self._words(own))
        return {name: pieces[name][back] for name in pieces}

    def _words(self, batch: Batch) -> list[list[str]]:
        return [list(map(str, words or ())) for words in batch.inputs[self.inputs[0]]]

    def _pieces(self, texts: list[list[str]]) -> Any:
        """Tokenize lists of words; a word of which nothing is left, such as an unprintable sign, is an unknown one."""
        pieces = self._call(texts)
        blank = [self._vanished(pieces, row, len(words)) for row, words in enumerate(texts)]
        if any(blank):
            unknown = self.tokenizer.unk_token or self.tokenizer.pad_token
            pieces = self._call([
                [unknown if number in gone else word for number, word in enumerate(words)]
                for words, gone in zip(texts, blank, strict=True)
            ])
        return pieces

    def _call(self, texts: list[list[str]], **settings: Any) -> Any:
        cut = {"truncation": True, "max_length": self.most_tokens, "padding": True, "padding_side": "right", "return_tensors": "pt"}
        try:
            return self.tokenizer(
                texts, is_split_into_words=True, return_offsets_mapping=True, return_attention_mask=True, **(cut | settings)
            )
        except BaseException as error:
            if not (isinstance(error, Exception) or is_panic(error)):
                raise
            raise ModelError(f"the tokenizer cannot read texts as lists of words ({raised(error)}).") from None

    def refuse_long_texts(self, data: Dataset) -> None:
        """Raise an error if texts are longer than the model reads: a token behind a cut would have no score.

        Raises
        ------
        ModelError
            Counts the texts and names the row of the first.
        """
        assert data.parts is not None
        whole, column = data.parts.whole, data.table[data.inputs[self.inputs[0]].columns[0]]
        first = np.flatnonzero(np.append(True, whole[1:] != whole[:-1]))
        long: list[int] = []
        for part in np.array_split(first, max(len(first) // _AT_ONCE, 1)):
            texts = [list(map(str, words)) for words in column.iloc[part]]
            long += part[self._sizes(texts) > self.most_tokens].tolist()
        if long:
            row, texts_are = int(data.parts.rows[long[0]]) + 1, "text has" if len(long) == 1 else "texts have"
            raise ModelError(
                f"model.load: {count(len(long))} {texts_are} more pieces than the model reads ({self.most_tokens}), the first in "
                f"row {row} of {data.path.name}; divide such texts into sentences."
            )

    def _sizes(self, texts: list[list[str]]) -> np.ndarray:
        """Return the number of pieces of each text; a word of which nothing is left has one."""
        pieces = self._call(texts, truncation=False, padding=False, return_tensors=None, verbose=False)
        numbers = [pieces.word_ids(row) for row in range(len(texts))]
        return np.array([len(own) + len(words) - len({*own} - {None}) for own, words in zip(numbers, texts, strict=True)])

    def _vanished(self, pieces: Any, row: int, words: int) -> set[int]:
        """Return the words without a piece, but for those behind a cut."""
        present = {number for number in pieces.word_ids(row) if number is not None}
        is_cut = int(pieces["attention_mask"][row].sum()) >= self.most_tokens
        return set(range(max(present, default=-1) + 1 if is_cut else words)) - present

    def places(self, batch: Batch) -> Tensor:
        """Return the piece that stands for each case's token, shape (n,).

        Raises
        ------
        ModelError
            If a text is longer than the model reads; names the case.
        """
        assert batch.part is not None
        own, back = wholes(batch)
        pieces = self._pieces(self._words(own))
        starts: list[dict[int, int]] = []
        for row in range(len(own)):
            numbers = pieces.word_ids(row)
            starts.append({number: at for at, number in reversed(list(enumerate(numbers))) if number is not None})
        found = [starts[row].get(int(part)) for row, part in zip(back, batch.part, strict=True)]
        if None in found:
            raise ModelError(
                f"the text of the case with id {batch.ids[found.index(None)]!r} has more pieces than the model reads "
                f"({self.most_tokens}); divide it into sentences."
            )
        return torch.tensor(found)

    def positions(self, batch: Batch) -> dict[str, list[Any]]:
        """Return the pieces of each text with their characters in the text, whose tokens are set apart by spaces."""
        own, back = wholes(batch)
        texts = self._words(own)
        pieces = self._pieces(texts)
        offsets = pieces["offset_mapping"].tolist()
        of_text = [_positions(words, pieces.word_ids(row), offsets[row]) for row, words in enumerate(texts)]
        return {self.inputs[0]: [of_text[row] for row in back]}


def _positions(words: Sequence[str], numbers: Sequence[int | None], offsets: Sequence[Sequence[int]]) -> Tokens:
    begins = np.cumsum([0, *(len(word) + 1 for word in words)]).tolist()
    text = " ".join(words)
    spans = [
        None if number is None else (begins[number] + start, begins[number] + end)
        for number, (start, end) in zip(numbers, offsets, strict=True)
    ]
    return Tokens(["" if span is None else text[slice(*span)] for span in spans], spans)
