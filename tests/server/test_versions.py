"""Versions side by side: which is meant, and whether the node that has them is ready."""

from collections.abc import Callable
from pathlib import Path

import pytest

from freehold.errors import FreeholdError
from freehold.server.models import Models, State
from freehold.server.served import asleep
from freehold.server.versions import Versions
from tests.server.places import ask, during, served

Times = Callable[[float], Path]


def test_versions_are_served_side_by_side(times: Times, tmp_path: Path) -> None:
    """The highest that answers is meant where none is named: by number, not by letters."""
    models = Models([served("m", times(n), str(n)) for n in (10, 9)] + [served("m", tmp_path / "absent.onnx", "11")])

    async def test() -> None:
        assert models.versions("m") == ["9", "10", "11"]
        assert [await ask(models, "m", version) for version in ("9", "10", "")] == [9.0, 10.0, 10.0]
        with pytest.raises(FreeholdError) as caught:
            models.get("m", "3")
        assert (caught.value.code, caught.value.details["versions"]) == ("version_unknown", ["9", "10", "11"])
        assert [row.state for row in models.index()] == ["READY", "READY", "UNAVAILABLE"]
        assert models.ready()

    during(models, test)


def test_the_highest_that_answers_is_meant() -> None:
    """Asleep counts as answering; a version that goes is meant no more, nor is a model without any."""
    places = Versions()
    made = {number: served("m", Path("unopened"), number) for number in ("9", "10", "next")}
    for one in made.values():
        places.add(one)
    assert list(places.of("m")) == ["next", "9", "10"]
    for number, state in (("9", State.READY), ("10", State.FAILED), ("next", State.READY)):
        made[number].state = state
    places.choose("m")
    assert places.get("m") is made["9"]
    made["10"].state, made["10"].error = State.ASLEEP, asleep(made["10"], "of this test")
    places.choose("m")
    assert (places.get("m"), places.get("m", "9")) == (made["10"], made["9"])
    places.drop("m", ["10"])
    assert (places.get("m"), places.get("m", "10")) == (made["9"], None)
    places.drop("m", ["9", "next"])
    assert ("m" in places, places.get("m"), places.defaults()) == (False, None, [])
    places.choose("m")  # whoever waited for it finds it gone


def test_owners_are_those_of_the_models_that_there_are() -> None:
    """From before the first load until the model is gone."""
    places = Versions()
    one = served("m", Path("unopened"))
    one.tenant = "acme"
    places.add(one)
    assert places.owners == {"m": "acme"}
    places.drop("m", ["1"])
    assert places.owners == {}
