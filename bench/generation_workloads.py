"""The rows of text generation: who generates, and what is compared."""

from collections.abc import Callable
from functools import cache, partial

from bench import generation, proxy
from bench.decoders import Decoder, qwen3_4b, qwen25_05b
from bench.generation import PEERS
from bench.results import Sample
from bench.rows import Row, Workload

INT4 = "Freehold int4 (blocks of 32), over HTTP"
FAST = "Freehold fast, over HTTP"
INT4_INSIDE = "Freehold int4 (blocks of 32), in process"
FAST_INSIDE = "Freehold fast, in process"
CACHED, UNCACHED = "Freehold fast, prefix cache", "Freehold fast, no prefix cache"
DRAFTED, PLAIN = "Freehold fast, prompt lookup", "Freehold fast, plain decode"
SLICES_MS = (20, 50, 200)
DIRECT, THROUGH = "An upstream, asked directly", "The same through Freehold"


@cache
def _small() -> Decoder:
    return qwen25_05b()


@cache
def _large() -> Decoder:
    return qwen3_4b()


def beside_name(slice_ms: int) -> str:
    """The row of one length of prefill slices."""
    return f"Freehold fast, slices of {slice_ms} ms"


def workloads(rounds: int) -> list[Workload]:
    """All of them. Models are made when a row first needs them."""

    def ours(decoder: Callable[[], Decoder], precision: str, name: str, workload: str) -> Row:
        return Row(name, lambda turn: generation.ours(decoder(), precision, name, workload, turn))

    def inside(precision: str, name: str) -> Row:
        return Row(name, lambda turn: generation.inside(_small(), precision, name, "generate", turn))

    def theirs(peer: generation.Peer, decoder: Callable[[], Decoder], workload: str) -> Row:
        return Row(peer.name, lambda turn: generation.theirs(peer, decoder(), workload, turn))

    def alone(name: str, measured: Callable[..., list[Sample]], **options: int) -> Row:
        return Row(name, lambda turn: measured(_small(), name=name, turn=turn, **options))

    small = [
        ours(_small, "int4", INT4, "generate"),
        inside("int4", INT4_INSIDE),
        ours(_small, "fast", FAST, "generate"),
        inside("fast", FAST_INSIDE),
        *(theirs(peer, _small, "generate") for peer in PEERS),
    ]
    large = [ours(_large, "int4", INT4, "generate-4b"), *(theirs(peer, _large, "generate-4b") for peer in PEERS)]
    prefix = [alone(name, generation.prefix, cached=cached) for name, cached in ((CACHED, True), (UNCACHED, False))]
    lookup = [alone(name, generation.lookup, drafts=drafts) for name, drafts in ((DRAFTED, True), (PLAIN, False))]
    beside = [alone(beside_name(ms), generation.beside, slice_ms=ms) for ms in SLICES_MS]
    passed = [Row(name, partial(proxy.samples, name, through)) for name, through in ((DIRECT, False), (THROUGH, True))]
    return [
        Workload("generate", "Text generation, Qwen2.5-0.5B's shape, 2 threads, greedy", rounds, small),
        Workload("generate-4b", "Text generation, Qwen3-4B's shape, 2 threads, greedy", 1, large),
        Workload("generate-prefix", "8 chats that share a system prompt of 512 tokens", rounds, prefix),
        Workload("generate-lookup", "One stream of repetitive text", rounds, lookup),
        Workload("generate-beside", "A prompt of 2,000 tokens enters beside 8 streams", rounds, beside),
        Workload(proxy.WORKLOAD, "Streams that are passed through", rounds, passed),
    ]
