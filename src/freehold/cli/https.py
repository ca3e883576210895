"""HTTPS as the configuration wants it, for every verb that listens; and what is to be said of its certificates."""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from freehold.config import Config, Tls
from freehold.errors import FreeholdError
from freehold.gateway.wire.trust import client_files
from freehold.http.certificate import CertificateFiles, load_authorities, now
from freehold.http.listener import bind
from freehold.http.tls import Https, server_context
from freehold.telemetry import Telemetry

if TYPE_CHECKING:
    from freehold.http.acme import AcmeRenewal


def open_https(config: Config, host: str, home: Path, telemetry: Telemetry, environ: Mapping[str, str]) -> Https | None:
    """HTTPS with its certificate loaded, or with its first one still to be issued; None where plain HTTP is wanted.

    The port for plain HTTP is bound to `host`. Raises what `Https.load` raises for a certificate of one's own and what
    `bind` raises, `acme_missing`, `acme_home_unwritable`.
    """
    tls = config.server.tls
    if tls is None:
        return None
    files = certificate_files(tls, home)
    https = Https(
        files,
        telemetry,
        client_ca=None if tls.client_ca is None else Path(tls.client_ca),
        hsts_s=tls.hsts_s,
        renewal=_renewal(config, files, home, telemetry, environ),
    )
    if tls.acme is None:
        https.load()
    if tls.http_port is not None:
        https.plain = bind(host, tls.http_port)
    return https


def certificate_files(tls: Tls, home: Path) -> CertificateFiles:
    """Where the certificate lies. Raises `acme_missing`."""
    if tls.acme is not None:
        if find_spec("acme") is None:
            raise FreeholdError("acme_missing")
        from freehold.http.acme import acme_files

        return acme_files(home, tls.acme)
    if tls.certificate is None or tls.key is None:
        raise RuntimeError("the rules of the configuration let a certificate without a key through")
    return CertificateFiles(Path(tls.certificate), Path(tls.key), tls.names)


def certificates(config: Config, home: Path) -> tuple[list[FreeholdError], list[FreeholdError], list[dict[str, Any]]]:
    """Problems with the certificates of `config`, notes on them, and each that is fit: its names and days left."""
    problems: list[FreeholdError] = []
    notes: list[FreeholdError] = []
    found: list[dict[str, Any]] = []
    at = now()
    for check in (_server_certificate, _client_certificate):
        try:
            files = check(config, home)
            if files is None:
                continue
            certificate = files.read(at)
            notes += files.notes(certificate, at)
            days = round(certificate.days_left(at), 1)
            found.append({"path": str(files.certificate), "names": [*certificate.names], "days_left": days})
        except FreeholdError as error:
            problems.append(error)
    return problems, notes, found


def _server_certificate(config: Config, home: Path) -> CertificateFiles | None:
    """Where it lies, unless ACME's first one is still to be issued. Raises for authorities that cannot be read too."""
    tls = config.server.tls
    if tls is None:
        return None
    if tls.client_ca is not None:
        load_authorities(server_context(), tls.client_ca, "server.tls.client_ca")
    files = certificate_files(tls, home)
    return None if tls.acme is not None and not files.certificate.exists() else files


def _client_certificate(config: Config, _: Path) -> CertificateFiles | None:
    """Where the one lies that upstreams are shown. Raises for authorities that cannot be read too."""
    network = config.network
    if network.ca is not None:
        load_authorities(server_context(), network.ca, "network.ca")
    return client_files(network)


def _renewal(
    config: Config, files: CertificateFiles, home: Path, telemetry: Telemetry, environ: Mapping[str, str]
) -> "AcmeRenewal | None":
    tls = config.server.tls
    if tls is None or tls.acme is None:
        return None
    from freehold.http.acme import AcmeRenewal, Authority

    folder = files.certificate.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FreeholdError(
            "acme_home_unwritable", path=folder, reason=error.strerror or type(error).__name__
        ) from None
    if not os.access(folder, os.W_OK):
        raise FreeholdError("acme_home_unwritable", path=folder, reason="it belongs to another user")
    authority = Authority.of(tls.acme, config.network, home, environ)
    return AcmeRenewal(authority, files, telemetry.certificate_failures.of("server").inc)
