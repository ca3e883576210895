"""The cross-encoder engine: a query and texts to one logit each."""

from freehold.artifact import Artifact, PairText
from freehold.engine.base import Request, RerankRequest
from freehold.engine.encoder import Encoder
from freehold.engine.settings import EngineSettings
from freehold.engine.tokenizer import Encoded, TextTokenizer
from freehold.errors import FreeholdError


class PairReader:
    """Each (query, text) pair is a sequence, laid out by the tokenizer, or as one text where the model says how."""

    def __init__(self, laid_out: PairText | None = None) -> None:
        self._laid_out = laid_out

    def characters(self, request: Request) -> int:
        """Characters of all pairs: the query counts once a text, as it is tokenized."""
        pairs = _pairs(request)
        return len(pairs.query) * len(pairs.texts) + sum(map(len, pairs.texts))

    def encode(self, tokenizer: TextTokenizer, request: Request) -> list[Encoded]:
        """One sequence a text, in order. Raises FreeholdError `input_empty`."""
        pairs = _pairs(request)
        if not pairs.texts:
            raise FreeholdError("input_empty", name="documents")
        if self._laid_out is not None:
            return [tokenizer.encode(self._laid_out.of(pairs.query, text)) for text in pairs.texts]
        return [tokenizer.encode_pair(pairs.query, text) for text in pairs.texts]


def _pairs(request: Request) -> RerankRequest:
    if not isinstance(request, RerankRequest):
        raise TypeError(f"a rerank engine reads RerankRequest, not {type(request).__name__}")
    return request


def open_rerank(artifact: Artifact, settings: EngineSettings) -> Encoder:
    """An unloaded engine of kind rerank."""
    return Encoder(artifact, settings, PairReader(artifact.manifest.pair))
