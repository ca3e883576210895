"""Facts of the network: names, ports, proxies, mirrors, certificate authorities, the registry and its clock.

Passwords in the addresses of proxies and mirrors are taken out before anything is kept.
"""

from __future__ import annotations

import configparser
import errno
import http.client
import json
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Mapping
from urllib.parse import urlsplit

from freehold.deploy.doctor.reading import Reader, UnreadableError, read_text

RESOLV_CONF = Path("/etc/resolv.conf")
TCP_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
LISTENING = "0A"  # TCP_LISTEN of the kernel's net/tcp_states.h
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
DAEMON_JSON = Path("/etc/docker/daemon.json")
PIP_FILES = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
APT_FOLDER = Path("/etc/apt")
CONNECT_S = 5.0
DAY_S = 86400.0
HEALTH_S = 1.0
LIVE = b'{"live":true}'
"""What a Freehold answers at /livez."""


def dns(hosts: tuple[str, ...]) -> dict[str, Any]:
    """`{servers, resolved: {HOST: {addresses, trouble}}}` of `hosts` and of localhost."""
    try:
        servers = re.findall(r"^\s*nameserver\s+(\S+)", read_text(RESOLV_CONF), re.MULTILINE)
    except UnreadableError:
        servers = []
    return {"servers": servers, "resolved": {host: _resolved(host) for host in ("localhost", *hosts)}}


def _resolved(host: str) -> dict[str, Any]:
    started = time.monotonic()
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return {"addresses": [], "trouble": str(error), "seconds": round(time.monotonic() - started, 2)}
    addresses = sorted({str(entry[4][0]) for entry in found})
    return {"addresses": addresses, "seconds": round(time.monotonic() - started, 2)}


def ports(wanted: tuple[int, ...]) -> list[dict[str, Any]]:
    """`{port, free, by, refused, ours}` of each: whether a server of this user could listen there, and who does."""
    return [_port(port) for port in wanted]


def _port(port: int) -> dict[str, Any]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - bound for a moment to see whether it is free, never listens
        except OSError as error:
            if error.errno == errno.EACCES:
                return {"port": port, "free": False, "refused": True}
        else:
            return {"port": port, "free": True}
    return {"port": port, "free": False, "refused": False, "by": _listener(port), "ours": _is_ours(port)}


def _is_ours(port: int) -> bool:
    """Whether a Freehold answers there, as it does behind Docker's proxy when it is deployed already."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HEALTH_S)
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().read(len(LIVE) + 1) == LIVE
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _listener(port: int) -> str:
    """`nginx (pid 12)`, as far as this user may see; "" otherwise."""
    inodes = set()
    for table in TCP_TABLES:
        try:
            inodes |= listening_inodes(read_text(table), port)
        except UnreadableError:
            continue
    links = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(descriptor.readlink()) in links for descriptor in (process / "fd").iterdir()):
                return f"{read_text(process / 'comm').strip()} (pid {process.name})"
        except (OSError, UnreadableError):
            continue
    return ""


def listening_inodes(table: str, port: int) -> set[str]:
    """Inodes of the sockets that listen on `port`, of /proc/net/tcp (proc(5)): address in hexadecimal, state, inode."""
    found = set()
    for line in table.splitlines()[1:]:
        cells = line.split()
        if len(cells) > 9 and cells[3] == LISTENING and cells[1].rpartition(":")[2].upper() == f"{port:04X}":
            found.add(cells[9])
    return found


def proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The proxy variables that are set, by their names in lower case; lower case wins, as in curl."""
    found = {}
    for name in PROXIES:
        value = environ.get(name) or environ.get(name.upper())
        if value:
            found[name] = value if name == "no_proxy" else without_password(value)
    return found


def mirrors(environ: Mapping[str, str]) -> dict[str, Any]:
    """`{pip, apt, docker}`: addresses that packages and images come from, where set; `trouble` with daemon.json."""
    found: dict[str, Any] = {"pip": _pip(environ), "apt": _apt()}
    try:
        return {**found, "docker": daemon_mirrors(read_text(DAEMON_JSON))}
    except UnreadableError:
        return {**found, "docker": []}
    except ValueError as error:
        return {**found, "docker": [], "trouble": f"{DAEMON_JSON}: {error}"}


def _pip(environ: Mapping[str, str]) -> list[str]:
    if environ.get("PIP_INDEX_URL"):
        return [without_password(environ["PIP_INDEX_URL"])]
    for name in (environ.get("PIP_CONFIG_FILE"), *PIP_FILES):
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(read_text(Path(name or "").expanduser()))
        except (RuntimeError, UnreadableError, configparser.Error):  # RuntimeError: a user without a home
            continue
        index = parser.get("global", "index-url", fallback="")
        if index:
            return [without_password(index)]
    return []


def _apt() -> list[str]:
    found = []
    for path in (APT_FOLDER / "sources.list", *sorted(APT_FOLDER.glob("sources.list.d/*"))):
        try:
            text = read_text(path)
        except UnreadableError:
            continue
        active = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
        found += re.findall(r"^(?:deb(?:\s+\[[^\]]*\])?|URIs:)\s+(\S+://\S+)", active, re.MULTILINE)
    return sorted({without_password(url) for url in found})


def daemon_mirrors(text: str) -> list[str]:
    """`registry-mirrors` of Docker's daemon.json. Raises ValueError for what Docker would not start with."""
    settings = json.loads(text)
    if not isinstance(settings, dict):
        raise ValueError("it is no object")
    urls = settings.get("registry-mirrors", [])
    if not isinstance(urls, list) or not all(isinstance(url, str) for url in urls):
        raise ValueError('"registry-mirrors" is no list of addresses')
    return [without_password(url) for url in urls]


def authorities(named: str | None, environ: Mapping[str, str]) -> list[dict[str, Any]]:
    """Files of certificate authorities that are named here: `{by, path, authorities, days, expired, trouble}`.

    `by` is `network.ca` or the variables that name it, `days` how long the first lasts of those that have not ended;
    `expired` names the others.
    """
    paths: dict[str, list[str]] = {}
    for name, path in (("network.ca", named), *((name, environ.get(name)) for name in CA_VARIABLES)):
        if path:
            paths.setdefault(path, []).append(name)
    return [{"by": ", ".join(names), "path": path, **_authorities_in(path)} for path, names in paths.items()]


def _authorities_in(path: str) -> dict[str, Any]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        return {"trouble": "it holds no certificate in PEM form"}
    except OSError as error:
        return {"trouble": error.strerror or str(error)}
    now, expired, later = time.time(), [], []
    for certificate in context.get_ca_certs():
        ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
        if ends < now:
            expired.append(_subject(certificate))
        else:
            later.append(ends)
    found: dict[str, Any] = {"authorities": len(expired) + len(later), "expired": expired}
    return {**found, "days": round((min(later) - now) / DAY_S, 1)} if later else found


def _subject(certificate: Mapping[str, Any]) -> str:
    """Its common name, else its organisation."""
    names = {pair[0]: pair[1] for part in certificate.get("subject", ()) for pair in part}
    return str(names.get("commonName") or names.get("organizationName") or "?")


def registry(named: str, ca: str | None) -> dict[str, Any]:
    """`{url, status, skew_s, ms}` of the registry's root (`/v2/` of the OCI distribution specification), or `trouble`.

    `skew_s` is how far this clock is ahead of the registry's, by the Date header, which counts whole seconds.
    """
    url = registry_url(named)
    if not url.startswith(("https://", "http://")):
        raise UnreadableError(f"{url} is no address of a registry")
    found: dict[str, Any] = {"url": url}
    context = ssl.create_default_context()
    try:
        if ca:
            context.load_verify_locations(cafile=ca)
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
        started = time.time()
        try:
            answer = opener.open(url, timeout=CONNECT_S)
        except urllib.error.HTTPError as error:  # 401 is how a registry asks for a name
            answer = error
        with answer:
            found["status"], date = answer.status, answer.headers.get("Date")
    except urllib.error.URLError as error:
        return {**found, "trouble": str(error.reason)}
    except (OSError, http.client.HTTPException) as error:
        return {**found, "trouble": str(error) or type(error).__name__}
    ended = time.time()
    found["ms"] = round((ended - started) * 1000)
    if date:
        with suppress(TypeError, ValueError):
            found["skew_s"] = round((started + ended) / 2 - parsedate_to_datetime(date).timestamp(), 1)
    return found


def registry_url(named: str) -> str:
    """`harbor.corp.local/mirror` -> `https://harbor.corp.local/v2/`; loopback without TLS, as Docker does."""
    address = urlsplit(named if "://" in named else f"//{named}")
    host = without_password(address.netloc) if "@" in address.netloc else address.netloc
    loopback = address.hostname in ("localhost", "127.0.0.1", "::1")
    return f"{address.scheme or ('http' if loopback else 'https')}://{host}/v2/"


def without_password(url: str) -> str:
    """An address without the name and the password in it."""
    scheme, mark, rest = url.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def readers(
    wanted: tuple[int, ...],
    registry_named: str | None,
    ca: str | None,
    hosts: tuple[str, ...],
    environ: Mapping[str, str],
) -> dict[str, Reader]:
    """The facts of this file; that of the registry only where one is named."""
    host = [urlsplit(registry_url(registry_named)).hostname] if registry_named else []
    found: dict[str, Reader] = {
        "dns": lambda: dns((*hosts, *(name for name in host if name))),
        "ports": lambda: ports(wanted),
        "proxies": lambda: proxies(environ),
        "mirrors": lambda: mirrors(environ),
        "ca": lambda: authorities(ca, environ),
    }
    return {**found, "registry": lambda: registry(registry_named, ca)} if registry_named else found
