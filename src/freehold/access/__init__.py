"""Who may call: keys and their roles; quotas, usage and audit build on them."""

from freehold.access.database import Database
from freehold.access.key import DEFAULT_TENANT, UNLIMITED, Key, Limits
from freehold.access.keys import Keys
from freehold.access.register import INITIAL_FILE, Record, Register
from freehold.access.roles import RIGHTS, ROLES, Right, Role

__all__ = [
    "DEFAULT_TENANT",
    "INITIAL_FILE",
    "RIGHTS",
    "ROLES",
    "UNLIMITED",
    "Database",
    "Key",
    "Keys",
    "Limits",
    "Record",
    "Register",
    "Right",
    "Role",
]
