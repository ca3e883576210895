"""Requests to hubs, tried again where a second try may help."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx2

from freehold.errors import FreeholdError
from freehold.store.http_client import PASSING, is_distrust, retry_after_s

READ_TRIES = 3  # of what is asked first: a network without a way out is to be told soon


@dataclass(frozen=True)
class Patience:
    """How often to try, in a row and in vain, and how long to wait before each next try (seconds, doubling)."""

    tries: int = 6
    first_pause_s: float = 0.5
    longest_pause_s: float = 20.0

    def pause_s(self, failures: int, wanted_s: float = 0.0) -> float:
        """Seconds to wait after the last of `failures`; a server may have wished for longer."""
        doubled = self.first_pause_s * 2.0 ** (failures - 1)
        return min(max(doubled, wanted_s), self.longest_pause_s)


@dataclass(frozen=True)
class Transport:
    """An HTTP client, and how patient it is."""

    client: httpx2.Client
    patience: Patience = Patience()
    sleep: Callable[[float], object] = time.sleep

    def read(self, url: str, headers: Mapping[str, str], *, most: int) -> httpx2.Response:
        """The whole answer to a GET, whatever its status.

        Raises FreeholdError `hub_answer_invalid` for a body of more than `most` bytes, httpx2.RequestError for none.
        """
        tries = min(self.patience.tries, READ_TRIES)
        for failures in range(1, tries + 1):
            try:
                response = self._read_once(url, headers, most)
            except httpx2.RequestError as error:
                if failures == tries or not isinstance(error, httpx2.TransportError) or is_distrust(error):
                    raise
                self.sleep(self.patience.pause_s(failures))
                continue
            if response.status_code not in PASSING or failures == tries:
                return response
            self.sleep(self.patience.pause_s(failures, retry_after_s(response)))
        raise AssertionError("the last try returns or raises")

    def _read_once(self, url: str, headers: Mapping[str, str], most: int) -> httpx2.Response:
        with self.client.stream("GET", url, headers=headers) as response:
            body = bytearray()
            for piece in response.iter_bytes():
                body += piece
                if len(body) > most:
                    reason = f"{response.url.path} is longer than {most} bytes"
                    raise FreeholdError("hub_answer_invalid", host=response.url.host, reason=reason)
        kept = {name: value for name, value in response.headers.items() if name != "content-encoding"}
        return httpx2.Response(response.status_code, headers=kept, content=bytes(body), request=response.request)
