"""Quotas: how much each key, and each team together, may use; counted by every node, without asking in the request.

A request counts down the slices that its node holds. A task in the background fills them again, ahead of need, gives
back what lies idle, and renews the places of requests that are under way. A request waits for the database only where
its node's slice is used up before the next one came: the first of a window, or a burst within a small limit. So a small
limit is exact, and no request is refused while its budget has something left that no other node holds.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from math import ceil
from time import monotonic
from typing import Literal
from weakref import WeakValueDictionary

from freehold.access.allowance import Allowance, headers
from freehold.access.key import UNLIMITED, Key, Limits
from freehold.access.leases import Leases
from freehold.access.register import INTERNAL
from freehold.access.slices import RECHECK_S, Measure, Places, Slice
from freehold.access.supply import Supply
from freehold.config import Access, KeyLimits
from freehold.errors import FreeholdError

FORGET_S = 600.0  # what nobody used for so long takes no memory any more
_DAY_S = 86400
_WINDOWS = {60: "minute", _DAY_S: "day"}
_CODES = {"requests": "quota_requests", "tokens": "quota_tokens"}


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says: the limits of each key that has none of its own, and of each team together.

    `when_unreachable`: where the database is gone and a slice used up, requests go on uncounted, or are refused.
    """

    each_key: Limits = UNLIMITED
    teams: Mapping[str, Limits] = field(default_factory=dict)
    when_unreachable: Literal["go_on", "refuse"] = "go_on"

    @classmethod
    def of(cls, access: Access) -> "Rules":
        """As the configuration's `access` says."""
        teams = {name: _limits(team) for name, team in access.teams.items()}
        return cls(_limits(access.limits), teams, access.when_unreachable)


class Account:
    """The slices that the requests of one key count down: its own, and those of its team."""

    __slots__ = ("key", "most_tokens", "places", "requests", "rules", "tokens", "used_at")

    def __init__(self, key: Key, rules: Rules, slices: Sequence[Slice], places: Sequence[Places], now: float) -> None:
        self.key = key
        self.rules = rules
        self.requests = tuple(one for one in slices if one.measure.unit == "requests")
        self.tokens = tuple(one for one in slices if one.measure.unit == "tokens")
        self.places = tuple(places)
        self.most_tokens = min((one.limit for one in self.tokens), default=0)
        self.used_at = now


class Quota:
    """The quotas of one node. Used from the event loop's thread only; while requests come, `running` is entered."""

    def __init__(self, leases: Leases, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()
        self._accounts: OrderedDict[bytes, Account] = OrderedDict()
        # what no account has any more goes with its last request, and what it owes or holds is told
        self._slices: WeakValueDictionary[tuple[str, Measure], Slice] = WeakValueDictionary()
        self._places: WeakValueDictionary[str, Places] = WeakValueDictionary()
        self._supply = Supply(leases)

    @property
    def is_reachable(self) -> bool:
        """Whether the database of limits answers, as far as this node knows."""
        return self._supply.is_reachable

    def follow(self, rules: Rules) -> None:
        """Go on by other rules. What was used stays used."""
        self._rules = rules

    async def enter(self, key: Key, tokens: int = 0) -> Allowance:
        """Count one request, of about `tokens` tokens until it is settled, or refuse it.

        Does not suspend while the node's slices suffice. An estimate beyond a whole limit counts as all of it. Raises
        `quota_requests`, `quota_tokens`, `quota_parallel` with `retry_after_s`; `quota_unreachable` where the database
        is gone and the rules refuse then.
        """
        account = self._accounts.get(key.sha256)
        if account is None or account.key is not key or account.rules is not self._rules:
            account = self._open_account(key)
        tokens = min(max(1, tokens), account.most_tokens)
        while True:
            now = monotonic()
            if self._covers(account, tokens, now):
                return self._count(account, tokens, now)
            await self._supply.wait()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While it lasts slices are filled, given back and renewed; afterwards all are given back."""
        async with self._supply.running():
            yield

    def _covers(self, account: Account, tokens: int, now: float) -> bool:
        """Whether every slice of `account` has enough; else what is missing is asked for. Raises as `enter` does."""
        missing = False
        for one in account.requests:
            if (one.left < 1 or now >= one.until) and self._lacks(account, one, 1, now):
                missing = True
        for one in account.tokens:
            if (one.left < tokens or now >= one.until) and self._lacks(account, one, tokens, now):
                missing = True
        for some in account.places:
            if (some.left < 1 or now >= some.until) and self._lacks(account, some, 1, now):
                missing = True
        return not missing

    def _lacks(self, account: Account, one: Slice | Places, cost: int, now: float) -> bool:
        """Whether a request has to wait for `one`; not where it goes on without. Raises where waiting is no use."""
        if now < one.dry_until:
            raise _refusal(account, one, now)
        self._supply.ask_for(one)
        if self._supply.is_reachable:
            one.awaited += cost
            return True
        if account.rules.when_unreachable == "refuse":
            raise FreeholdError("quota_unreachable", retry_after_s=ceil(RECHECK_S))
        if now >= one.until:
            one.left = min(one.left, 0)  # what was left of a window that is over is no credit in the next
        return False

    def _count(self, account: Account, tokens: int, now: float) -> Allowance:
        account.used_at = now
        for one in account.requests:
            one.left -= 1
            one.used = True
            if one.left < one.low and not one.asked and now >= one.dry_until:
                self._supply.ask_for(one)
        for one in account.tokens:
            one.left -= tokens
            one.used = True
            if one.left < one.low and not one.asked and now >= one.dry_until:
                self._supply.ask_for(one)
        for some in account.places:
            some.left -= 1
            some.busy += 1
            if some.left < some.least:
                some.least = some.left
        return Allowance(account.requests, account.tokens, account.places, tokens, now, self._supply.watch)

    def _open_account(self, key: Key) -> Account:
        """The account of `key` as it and the rules are now, on the slices that are in use already."""
        now = monotonic()
        self._forget(now)
        slices: list[Slice] = []
        places: list[Places] = []
        for subject, limits in _subjects(key, self._rules):
            for measure, limit in _measured(limits):
                slices.append(self._slice(subject, measure, limit))
            if limits.parallel is not None:
                places.append(self._places_of(subject, limits.parallel))
        account = Account(key, self._rules, slices, places, now)
        self._accounts[key.sha256] = account
        return account

    def _slice(self, subject: str, measure: Measure, limit: int) -> Slice:
        one = self._slices.get((subject, measure))
        if one is None:
            one = self._slices[subject, measure] = Slice(subject, measure, limit)
        elif one.limit != limit:
            one.change(limit)
        return one

    def _places_of(self, subject: str, limit: int) -> Places:
        some = self._places.get(subject)
        if some is None:
            some = self._places[subject] = Places(subject, limit)
        elif some.limit != limit:
            some.change(limit)
        return some

    def _forget(self, now: float) -> None:
        """Let go of accounts that nobody used for long. Two are looked at for each that is opened: no request pays for
        all of them."""
        for _ in range(min(2, len(self._accounts))):
            sha256, account = self._accounts.popitem(last=False)
            if now - account.used_at < FORGET_S:
                self._accounts[sha256] = account


def _subjects(key: Key, rules: Rules) -> Sequence[tuple[str, Limits]]:
    """Whose limits a request of `key` counts against. What our own servers pass on was counted where it came in."""
    if key.name == INTERNAL:
        return ()
    own, rest = key.limits, rules.each_key
    found = [(_key_subject(key), Limits(*(_either(getattr(own, name), getattr(rest, name)) for name in _FIELDS)))]
    if key.team in rules.teams:
        found.append((f"team:{key.tenant}/{key.team}", rules.teams[key.team]))
    return found


def _limits(configured: KeyLimits) -> Limits:
    return Limits(*(getattr(configured, name) for name in _FIELDS))


def _key_subject(key: Key) -> str:
    return f"key:{key.name}"


def _either(own: int | None, rest: int | None) -> int | None:
    return rest if own is None else own


_FIELDS = tuple(one.name for one in fields(Limits))


def _measured(limits: Limits) -> Sequence[tuple[Measure, int]]:
    """The windows in which `limits` count something, and how much."""
    table = (
        (Measure("requests", 60), limits.requests_per_minute),
        (Measure("requests", _DAY_S), limits.requests_per_day),
        (Measure("tokens", 60), limits.tokens_per_minute),
        (Measure("tokens", _DAY_S), limits.tokens_per_day),
    )
    return [(measure, limit) for measure, limit in table if limit is not None]


def _refusal(account: Account, one: Slice | Places, now: float) -> FreeholdError:
    key = account.key
    owner = f"key {key.name}" if one.subject == _key_subject(key) else f"team {key.team}"
    told = headers(account.requests, account.tokens)
    if isinstance(one, Places):
        return FreeholdError(
            "quota_parallel", owner=owner, setting="parallel", limit=one.limit, retry_after_s=1, headers=told
        )
    return FreeholdError(
        _CODES[one.measure.unit],
        owner=owner,
        setting=f"{one.measure.unit}_per_{_WINDOWS[one.measure.span_s]}",
        limit=one.limit,
        retry_after_s=max(1, ceil(one.until - now)),
        headers=told,
    )
