"""Text to ids, with the model's own tokenizer.json."""

from pathlib import Path
from typing import NamedTuple

from tokenizers import Encoding, Tokenizer

from freehold.errors import FreeholdError


class Encoded(NamedTuple):
    """Ids of one sequence, specials included; `cut` is True when text was truncated away."""

    ids: list[int]
    type_ids: list[int]
    cut: bool


class Token(NamedTuple):
    """One token as `/tokenize` shows it; `start` and `stop` are character offsets."""

    id: int
    text: str
    special: bool
    start: int
    stop: int


def open_tokenizer(path: Path) -> Tokenizer:
    """A `tokenizer.json` that neither pads nor truncates. Raises FreeholdError `tokenizer_unreadable`."""
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise FreeholdError("tokenizer_unreadable", path=path, reason=error) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


class TextTokenizer:
    """A `tokenizer.json` that truncates at `max_tokens` and never pads.

    Whatever padding and truncation the file ships with is ignored: the file of all-MiniLM-L6-v2 pads every text to 128
    and cuts at 128, which is neither the model's length nor anybody's wish.
    """

    def __init__(self, path: Path, max_tokens: int) -> None:
        self._tokenizer = open_tokenizer(path)
        self.max_tokens = max_tokens
        self.vocab_size: int = self._tokenizer.get_vocab_size(with_added_tokens=True)
        specials = self._tokenizer.num_special_tokens_to_add(True)
        self._tokenizer.enable_truncation(max(max_tokens, specials + 1), strategy="longest_first")

    def encode(self, text: str) -> Encoded:
        """Ids of one text."""
        return self._read(self._tokenizer.encode(text))

    def encode_pair(self, first: str, second: str) -> Encoded:
        """Ids of a pair, the longer side cut first, as transformers' `longest_first` does."""
        return self._read(self._tokenizer.encode(first, second))

    def accept_ids(self, ids: list[int]) -> Encoded:
        """Ready ids, specials included. Raises FreeholdError `input_empty` or `token_out_of_range`."""
        if not ids:
            raise FreeholdError("input_empty", name="token list")
        for position, token in enumerate(ids):
            if not 0 <= token < self.vocab_size:
                raise FreeholdError("token_out_of_range", token=token, position=position, last=self.vocab_size - 1)
        cut = len(ids) > self.max_tokens
        kept = [*ids[: self.max_tokens - 1], ids[-1]] if cut else ids
        return Encoded(kept, [0] * len(kept), cut)

    def tokens(self, text: str, add_special_tokens: bool = True) -> list[Token]:
        """Tokens with their character offsets, truncated like everything else."""
        encoding = self._tokenizer.encode(text, add_special_tokens=add_special_tokens)
        columns = zip(encoding.ids, encoding.tokens, encoding.special_tokens_mask, encoding.offsets, strict=True)
        return [Token(id_, token, bool(special), *span) for id_, token, special, span in columns]

    @staticmethod
    def _read(encoding: Encoding) -> Encoded:
        return Encoded(encoding.ids, encoding.type_ids, bool(encoding.overflowing))
