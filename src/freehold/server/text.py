"""What the endpoints of text models share: which model is meant, its rows, and what was cut."""

from typing import Protocol, runtime_checkable

from freehold.artifact import Kind
from freehold.engine.base import Answer, Array
from freehold.engine.tokenizer import TextTokenizer
from freehold.errors import FreeholdError
from freehold.server.models import Served
from freehold.server.visible import Visible

CALLS: dict[str, str] = {
    "tensor": "/v2/models/{model}/infer",
    "embed": "/v1/embeddings",
    "rerank": "/v1/rerank",
    "classify": "/v2/models/{model}/infer",
    "generate": "/v1/chat/completions",
}
"""By kind of model, the path that answers for it."""

TRUNCATED = b"x-freehold-truncated"


@runtime_checkable
class Tokenizing(Protocol):
    """What an engine has beyond the Engine Protocol when its tokenizer lies in this process."""

    @property
    def tokenizer(self) -> TextTokenizer: ...


def chosen(models: Visible, model: str | None, *kinds: Kind, version: str = "") -> Served:
    """The named model, or the only one of these kinds when none is named (or "": some clients send that).

    Raises FreeholdError `model_not_found`, `version_unknown`, `model_ambiguous`, `model_kind_wrong`, and why a model is
    not ready.
    """
    served = models.get(model, version) if model else models.only(*kinds)
    kind = served.engine.manifest.kind
    if kind not in kinds:
        path = CALLS[kind].format(model=served.id)
        raise FreeholdError("model_kind_wrong", model=served.id, kind=kind, needed=" or ".join(kinds), path=path)
    return served


def tokenizer_of(served: Served) -> TextTokenizer:
    """The tokenizer of a text model. Raises `tokenizer_elsewhere` where only its engine processes have one."""
    if not isinstance(served.engine, Tokenizing):
        raise FreeholdError("tokenizer_elsewhere", model=served.id)
    return served.engine.tokenizer


def rows(answer: Answer) -> Array:
    """One row a text: vectors [n, dim] or logits [n, labels], the only output of a text model's graph."""
    (only,) = answer.outputs.values()
    return only


def truncation(answer: Answer) -> tuple[tuple[bytes, bytes], ...]:
    """The header that says how many texts were cut; none when all fitted."""
    return ((TRUNCATED, b"%d" % answer.truncated),) if answer.truncated else ()


def refuse_truncation(served: Served, answer: Answer, truncate: bool | None) -> None:
    """Raises `text_too_long` when texts were cut although the client forbade it (`truncate` is false, not absent)."""
    if truncate is False and answer.truncated:
        limit = served.engine.max_tokens
        raise FreeholdError("text_too_long", count=answer.truncated, limit=limit)
