"""What to say of a hub that cannot be reached, and what to carry where instead."""

from urllib.parse import urlsplit

import httpx2

from freehold.adapt.fetch.repository import Errand
from freehold.errors import FreeholdError
from freehold.store.http_client import is_distrust, unreachable_because

ENDPOINTS = {"hf": "HF_ENDPOINT", "ms": "MODELSCOPE_ENDPOINT"}
TOKENS = {"hf": "HF_TOKEN", "ms": "MODELSCOPE_API_TOKEN"}
PROXY_LOGIN_WANTED = 407  # Proxy Authentication Required, RFC 9110, 15.5.8
USUAL_FILES = "config.json, *.safetensors (+ *.index.json), tokenizer*, modules.json, 1_Pooling/, README.md, LICENSE"


def host_of(url: str) -> str:
    """Host and port of a URL, without a user's name or password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def unreachable(errand: Errand, hub: str, error: httpx2.RequestError) -> FreeholdError:
    """No answer from the host `hub`, or from the storage that it names."""
    asked = _request_host(error) or hub
    if is_distrust(error):
        return FreeholdError("hub_untrusted", host=asked, reason=unreachable_because(error))
    return FreeholdError(
        "hub_unreachable",
        source=errand.source,
        host=asked,
        reason=unreachable_because(error),
        folder=errand.folder,
        name=errand.folder.name,
        files=", ".join(errand.needed) or USUAL_FILES,
        endpoint=ENDPOINTS[errand.source.kind],
    )


def status_failure(errand: Errand, hub: str, status: int) -> FreeholdError:
    """An answer that says nothing of the repository: overload, a defect there, or a proxy's."""
    if status == PROXY_LOGIN_WANTED:
        return FreeholdError("network_proxy_login")
    return FreeholdError(
        "hub_failed",
        source=errand.source,
        host=hub,
        status=status,
        endpoint=ENDPOINTS[errand.source.kind],
    )


def _request_host(error: httpx2.RequestError) -> str:
    try:
        return error.request.url.netloc.decode("ascii")
    except RuntimeError:  # raised before there was a request
        return ""
