"""The user's own certificates and keys as Dify's services read them."""

import ssl
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from freehold.errors import FreeholdError

_SYSTEMS = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Red Hat and its like
    "/etc/ssl/ca-bundle.pem",  # SUSE
)

_PACKAGE_KEY = b"-----BEGIN RSA PUBLIC KEY-----\n", b"-----END RSA PUBLIC KEY-----\n"


def joined(own: bytes, place: str) -> bytes:
    """This machine's authorities, then those of `own`: a service that is given a file of them forgets its own.

    Raises `dify_ca_unreadable`, with `place`, where `own` has no certificate in it, or a private key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=own.decode("ascii", "ignore"))  # names of people in its comments
    except (ssl.SSLError, ValueError) as error:
        raise FreeholdError("dify_ca_unreadable", path=place, reason=str(error)) from None
    if b"PRIVATE KEY-----" in own:
        reason = "a private key is in it, too, and every service would have it"
        raise FreeholdError("dify_ca_unreadable", path=place, reason=reason)
    return b"\n".join((*(system.strip() for system in _system()), own.strip())) + b"\n"


def joined_file(own: Path) -> bytes:
    """As `joined`, of a file."""
    try:
        return joined(own.read_bytes(), str(own))
    except OSError as error:
        raise FreeholdError("dify_ca_unreadable", path=own, reason=error.strerror or error) from None


def check_pair(certificate: Path, key: Path) -> None:
    """Raises `dify_tls_unusable` where the two files are not a certificate and its own key, without a passphrase."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise FreeholdError("dify_tls_unusable", certificate=certificate, key=key, reason=reason) from None


def read_package_key(path: Path) -> rsa.RSAPublicKey:
    """The public key of packages in a file that the plugin daemon would read too.

    Raises FreeholdError `plugin_key_unusable`.
    """
    begin, end = _PACKAGE_KEY
    try:
        raw = path.read_bytes()
        key = load_pem_public_key(raw)
    except OSError as error:
        reason = error.strerror or "it cannot be read"
        raise FreeholdError("plugin_key_unusable", path=path, reason=reason) from None
    except (ValueError, UnsupportedAlgorithm):
        raise FreeholdError("plugin_key_unusable", path=path, reason="it is no PEM of a public key") from None
    if not isinstance(key, rsa.RSAPublicKey) or not (raw.startswith(begin) and raw.endswith(end)):
        reason = "the daemon reads one block of RSA PUBLIC KEY (PKCS #1) and one line end behind it, nothing else"
        raise FreeholdError("plugin_key_unusable", path=path, reason=reason)
    return key


def _no_passphrase() -> str:
    """Nobody is asked for one: Nginx would stand still."""
    return ""


def _system() -> list[bytes]:
    """The file of the system's authorities, where there is one."""
    named = ssl.get_default_verify_paths().cafile
    return [Path(path).read_bytes() for path in (named, *_SYSTEMS) if path and Path(path).is_file()][:1]
