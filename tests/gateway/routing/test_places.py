"""The paths that are passed on."""

import pytest

from freehold.errors import FreeholdError
from freehold.gateway.routing.places import Place, passed_on


def test_every_path_stands_once() -> None:
    """OpenAI's with and without their version, a model's with and without its version."""
    patterns = [(place.method, pattern) for pattern, place in passed_on()]
    assert len(patterns) == len(set(patterns))
    assert {("POST", "/v1/chat/completions"), ("POST", "/rerank"), ("GET", "/v2/models/{model}/ready")} < set(patterns)
    assert ("POST", "/v2/models/{model}/versions/{version}/generate_stream") in patterns


@pytest.mark.parametrize(
    ("place", "version", "path"),
    [
        (Place("POST", "chat/completions"), None, "chat/completions"),
        (Place("POST", "infer", of_a_model=True), None, "v2/models/bge%2Fm3/infer"),
        (Place("POST", "infer", of_a_model=True), "1 b", "v2/models/bge%2Fm3/versions/1%20b/infer"),
        (Place("GET", "", of_a_model=True), None, "v2/models/bge%2Fm3"),
    ],
)
def test_a_path_is_said_in_the_servers_words(place: Place, version: str | None, path: str) -> None:
    """A name may hold what a path may not."""
    assert place.there("bge/m3", version) == path


@pytest.mark.parametrize("version", [".", "..", "../../other", "..\\other", "1/", "/"])
def test_a_version_leads_to_no_other_model(version: str) -> None:
    """A server that decodes paths before it reads them would take it for steps."""
    with pytest.raises(FreeholdError) as caught:
        Place("POST", "infer", of_a_model=True).there("m", version)
    assert caught.value.code == "path_not_found"


def test_who_asks_for_documents_gives_up_early() -> None:
    """And each family reads errors in its own form."""
    assert [Place("POST", path).kind for path in ("rerank", "chat/completions")] == ["embed", "generate"]
    assert [Place("GET", "", of_a_model=one).dialect for one in (True, False)] == ["oip", "openai"]
