"""Where Dify's plugin daemon finds our server."""

import pytest

from freehold.deploy.dify.connecting.address import Address, address_of, published
from freehold.errors import FreeholdError
from tests.deploy.configured import configured

MODELS = "models: [{id: a, source: 'https://h/v1'}]\n"
TLS = "server: {host: 10.0.0.9, port: 8443, tls: {certificate: /c, key: /k}}\n"


@pytest.mark.parametrize(
    ("text", "url", "listen"),
    [
        ("dify: {url: http://d, models_url: 'http://gpu1:9000/v1'}\n", "http://gpu1:9000/v1", ""),
        ("dify: {url: http://d}\n", "http://172.17.0.1:8080/v1", "172.17.0.1"),
        ("server: {host: 0.0.0.0, port: 9}\n", "http://172.17.0.1:9/v1", ""),
        ("server: {host: 10.0.0.9}\n", "http://10.0.0.9:8080/v1", ""),
        (TLS, "https://10.0.0.9:8443/v1", ""),
        ("deploy: {host: 10.0.0.9, port: 81}\n", "http://10.0.0.9:81/v1", ""),
        ("deploy: {port: 81}\n", "http://172.17.0.1:81/v1", "172.17.0.1"),
        ("deploy: {}\ndify: {version: 1.15.0}\n", "http://gateway:8080/v1", ""),
        ("deploy: {target: kubernetes, ingress: {host: ai.corp}}\n", "http://ai.corp/v1", ""),
        ("deploy: {target: kubernetes, ingress: {host: ai.corp, issuer: le}}\n", "https://ai.corp/v1", ""),
    ],
)
def test_it_is_told_or_follows_from_where_we_listen(text: str, url: str, listen: str) -> None:
    """Loopback becomes Docker's bridge, and then the server has to listen there."""
    assert address_of(configured(MODELS + text), "172.17.0.1", "box") == Address(url, listen)


def test_the_command_line_goes_first() -> None:
    """And is held to the same rule."""
    config = configured(MODELS + "dify: {url: http://d, models_url: 'http://gpu1/v1'}\n")
    assert address_of(config, None, "box", "http://gpu2/v1").url == "http://gpu2/v1"
    with pytest.raises(FreeholdError, match="--models-url") as raised:
        address_of(config, None, "box", "http://localhost/v1")
    assert raised.value.code == "config_dify_loopback"


@pytest.mark.parametrize(
    ("text", "example"),
    [("", "http://box:8080/v1"), ("deploy: {target: kubernetes}\n", "http://gateway.NAMESPACE.svc:8080/v1")],
)
def test_where_nothing_tells_a_person_has_to(text: str, example: str) -> None:
    """The fix can be copied: this machine's name, or the gateway's in the cluster."""
    with pytest.raises(FreeholdError) as raised:
        address_of(configured(MODELS + text), None, "box")
    assert raised.value.code == "dify_address_wanted"
    assert example in raised.value.fix


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("dify: {url: http://d}\ndeploy: {}\n", None),
        ("dify: {version: 1.15.0}\ndeploy: {port: 81}\n", "http://127.0.0.1:81/v1"),
        ("dify: {version: 1.15.0}\ndeploy: {host: 0.0.0.0}\n", "http://127.0.0.1:8080/v1"),
        ("dify: {version: 1.15.0, ingress_host: dify.corp}\ndeploy: {target: kubernetes}\n", None),
        (
            "dify: {version: 1.15.0, ingress_host: d.corp}\n"
            "deploy: {target: kubernetes, ingress: {host: ai.corp, secret: s}}\n",
            "https://ai.corp/v1",
        ),
    ],
)
def test_this_machine_finds_a_deployments_gateway_where_it_is_published(text: str, url: str | None) -> None:
    """Its address for Dify is one of the deployment's own network."""
    assert published(configured(MODELS + text)) == url
