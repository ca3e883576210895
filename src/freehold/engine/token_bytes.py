"""The bytes that single tokens stand for, wherever characters begin and end in them."""

from tokenizers import Tokenizer

from freehold.engine.detokenizer import BYTE_OF, BYTE_TOKEN

SPACE = "▁"  # how SentencePiece writes a space in the name of a token


class TokenBytes:
    """One model's tokens as bytes: a client that is shown tokens one by one can put characters together from them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._added = {id_: token.content for id_, token in tokenizer.get_added_tokens_decoder().items()}
        decoder = tokenizer.decoder
        self._bytewise = decoder is not None and b"ByteLevel" in decoder.__getstate__()

    def of(self, token: int) -> bytes:
        """The bytes of `token`; none for an id that the tokenizer does not know."""
        if token in self._added:
            return self._added[token].encode()
        name = self._tokenizer.id_to_token(token) or ""
        if self._bytewise and all(character in BYTE_OF for character in name):
            return bytes(BYTE_OF[character] for character in name)
        byte = BYTE_TOKEN.fullmatch(name)
        return bytes.fromhex(byte[1]) if byte is not None else name.replace(SPACE, " ").encode()
