"""What is known of whoever presents a key: name, role, scopes and limits; never the key itself."""

from dataclasses import dataclass, field

from freehold.access.roles import RIGHTS, Right, Role

DEFAULT_TENANT = "default"
"""The tenant of every key for which none is named: an installation without tenants has this one."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key or a team may use at most; None is no limit. `parallel` counts requests that are under way at once."""

    requests_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    parallel: int | None = None


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True)
class Key:
    """One key: `sha256` is all that is kept of what its owner presents.

    `models` are the names that it may use, None is all of its tenant. `team` is empty where it has none. `created_at`
    and `expires_at` are seconds since 1970; None never expires.
    """

    name: str
    role: Role
    created_at: float
    sha256: bytes = field(repr=False)
    tenant: str = DEFAULT_TENANT
    models: frozenset[str] | None = None
    team: str = ""
    limits: Limits = UNLIMITED
    expires_at: float | None = None

    def has(self, right: Right) -> bool:
        """Whether its role has `right`."""
        return right in RIGHTS.get(self.role, frozenset())  # a role that somebody wrote by hand has none

    def covers(self, model: str) -> bool:
        """Whether `model` is among those that it may use; whose tenant the model is, is another question."""
        return self.models is None or model in self.models
