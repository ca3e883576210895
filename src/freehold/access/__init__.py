"""Who may call: keys now; roles, quotas, usage and audit build on them."""

from freehold.access.keys import INITIAL_FILE, Key, Keys

__all__ = ["INITIAL_FILE", "Key", "Keys"]
