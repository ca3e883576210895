"""The gateway's own file: every service behind it, and two versions of one while a new one comes."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.config import Config, load
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.gateway_file import version_id
from freehold.deploy.services.units import FILE
from freehold.gateway.routing.table import RouteTable
from tests.deploy.configured import deployed

SHOP = """\
models:
  - {id: chat, source: "chat:%d", limits: {concurrency: 4}, locality: eu}
  - {id: embed, source: "embed:1", kind: embed, locality: eu}
  - {id: far, source: "https://llm.corp/v1", key: "${env:CORP_KEY}", limits: {concurrency: 2}}
routes:
  - {model: talk, to: [{id: chat, weight: 9}, {id: far}], fallback: far, locality: null}
  - {model: chat-eu, to: [{id: chat}], locality: eu, shadow: embed}
gateway: {retries: 1}
limits: {body_mb: 16, queue: 3}
deploy: {}
"""


def shop(version: int, text: str = SHOP) -> Deployment:
    return deployed(text.replace("%d", str(version)))


def read(text: str, folder: Path) -> Config:
    (folder / "freehold.yaml").write_text(text)
    return load(None, {}, folder)


def shares(config: Config, name: str) -> dict[str, int]:
    """Who answers requests for that name, in percent."""
    return {variant.id: variant.percent for variant in RouteTable.of(config).find(name).variants}


def test_every_model_is_one_of_another_server() -> None:
    """The text, to the byte: ours under their own names behind the common key, the user's as they are."""
    released = shop(1)
    chat, embed = (unit.host for unit in released.units)
    assert released.gateway_file() == (
        "models:\n"
        "  - id: chat\n"
        f"    source: http://{chat}:8080/v1\n"
        '    key: "${file:/run/secrets/internal}"\n'
        "    upstream_model: chat\n"
        "    locality: eu\n"
        "  - id: embed\n"
        f"    source: http://{embed}:8080/v1\n"
        "    kind: embed\n"
        '    key: "${file:/run/secrets/internal}"\n'
        "    upstream_model: embed\n"
        "    locality: eu\n"
        "  - id: far\n"
        "    source: https://llm.corp/v1\n"
        "    limits:\n"
        "      concurrency: 2\n"
        "      queue: 3\n"
        '    key: "${file:/run/secrets/corp-key}"\n'
        "routes:\n"
        "  - model: talk\n"
        "    to:\n"
        "      - id: chat\n"
        "        weight: 9\n"
        "      - id: far\n"
        "    fallback: far\n"
        "  - model: chat-eu\n"
        "    to:\n"
        "      - id: chat\n"
        "    shadow: embed\n"
        "    locality: eu\n"
        "limits:\n"
        "  body_mb: 16\n"
        "server:\n"
        '  host: "0.0.0.0"\n'
        "gateway:\n"
        "  retries: 1\n"
        "access:\n"
        '  key: "${file:/run/secrets/access}"\n'
    )


def test_a_version_that_comes_is_there_before_anybody_is_sent_to_it(tmp_path: Path) -> None:
    """Under its own name, for goldens; no route has it, not even as one that helps out."""
    old, new = shop(1), shop(2)
    config = read(old.gateway_file(new), tmp_path)
    coming = version_id("chat", new.units[0])
    assert coming == f"chat--{new.units[0].revision}"
    model = config.model(coming)
    assert model is not None
    assert (model.source, model.upstream_model) == (f"http://{new.units[0].host}:8080/v1", "chat")
    assert shares(config, "chat") == {"chat": 100}
    assert shares(config, "talk") == {"chat": 90, "far": 10}
    assert [one.id for one in config.models] == ["chat", "embed", "far", coming]


def test_each_route_that_names_a_model_shares_its_part(tmp_path: Path) -> None:
    """And so do requests for the model itself; the others' parts stay."""
    old, new = shop(1), shop(2)
    config = read(old.gateway_file(new, {"chat": 10, "embed": 10}), tmp_path)
    coming = version_id("chat", new.units[0])
    assert shares(config, "chat") == {"chat": 90, coming: 10}
    assert shares(config, "talk") == {"chat": 81, coming: 9, "far": 10}
    assert shares(config, "chat-eu") == {"chat": 90, coming: 10}
    assert shares(config, "embed") == {"embed": 100}
    whole = read(old.gateway_file(new, {"chat": 100}), tmp_path)
    assert shares(whole, "chat") == {"chat": 0, coming: 100}
    assert shares(whole, "talk") == {"chat": 0, coming: 90, "far": 10}


def test_a_route_of_the_same_name_as_a_model_stays_the_user_s(tmp_path: Path) -> None:
    """It is no second one beside it."""
    text = "models: [{id: a, source: 'a:%d'}, {id: b, source: 'b:1'}]\nroutes: [{model: a, to: [{id: a}, {id: b}]}]\n"
    old, new = shop(1, text), shop(2, text)
    config = read(old.gateway_file(new, {"a": 50}), tmp_path)
    assert len(config.routes) == 1
    assert shares(config, "a") == {"a": 25, version_id("a", new.units[0]): 25, "b": 50}


def test_what_the_new_configuration_adds_or_takes_comes_at_the_end(tmp_path: Path) -> None:
    """Until then all is as in the released one."""
    old = shop(1, "models: [{id: a, source: 'a:%d'}, {id: gone, source: 'g:1'}]\n")
    new = shop(
        2, "models: [{id: a, source: 'a:%d'}, {id: fresh, source: 'f:1'}]\nroutes: [{model: r, to: [{id: a}]}]\n"
    )
    between = read(old.gateway_file(new, {"a": 50, "fresh": 50}), tmp_path)
    assert [model.id for model in between.models] == ["a", "gone", version_id("a", new.units[0])]
    assert [route.model for route in between.routes] == ["a"]
    after = read(new.gateway_file(), tmp_path)
    assert [model.id for model in after.models] == ["a", "fresh"]


def test_a_model_that_moves_to_another_service_is_a_version_too(tmp_path: Path) -> None:
    """Its requests go where it is by then."""
    old = shop(1, "models: [{id: a, source: 'a:1'}]\n")
    new = shop(1, "models: [{id: a, source: 'a:1', service: both}, {id: b, source: 'b:1', service: both}]\n")
    config = read(old.gateway_file(new, {"both": 40}), tmp_path)
    assert shares(config, "a") == {"a": 60, version_id("a", new.units[0]): 40}


def test_the_longest_id_leaves_room_for_its_version(tmp_path: Path) -> None:
    """Ids have 128 characters at most."""
    text = f"models: [{{id: {'a' * 128}, source: 'a:%d'}}]\n"
    old, new = shop(1, text), shop(2, text)
    config = read(old.gateway_file(new, {new.units[0].name: 5}), tmp_path)
    assert config.models[1].id == f"{'a' * 118}--{new.units[0].revision}"


def test_a_tenant_s_model_stays_that_tenant_s(tmp_path: Path) -> None:
    """Who sees it is the gateway's to say, of a version that comes, too; the service behind it has no other callers."""
    text = "models: [{id: a, source: 'a:%d', tenant: acme}, {id: far, source: 'https://b/v1', tenant: beta}]\n"
    old, new = shop(1, text), shop(2, text)
    config = read(old.gateway_file(new), tmp_path)
    assert {model.id: model.tenant for model in config.models} == {
        "a": "acme",
        "far": "beta",
        version_id("a", new.units[0]): "acme",
    }
    assert "tenant" not in old.units[0].files[FILE]


def test_another_server_keeps_its_limits_and_its_own_name(tmp_path: Path) -> None:
    """It has no bounds of ours, and may call its model as it likes."""
    text = (
        "models: [{id: q, source: /m/q.gguf, image: 'i:1', command: [s, '{port}'], upstream_model: qwen,"
        " limits: {concurrency: 2}, abilities: [chat]}]\n"
    )
    config = read(shop(1, text).gateway_file(), tmp_path)
    (model,) = config.models
    assert (model.upstream_model, model.limits.concurrency, model.abilities) == ("qwen", 2, ("chat",))


def allowed(weights: list[int]) -> bool:
    """What the configuration takes: some weight, and none of less than a percent."""
    return any(weights) and all(not weight or 100 * weight >= sum(weights) for weight in weights)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=2, max_size=5).filter(allowed), st.sampled_from([1, 5, 10, 50, 99, 100]))
def test_a_share_is_a_share_of_every_part(weights: list[int], percent: int) -> None:
    """Other models keep their parts; of a part of two or more both versions get some until all has moved."""
    targets = ", ".join(f"{{id: m{place}, weight: {weight}}}" for place, weight in enumerate(weights))
    models = ", ".join(f"{{id: m{place}, source: 'm{place}:%d'}}" for place in range(1, len(weights)))
    text = f"models: [{{id: m0, source: 'm0:1'}}, {models}]\nroutes: [{{model: r, to: [{targets}]}}]\n"
    old, new = shop(1, text), shop(2, text)
    before = shares(old.config, "r")
    with TemporaryDirectory() as folder:
        after = shares(read(old.gateway_file(new, {unit.name: percent for unit in new.units}), Path(folder)), "r")
    assert sum(after.values()) == 100
    assert after["m0"] == before["m0"]
    for place in range(1, len(weights)):
        name = f"m{place}"
        old_part, new_part = after[name], after[version_id(name, new.units[place])]
        assert old_part + new_part == before[name]
        if before[name] >= 2 and percent < 100:
            assert min(old_part, new_part) >= 1
        if percent == 100:
            assert old_part == 0


@pytest.mark.parametrize("section", ["deploy: {}\n", "dify: {url: 'https://dify.corp'}\n"])
def test_what_is_not_the_gateway_s_is_not_in_its_file(section: str) -> None:
    """It deploys nothing, and needs to know nothing of where it is deployed to."""
    text = shop(1, "models: [{id: a, source: 'a:1'}]\n" + section).gateway_file()
    assert section.partition(":")[0] + ":" not in text
