"""The known word that a mistyped one most likely meant."""

from collections.abc import Iterable
from difflib import get_close_matches

# What the same thing is called elsewhere, for words that no spelling distance would find.
_ELSEWHERE = {
    "api_key": "key",
    "capabilities": "abilities",
    "dtype": "precision",
    "gpu": "gpus",
    "max_length": "context_length",
    "max_model_len": "context_length",
    "max_seq_length": "context_length",
    "max_concurrency": "concurrency",
    "max_num_seqs": "slots",
    "model_id": "id",
    "model_path": "source",
    "name": "id",
    "served_model_name": "upstream_model",
    "task": "kind",
    "timeout": "deadline_s",
    "type": "kind",
    "upstreams": "to",
    "url": "source",
}


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The entry of `known` closest to `word`, or None when none is near."""
    choices = list(known)
    lowered = word.lower().replace("-", "_")
    if lowered in choices:
        return lowered
    if _ELSEWHERE.get(lowered) in choices:
        return _ELSEWHERE[lowered]
    close = get_close_matches(lowered, choices, n=1, cutoff=0.6)
    return close[0] if close else None
