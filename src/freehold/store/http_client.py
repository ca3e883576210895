"""The HTTP client of `fetch`, `push` and `pull`: proxies, certificate authorities and patience from one place.

Proxies: the configuration's `network.proxy`, else HTTP_PROXY, HTTPS_PROXY and ALL_PROXY; never for hosts of NO_PROXY
and loopback. Authorities: those of SSL_CERT_FILE or SSL_CERT_DIR, else the system's; `network.ca` besides.
"""

import ipaddress
import os
import ssl
from collections.abc import Mapping

import httpx2

from freehold import __version__
from freehold.config import Network, resolve
from freehold.errors import FreeholdError

CONNECT_S = 10.0
SILENCE_S = 30.0  # without a byte, after which an answer counts as cut
USER_AGENT = f"freehold/{__version__}"
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that another try of the same request may not meet."""
LOOPBACK = ("all://localhost", "all://*.localhost", "all://127.0.0.0/8", "all://[::1]")


def open_client(
    network: Network, environ: Mapping[str, str], *, silence_s: float = SILENCE_S, connect_s: float = CONNECT_S
) -> httpx2.Client:
    """A client that follows redirects and takes an Authorization header along only within one origin.

    The caller closes it. Raises FreeholdError `network_ca_unreadable`, `network_proxy_invalid`, and as `resolve` for a
    `network.proxy` that refers to a secret.
    """
    trusted = _trusted(network, environ)
    return httpx2.Client(
        verify=trusted,
        mounts={pattern: _through(proxy, trusted) for pattern, proxy in routes(network, environ).items()},
        timeout=httpx2.Timeout(silence_s, connect=connect_s, pool=None),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        follow_redirects=True,
        trust_env=False,  # the environment is read here, where it can be given and told apart
    )


def routes(network: Network, environ: Mapping[str, str]) -> dict[str, str | None]:
    """URL patterns of httpx2 and the proxy for each, None for none. Raises as `resolve`."""
    spared = [host for host in map(str.strip, _variable("no_proxy", environ).split(",")) if host]
    proxies = {"all": resolve(network.proxy, environ)} if network.proxy is not None else _proxies(environ)
    if "*" in spared:
        proxies, spared = {}, []
    found: dict[str, str | None] = {f"{scheme}://": proxy for scheme, proxy in proxies.items()}
    return {**found, **dict.fromkeys(map(_pattern, spared)), **dict.fromkeys(LOOPBACK)}


def unreachable_because(error: httpx2.RequestError) -> str:
    """Why a request got no answer, in one line without addresses: those of storage hosts carry signatures."""
    if isinstance(error, httpx2.TimeoutException):
        return "it does not accept connections in time" if _connecting(error) else "it went silent in the middle"
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"the proxy refused: {reason}" if isinstance(error, httpx2.ProxyError) else reason


def retry_after_s(response: httpx2.Response) -> float:
    """Seconds that a server asks to wait (RFC 9110, 10.2.3), 0 where it names none or a date."""
    wanted = response.headers.get("retry-after", "")
    return float(wanted) if wanted.isascii() and wanted.isdigit() else 0.0


def is_distrust(error: httpx2.RequestError) -> bool:
    """Whether a server was reached whose certificate no known authority vouches for."""
    return "CERTIFICATE_VERIFY_FAILED" in str(error)


def _connecting(error: httpx2.TimeoutException) -> bool:
    return isinstance(error, httpx2.ConnectTimeout | httpx2.PoolTimeout)


def _variable(name: str, environ: Mapping[str, str]) -> str:
    """Proxy variables are written in lower and in upper case; as for curl, the lower one goes first."""
    return environ.get(name) or environ.get(name.upper()) or ""


def _proxies(environ: Mapping[str, str]) -> dict[str, str]:
    named = {scheme: _variable(f"{scheme}_proxy", environ) for scheme in ("http", "https", "all")}
    return {scheme: url for scheme, url in named.items() if url}


def _pattern(host: str) -> str:
    """An entry of NO_PROXY as a pattern: `corp.example` also means its subdomains, `.corp.example` only those."""
    try:
        network = ipaddress.ip_network(host.strip("[]"), strict=False)
    except ValueError:
        return f"all://{host if host.lower() == 'localhost' or ':' in host else '*' + host}"
    address = f"[{network.network_address}]" if network.version == 6 else str(network.network_address)
    return f"all://{address}" + ("" if network.num_addresses == 1 else f"/{network.prefixlen}")


def _through(proxy: str | None, trusted: ssl.SSLContext) -> httpx2.HTTPTransport | None:
    """The way to a server; None: straight. What is wrong with an address is not echoed: it may hold a password."""
    if proxy is None:
        return None
    try:
        return httpx2.HTTPTransport(
            proxy=httpx2.Proxy(proxy if "://" in proxy else f"http://{proxy}"), verify=trusted, trust_env=False
        )
    except (ValueError, httpx2.InvalidURL):
        raise FreeholdError("network_proxy_invalid", reason="it is not the address of a proxy") from None
    except ImportError:
        raise FreeholdError("network_proxy_invalid", reason="SOCKS needs the package socksio") from None


def _trusted(network: Network, environ: Mapping[str, str]) -> ssl.SSLContext:
    file, folder = environ.get("SSL_CERT_FILE") or None, environ.get("SSL_CERT_DIR") or None
    path, setting = (file or folder, "SSL_CERT_FILE" if file else "SSL_CERT_DIR")
    try:
        if path is None:
            context = httpx2.create_ssl_context(trust_env=False)
        else:
            os.stat(path)  # noqa: PTH116 - create_default_context takes a folder that is not there for an empty one
            context = ssl.create_default_context(cafile=file, capath=folder)
        if network.ca is not None:
            path, setting = network.ca, "network.ca"
            context.load_verify_locations(network.ca)
    except OSError as error:  # an SSLError, of a file that is no PEM, is one too
        reason = error.strerror or str(error) or type(error).__name__
        raise FreeholdError("network_ca_unreadable", path=path, setting=setting, reason=reason) from None
    return context
