"""How browsers come to a Dify on a cluster."""

import pytest

from freehold.deploy.kubernetes.dify.entrance import entrance
from freehold.deploy.topology.release import release_of
from freehold.errors import FreeholdError
from tests.deploy.kubernetes.dify.cases import CASES, HOST, dify, of_kind, with_dify


@pytest.mark.parametrize("case", ["dify", "dify-own"])
def test_the_whole_table_of_paths_is_there(case: str) -> None:
    """Each path to its service, by its port; the rest to the web server."""
    (rule,) = of_kind(case, "Ingress")["dify"]["spec"]["rules"]
    assert rule["host"] == HOST
    table = {one["path"]: one["backend"]["service"]["name"] for one in rule["http"]["paths"]}
    hosts = {"api": "dify-api", "api_websocket": "dify-api-websocket", "web": "dify-web"}
    hosts["plugin_daemon"] = "dify-plugin-daemon"
    assert table == {path: hosts[service] for path, service in release_of("1.15.0").paths.items()}
    assert list(table)[-1] == "/"
    assert {one["pathType"] for one in rule["http"]["paths"]} == {"Prefix"}
    services = of_kind(case, "Service")
    assert all(services[name]["spec"]["ports"][0]["name"] == "http" for name in table.values())


def test_nginx_streams_and_takes_large_packages() -> None:
    """Answers as they come, an hour of silence, bodies as large as a plugin with its wheels."""
    annotations = of_kind("dify", "Ingress")["dify"]["metadata"]["annotations"]
    nginx = {key.partition("/")[2]: value for key, value in annotations.items() if key.startswith("nginx.")}
    assert nginx["proxy-buffering"] == nginx["proxy-request-buffering"] == "off"
    assert nginx["proxy-read-timeout"] == "3600"
    largest = int(dify("dify").service("plugin_daemon").environment["MAX_PLUGIN_PACKAGE_SIZE"])
    assert int(nginx["proxy-body-size"].removesuffix("m")) << 20 > largest
    assert not any("snippet" in key for key in nginx)
    assert of_kind("dify", "Ingress")["dify"]["spec"]["tls"] == [{"hosts": [HOST], "secretName": "dify-tls"}]


def test_traefik_sends_plain_http_to_https() -> None:
    """By the redirection that the gateway's entrance brings."""
    found = of_kind("dify-own", "Ingress")
    assert found.keys() == {"gateway", "gateway-to-https", "dify", "dify-to-https"}
    assert found["dify"]["spec"]["tls"][0]["secretName"] == "corp-tls"
    assert "tls" not in found["dify-to-https"]["spec"]
    assert of_kind("dify-own", "Middleware").keys() == {"to-https"}


def test_without_a_host_there_is_no_way_in() -> None:
    """And with a host alone it is plain HTTP by the cluster's own controller."""
    assert of_kind("dify-qdrant", "Ingress") == {}
    (tree,) = entrance(with_dify({"ingress_host": HOST}), dify("dify"))
    assert "ingressClassName" not in tree["spec"]
    assert "tls" not in tree["spec"]


def test_the_gateways_own_name_is_refused() -> None:
    """Both have /v1 there."""
    case = with_dify({"ingress_host": "models.corp.test"}, ingress={"host": "models.corp.test"})
    with pytest.raises(FreeholdError) as caught:
        list(entrance(case, dify("dify")))
    assert caught.value.code == "dify_ingress_taken"
    assert CASES["dify"].settings.ingress is not None
