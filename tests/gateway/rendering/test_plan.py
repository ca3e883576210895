"""What a proxy is told of a configuration, and what of it only the gateway can do."""

from typing import Any

import pytest

from freehold.errors import FreeholdError
from freehold.gateway.rendering.plan import Endpoint, Plan, listed
from tests.gateway.rendering.conftest import configured


def planned(**settings: Any) -> Plan:
    return Plan.of(configured(8080, **settings))


def model(name: str = "one", source: str = "http://127.0.0.1:9001/v1", **more: object) -> dict[str, object]:
    return {"id": name, "source": source, **more}


def codes(plan: Plan) -> list[str]:
    return [warning.code for warning in plan.warnings]


def test_a_cluster_is_where_a_model_is_and_what_it_is_called_there() -> None:
    """Replicas, paths, the name there, times and bounds."""
    replicas = ["https://b.example:8443/api/v1/"]
    one = model(source="https://a.example/api/v1", replicas=replicas, upstream_model="there", limits={"concurrency": 7})
    cluster = planned(models=[one]).clusters["one"]
    assert (cluster.scheme, cluster.base, cluster.root) == ("https", "/api/v1", "/api")
    assert cluster.endpoints == (Endpoint("a.example", 443), Endpoint("b.example", 8443))
    assert [cluster.authority(endpoint) for endpoint in cluster.endpoints] == ["a.example", "b.example:8443"]
    assert (cluster.name_there, cluster.is_renamed) == ("there", True)
    assert (cluster.silence_s, cluster.concurrency) == (120.0, 7)


@pytest.mark.parametrize(
    ("source", "base", "root"),
    [
        ("http://a.example", "", ""),
        ("http://a.example/", "", ""),
        ("http://a.example/v2", "/v2", ""),
        ("http://a.example/models", "/models", "/models"),
    ],
)
def test_the_root_is_the_url_without_a_version(source: str, base: str, root: str) -> None:
    """A path that ends otherwise is the root as it is."""
    cluster = planned(models=[model(source=source)]).clusters["one"]
    assert (cluster.base, cluster.root) == (base, root)


def test_an_ipv6_address_gets_its_brackets_back() -> None:
    """The host without them is what is connected to, the authority with them what is sent."""
    cluster = planned(models=[model(source="http://[::1]:9001/v1")]).clusters["one"]
    assert cluster.endpoints == (Endpoint("::1", 9001),)
    assert cluster.authority(cluster.endpoints[0]) == "[::1]:9001"


def test_routes_are_the_tables_own() -> None:
    """Models have a route each, behind those of the file."""
    routes = [{"model": "chat", "to": [{"id": "one", "weight": 19}, {"id": "two"}]}]
    config = configured(8080, models=[model(), model("two")], routes=routes, gateway={"body_mb": 2})
    plan = Plan.of(config)
    assert list(plan.routes) == ["chat", "one", "two"]
    assert [variant.percent for variant in plan.routes["chat"].variants] == [95, 5]
    assert plan.body_bytes == 2 << 20
    assert plan.served == "chat, one, two"


def test_a_model_without_an_address_is_refused() -> None:
    """Nothing tells a proxy where a model is that `serve` computes itself."""
    with pytest.raises(FreeholdError) as refusal:
        planned(models=[model(), model("local", source="bge-m3:1")])
    assert refusal.value.code == "rendering_model_here"
    assert "local" in refusal.value.cause


@pytest.mark.parametrize("other", ["http://127.0.0.1:9002", "https://127.0.0.1:9002/v1"])
def test_replicas_differ_in_their_hosts_only(other: str) -> None:
    """A proxy asks all of them in one way."""
    with pytest.raises(FreeholdError) as refusal:
        planned(models=[model(replicas=[other])])
    assert refusal.value.code == "rendering_replicas_differ"
    assert other in refusal.value.cause


def test_https_needs_a_certificate_of_ones_own() -> None:
    """No other proxy is told how to get one by ACME."""
    acme = {"domains": ["a.example"], "accept_terms": True}
    with pytest.raises(FreeholdError) as refusal:
        planned(models=[model()], server={"port": 8443, "tls": {"acme": acme, "http_port": 8080}})
    assert refusal.value.code == "rendering_certificate"


def test_a_key_stays_a_reference() -> None:
    """The environment is not even looked at."""
    plan = planned(models=[model(key="${env:SURELY_NOT_SET}")])
    assert plan.clusters["one"].key == "${env:SURELY_NOT_SET}"


def test_what_only_the_gateway_can_do_is_told_by_name() -> None:
    """Affinity, holding, comparing, keys and forms; each warning names whom it concerns."""
    routes = [{"model": "chat", "to": [{"id": "one"}], "balance": "prefix", "shadow": "ears"}]
    models = [model(), model("ears", abilities=["stt"])]
    plan = planned(models=models, routes=routes, access={"auth": "keys"})
    names = ["rendering_affinity", "rendering_hold", "rendering_shadow", "rendering_access", "rendering_forms"]
    assert codes(plan) == names
    assert ["chat" in warning.cause for warning in plan.warnings] == [True, True, True, False, False]
    assert "ears" in plan.warnings[-1].cause


def test_what_any_proxy_can_do_is_no_warning() -> None:
    """Models, shares and a fallback."""
    route = {"model": "chat", "to": [{"id": "one"}], "fallback": "two", "hold": {"requests": 0}}
    assert codes(planned(models=[model(), model("two")], routes=[route])) == []


def test_a_list_of_names_ends() -> None:
    """And says how many there are."""
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(number) for number in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7, ... (12)"
