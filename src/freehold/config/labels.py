"""Names of services on a network, made of the names that people gave to models."""

import hashlib
import re

LONGEST = 54
"""Characters. A DNS label has 63 (RFC 1123, 2.1), and `-` with eight digits of a revision follow."""
GATEWAY = "gateway"
"""The service that is in front of all others."""


def label(name: str) -> str:
    """`name` as a DNS label that begins with a letter, as names of services must (RFC 1035, 2.3.1): `Qwen3_32B` is
    `qwen3-32b`, `3d-cnn` is `m-3d-cnn`. A long one is cut, and told from others with the same beginning by a hash."""
    text = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    text = text if text[:1].isalpha() else f"m-{text}"
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST - 9].rstrip('-')}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
