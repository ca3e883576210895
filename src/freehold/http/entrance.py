"""The door as requests pass it: whose key, which right, and what is left of its limits."""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress

from freehold.access import Key, Keys
from freehold.errors import FreeholdError
from freehold.http.proxies import TrustedProxies
from freehold.http.visit import Asked, Ledger, OverheardVisit, Owners, Quota, Visit

log = logging.getLogger(__name__)

_STRANGER = Key("", "viewer", 0.0, b"", tenant="")
_ANYONE = Key("", "admin", 0.0, b"")
"""Whoever calls while no key is asked for: nobody knows who that is."""
_CHANGES = ("repository", "admin")
"""The rights to change what is served."""


class Entrance:
    """Lets requests in by their keys. Used from the event loop's thread only, and nothing here waits."""

    def __init__(
        self,
        keys: Keys,
        owners: Callable[[], Owners] = dict,
        *,
        quota: Quota | None = None,
        ledger: Ledger | None = None,
        proxies: TrustedProxies | None = None,
        until_keys: bool = False,
        content: bool = False,
    ) -> None:
        """`owners` tells whose models are as of now; a request keeps what held when it began. `until_keys`: it is open
        while no key was ever made. `content`: visits keep what was asked and answered, for `ledger`."""
        self._keys = keys
        self._owners = owners
        self._quota = quota
        self._ledger = ledger
        self._proxies = proxies or TrustedProxies()
        self._is_open = until_keys
        self._visit = OverheardVisit if content else Visit

    @property
    def is_open(self) -> bool:
        """Whether anyone may call. Once it is not it stays so, whatever becomes of the keys."""
        if self._is_open and not self._keys.none_made:
            self._is_open = False
            log.warning("Requests need a key from now on: the first one was made")
        return self._is_open

    def admit(self, headers: Mapping[bytes, bytes], asked: Asked) -> Visit:
        """The visit of a request with these headers, by their lower-case names. Whoever gets it begins and ends it.

        Raises `key_missing`, `key_wrong`, `key_expired`, and `key_guessing` where too many wrong ones came from there;
        `page_refused` where no key is asked for and a page in a browser would change what is served: whoever made it,
        it may send to this machine what its visitor may.
        """
        asked = self._placed(headers, asked)
        if self.is_open:
            if b"origin" in headers and asked.right in _CHANGES:
                raise FreeholdError("page_refused", origin=headers[b"origin"].decode("latin-1")[:200])
            return self._visit(_ANYONE, asked, self._owners(), None, self._ledger)
        try:
            key = self._keys.check(presented_key(headers), asked.address)
        except FreeholdError as error:
            if self._ledger is not None:
                self._ledger.turned_away(asked.address, error.code)
            raise
        return self._visit(key, asked, self._owners(), self._quota, self._ledger)

    def look_in(self, headers: Mapping[bytes, bytes], asked: Asked) -> Visit:
        """The visit of a request to what is public, which nobody counts: it sees what belongs to no tenant, and what
        its key sees where it has one. A wrong one is none, but a guess all the same."""
        key = _ANYONE if self.is_open else _STRANGER
        presented = presented_key(headers)
        if presented is not None and not self.is_open:
            with suppress(FreeholdError):
                key = self._keys.check(presented, self._placed(headers, asked).address)
        return Visit(key, asked, self._owners(), None, None)

    def _placed(self, headers: Mapping[bytes, bytes], asked: Asked) -> Asked:
        """With the address of the client where a proxy of ours passed it on."""
        address = self._proxies.client(asked.address, headers)
        return asked if address == asked.address else asked._replace(address=address)


def presented_key(headers: Mapping[bytes, bytes]) -> str | None:
    """The key among a request's headers, or a call's metadata: `Authorization: Bearer KEY`, else `api-key: KEY`.

    `headers` by their lower-case names. An empty `Authorization` counts as none: Dify's embeddings call sends one when
    no key is configured.
    """
    scheme, _, token = (headers.get(b"authorization") or b"").partition(b" ")
    token = token.strip()
    if scheme.lower() != b"bearer" or not token:
        token = (headers.get(b"api-key") or b"").strip()
    return token.decode("latin-1") or None
