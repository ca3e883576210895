"""Which hub a source means."""

from collections.abc import Mapping

from freehold.adapt.fetch.modelscope import ModelScope
from freehold.adapt.fetch.repository import Hub
from freehold.adapt.fetch.transport import Transport
from freehold.config import Source
from freehold.errors import FreeholdError


def hub_of(source: Source, transport: Transport, environ: Mapping[str, str]) -> Hub:
    """The hub of an `hf://` or `ms://` source. Raises FreeholdError `fetch_source_unsupported` for another."""
    if source.kind == "ms":
        return ModelScope.of(transport, environ)
    if source.kind != "hf":
        raise FreeholdError("fetch_source_unsupported", source=source)
    # huggingface_hub takes a third of a second to import, and is of no use to the other hub.
    from freehold.adapt.fetch.huggingface import HuggingFace  # noqa: PLC0415 - see above

    return HuggingFace.of(transport, environ)
