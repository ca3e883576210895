"""One change of a deployment at a time, whichever machines deploy from: a Lease, held while it is renewed.

A holder that dies leaves a Lease that is no longer renewed: after it was seen unchanged for as long as it would have
been renewed, whatever the clocks of the two machines say, another one takes it.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease

from freehold.deploy.kubernetes.api import Api
from freehold.deploy.releases.lock import user_here
from freehold.errors import FreeholdError

WHAT = "freehold/what"


@dataclass(frozen=True)
class Term:
    """How long a Lease is good for, and how often it is renewed, in seconds."""

    lasts_s: int = 30
    renew_s: float = 10.0


USUAL = Term()


class Hold:
    """A Lease that is held."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        self.lost: FreeholdError | None = None

    def check(self) -> None:
        """Raises `cluster_lock_lost` once somebody else has it, or it could not be renewed in time."""
        if self.lost is not None:
            raise self.lost.again()


@contextmanager
def held(
    api: Api,
    name: str,
    what: str,
    term: Term = USUAL,
    wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Hold]:
    """Change the deployment `name` alone, wherever others are. Raises `cluster_held`, which names them."""
    hold = Hold(f"{user_here()}@{socket.gethostname()}:{os.getpid()}")
    lease = _Lease(api, f"freehold-{name}", hold.holder, what, term, wall)
    lease.take(sleep)
    ended = threading.Event()
    renewal = threading.Thread(target=_keep, args=(lease, hold, term, ended), name="lease", daemon=True)
    renewal.start()
    try:
        yield hold
    finally:
        ended.set()
        renewal.join()
        if hold.lost is None:
            lease.give_back()


class _Lease:
    """One Lease object, from the view of one who wants it."""

    def __init__(self, api: Api, name: str, holder: str, what: str, term: Term, wall: Callable[[], datetime]) -> None:
        self._api, self._name, self._holder, self._what, self._term, self._wall = api, name, holder, what, term, wall

    def take(self, sleep: Callable[[float], object]) -> None:
        """Have it, or raise who has it."""
        meta = {"name": self._name, "namespace": self._api.namespace, "annotations": {WHAT: self._what}}
        free = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": {}}
        self._api.create(free)
        found = self._find()
        if _holder(found):
            if not _overdue(found, self._wall()):
                raise self._refusal(found)
            sleep(self._term.renew_s * 1.5)
            again = self._find()
            if _version(again) != _version(found):
                raise self._refusal(again)
            found = again
        if not self._write(found, self._holder):
            raise self._refusal(self._find())

    def renew(self) -> bool:
        """False where somebody else has it now."""
        found = self._find()
        return _holder(found) == self._holder and self._write(found, self._holder)

    def give_back(self) -> None:
        """Nobody has it any more."""
        found = self._find()
        if _holder(found) == self._holder:
            self._write(found, "")

    def _find(self) -> Lease:
        found = self._api.find(Lease, self._name)
        return found or Lease(metadata=ObjectMeta(name=self._name), spec=LeaseSpec())

    def _write(self, found: Lease, holder: str) -> bool:
        assert found.metadata is not None, "a Lease that is there has metadata"
        now = self._wall()
        before = found.spec or LeaseSpec()
        found.metadata.annotations = {**(found.metadata.annotations or {}), WHAT: self._what}
        found.metadata.managedFields = None
        found.spec = LeaseSpec(
            holderIdentity=holder,
            leaseDurationSeconds=self._term.lasts_s,
            acquireTime=before.acquireTime if before.holderIdentity == holder else now,
            renewTime=now,
        )
        return self._api.replace(found)

    def _refusal(self, found: Lease) -> FreeholdError:
        spec = found.spec or LeaseSpec()
        what = ((found.metadata.annotations if found.metadata else None) or {}).get(WHAT, "?")
        since = f"{spec.acquireTime:%Y-%m-%d %H:%M:%S} UTC" if spec.acquireTime else "?"
        about = {"lease": self._name, "namespace": self._api.namespace}
        return FreeholdError("cluster_held", holder=spec.holderIdentity or "?", what=what, since=since, **about)


def _keep(lease: _Lease, hold: Hold, term: Term, ended: threading.Event) -> None:
    """Renew it until the end. A server that cannot be reached may be back before the Lease is over."""
    renewed = time.monotonic()
    while not ended.wait(term.renew_s):
        try:
            is_mine = lease.renew()
            reason = "somebody else has it"
        except FreeholdError as error:
            is_mine, reason = time.monotonic() - renewed < term.lasts_s, error.cause
        else:
            renewed = time.monotonic()
        if not is_mine:
            hold.lost = FreeholdError("cluster_lock_lost", reason=reason)
            return


def _holder(lease: Lease) -> str:
    return (lease.spec.holderIdentity if lease.spec else None) or ""


def _overdue(lease: Lease, now: datetime) -> bool:
    """By two clocks, of which either may be wrong: one that was renewed in the future counts, too."""
    spec = lease.spec or LeaseSpec()
    if spec.renewTime is None:
        return True
    return abs((now - spec.renewTime).total_seconds()) > (spec.leaseDurationSeconds or 0)


def _version(lease: Lease) -> str | None:
    return lease.metadata.resourceVersion if lease.metadata else None
