"""What each name becomes in Dify: its types there, its stable name, the credentials that the plugin wants."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from freehold.config import Ability
from freehold.deploy.dify.connecting.known import Known
from freehold.deploy.dify.console import ModelType

TYPE_OF: Mapping[Ability, ModelType] = {
    "chat": "llm",
    "embed": "text-embedding",
    "rerank": "rerank",
    "stt": "speech2text",
    "tts": "tts",
}
CONTEXT_LENGTH = 4096
"""Tokens, where nothing tells: what Dify's own form begins with."""
CHUNKS = 32
"""Texts that an embedding request may have: what our servers, and TEI's, take at a time."""
DELIMITER = r"\n\n"
"""As it is typed: the plugin reads the escapes itself."""

Spaced = Callable[[Known], str]
"""The id of the space that an embedding model answers in."""


@dataclass(frozen=True)
class Wanted:
    """One model as Dify is to have it. The key is not here: it is one for all, and a secret."""

    type: ModelType
    name: str
    """In Dify."""
    model: str
    """That clients ask our server for."""
    credentials: Mapping[str, str]
    assumed: tuple[str, ...] = ()
    """Credentials that nothing told, and that a person should look at."""


@dataclass(frozen=True)
class LeftOut:
    """A name that Dify has no use for, or of which too little is known. `reason`: tensor, classify, untold."""

    model: str
    reason: str


def become(names: Iterable[Known], url: str, space_of: Spaced) -> tuple[tuple[Wanted, ...], tuple[LeftOut, ...]]:
    """What Dify is to have for `names`, whose server it reaches at `url`; and what it is not."""
    wanted: list[Wanted] = []
    left: list[LeftOut] = []
    for known in names:
        types = types_of(known)
        wanted += [_wanted(known, one, url, space_of) for one in types]
        if not types:
            left.append(LeftOut(known.name, known.kind if known.kind in ("tensor", "classify") else "untold"))
    return tuple(wanted), tuple(left)


def at_home(homes: Mapping[str, Known], url: str) -> tuple[Wanted, ...]:
    """Older names of embedding models, each led to the model that answers in its space now."""
    return tuple(replace(_wanted(home, "text-embedding", url, lambda _: ""), name=name) for name, home in homes.items())


def types_of(known: Known) -> tuple[ModelType, ...]:
    """Its types in Dify; a model that generates and cannot chat completes texts."""
    types = tuple(dict.fromkeys(TYPE_OF[ability] for ability in known.abilities if ability in TYPE_OF))
    return types or (("llm",) if known.kind == "generate" else ())


def _wanted(known: Known, kind: ModelType, url: str, space_of: Spaced) -> Wanted:
    credentials = {"endpoint_url": url}
    if kind == "text-embedding":
        # left out of the others: there an empty one would be asked for as the name ""
        credentials["endpoint_model_name"] = known.name
    if kind in ("llm", "text-embedding", "rerank"):
        credentials["context_size"] = str(known.context_length or CONTEXT_LENGTH)
    credentials |= _of_llm(known) if kind == "llm" else _of_embedding(known) if kind == "text-embedding" else {}
    name = f"{known.name}@{space_of(known)}" if kind == "text-embedding" else known.name
    unsure = "context_size" in credentials and known.context_length is None
    return Wanted(kind, name, known.name, credentials, ("context_size",) if unsure else ())


def _of_llm(known: Known) -> dict[str, str]:
    tools, sees = "tools" in known.abilities, "vision" in known.abilities
    thinking = {"no": "not_supported", "always": "only_thinking_supported", "switch": "supported"}
    return {
        "mode": "chat" if "chat" in known.abilities else "completion",
        "max_tokens_to_sample": str(known.max_output_tokens or known.context_length or CONTEXT_LENGTH),
        "agent_thought_support": thinking[known.thinking],
        # extended sends `enable_thinking` and its like, which other servers may refuse
        "compatibility_mode": "extended" if known.thinking == "switch" else "strict",
        "function_calling_type": "tool_call" if tools else "no_call",
        "stream_function_calling": "supported" if tools else "not_supported",
        "vision_support": "support" if sees else "no_support",
        "structured_output_support": "supported" if known.schemas else "not_supported",
        "stream_mode_delimiter": DELIMITER,
    }


def _of_embedding(known: Known) -> dict[str, str]:
    document = known.prompts.get("document") or known.prompts.get("passage") or ""
    prefixes = {"document_prefix": document, "query_prefix": known.prompts.get("query", "")}
    told = {name: prefix for name, prefix in prefixes.items() if prefix}
    return {"max_chunks": str(CHUNKS), "encoding_format": "float", **told}
