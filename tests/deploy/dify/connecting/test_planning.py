"""What has to be done in Dify, and what not."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from freehold.deploy.dify.connecting.becoming import Wanted, at_home, become
from freehold.deploy.dify.connecting.keys import Keys
from freehold.deploy.dify.connecting.known import Known
from freehold.deploy.dify.connecting.planning import NOTHING, Found, Intent, Step, plan
from freehold.deploy.dify.console import PROVIDER, Credential, Default
from freehold.errors import FreeholdError

KEY = "fh_abcdefghijkl"
SHOWN = "fh_abc************kl"
MODELS, _ = become(
    [
        Known("chat", "generate", ("chat",), 4096),
        Known("bge", "embed", ("embed",), 512),
        Known("ranks", "rerank", ("rerank",), 512),
    ],
    "http://m/v1",
    lambda _: "0a1b2c3d",
)
INTENT = Intent(MODELS, KEY, {})


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """That gave Dify the key for every model."""
    keys = Keys.read(tmp_path, "http://d", None)
    for one in MODELS:
        keys.note(f"{one.type} {one.name}", KEY)
    return keys


def shown(one: Wanted, **others: str) -> Credential:
    """Its credentials as Dify shows them."""
    return Credential("id-1", "freehold", {**one.credentials, "api_key": SHOWN, **others})


def found(models: Mapping[str, Credential] | None = None, **more: Credential | None) -> Found:
    """A Dify with all models as they should be, `models` by their names otherwise, and older spaces beside them."""
    said = {(one.type, one.name): (models or {}).get(one.name, shown(one)) for one in MODELS}
    defaults = {one.type: Default(one.name, PROVIDER) for one in MODELS}
    others = {("text-embedding", name.replace("_", "@")): credential for name, credential in more.items()}
    return Found(said | others, {}, defaults)


def actions(steps: tuple[Step, ...]) -> list[tuple[str, str]]:
    return [(step.action, step.name) for step in steps]


def test_a_new_dify_gets_everything(keys: Keys) -> None:
    """In the order of the configuration, the first of each type as its default, the key in what it is given."""
    planned = plan(INTENT, NOTHING, keys, installs=True)
    assert actions(planned.steps) == [("add", "chat"), ("add", "bge@0a1b2c3d"), ("add", "ranks")]
    assert planned.defaults == {"llm": "chat", "text-embedding": "bge@0a1b2c3d", "rerank": "ranks"}
    assert planned.installs
    assert planned.changes
    assert planned.steps[0].values["api_key"] == KEY
    assert KEY not in repr(planned)
    assert KEY not in repr(INTENT)


def test_what_is_as_it_should_be_stays(keys: Keys) -> None:
    """Nothing is done."""
    planned = plan(INTENT, found(), keys)
    assert {step.action for step in planned.steps} == {"same"}
    assert not planned.changes


def test_only_what_differs_is_changed_and_what_others_set_stays(keys: Keys) -> None:
    """A context that grew, a prefix that is gone; a field that is not ours is given back as it was."""
    was = shown(MODELS[1], context_size="256", query_prefix="q: ", display_name="Ours", token="ab****cd")
    planned = plan(INTENT, found({"bge@0a1b2c3d": was}), keys)
    assert actions(planned.steps) == [("same", "chat"), ("update", "bge@0a1b2c3d"), ("same", "ranks")]
    step = planned.steps[1]
    assert step.fields == ("context_size", "query_prefix")
    assert step.values == {**MODELS[1].credentials, "api_key": KEY, "display_name": "Ours"}


def test_another_key_is_given_again(keys: Keys) -> None:
    """And none is taken away."""
    planned = plan(replace(INTENT, key="fh_abc-another-kl"), found(), keys)
    assert {step.fields for step in planned.steps} == {("api_key",)}
    without = plan(replace(INTENT, key=None), found(), keys)
    assert {step.fields for step in without.steps} == {("api_key",)}
    assert "api_key" not in without.steps[0].values


def test_a_model_without_credentials_is_given_them(keys: Keys) -> None:
    """Somebody removed them in Dify."""
    state = found()
    models = {**state.models, ("llm", "chat"): None}
    planned = plan(INTENT, replace(state, models=models), keys)
    assert (planned.steps[0].action, planned.steps[0].fields) == ("update", ("api_key",))


def test_an_older_space_stays_while_it_may_be_used(keys: Keys) -> None:
    """Only what leads to us, of a model that there is, unused, and asked for, is removed."""
    state = found(bge_deadbeef=None, bge_cafebabe=None, bge_feedface=None, other_deadbeef=None, bge_later=None)
    state = replace(state, uses={"bge@deadbeef": ("knowledge base Rules",)})
    kept = plan(INTENT, state, keys).steps[3:]
    assert [(step.action, step.name, step.uses) for step in kept] == [
        ("keep", "bge@deadbeef", ("knowledge base Rules",)),
        ("keep", "bge@cafebabe", ()),
        ("keep", "bge@feedface", ()),
    ]
    pruned = plan(replace(INTENT, prune=True), state, keys)
    assert [step.action for step in pruned.steps[3:]] == ["keep", "remove", "remove"]
    other = shown(MODELS[1], endpoint_url="http://other/v1")
    theirs = found(bge_cafebabe=other, bge_feedface=shown(MODELS[1]))
    assert [step.action for step in plan(replace(INTENT, prune=True), theirs, keys).steps[3:]] == ["keep", "remove"]
    blind = plan(replace(INTENT, prune=True), replace(state, sees_all=False), keys)
    assert {step.action for step in blind.steps[3:]} == {"keep"}


def test_an_older_name_is_led_to_the_model_that_answers_in_its_space(keys: Keys) -> None:
    """Where Dify has it; otherwise it is not made again."""
    older = at_home({"bge@deadbeef": Known("bge-1", "embed", ("embed",), 256)}, "http://m/v1")
    intent = replace(INTENT, older=older)
    assert len(plan(intent, found(), keys).steps) == 3
    state = found(bge_deadbeef=shown(MODELS[1]))
    step = plan(intent, replace(state, uses={"bge@deadbeef": ("app Help",)}), keys).steps[3]
    assert (step.action, step.name, step.uses) == ("update", "bge@deadbeef", ("app Help",))
    assert step.fields == ("endpoint_model_name", "context_size", "api_key")
    assert step.values["endpoint_model_name"] == "bge-1"


def test_a_default_in_an_older_space_moves_with_its_model(keys: Keys) -> None:
    """New knowledge bases begin in the new space."""
    state = found(bge_deadbeef=None)
    now = {**state.defaults, "text-embedding": Default("bge@deadbeef", PROVIDER)}
    assert plan(INTENT, replace(state, defaults=now), keys).defaults == {"text-embedding": "bge@0a1b2c3d"}


def test_a_default_that_somebody_chose_stays_unless_the_configuration_says_another(keys: Keys) -> None:
    """Of whatever provider it is."""
    state = found()
    chosen = replace(state, defaults={**state.defaults, "llm": Default("gpt", "openai"), "rerank": None})
    assert plan(INTENT, chosen, keys).defaults == {"rerank": "ranks"}
    said = replace(INTENT, defaults={"llm": "chat", "text-embedding": "bge"})
    assert plan(said, chosen, keys).defaults == {"llm": "chat", "rerank": "ranks"}


@pytest.mark.parametrize("model", ["ranks", "left-out"])
def test_a_default_of_another_type_is_refused(keys: Keys, model: str) -> None:
    """Before anything is changed."""
    with pytest.raises(FreeholdError) as raised:
        plan(replace(INTENT, defaults={"llm": model}), found(), keys)
    assert raised.value.code == "dify_default_type"
