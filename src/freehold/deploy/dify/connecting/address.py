"""Where Dify's plugin daemon finds our server: as it is told, or as this machine and its configuration suggest."""

from dataclasses import dataclass

from freehold.config import Config
from freehold.config.deploying import Ingress
from freehold.config.dify_connect_rules import models_url_fault
from freehold.config.labels import GATEWAY
from freehold.config.loopback import is_loopback
from freehold.deploy.services.gateway_file import port_of
from freehold.errors import FreeholdError

_VERSION = "/v1"
_EVERYWHERE = ("0.0.0.0", "::", "[::]")  # noqa: S104 - compared


@dataclass(frozen=True)
class Address:
    """`url` as credentials have it. `listen`: where our server has to listen for it, where it does not yet."""

    url: str
    listen: str = ""


def address_of(config: Config, bridge: str | None, hostname: str, given: str | None = None) -> Address:
    """Where Dify finds the server of `config`. `given` was said on the command line and goes before all.

    Containers reach this machine at the address of Docker's `bridge`, other machines by its `hostname`. Raises
    `config_dify_loopback` and its likes for `given`, and `dify_address_wanted` where a person has to say.
    """
    dify = config.dify
    if given is not None:
        fault = models_url_fault(given, "--models-url")
        if fault is not None:
            raise fault
        return Address(given)
    if dify is not None and dify.models_url is not None:
        return Address(dify.models_url)
    scheme = "http" if config.server.tls is None else "https"
    if dify is not None and dify.version is not None:
        return Address(f"{scheme}://{GATEWAY}:{port_of(config)}{_VERSION}")
    deploy = config.deploy
    if deploy is not None and deploy.target == "kubernetes":
        if deploy.ingress is None:
            raise FreeholdError("dify_address_wanted", example=f"{scheme}://{GATEWAY}.NAMESPACE.svc:8080{_VERSION}")
        return Address(_entrance(deploy.ingress))
    host, port = (config.server.host, config.server.port) if deploy is None else (deploy.host, deploy.port)
    if host not in _EVERYWHERE and not is_loopback(host.strip("[]")):
        return Address(f"{scheme}://{host}:{port}{_VERSION}")
    if bridge is None:
        raise FreeholdError("dify_address_wanted", example=f"{scheme}://{hostname}:{port}{_VERSION}")
    return Address(f"{scheme}://{bridge}:{port}{_VERSION}", "" if host in _EVERYWHERE else bridge)


def published(config: Config) -> str | None:
    """Where this machine finds the gateway of a deployment whose own address is one of its network; None: nowhere."""
    deploy = config.deploy
    if config.dify is None or config.dify.version is None or deploy is None:
        return None
    if deploy.target == "kubernetes":
        return None if deploy.ingress is None else _entrance(deploy.ingress)
    scheme = "http" if config.server.tls is None else "https"
    host = "127.0.0.1" if deploy.host in _EVERYWHERE else deploy.host
    return f"{scheme}://{host}:{deploy.port}{_VERSION}"


def _entrance(ingress: Ingress) -> str:
    secure = ingress.issuer is not None or ingress.secret is not None
    return f"{'https' if secure else 'http'}://{ingress.host}{_VERSION}"
