"""The models of one caller: every question answered as if there were no others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from freehold.access import Key, Role
from freehold.errors import FreeholdError
from freehold.http.visit import Asked, Visit
from freehold.server.models import Models, Override
from freehold.server.visible import Visible

OWNERS = {"ours": "us", "theirs": "them"}


class Elsewhere:
    """A model that another server computes."""

    created, vital, state, error, abilities = 1, False, "ready", None, ()

    def __init__(self, name: str) -> None:
        self.id = name


@pytest.fixture
def models(serve_one: Any, model_paths: dict[str, Path]) -> Models:
    """Two models here and two elsewhere, none of them loaded."""
    here = [serve_one(name, model_paths["fp32"]) for name in ("ours", "theirs")]
    return Models(here, [Elsewhere("free"), Elsewhere("far-theirs")])


def seen_by(models: Models, tenant: str = "us", role: Role = "operator", *scope: str) -> Visible:
    key = Key("k", role, 0.0, b"", tenant, frozenset(scope) if scope else None)
    asked = Asked("repository", "POST", "/p", "r", "")
    visit = Visit(key, asked, {**OWNERS, "far-theirs": "them"}, None, None)
    return Visible(models, visit.sees, visit)


def refusal(doing: Any) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        doing()
    return caught.value


def test_lists_hold_what_is_seen(models: Models) -> None:
    """Models, those elsewhere, versions, and the repository's index."""
    seen = seen_by(models)
    assert [one.id for one in seen.all()] == ["ours"]
    assert [remote.id for remote in seen.remotes()] == ["free"]
    assert [row.name for row in seen.index()] == ["ours"]
    assert (seen.versions("ours"), seen.versions("theirs")) == (["1"], [])
    assert seen.remote("far-theirs") is None


@pytest.mark.parametrize(("tenant", "outcome"), [("us", "model_stated_by_tenant"), ("default", "model_not_found")])
def test_what_a_model_is_loaded_from_is_said_by_the_house(models: Models, tenant: str, outcome: str) -> None:
    """The store and the disk are everybody's: a tenant's operator would load another tenant's model from there."""
    for override in (Override(settings={"source": "theirs:1"}), Override(files={"1/model.onnx": b""})):
        loading = seen_by(models, tenant).load_model("ours", override)
        assert refusal(lambda loading=loading: asyncio.run(loading)).code == outcome


@pytest.mark.parametrize("asked", ["find", "get", "wake", "load_model", "unload_model"])
@pytest.mark.parametrize("hidden", ["theirs", "far-theirs"])
def test_what_is_hidden_is_missed_in_the_words_of_what_is_missing(models: Models, asked: str, hidden: str) -> None:
    """Also for who may change models: neither answer tells that one of them is there."""
    seen = seen_by(models)

    def told(name: str) -> str:
        def ask() -> None:
            answer = getattr(seen, asked)(name)
            if asyncio.iscoroutine(answer):
                asyncio.run(answer)

        error = refusal(ask)
        assert error.code == "model_not_found"
        return error.cause.replace(name, "NAME") + error.fix

    assert told(hidden) == told("nobody")
    assert "theirs" not in told("nobody")


def test_the_only_model_is_the_only_one_that_is_seen(models: Models) -> None:
    """Calls that name none are not led to another tenant's."""
    assert "theirs" not in refusal(lambda: seen_by(models).only("tensor")).cause
    nothing = refusal(lambda: seen_by(models, "others").only("tensor"))
    assert (nothing.code, nothing.details["count"]) == ("model_ambiguous", 0)


def test_a_model_elsewhere_is_told_as_such_to_who_sees_it(models: Models) -> None:
    """Other errors are not covered up."""
    assert refusal(lambda: seen_by(models).find("free")).code == "model_elsewhere"
    assert refusal(lambda: seen_by(models).find("ours", "7")).code == "version_unknown"


def test_without_a_visit_everything_is_seen_and_changed(models: Models) -> None:
    """The door is open."""
    asyncio.run(Visible(models, lambda _: True).unload_model("theirs"))
    assert models.find("theirs").state == "unloaded"


def test_a_change_stands_in_the_audit_before_it_is_made(models: Models) -> None:
    """What cannot be written down is not done."""

    class Refusing(Visit):
        __slots__ = ()

        @asynccontextmanager
        async def changing(self, what: str, model: str) -> AsyncIterator[None]:
            raise FreeholdError("audit_refused", reason=f"{what} {model}")
            yield

    visit = Refusing(Key("k", "admin", 0.0, b""), Asked("repository", "POST", "/p", "r", ""), {}, None, None)
    seen = Visible(models, visit.sees, visit)
    error = refusal(lambda: asyncio.run(seen.unload_model("ours")))
    assert (error.code, error.details["reason"]) == ("audit_refused", "model.unload ours")
    assert models.find("ours").state == "loading"
