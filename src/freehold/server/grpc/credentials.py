"""HTTPS's certificate for gRPC: the same files, and a new one as soon as HTTP has it."""

from typing import Any

import grpc

from freehold.http.tls import Https


def credentials(https: Https) -> Any:
    """What a gRPC server shows its clients, and asks of them, by `https`, which has its certificate.

    gRPC asks at each handshake whether there is another one; connections keep the one that they began with.
    """
    shown = https.certificate

    def newest() -> Any:
        nonlocal shown
        if https.certificate is shown:
            return None  # it stays
        certificate, found = https.certificate, _configuration(https)
        shown = certificate
        return found

    return grpc.dynamic_ssl_server_credentials(
        _configuration(https), newest, require_client_authentication=https.client_ca is not None
    )


def _configuration(https: Https) -> Any:
    key, chain = https.pem()
    authorities = None if https.client_ca is None else https.client_ca.read_bytes()
    return grpc.ssl_server_certificate_configuration([(key, chain)], root_certificates=authorities)
