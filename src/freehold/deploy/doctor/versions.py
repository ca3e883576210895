"""Versions as programs print them."""

from __future__ import annotations

import re
from typing import Tuple

Version = Tuple[int, ...]


def version_of(text: str | None) -> Version | None:
    """The numbers at the first `1.2...` of a text: "v1.29.2-gke.1" is (1, 29, 2); None without any."""
    found = re.search(r"[0-9]{1,9}(?:\.[0-9]{1,9})+", text or "")
    return tuple(int(part) for part in found.group().split(".")) if found else None
