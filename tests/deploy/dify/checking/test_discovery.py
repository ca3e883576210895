"""Models are found by what each answers."""

from dataclasses import replace

from freehold.deploy.dify.checking.discovery import SILENT, listed, with_models
from freehold.deploy.dify.checking.plugin_calls import Plugin
from tests.deploy.dify.checking.planted import MODELS, planted, target


def silent(_: str) -> None:
    """Nobody watches."""


def test_each_listed_name_is_asked_what_it_is() -> None:
    """A chat, an embedding and a rerank model; progress names what is asked."""
    said: list[str] = []
    with planted() as server:
        plugin = with_models(Plugin(target(server.url)), (), said.append)
    assert {kind: getattr(plugin.target, kind) for kind in MODELS} == MODELS
    assert said == list(MODELS.values())


def test_names_of_a_configuration_go_before_the_list() -> None:
    """Only these are asked."""
    with planted("no_list") as server:
        plugin = with_models(Plugin(target(server.url)), ["judge", "other"], silent)
    assert (plugin.target.rerank, plugin.target.chat, plugin.target.embedding) == ("judge", "", "")


def test_where_one_is_named_nothing_is_looked_for() -> None:
    """Not even asked."""
    with planted() as server:
        plugin = Plugin(target(server.url, "chat"))
        assert with_models(plugin, (), silent) is plugin
        assert server.asked == []


def test_the_address_stays_what_was_typed() -> None:
    """Models that answer at its other form only are named for the check that tells so."""
    with planted("only_v1") as server:
        bare = server.url.removesuffix("/v1")
        plugin = with_models(Plugin(target(bare)), (), silent)
    assert (plugin.target.url, plugin.target.chat) == (bare, "talker")


def test_a_model_that_is_silent_is_asked_once() -> None:
    """Not in every way, and after some such models no more: each would wait as long."""
    with planted("silent") as server:
        plugin = with_models(Plugin(replace(target(server.url), seconds=0.05)), list("abcde"), silent)
    assert plugin.target.chat == ""
    assert len(server.asked) == 2 * SILENT
    assert {path for path, _, _ in server.asked} == {"/v1/chat/completions", "/chat/completions"}


def test_a_server_without_a_list_has_no_names() -> None:
    """Nothing is guessed."""
    with planted("no_list") as server:
        assert listed(Plugin(target(server.url))) == []
        assert with_models(Plugin(target(server.url)), (), silent).target.chat == ""
