"""Hugging Face's routes: lists, tokens, refusals."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from freehold.adapt.fetch.arrival import Arrival
from freehold.adapt.fetch.huggingface import ENDPOINT, HuggingFace
from freehold.adapt.fetch.repository import Errand
from freehold.adapt.fetch.transport import Transport
from freehold.config import parse
from freehold.errors import FreeholdError
from tests.model_hub import COMMIT, Fault, ModelHub, git_id, sha256

Fetch = Callable[..., Arrival]


def listing(hub: ModelHub, transport: Transport, errand: Errand, source: str = "hf://org/m", token: str = "") -> Any:
    there = HuggingFace(transport, hub.url, token)
    return there.repository(replace(errand, source=parse(source)))


def refused(*asked: Any, **options: Any) -> FreeholdError:
    with pytest.raises(FreeholdError) as failure:
        listing(*asked, **options)
    return failure.value


def test_a_list_has_the_commit_and_every_file(
    hub: ModelHub, transport: Transport, errand: Errand, contents: dict[str, bytes]
) -> None:
    """Large ones with their sha256, small ones with git's id, at addresses of the commit."""
    repository = listing(hub, transport, errand)
    assert repository.revision == COMMIT
    assert [file.name for file in repository.files] == list(contents)
    large, small = repository.file("model.safetensors"), repository.file("1_Pooling/config.json")
    assert (large.size, large.sha256, large.git_sha1) == (300_000, sha256(contents["model.safetensors"]), "")
    assert (small.sha256, small.git_sha1) == ("", git_id(contents["1_Pooling/config.json"]))
    assert small.url == f"{hub.url}/org/m/resolve/{COMMIT}/1_Pooling/config.json"


def test_a_revision_is_asked_for(hub: ModelHub, transport: Transport, errand: Errand) -> None:
    """By tag or branch, slashes quoted; one that is not there is said."""
    assert listing(hub, transport, errand, "hf://org/m@v1").revision == COMMIT
    error = refused(hub, transport, errand, "hf://org/m@refs/pr/7")
    assert (error.code, error.details["revision"]) == ("hub_revision_missing", "refs/pr/7")
    assert hub.seen[-1].path == "/api/models/org/m/revision/refs%2Fpr%2F7?blobs=true"


def test_a_repository_that_is_not_there_or_private(hub: ModelHub, transport: Transport, errand: Errand) -> None:
    """The hub tells neither from the other; a token opens the private one."""
    hub.add("org/private", {"config.json": b"{}"}, token="good")
    for source in ("hf://org/none", "hf://org/private"):
        error = refused(hub, transport, errand, source)
        assert error.code == "hub_repository_missing"
        assert "HF_TOKEN" in error.fix
    assert listing(hub, transport, errand, "hf://org/private", token="good").files


def test_a_wrong_token_is_told_as_such(hub: ModelHub, transport: Transport, errand: Errand) -> None:
    """And never shown."""
    error = refused(hub, transport, errand, token="wrong")
    assert error.code == "hub_token_refused"
    assert "wrong" not in str(error.details)


def test_a_gated_repository_lists_and_then_refuses(hub: ModelHub, fetch: Fetch) -> None:
    """The page where its conditions are accepted is named."""
    hub.repos["org/m"].gated = True
    with pytest.raises(FreeholdError) as failure:
        fetch()
    assert failure.value.code == "hub_gated"
    assert f"{hub.url}/org/m" in failure.value.fix
    assert fetch(HF_TOKEN="granted").files


@pytest.mark.parametrize(
    "body",
    [b"<html>please log in</html>", b"{}", b"[]", b'{"id": "org/m", "sha": "c", "siblings": [{"rfilename": "a"}]}'],
)
def test_an_answer_that_is_no_list(hub: ModelHub, transport: Transport, errand: Errand, body: bytes) -> None:
    """A proxy's page, or a mirror without sizes."""
    hub.faults["list"] = [Fault(status=200, body=body)]
    assert refused(hub, transport, errand).code == "hub_answer_invalid"


def test_a_list_with_a_path_that_leaves_the_folder(hub: ModelHub, transport: Transport, errand: Errand) -> None:
    """Is refused whole."""
    hub.repos["org/m"].listed["README.md"] = {"rfilename": "../../.bashrc"}
    assert refused(hub, transport, errand).code == "hub_answer_invalid"


def test_a_hub_that_fails(hub: ModelHub, transport: Transport, errand: Errand) -> None:
    """Its status, after every try; nobody there is another error."""
    hub.faults["list"] = [Fault(status=502)] * 3
    assert refused(hub, transport, errand).details["status"] == 502
    hub.url = "http://127.0.0.1:9"
    assert refused(hub, transport, errand).code == "hub_unreachable"


def test_endpoint_and_token_come_from_the_environment(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror by HF_ENDPOINT; the token in a header for the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nonexistent")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    mirror = HuggingFace.of(transport, {"HF_ENDPOINT": "https://hf-mirror.example/", "HF_TOKEN": "t"})
    assert (mirror.host, mirror.headers) == ("hf-mirror.example", {"Authorization": "Bearer t"})
    plain = HuggingFace.of(transport, {})
    assert (plain.endpoint, plain.headers) == (ENDPOINT, {})


def test_the_token_stays_with_the_hub(hub: ModelHub, fetch: Fetch, say: Callable[[str], None]) -> None:
    """The storage that large files are redirected to does not get it."""
    fetch(HF_TOKEN="granted").complete(say)
    storage = [seen for seen in hub.seen if seen.path.startswith("/storage/")]
    own = [seen for seen in hub.seen if not seen.path.startswith("/storage/")]
    assert storage
    assert not any("authorization" in seen.headers for seen in storage)
    assert all(seen.headers["authorization"] == "Bearer granted" for seen in own)
