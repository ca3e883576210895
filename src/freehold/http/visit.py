"""One request that a key came with: what it may see, what it takes of its limits, and what it came to."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from typing import NamedTuple, Protocol

from freehold.access import DEFAULT_TENANT, Key, Right
from freehold.errors import FreeholdError
from freehold.http.content import Content
from freehold.http.offloaded import offloaded

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
    """Where is written who did what: usage, and the audit. Nothing but `attempt` waits."""

    def permit(self) -> None:
        """Before an inference. Raises the error that keeps it from being written down, where that must be."""
        ...

    def turned_away(self, address: str, code: str) -> None:
        """Somebody there had no key, or a wrong one; `code` is the error."""
        ...

    def note(self, visit: "Visit", status: int, seconds: float) -> None:
        """A request is over. `status` is 0 where its answer was cut short. Never raises."""
        ...

    def attempt(
        self, visit: "Visit", what: str, model: str, details: Mapping[str, str]
    ) -> AbstractContextManager[object]:
        """Around an act of administration. Entering and leaving it wait for the disk."""
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
    for this process, else the model of the configuration whose server it was.
    """

    __slots__ = (
        "_allowance",
        "_granted",
        "_ledger",
        "_owners",
        "_quota",
        "asked",
        "completion_tokens",
        "denied",
        "digest",
        "key",
        "model",
        "place",
        "prompt_tokens",
    )

    content: Content | None = None
    """What was asked and answered, where its line in the audit holds that; see `OverheardVisit`."""

    def __init__(self, key: Key, asked: Asked, owners: Owners, quota: Quota | None, ledger: Ledger | None) -> None:
        self.key = key
        self.asked = asked
        self.model = self.digest = self.place = ""
        self.prompt_tokens = self.completion_tokens = 0
        self.denied = False
        """Whether it was not let on."""
        self._owners = owners
        self._quota = quota
        self._ledger = ledger
        self._allowance: Allowance | None = None
        self._granted: str | None = None

    async def begin(self, tokens: int = 0) -> None:
        """Let it on, and take of the limits what inference takes: of about so many tokens, until more is known.

        Raises `right_missing`, `audit_refused`, and the error of the limit that it would pass.
        """
        key, right = self.key, self.asked.right
        self.denied = True
        if not key.has(right):
            raise FreeholdError("right_missing", right=right, name=key.name, role=key.role)
        if right == "infer":
            if self._ledger is not None:
                self._ledger.permit()
            if self._quota is not None:
                self._allowance = await self._quota.enter(key, tokens)
        self.denied = False

    @property
    def tenant(self) -> str:
        """Whose own things it means, where tenants have some each: "" for the installation's own."""
        return "" if self.key.tenant == DEFAULT_TENANT else self.key.tenant

    @property
    def sees_all(self) -> bool:
        """Whether there is no model that this caller does not see, also of those that are still to come."""
        return self.key.models is None and self._runs_the_house

    @property
    def is_confined(self) -> bool:
        """Whether there are models that this caller may not ask, though others may, or it is one of several tenants:
        what it sends is not trusted to name none of another's."""
        key = self.key
        return key.models is not None or key.tenant != DEFAULT_TENANT or (bool(self._owners) and key.role == "client")

    @property
    def _runs_the_house(self) -> bool:
        return self.key.tenant == DEFAULT_TENANT and self.key.role != "client"

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
        return not owner or owner == key.tenant or self._runs_the_house

    def owns(self, model: str) -> bool:
        """Whether to change `model` concerns nobody but this caller's tenant, or is the house's own business."""
        return self.key.tenant in (DEFAULT_TENANT, self._owners.get(model))

    def may_state(self, model: str) -> None:
        """Raises `model_stated_by_tenant` unless it may say what `model` is loaded from: what lies in the store and on
        this machine is everybody's."""
        if self.key.tenant != DEFAULT_TENANT:
            raise FreeholdError("model_stated_by_tenant", model=model, tenant=self.key.tenant)

    def concerns(self, model: str) -> str:
        """The tenant whose business a change of `model` is."""
        return self._owners.get(model) or self.key.tenant

    def changing(self, what: str, model: str) -> AbstractAsyncContextManager[None]:
        """As `doing`, around an act that changes `model`, which this caller sees.

        Raises `model_shared` where it would concern another tenant's requests.
        """
        if not self.owns(model):
            raise FreeholdError("model_shared", model=model, tenant=self.key.tenant)
        return self.doing(what, model)

    def doing(self, what: str, model: str = "", **details: str) -> AbstractAsyncContextManager[None]:
        """Around an act of administration: it stands in the audit before it begins. Entering raises `audit_refused`."""
        if self._ledger is None:
            return nullcontext()
        return offloaded(self._ledger.attempt(self, what, model, details))

    def grant(self, model: str) -> None:
        """Let it see `model`, too: the one that a name which it sees leads to."""
        self._granted = model

    def answered(self, model: str, digest: str, prompt_tokens: int, completion_tokens: int = 0) -> None:
        """A model has answered, or one more prompt of the same request. The name that was asked for stays."""
        self.model = self.model or model
        self.digest = digest
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens

    def headers(self) -> Headers:
        """What its answer tells of the limits that it was counted against."""
        return () if self._allowance is None else self._allowance.headers()

    def end(self, status: int, seconds: float) -> None:
        """The request is over: what it took is settled, and written down. `status` 0: its answer was cut short."""
        if self._allowance is not None:
            self._allowance.settle(self.prompt_tokens + self.completion_tokens)
        if self._ledger is not None:
            self._ledger.note(self, status, seconds)


class OverheardVisit(Visit):
    """A visit that keeps the content of an inference."""

    __slots__ = ("content",)

    def __init__(self, key: Key, asked: Asked, owners: Owners, quota: Quota | None, ledger: Ledger | None) -> None:
        super().__init__(key, asked, owners, quota, ledger)
        self.content = Content() if asked.right == "infer" else None
