"""What must hold of the Dify that models are connected to: where each reaches the other, and who signs in."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from freehold.config.dify import Dify
from freehold.config.document import Node
from freehold.config.loopback import is_loopback
from freehold.config.shapes import Config
from freehold.errors import FreeholdError

_LISTED = 64  # models that a message lists


def broken_dify_connect_rules(config: Config, tree: Node) -> Iterator[FreeholdError]:
    """Every such rule that `config` breaks, at its place in `tree`."""
    dify, node = config.dify, tree.at("dify")
    if dify is None:
        return
    if dify.models_url is not None:
        fault = models_url_fault(dify.models_url, node.at("models_url").spot)
        if fault is not None:
            yield fault
    if dify.url is not None:
        yield from _url(dify.url, node.at("url"))
    yield from _account(dify, node)
    known = [*(model.id for model in config.models), *(route.model for route in config.routes)]
    for kind, name in dify.default_models.items():
        if name not in known:
            place = node.at("default_models", kind)
            listed = ", ".join(known[:_LISTED]) + (", ..." if len(known) > _LISTED else "") or "-"
            yield FreeholdError("config_dify_default", where=place.spot, key=place.key, id=name, known=listed)


def models_url_fault(url: str, where: str) -> FreeholdError | None:
    """Why Dify's plugin daemon cannot have `url` for our server, or None. `where` is where it is written."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return FreeholdError("config_dify_address", where=where, url=url, reason=str(error))
    if parts.scheme not in ("http", "https") or not host:
        return FreeholdError("config_dify_address", where=where, url=url, reason="http:// or https:// and a host")
    if "?" in url or "#" in url:
        return FreeholdError("config_dify_query", where=where, url=url, plain=url.partition("?")[0].partition("#")[0])
    if is_loopback(host):
        end = f":{port}" if port else ""
        return FreeholdError("config_dify_loopback", where=where, url=url, scheme=parts.scheme, end=f"{end}/v1")
    return None


def _url(url: str, place: Node) -> Iterator[FreeholdError]:
    """Dify's console lies at the root of its host; people copy the page that they look at."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # checked by urllib when it is read
    except ValueError as error:
        yield FreeholdError("config_dify_address", where=place.spot, url=url, reason=str(error))
        return
    if parts.path.strip("/") or "?" in url or "#" in url:
        plain = f"{parts.scheme}://{parts.netloc}"
        yield FreeholdError("config_dify_page", where=place.spot, url=url, plain=plain)


def _account(dify: Dify, node: Node) -> Iterator[FreeholdError]:
    """One way to sign in, and whole."""
    if dify.version is not None:
        for name in ("admin_key", "email", "password"):
            if getattr(dify, name) is not None:
                place = node.at(name)
                yield FreeholdError("config_dify_account_deployed", where=place.spot, key=place.key)
        return
    if dify.admin_key is not None and dify.workspace is None:
        yield FreeholdError("config_dify_workspace", where=node.at("admin_key").spot)
    for name, other in (("email", "password"), ("password", "email")):
        if getattr(dify, name) is not None and getattr(dify, other) is None:
            place = node.at(name)
            yield FreeholdError("config_dify_half", where=place.spot, key=place.key, other=f"dify.{other}")
    if dify.admin_key is not None and dify.email is not None:
        yield FreeholdError("config_dify_two_accounts", where=node.at("admin_key").spot)
