"""One exception tree: each error has a code, a cause and a fix, in English and Chinese.

This room knows no transport. `http` maps a `Kind` to a status; the command line maps it to an exit code.
"""

from freehold.errors.catalog import CATALOG, explain
from freehold.errors.kinds import Entry, Kind
from freehold.errors.tree import FreeholdError, Language

__all__ = ["CATALOG", "Entry", "FreeholdError", "Kind", "Language", "explain"]
