"""From a source to what is needed of it."""

from collections.abc import Callable

import pytest

from freehold.adapt.fetch.arrival import Arrival
from freehold.adapt.fetch.preparation import SmallFiles
from freehold.adapt.fetch.repository import Errand, RemoteFile
from freehold.errors import FreeholdError
from tests.model_hub import Fault, ModelHub

Fetch = Callable[..., Arrival]


@pytest.mark.parametrize("scheme", ["hf", "ms"])
def test_what_is_needed_is_known_before_anything_is_written(
    hub: ModelHub, fetch: Fetch, needed: list[str], scheme: str
) -> None:
    """Both hubs list, both give the small files that others are chosen by."""
    arrival = fetch(f"{scheme}://org/m")
    assert sorted(file.name for file in arrival.files) == needed
    assert not arrival.errand.folder.parent.exists()
    assert len(hub.loaded()) == 2  # modules.json and config.json


def test_patterns_reach_the_choice(fetch: Fetch) -> None:
    """What is included and what is left out."""
    names = [file.name for file in fetch(include=("onnx/*",), exclude=("*.md",)).files]
    assert "onnx/model.onnx" in names
    assert "README.md" not in names


def test_small_files_that_lie_here_are_not_asked_for(hub: ModelHub, fetch: Fetch, say: Callable[[str], None]) -> None:
    """A second look asks for the list only."""
    fetch().complete(say)
    asked = len(hub.seen)
    fetch()
    assert len(hub.seen) == asked + 1


def test_a_small_file_that_does_not_come(hub: ModelHub, fetch: Fetch, errand: Errand) -> None:
    """Its refusal or the network's failure is told as for any other."""
    hub.faults["config.json"] = [Fault(status=500)] * 3
    with pytest.raises(FreeholdError) as failure:
        fetch()
    assert failure.value.code == "hub_failed"
    arrival = fetch()
    with pytest.raises(FreeholdError) as failure:
        SmallFiles(arrival.hub, errand, arrival.transport).read(RemoteFile("x", 1, "http://127.0.0.1:9/x"))
    assert failure.value.code == "hub_unreachable"
