"""How much memory keys and values get on this machine, and how long texts may be with it."""

import logging
from dataclasses import dataclass

from freehold.artifact.manifest import Decoder
from freehold.engine.kv_memory import Layout
from freehold.engine.settings import EngineSettings
from freehold.errors import FreeholdError

log = logging.getLogger(__name__)

SHARE = 4
"""Keys and values get a quarter of the memory that is available, and what prompts share a quarter as much again."""


@dataclass(frozen=True)
class KvPlan:
    """`tokens` are held at a time, by all sequences together; one is at most `context_length` long."""

    context_length: int
    tokens: int
    layout: Layout
    prefix_bytes: int


def plan_kv(decoder: Decoder, wanted: int, settings: EngineSettings, available_bytes: int, model: str) -> KvPlan:
    """The plan for a context of `wanted` tokens, shortened to what memory holds.

    Raises FreeholdError `kv_memory_short` when that is not even two tokens.
    """
    kv_bytes = settings.kv_mb << 20 if settings.kv_mb else available_bytes // SHARE
    layout = Layout.of(decoder, wanted)
    tokens = min(kv_bytes // layout.token_bytes, layout.capacity * settings.slots)
    room = tokens - tokens % layout.grain - 1  # one token evens slices out
    if room < 2:
        needed_mb = -(-layout.grain * layout.token_bytes >> 20)
        raise FreeholdError(
            "kv_memory_short", model=model, kv_mb=kv_bytes >> 20, tokens=tokens, needed_mb=max(1, needed_mb)
        )
    if room < wanted:
        log.warning("%s: memory holds keys and values of %d tokens, its context has %d", model, room, wanted)
    prefix_mb = settings.prefix_cache_mb
    prefix_bytes = kv_bytes // SHARE if prefix_mb is None else prefix_mb << 20
    context_length = min(wanted, room)
    return KvPlan(context_length, tokens, Layout.of(decoder, context_length), prefix_bytes)
