"""What is measured: each workload a list of rows, each row a server that takes its turn in every round."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

from bench import adaptation, deploying, door, folders, generation_workloads, graphs, measure, routing, texts
from bench.measure import Corpus, Load
from bench.rows import Row, Scale, Workload
from bench.servers import SERVERS, Server, freehold

CHUNKS = 256  # different ones; a longer run goes round
WORKERS = (0, 1, 8)


def workloads(scale: Scale) -> list[Workload]:
    """All of them, in the order of the page. Models are made when a row first needs them."""
    return [
        _minilm(scale),
        _dify(scale, "dify-small", _small_chunks, ("Freehold", "Freehold auto", "FastAPI 2 workers", "infinity")),
        _dify_long(scale),
        _dify_large(scale),
        _tensor16(scale),
        _tensor16_by_grpc(scale),
        _tensor131k(scale),
        _memory(scale),
        _start(scale),
        *generation_workloads.workloads(scale.rounds),
        *adaptation.workloads(scale.rounds),
        *deploying.workloads(scale.rounds),
        *door.workloads(scale.rounds),
        *routing.workloads(scale),
    ]


def _named(*names: str) -> list[Server]:
    table = {server.name: server for server in SERVERS}
    return [table[name] for name in names]


@cache
def _short_texts() -> Corpus:
    model = folders.minilm()
    graphs.export_padded(model)
    return Corpus(model, texts.english_texts(model.folder / "vocab.txt"))


@cache
def _small_chunks() -> Corpus:
    model = folders.bge_small_zh()
    graphs.export_padded(model)
    return Corpus(model, texts.chinese_chunks(CHUNKS))


@cache
def _large_chunks() -> Corpus:
    model = folders.bge_m3()
    graphs.export_padded(model)
    return Corpus(model, texts.chinese_chunks(CHUNKS))


def _text_rows(
    name: str, servers: Sequence[Server], corpus: Callable[[], Corpus], loads: Sequence[Load], limit: int
) -> list[Row]:
    """A row a server, and the raw limit with as many texts as the hardest load has requests."""

    def row(server: Server) -> Row:
        return Row(server.name, lambda turn: measure.texts(server, corpus(), name, loads, turn))

    hardest = loads[-1].concurrency
    raw = Row(measure.RAW, lambda turn: measure.raw_packed(corpus(), name, hardest, limit, turn))
    return [raw, *map(row, servers)]


def _minilm(scale: Scale) -> Workload:
    loads = [
        Load(1, round(96 * scale.requests), 6 * scale.seconds),
        Load(8, round(256 * scale.requests), 10 * scale.seconds),
        Load(64, round(1024 * scale.requests), 20 * scale.seconds),
    ]
    title = "MiniLM, short texts with a heavy tail, one a request"
    return Workload(
        "minilm", title, scale.rounds, _text_rows("minilm", SERVERS, _short_texts, loads, loads[-1].requests)
    )


def _dify(scale: Scale, name: str, corpus: Callable[[], Corpus], servers: Sequence[str]) -> Workload:
    load = Load(10, round(300 * scale.requests), 60 * scale.seconds, new_connections=True)
    title = "Dify's indexing, bge-small-zh's shape: Chinese chunks, 10 clients, one chunk a request"
    return Workload(name, title, scale.rounds, _text_rows(name, _named(*servers), corpus, [load], load.requests))


def _dify_long(scale: Scale) -> Workload:
    load = Load(10, scale.long_chunks, 3600, new_connections=True)
    rows = _text_rows("dify-small-long", _named("Freehold"), _small_chunks, [load], 1)[1:]
    return Workload("dify-small-long", f"The same at length: {scale.long_chunks} requests by 10 clients", 1, rows)


def _dify_large(scale: Scale) -> Workload:
    load = Load(10, scale.large_chunks, 3600, new_connections=True)
    servers = _named("Freehold", "Freehold auto", "FastAPI 2 workers", "infinity")
    rows = _text_rows("dify-large", servers, _large_chunks, [load], min(40, scale.large_chunks))
    title = f"Dify's indexing, bge-m3's shape: {scale.large_chunks} requests by 10 clients"
    return Workload("dify-large", title, 1, rows)


def _tensor16(scale: Scale) -> Workload:
    loads = [Load(1, 0, 4 * scale.seconds), Load(64, 0, 8 * scale.seconds)]
    names = ("Freehold", "Triton tuned", "MLServer", "FastAPI 2 workers", "FastAPI 1 worker", "KServe SDK")

    def row(server: Server) -> Row:
        wire = server.tensor
        assert wire is not None
        return Row(
            server.name,
            lambda turn: measure.tensor(server, graphs.mlp16(), wire, server.name, loads, "tensor16", turn),
        )

    return Workload("tensor16", "A tensor of 16 floats, v2 JSON", scale.rounds, [row(one) for one in _named(*names)])


def _tensor16_by_grpc(scale: Scale) -> Workload:
    loads = [Load(1, 0, 4 * scale.seconds), Load(64, 0, 8 * scale.seconds)]

    def row(server: Server) -> Row:
        return Row(
            server.name, lambda turn: measure.tensor_by_grpc(server, graphs.mlp16(), loads, "tensor16-grpc", turn)
        )

    rows = [row(one) for one in _named("Freehold", "Triton tuned", "MLServer", "KServe SDK")]
    return Workload("tensor16-grpc", "A tensor of 16 floats, gRPC", scale.rounds, rows)


def _tensor131k(scale: Scale) -> Workload:
    loads = [Load(1, 0, 4 * scale.seconds), Load(64, 0, 8 * scale.seconds)]

    def row(server: Server, binary: bool) -> Row:
        wire = server.binary if binary else server.tensor
        assert wire is not None
        label = f"{server.name}, {'binary' if binary else 'JSON'}"
        return Row(
            label, lambda turn: measure.tensor(server, graphs.scale32k(), wire, label, loads, "tensor131k", turn)
        )

    ours, triton, naive = _named("Freehold", "Triton tuned", "FastAPI 1 worker")
    rows = [row(ours, True), row(triton, True), row(ours, False), row(naive, False)]
    return Workload("tensor131k", "A float32 tensor [1, 32, 1024]", scale.rounds, rows)


def workers_name(workers: int) -> str:
    """The row of `workers` engine processes; 0 is threads in the server's own process."""
    return f"Freehold, workers: {workers}"


def _memory(scale: Scale) -> Workload:
    load = [Load(16, 0, 10 * scale.seconds)]

    def row(workers: int) -> Row:
        server = freehold(workers_name(workers), "", precision="fp32", workers=workers)
        wire = server.binary
        assert wire is not None
        return Row(
            server.name,
            lambda turn: measure.tensor(server, graphs.wide256mb(), wire, server.name, load, "memory", turn),
        )

    title = "Engine processes on 256 MiB of weights, 32 rows a request"
    return Workload("memory", title, scale.rounds, [row(workers) for workers in WORKERS])


def _start(scale: Scale) -> Workload:
    def row(server: Server) -> Row:
        return Row(server.name, lambda turn: measure.start_up(server, folders.minilm(), "start", turn))

    servers = _named("Freehold", "FastAPI 1 worker", "Triton tuned", "MLServer")
    return Workload("start", "Start to ready, MiniLM, caches filled", scale.rounds, [row(one) for one in servers])


def narrowed(given: Sequence[Workload], names: Sequence[str], servers: Sequence[str]) -> list[Workload]:
    """Only the workloads in `names` and the rows whose name begins with one of `servers`; empty means all."""
    chosen = [workload for workload in given if not names or workload.name in names]
    if not servers:
        return chosen
    wanted = tuple(name.lower() for name in servers)
    return [replace(one, rows=[row for row in one.rows if row.server.lower().startswith(wanted)]) for one in chosen]
