"""The embedding engine: texts or token ids to vectors. Classification reads the same requests."""

from freehold.artifact import Artifact
from freehold.engine.base import EmbedRequest, Request
from freehold.engine.encoder import Encoder
from freehold.engine.settings import EngineSettings
from freehold.engine.tokenizer import Encoded, TextTokenizer
from freehold.errors import FreeholdError


class TextReader:
    """Each text is a sequence."""

    def characters(self, request: Request) -> int:
        """Characters of all texts."""
        return sum(len(text) for text in _texts(request).texts if isinstance(text, str))

    def encode(self, tokenizer: TextTokenizer, request: Request) -> list[Encoded]:
        """One sequence a text, in order. Raises FreeholdError `input_empty` or `token_out_of_range`."""
        texts = _texts(request).texts
        if not texts:
            raise FreeholdError("input_empty", name="input")
        return [tokenizer.encode(text) if isinstance(text, str) else tokenizer.accept_ids(text) for text in texts]


def _texts(request: Request) -> EmbedRequest:
    if not isinstance(request, EmbedRequest):
        raise TypeError(f"an embedding engine reads EmbedRequest, not {type(request).__name__}")
    return request


def open_embed(artifact: Artifact, settings: EngineSettings) -> Encoder:
    """An unloaded engine of kind embed or classify."""
    return Encoder(artifact, settings, TextReader())
