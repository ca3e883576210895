"""Which hub a source means."""

import pytest

from freehold.adapt.fetch.hubs import hub_of
from freehold.adapt.fetch.huggingface import HuggingFace
from freehold.adapt.fetch.modelscope import ModelScope
from freehold.adapt.fetch.transport import Transport
from freehold.config import parse
from freehold.errors import FreeholdError


def test_the_scheme_says(transport: Transport) -> None:
    """hf and ms."""
    assert isinstance(hub_of(parse("hf://a/b"), transport, {}), HuggingFace)
    assert isinstance(hub_of(parse("ms://a/b"), transport, {}), ModelScope)


@pytest.mark.parametrize("source", ["oci://host/a:1", "./folder", "https://host/v1", "name:1"])
def test_other_sources_are_no_hubs(transport: Transport, source: str) -> None:
    """The error says what is meant for a registry."""
    with pytest.raises(FreeholdError) as failure:
        hub_of(parse(source), transport, {})
    assert failure.value.code == "fetch_source_unsupported"
    assert "oci://HOST" in failure.value.fix
