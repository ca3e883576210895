"""One request that a key came with: what it may see, what it takes of its limits, and what it came to."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from freehold.access import DEFAULT_TENANT, Key, Right
from freehold.errors import FreeholdError

Headers = tuple[tuple[bytes, bytes], ...]
Owners = Mapping[str, str]
"""The tenants of those names of models that belong to one; whatever is missing is everybody's."""


class Allowance(Protocol):
    """What one request took of the limits of its key and of its team."""

    def headers(self) -> Headers:
        """`x-ratelimit-*` as they stand now."""
        ...

    def settle(self, tokens: int) -> None:
        """The request is over, and came to so many tokens."""
        ...


class Quota(Protocol):
    """The limits of keys and teams."""

    async def enter(self, key: Key, tokens: int = 0) -> Allowance:
        """Let one more request of `key` in, of about so many tokens. Does not suspend but where a limit is near.

        Raises the error of the limit that it would pass.
        """
        ...


class Ledger(Protocol):
    """Where is written who did what: usage, and the audit. Nothing here waits, or raises."""

    def note(self, visit: "Visit", status: int, seconds: float) -> None:
        """A request is over. `status` is 0 where its answer was cut short."""
        ...


class Asked(NamedTuple):
    """What a request is before anything is known of its key: `path` is that of HTTP, or the method of gRPC."""

    right: Right
    method: str
    path: str
    request_id: str
    address: str


class Visit:
    """One request of one key. What it came to is filled in by whoever answers it.

    `model` is the name that was asked for, `digest` that of the weights that answered, `place` where that was: empty
    for this process, else the address of another server.
    """

    __slots__ = (
        "_allowance",
        "_granted",
        "_ledger",
        "_owners",
        "_quota",
        "asked",
        "completion_tokens",
        "digest",
        "key",
        "model",
        "place",
        "prompt_tokens",
    )

    def __init__(self, key: Key, asked: Asked, owners: Owners, quota: Quota | None, ledger: Ledger | None) -> None:
        self.key = key
        self.asked = asked
        self.model = self.digest = self.place = ""
        self.prompt_tokens = self.completion_tokens = 0
        self._owners = owners
        self._quota = quota
        self._ledger = ledger
        self._allowance: Allowance | None = None
        self._granted: str | None = None

    async def begin(self, tokens: int = 0) -> None:
        """Let it on, and take of the limits what inference takes: of about so many tokens, until more is known.

        Raises `right_missing`, and the error of the limit that it would pass.
        """
        key, right = self.key, self.asked.right
        if not key.has(right):
            raise FreeholdError("right_missing", right=right, name=key.name, role=key.role)
        if self._quota is not None and right == "infer":
            self._allowance = await self._quota.enter(key, tokens)

    def sees(self, model: str) -> bool:
        """Whether there is a model of that name for this caller.

        A model of a tenant is seen by that tenant's keys, and by those that run the installation: keys of the default
        tenant with another role than client.
        """
        if model == self._granted:
            return True
        key = self.key
        if not key.covers(model):
            return False
        owner = self._owners.get(model)
        return not owner or owner == key.tenant or (key.tenant == DEFAULT_TENANT and key.role != "client")

    def changes(self, model: str) -> bool:
        """Whether this caller's load and unload of a model that it sees concern nobody else's requests."""
        return self.key.tenant == DEFAULT_TENANT or self._owners.get(model) == self.key.tenant

    def grant(self, model: str) -> None:
        """Let it see `model`, too: the one that a name which it sees leads to."""
        self._granted = model

    def headers(self) -> Headers:
        """What its answer tells of the limits that it was counted against."""
        return () if self._allowance is None else self._allowance.headers()

    def end(self, status: int, seconds: float) -> None:
        """The request is over: what it took is settled, and written down. `status` 0: its answer was cut short."""
        if self._allowance is not None:
            self._allowance.settle(self.prompt_tokens + self.completion_tokens)
        if self._ledger is not None:
            self._ledger.note(self, status, seconds)
