"""The provider's models: added, changed, removed, made defaults, as Dify calls them first."""

from collections.abc import Mapping

import pytest

from freehold.deploy.dify.console import Console, Default, ModelType, Registered
from freehold.errors import FreeholdError
from tests.deploy.dify.console.conftest import Opened
from tests.dify_console.model_server import KEY, ModelServer
from tests.dify_console.state import PROVIDER, Dify


def values(models: ModelServer, kind: ModelType = "llm", key: str = KEY) -> Mapping[str, str]:
    """Credentials of a type."""
    common = {"endpoint_url": models.url, "api_key": key, "context_size": "4096"}
    return common | {"llm": {"mode": "chat"}, "text-embedding": {"max_chunks": "1"}}.get(kind, {})


def add(console: Console, models: ModelServer, name: str, kind: ModelType) -> None:
    """Add a model of the server."""
    console.models.put(name, kind, values(models, kind), "freehold")


@pytest.mark.parametrize("kind", ["llm", "text-embedding", "rerank"])
@pytest.mark.parametrize("named", [True, False], ids=["named credentials", "one credential"])
def test_a_model_is_added_changed_and_removed(
    opened: Opened, dify: Dify, models: ModelServer, kind: ModelType, named: bool
) -> None:
    """Dify calls it each time, and shows it without its key; an older Dify does the same by another path."""
    dify.credential_names = named
    with opened(dify) as console:
        add(console, models, "chat", kind)
        assert console.models.listed() == (Registered("chat", kind, "active"),)
        credential = console.models.credential("chat", kind)
        assert credential is not None
        assert (credential.id is not None) == named
        assert credential.values["endpoint_url"] == models.url
        assert KEY not in credential.values["api_key"]
        console.models.put("chat", kind, values(models, kind) | {"context_size": "8192"}, "freehold")
        assert dify.models[0].values["context_size"] == "8192"
        assert len(models.asked) == 2
        console.models.remove("chat", kind)
        assert console.models.listed() == ()
        assert console.models.credential("chat", kind) is None


def test_credentials_are_tried_without_being_kept(opened: Opened, dify: Dify, models: ModelServer) -> None:
    """The plugin's words come back, without the key."""
    with opened(dify) as console:
        assert console.models.validate("chat", "llm", values(models)) is None
        words = console.models.validate("chat", "llm", values(models, key="sk-a-wrong-one"))
        assert words is not None
        assert "401" in words
        assert "sk-a-wrong-one" not in words
        assert dify.models == []


def test_a_model_that_does_not_answer_is_not_kept(opened: Opened, dify: Dify, models: ModelServer) -> None:
    """Adding it says why, and changes nothing."""
    with opened(dify) as console, pytest.raises(FreeholdError, match=r"\[dify_console_model_refused\]") as refused:
        console.models.put("chat", "llm", values(models, key="sk-a-wrong-one"), "freehold")
    assert "sk-a-wrong-one" not in str(refused.value)
    assert dify.models == []


def test_a_plugin_that_does_not_run_is_told(opened: Opened, dify: Dify, models: ModelServer) -> None:
    """Its list shows the plugin, every call of a model fails, and waiting has an end."""
    dify.plugin_starts = -1
    with opened(dify, wait_s=0.03) as console:
        with pytest.raises(FreeholdError, match=r"\[dify_console_plugin_dead\]"):
            console.models.validate("chat", "llm", values(models))
        with pytest.raises(FreeholdError, match=r"\[dify_console_plugin_dead\]"):
            add(console, models, "chat", "llm")


def test_a_plugin_that_starts_is_waited_for(opened: Opened, dify: Dify, models: ModelServer, said: list[str]) -> None:
    """As after a restart of the daemon; it is said once."""
    dify.plugin_starts = 3
    with opened(dify) as console:
        add(console, models, "chat", "llm")
    assert [line for line in said if "no available node" in line] == said[-1:]
    assert [model.name for model in dify.models] == ["chat"]


def test_defaults_are_set_and_read(opened: Opened, dify: Dify, models: ModelServer) -> None:
    """Each type has its own; nothing chosen is None."""
    with opened(dify) as console:
        add(console, models, "chat", "llm")
        assert console.models.default("llm") is None
        console.models.set_defaults({"llm": "chat"})
        assert console.models.default("llm") == Default("chat", PROVIDER)
        assert console.models.default("rerank") is None


@pytest.mark.parametrize("how", ["removed by hand", "credential deleted by hand"])
def test_what_was_taken_out_by_hand_comes_back(opened: Opened, dify: Dify, models: ModelServer, how: str) -> None:
    """Its credential outlives a model, and a model its credential; adding it again ends the same."""
    with opened(dify) as console:
        add(console, models, "chat", "llm")
        if how == "removed by hand":
            dify.models[0].listed, dify.models[0].current = False, None
        else:
            console.models.put("chat", "llm", values(models), "another")
            del dify.models[0].credentials[str(dify.models[0].current)]
            dify.models[0].current = None
        assert console.models.credential("chat", "llm") is None
        add(console, models, "chat", "llm")
        assert console.models.listed() == (Registered("chat", "llm", "active"),)
        credential = console.models.credential("chat", "llm")
        assert credential is not None
        assert credential.name == "freehold"


def test_one_credential_of_many_stays_in_force_until_all_go(opened: Opened, dify: Dify, models: ModelServer) -> None:
    """Removing a model removes what others added to it too."""
    with opened(dify) as console:
        add(console, models, "chat", "llm")
        dify.models[0].credentials["theirs"] = ("another", {})
        credential = console.models.credential("chat", "llm")
        assert credential is not None
        assert (credential.name, len(credential.ids)) == ("freehold", 2)
        console.models.remove("chat", "llm")
    assert dify.models == []


def test_somebody_elses_credential_is_left_and_ours_comes_into_force(
    opened: Opened, dify: Dify, models: ModelServer
) -> None:
    """A person switched the model to one of their own: it is neither changed nor renamed, which Dify would refuse."""
    with opened(dify) as console:
        add(console, models, "chat", "llm")
        model = dify.models[0]
        model.credentials["theirs"], model.current = ("mine", {"endpoint_url": "http://else/v1"}), "theirs"
        console.models.put("chat", "llm", values(models), "freehold")
        now = console.models.credential("chat", "llm")
    assert now is not None
    assert (now.name, len(model.credentials)) == ("freehold", 2)
    assert model.credentials["theirs"] == ("mine", {"endpoint_url": "http://else/v1"})
