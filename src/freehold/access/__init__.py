"""Who may call: keys and their roles; quotas, usage and audit build on them."""

from freehold.access.key import DEFAULT_TENANT, UNLIMITED, Key, Limits
from freehold.access.keys import INITIAL_FILE, Keys
from freehold.access.roles import RIGHTS, ROLES, Right, Role

__all__ = [
    "DEFAULT_TENANT",
    "INITIAL_FILE",
    "RIGHTS",
    "ROLES",
    "UNLIMITED",
    "Key",
    "Keys",
    "Limits",
    "Right",
    "Role",
]
