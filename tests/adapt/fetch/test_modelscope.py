"""ModelScope's routes: commits, lists that end early, refusals."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from freehold.adapt.fetch.arrival import Arrival
from freehold.adapt.fetch.modelscope import ENDPOINT, ModelScope
from freehold.adapt.fetch.repository import Errand
from freehold.adapt.fetch.transport import Transport
from freehold.config import parse
from freehold.errors import FreeholdError
from tests.model_hub import COMMIT, ModelHub, sha256

Fetch = Callable[..., Arrival]


def listing(hub: ModelHub, transport: Transport, errand: Errand, source: str = "ms://org/m", token: str = "") -> Any:
    return ModelScope(transport, hub.url, token).repository(replace(errand, source=parse(source)))


def refused(*asked: Any, **options: Any) -> FreeholdError:
    with pytest.raises(FreeholdError) as failure:
        listing(*asked, **options)
    return failure.value


def test_a_list_has_every_file_with_its_sha256(
    hub: ModelHub, transport: Transport, errand: Errand, contents: dict[str, bytes]
) -> None:
    """At the commit that the main branch means; folders are no files."""
    repository = listing(hub, transport, errand)
    assert (repository.revision, repository.uri) == (COMMIT, "ms://org/m")
    assert {file.name: file.sha256 for file in repository.files} == {
        name: sha256(content) for name, content in contents.items()
    }
    assert repository.file("1_Pooling/config.json").url.endswith(f"Revision={COMMIT}&FilePath=1_Pooling%2Fconfig.json")


@pytest.mark.parametrize(("source", "reference"), [("ms://org/m", "master"), ("ms://org/m@v1", "v1")])
def test_a_branch_is_resolved(hub: ModelHub, transport: Transport, errand: Errand, source: str, reference: str) -> None:
    """To a commit, of which everything is then asked."""
    listing(hub, transport, errand, source)
    assert [seen.path.split("?")[1] for seen in hub.seen] == [
        f"Ref={reference}&PageSize=1",
        f"Revision={COMMIT}&Recursive=true",
    ]


def test_a_commit_is_taken_as_it_is(hub: ModelHub, transport: Transport, errand: Errand) -> None:
    """One that the repository has not is a missing revision, though the hub answers an empty list."""
    assert listing(hub, transport, errand, f"ms://org/m@{COMMIT}").revision == COMMIT
    assert len(hub.seen) == 1
    assert refused(hub, transport, errand, f"ms://org/m@{'0' * 40}").code == "hub_revision_missing"


def test_a_revision_that_is_not_there(hub: ModelHub, transport: Transport, errand: Errand) -> None:
    """Has no commits."""
    error = refused(hub, transport, errand, "ms://org/m@nope")
    assert (error.code, error.details["revision"]) == ("hub_revision_missing", "nope")


def test_a_repository_that_is_not_there_or_private(hub: ModelHub, transport: Transport, errand: Errand) -> None:
    """Both are told alike; the token opens the private one, as header and as cookie."""
    hub.add("org/private", {"config.json": b"{}"}, token="ms-good")
    for source in ("ms://org/none", "ms://org/private"):
        error = refused(hub, transport, errand, source)
        assert error.code == "hub_repository_missing"
        assert "MODELSCOPE_API_TOKEN" in error.fix
    assert listing(hub, transport, errand, "ms://org/private", token="ms-good").files


def test_a_list_of_3000_files_is_asked_for_by_folder(hub: ModelHub, transport: Transport, errand: Errand) -> None:
    """The hub ends it there without a word."""
    files = {f"data/{part}/{number}.txt": b"x" for part in ("a", "b") for number in range(1600)}
    hub.add("org/wide", {**files, "config.json": b"{}"})
    assert len(listing(hub, transport, errand, "ms://org/wide").files) == 3201
    hub.add("org/flat", {f"{number}.txt": b"x" for number in range(3100)})
    assert refused(hub, transport, errand, "ms://org/flat").code == "hub_answer_invalid"


def test_an_answer_that_is_none(hub: ModelHub, transport: Transport, errand: Errand) -> None:
    """Another server's page, and nobody at all."""
    there = ModelScope(transport, f"{hub.url}/nowhere", "")
    with pytest.raises(FreeholdError) as failure:
        there.repository(replace(errand, source=parse("ms://org/m")))
    assert failure.value.code == "hub_repository_missing"
    hub.url = "http://127.0.0.1:9"
    error = refused(hub, transport, errand)
    assert error.code == "hub_unreachable"
    assert "MODELSCOPE_ENDPOINT" in error.fix


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, ENDPOINT),
        ({"MODELSCOPE_DOMAIN": "www.modelscope.ai"}, "https://www.modelscope.ai"),
        ({"MODELSCOPE_ENDPOINT": "http://hub.corp:8080/", "MODELSCOPE_DOMAIN": "x"}, "http://hub.corp:8080"),
    ],
)
def test_the_endpoint_comes_from_the_environment(
    transport: Transport, variables: dict[str, str], endpoint: str
) -> None:
    """With or without a scheme."""
    there = ModelScope.of(transport, variables)
    assert there.endpoint == endpoint
    assert there.headers == {}


def test_a_whole_model(hub: ModelHub, fetch: Fetch, say: Callable[[str], None], contents: dict[str, bytes]) -> None:
    """Comes as from the other hub; the storage gets neither token nor cookie."""
    plan = fetch("ms://org/m", MODELSCOPE_API_TOKEN="ms-token").complete(say)
    assert (plan.folder / "model.safetensors").read_bytes() == contents["model.safetensors"]
    storage = [seen for seen in hub.seen if seen.path.startswith("/storage/")]
    assert storage
    assert not any({"authorization", "cookie"} & set(seen.headers) for seen in storage)
