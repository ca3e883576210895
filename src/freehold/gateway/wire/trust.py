"""Whom this node believes when it asks other servers over https, whom it says it is, and what is wrong with theirs."""

import ssl
from datetime import datetime
from pathlib import Path

from freehold.config import Network
from freehold.http.certificate import CertificateFiles, load_authorities

_OF_THEIRS = {
    9: "its certificate is not valid yet, or this machine's clock is wrong",
    10: "its certificate has expired",
    18: "its certificate is not trusted: it is its own authority, to be named in `network.ca`",
    19: "its certificate is not trusted: its authority is not known here (`network.ca`)",
    20: "its certificate is not trusted: its authority is not known here (`network.ca`)",
    21: "its certificate is not trusted: its authority is not known here, or those between are missing",
    23: "its certificate has been revoked",
    62: "its certificate is for another name than the one in its address",
    64: "its certificate is for another address than its own",
}
"""By X509_V_ERR_*, OpenSSL's numbers for what verification found."""

_OF_OURS = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate of this node: see `network.client_certificate`",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not know the authority of this node's certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept this node's certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it says that this node's certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "it says that this node's certificate has been revoked",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not accept this node's certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "it does not take this node's kind of certificate",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it refuses the handshake, perhaps for want of `network.client_certificate`",
    "TLSV1_ALERT_ACCESS_DENIED": "it knows this node's certificate and refuses it",
    "WRONG_VERSION_NUMBER": "it speaks no TLS on this port: its address may begin with http://",
    "UNSUPPORTED_PROTOCOL": "it speaks only versions of TLS that are no longer safe",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks no version of TLS that is spoken here",
}
"""By the alert that came, or by what OpenSSL made of the first bytes."""


def trust(network: Network, now: datetime) -> ssl.SSLContext | None:
    """The system's authorities and those of `network.ca`, and the certificate to show to servers that ask for one.

    None where neither is named: the system's authorities. Raises FreeholdError `tls_authority_unreadable`, and for the
    certificate what `CertificateFiles.read` and `load_into` raise.
    """
    files = client_files(network)
    if network.ca is None and files is None:
        return None
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if network.ca is not None:
        load_authorities(context, network.ca, "network.ca")
    if files is not None:
        files.read(now)
        files.load_into(context)
    return context


def client_files(network: Network) -> CertificateFiles | None:
    """Where this node's certificate for other servers lies."""
    if network.client_certificate is None or network.client_key is None:
        return None
    return CertificateFiles(Path(network.client_certificate), Path(network.client_key), use="client")


def trouble(failure: ssl.SSLError) -> str:
    """What went wrong in a handshake with another server, in words that lead to what to change."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        told = failure.verify_message.partition(", ")[0].rstrip(".")
        return _OF_THEIRS.get(failure.verify_code, f"its certificate is not trusted ({told})")
    reason = getattr(failure, "reason", None) or "the handshake was cut"  # some are made without one
    return _OF_OURS.get(reason, f"TLS fails ({reason.replace('_', ' ').lower()})")
