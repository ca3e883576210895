"""Certificates by ACME (RFC 8555), proven by http-01, renewed at two thirds of their life.

This module needs the optional package `acme`. That package waits with `time.sleep`, so everything here runs in a thread
of its own; what it gets goes into a file, durably, and `Https` takes it up from there as any other certificate.
"""

import ipaddress
import logging
import random
import re
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from acme import challenges, client, crypto_util, errors, messages
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC
from requests.adapters import HTTPAdapter

from freehold import __version__
from freehold.artifact.artifact import write_durably
from freehold.config import Acme, Network, resolve
from freehold.errors import FreeholdError
from freehold.http.certificate import Certificate, CertificateFiles, load_authorities, now

ORDER_S = 120.0  # from an order to its certificate
SILENCE_S = 30.0
RENEW_AT = 2 / 3  # of the life of a certificate: what Let's Encrypt asks of its clients
JITTER = 0.05  # of the same: many machines that were set up together must not come together
FIRST_PAUSE_S, LONGEST_PAUSE_S = 120.0, 6 * 3600.0  # after failures; Let's Encrypt bears five an hour
_LAST_WORDS_S = 0.2  # in which a thread that only waits has ended
LOOK_S = 600.0  # a clock may be set, and a machine may sleep: time is looked at, not waited for
_GARBLED = (ValueError, LookupError, TypeError, AttributeError)
"""What the package ends in when an answer is JSON of another shape: none of it may be the end of all renewals."""

_log = logging.getLogger(__name__)


def acme_files(home: Path, settings: Acme) -> CertificateFiles:
    """Where the certificate of `settings` lies, with its key in the same file: one rename replaces both."""
    place = _folder(home, settings) / f"{settings.domains[0].lower()}.pem"
    return CertificateFiles(place, place, settings.domains)


def renewal_due(certificate: Certificate, chance: float) -> datetime:
    """When to ask for the next one; `chance` in [0, 1) spreads machines over the jitter before it."""
    life = certificate.expires - certificate.begins
    return certificate.begins + life * (RENEW_AT - JITTER * chance)


def pause_s(failures: int, chance: float) -> float:
    """How long to wait after the last of `failures` in a row, in seconds: doubling, with up to a tenth of jitter."""
    return min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, 30), LONGEST_PAUSE_S) * (1 + 0.1 * chance)


@dataclass(frozen=True)
class Authority:
    """An ACME directory, and the file of the key by which it knows this machine."""

    settings: Acme
    network: Network
    account: Path
    environ: Mapping[str, str]

    @staticmethod
    def of(settings: Acme, network: Network, home: Path, environ: Mapping[str, str]) -> "Authority":
        """The authority of `settings`; nothing is asked or written yet."""
        return Authority(settings, network, _folder(home, settings) / "account.pem", environ)

    def certify(self, prove: dict[str, bytes]) -> bytes:
        """A new certificate with a new key, in PEM: key, certificate, chain. `prove` gets what the plain port answers.

        Raises FreeholdError `acme_unreachable`, `acme_refused`, `acme_unproven`, `acme_slow`, `acme_account_broken`,
        `acme_home_unwritable`, `tls_authority_unreadable`, and as `config.resolve` for the proxy.
        """
        directory = self.settings.directory
        try:
            return self._ordered(self._known(), prove)
        except errors.ValidationError as failure:
            raise _unproven(failure) from None
        except errors.TimeoutError:
            raise FreeholdError("acme_slow", directory=directory, seconds=f"{ORDER_S:g}") from None
        except errors.IssuanceError as failure:
            raise FreeholdError("acme_refused", directory=directory, reason=_words(failure.error)) from None
        except messages.Error as failure:
            raise FreeholdError("acme_refused", directory=directory, reason=_words(failure)) from None
        except requests.RequestException as failure:
            raise FreeholdError("acme_unreachable", directory=directory, reason=_because(failure)) from None
        except (errors.Error, JoseError, *_GARBLED):
            _log.info("acme_garbled", exc_info=True)
            raise FreeholdError("acme_unreachable", directory=directory, reason="it does not speak ACME") from None
        finally:
            prove.clear()

    def _known(self) -> client.ClientV2:
        """A client whose account exists: to ask for one with a key that has one returns that (RFC 8555, 7.3.1)."""
        net = client.ClientNetwork(
            JWKEC(key=self._key()), alg=ES256, user_agent=f"freehold/{__version__}", timeout=int(SILENCE_S)
        )
        self._reach(net.session)
        asked = client.ClientV2(client.ClientV2.get_directory(self.settings.directory, net), net)
        wish = messages.NewRegistration.from_data(
            email=self.settings.email, terms_of_service_agreed=self.settings.accept_terms
        )
        try:
            asked.new_account(wish)
        except errors.ConflictError as known:
            net.account = messages.RegistrationResource(uri=known.location, body=messages.Registration())
        return asked

    def _ordered(self, asked: client.ClientV2, prove: dict[str, bytes]) -> bytes:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        order = asked.new_order(crypto_util.make_csr(pem, list(self.settings.domains)))
        for authorization in order.authorizations:
            if authorization.body.status != messages.STATUS_PENDING:
                continue  # proven a while ago
            offered = [one for one in authorization.body.challenges if isinstance(one.chall, challenges.HTTP01)]
            if not offered:
                reason = f"it offers no http-01 for {authorization.body.identifier.value}"
                raise FreeholdError("acme_refused", directory=self.settings.directory, reason=reason)
            answer, content = offered[0].response_and_validation(asked.net.key)
            prove[offered[0].chall.encode("token")] = content.encode("ascii")
            asked.answer_challenge(offered[0], answer)
        deadline = datetime.now() + timedelta(seconds=ORDER_S)  # noqa: DTZ005 - the package compares with local time
        return pem + asked.poll_and_finalize(order, deadline).fullchain_pem.encode("ascii")

    def _key(self) -> ec.EllipticCurvePrivateKey:
        """The account's key, made and written at first."""
        try:
            key = load_pem_private_key(self.account.read_bytes(), None)
        except FileNotFoundError:
            key = ec.generate_private_key(ec.SECP256R1())
            store(self.account, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        except OSError as error:
            raise _unwritable(self.account, error) from None
        except (ValueError, TypeError):
            raise FreeholdError("acme_account_broken", path=self.account, reason="it holds no key in PEM") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise FreeholdError("acme_account_broken", path=self.account, reason="its key is not ECDSA on P-256")
        return key

    def _reach(self, session: requests.Session) -> None:
        """Trust and proxies as everywhere in the house; none of a loopback address."""
        context = ssl.create_default_context()
        for path, setting in ((self.network.ca, "network.ca"), (self.settings.ca, "server.tls.acme.ca")):
            if path is not None:
                load_authorities(context, path, setting)
        session.mount("https://", _Trusting(context))
        session.trust_env = self.network.proxy is None and not _is_loopback(self.settings.directory)
        if self.network.proxy is not None and not _is_loopback(self.settings.directory):
            session.proxies = dict.fromkeys(("http", "https"), resolve(self.network.proxy, self.environ))


class AcmeRenewal:
    """Keeps a certificate of an authority in its file: the first one, and the next before it ends. A `tls.Renewal`."""

    def __init__(
        self,
        authority: Authority,
        files: CertificateFiles,
        on_failure: Callable[[], None],
        clock: Callable[[], datetime] = now,
        look_s: float = LOOK_S,
    ) -> None:
        self.error: FreeholdError | None = None
        self.challenges: dict[str, bytes] = {}
        self._unwritten = b""
        self._authority = authority
        self._files = files
        self._on_failure = on_failure
        self._clock = clock
        self._look_s = look_s
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="acme", daemon=True)  # nobody waits for its last order

    def start(self) -> None:
        """Begin; called once."""
        self._thread.start()

    def stop(self) -> None:
        """End soon; does not wait."""
        self._ends.set()

    @property
    def busy(self) -> bool:
        """After `stop`: whether an order is on its way. An interpreter that ends meanwhile can crash in OpenSSL."""
        if self._thread.is_alive():
            self._thread.join(_LAST_WORDS_S)
        return self._thread.is_alive()

    def _keep(self) -> None:
        failures, chance = 0, random.random()
        while True:
            if (left_s := self._left_s(chance)) > 0:
                failures, self.error = 0, None
            # one that is due as soon as it is issued (a clock that is far off) must not be asked for in a circle
            elif self.renew() and (left_s := self._left_s(chance)) > 0:
                failures = 0
            else:
                failures += 1
            if self._ends.wait(pause_s(failures, chance) if failures else left_s):
                return

    def renew(self) -> bool:
        """Get a new certificate now; whether that succeeded. The old one stays in its file until then.

        One that could not be written (a full disk) is kept and written by the next call: authorities issue only a few
        of the same names a week.
        """
        try:
            self._unwritten = self._unwritten or self._authority.certify(self.challenges)
            store(self._files.certificate, self._unwritten)
        except FreeholdError as error:
            self.error = error
            self._on_failure()
            _log.error(error.cause, extra={"code": error.code, "fix": error.fix})
            return False
        self.error, self._unwritten = None, b""
        _log.info("certificate_issued", extra={"names": ", ".join(self._files.wanted)})
        return True

    def _left_s(self, chance: float) -> float:
        """Seconds to wait before one is wanted, at most those after which the clock is looked at again. None where
        there is no certificate, or only one that is old, over, broken, or for other names."""
        at = self._clock()
        try:
            certificate = self._files.read(at)
        except FreeholdError:
            return 0.0
        return min((renewal_due(certificate, chance) - at).total_seconds(), self._look_s)


def store(path: Path, pem: bytes) -> None:
    """Write a key for this user alone. Raises FreeholdError `acme_home_unwritable`."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_durably(path, pem, mode=0o600)
    except OSError as error:
        raise _unwritable(path, error) from None


class _Trusting(HTTPAdapter):
    """Connections that trust whom a context trusts, and nobody besides."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **settings: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **settings)

    def proxy_manager_for(self, proxy: str, **settings: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **settings)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        conn.cert_reqs = "CERT_REQUIRED"  # the base class would add a bundle of its own


def _folder(home: Path, settings: Acme) -> Path:
    """A folder for each directory: an account belongs to one."""
    where = urlsplit(settings.directory)
    return home / "tls" / re.sub(r"[^A-Za-z0-9.-]+", "-", f"{where.netloc}{where.path}").strip("-")


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unwritable(path: Path, error: OSError) -> FreeholdError:
    return FreeholdError("acme_home_unwritable", path=path, reason=error.strerror or type(error).__name__)


def _unproven(failure: errors.ValidationError) -> FreeholdError:
    authorization = failure.failed_authzrs[0].body
    told = [_words(one.error) for one in authorization.challenges if one.error is not None]
    reason = told[0] if told else "it does not say why"
    return FreeholdError("acme_unproven", domain=authorization.identifier.value, reason=reason)


def _words(problem: Any) -> str:
    """What an authority says, in one line (RFC 8555, 6.7)."""
    return " ".join(str(problem.detail or problem.title or problem.typ).split()).rstrip(".")


def _because(failure: requests.RequestException) -> str:
    text = str(failure)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate is not of an authority that is trusted here"
    if isinstance(failure, requests.Timeout):
        return f"no answer within {SILENCE_S:g} s"
    return "no connection to it" if isinstance(failure, requests.ConnectionError) else type(failure).__name__
