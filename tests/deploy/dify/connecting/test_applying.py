"""Doing what is planned, against a console that really calls the models."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.config import Network
from freehold.deploy.dify.connecting.applying import apply, prove, validate
from freehold.deploy.dify.connecting.becoming import become
from freehold.deploy.dify.connecting.keys import Keys
from freehold.deploy.dify.connecting.known import Known
from freehold.deploy.dify.connecting.planning import Intent, Plan, look, plan
from freehold.deploy.dify.console import Account, Console, Door, open_console
from freehold.errors import FreeholdError
from tests.dify_console.model_server import KEY, ModelServer, model_server
from tests.dify_console.server import serving
from tests.dify_console.state import Dify

NAMES = (
    Known("chat", "generate", ("chat",), 4096),
    Known("completes", "generate", (), 4096),
    Known("bge", "embed", ("embed",), 512, digest="sha256:0a1b2c3d"),
    Known("ranks", "rerank", ("rerank",), 512),
)


def unheard(_: str) -> None:
    """What is told on the way."""


@pytest.fixture
def ours() -> Iterator[ModelServer]:
    """A server of models."""
    with model_server() as server:
        yield server


@pytest.fixture
def dify() -> Iterator[Dify]:
    """A Dify without models."""
    with serving(Dify(indexing_polls=0).with_user().with_plugin()) as dify:
        yield dify


@pytest.fixture
def console(dify: Dify) -> Iterator[Console]:
    """Its console, signed in."""
    door = Door(dify.url, Network(), {}, 5.0, 0.005)
    with open_console(door, Account("admin@example.com", "secret123"), unheard) as console:
        yield console


def intent(ours: ModelServer, *names: Known, key: str = KEY, prune: bool = False) -> Intent:
    models, _ = become(names, ours.url, lambda known: known.digest[7:])
    return Intent(models, key, {}, prune)


def planned(console: Console, wanted: Intent, keys: Keys) -> Plan:
    return plan(wanted, look(console, wanted), keys)


def test_all_is_done_in_order_and_told(console: Console, dify: Dify, ours: ModelServer, tmp_path: Path) -> None:
    """Then nothing is left to do, also for another run."""
    keys, said = Keys.read(tmp_path, dify.url, None), list[str]()
    wanted = intent(ours, NAMES[0], *NAMES[2:])
    apply(console, planned(console, wanted, keys), keys, said.append)
    assert said == [
        "add chat (llm)",
        "add bge@0a1b2c3d (text-embedding)",
        "add ranks (rerank)",
        "default chat (llm), bge@0a1b2c3d (text-embedding), ranks (rerank)",
    ]
    assert not planned(console, wanted, Keys.read(tmp_path, dify.url, None)).changes


def test_what_does_not_answer_is_found_before_anything_is_done(
    console: Console, dify: Dify, ours: ModelServer, tmp_path: Path
) -> None:
    """With the words of Dify, and without the key."""
    keys = Keys.read(tmp_path, dify.url, None)
    wrong = planned(console, intent(ours, *NAMES[2:], key="sk-wrong-key-0001"), keys)
    with pytest.raises(FreeholdError) as raised:
        validate(console, wrong, unheard)
    assert raised.value.code == "dify_models_refused"
    assert "bge@0a1b2c3d (text-embedding): " in raised.value.cause
    assert "ranks (rerank): " in raised.value.cause
    assert "sk-wrong-key-0001" not in raised.value.cause
    assert dify.models == []


def test_a_stop_names_what_is_done_and_what_is_left(
    console: Console, dify: Dify, ours: ModelServer, tmp_path: Path
) -> None:
    """What Dify said is the reason; the rest is done by the next run."""
    keys = Keys.read(tmp_path, dify.url, None)
    wanted = intent(ours, NAMES[0], NAMES[2])
    plan_of_all = planned(console, wanted, keys)
    dify.broken["POST /console/api/workspaces/current/default-model"] = (400, {"code": "x", "message": "no"})
    with pytest.raises(FreeholdError) as raised:
        apply(console, plan_of_all, keys, unheard)
    assert raised.value.code == "dify_connect_interrupted"
    assert raised.value.details["done"] == "add chat (llm), add bge@0a1b2c3d (text-embedding)"
    assert str(raised.value.details["left"]).startswith("default chat")
    dify.broken.clear()
    rest = planned(console, wanted, keys)
    assert {step.action for step in rest.steps} == {"same"}
    apply(console, rest, keys, unheard)
    assert dify.defaults["llm"][0] == "chat"


def test_an_unused_older_space_is_removed_where_that_is_asked(
    console: Console, dify: Dify, ours: ModelServer, tmp_path: Path
) -> None:
    """It is no default model any more, and nothing names it."""
    keys = Keys.read(tmp_path, dify.url, None)
    old = intent(ours, Known("bge", "embed", ("embed",), 512, digest="sha256:ffffffff"))
    apply(console, planned(console, old, keys), keys, unheard)
    dify.defaults.clear()
    apply(console, planned(console, intent(ours, NAMES[2], prune=True), keys), keys, unheard)
    assert [model.name for model in dify.models] == ["bge@0a1b2c3d"]


def test_real_calls_prove_the_first_of_each_type(
    console: Console, dify: Dify, ours: ModelServer, tmp_path: Path
) -> None:
    """One that only completes texts cannot chat; ranking goes with a search; times are measured."""
    keys, moments = Keys.read(tmp_path, dify.url, None), iter([1.0, 1.5, 2.0, 4.0])
    wanted = intent(ours, NAMES[0], *NAMES[2:])
    apply(console, planned(console, wanted, keys), keys, unheard)
    models = (*intent(ours, NAMES[1]).models, *wanted.models)
    chat, retrieval = prove(console.smoke, models, unheard, lambda: next(moments))
    assert (chat.what, chat.models, chat.seconds, chat.answer) == ("chat", ("chat",), 0.5, ours.answer)
    assert (retrieval.models, retrieval.seconds) == (("bge@0a1b2c3d", "ranks"), 2.0)
    assert "warehouse" in retrieval.answer
    assert prove(console.smoke, intent(ours, NAMES[3]).models, unheard) == ()
