"""One measurement: a server started, checked, warmed, loaded, weighed and stopped."""

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from bench import client, environments, grpc_client, raw, wrk
from bench.folders import TextModel
from bench.graphs import TensorModel, export_padded
from bench.places import WORK
from bench.processes import ServerProcess, free_port
from bench.results import Sample
from bench.servers import OURS, Launch, Model, Server
from bench.wires import Array, Wire

CHECKED_TEXTS = 8
WORST_COSINE = 0.999
LARGEST_ERROR = 1e-4
RAW = "raw packed ONNX Runtime"


class WrongAnswerError(RuntimeError):
    """A server whose answers are not the model's: its speed means nothing."""


@dataclass(frozen=True)
class Corpus:
    """Texts for one model. Token counts are the model's own: special tokens included, cut at its maximum."""

    model: TextModel
    texts: Sequence[str]

    @cached_property
    def ids(self) -> list[list[int]]:
        """Token ids of every text."""
        tokenizer = Tokenizer.from_file(str(self.model.folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.model.max_tokens)
        return [encoded.ids for encoded in tokenizer.encode_batch(list(self.texts))]

    @cached_property
    def expected(self) -> list[Array]:
        """The first few vectors by the padded fp32 graph, one text at a time."""
        session = onnxruntime.InferenceSession(export_padded(self.model), providers=["CPUExecutionProvider"])
        vectors = []
        for ids in self.ids[:CHECKED_TEXTS]:
            feeds = {"input_ids": np.array([ids], np.int64), "attention_mask": np.ones((1, len(ids)), np.int64)}
            vectors.append(session.run(["embedding"], feeds)[0][0])
        return vectors


@dataclass(frozen=True)
class Load:
    """How hard, and for how long: `requests` in all, or as many as `seconds` allow."""

    concurrency: int
    requests: int
    seconds: float
    new_connections: bool = False


def start(server: Server, model: Model) -> ServerProcess:
    """Start `server` with `model` in a scratch folder. Raises ServerFailedError, CalledProcessError."""
    python = Path(sys.executable) if server.environment == OURS else environments.ensure(server.environment)
    folder = WORK / "running" / server.name.lower().replace(" ", "-")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port, grpc_port = free_port(), free_port()
    log = WORK / "logs" / f"{folder.name}-{model.name}.log"
    command = server.command(Launch(model, port, grpc_port, python, folder))
    return ServerProcess(command, port, server.ready_path, log, grpc_port=grpc_port)


def texts(server: Server, corpus: Corpus, workload: str, loads: Sequence[Load], turn: int) -> list[Sample]:
    """Samples of one turn of `server`, one a load. Raises ServerFailedError, WrongAnswerError."""
    wire = server.text
    if wire is None:
        return []
    with start(server, corpus.model) as process:
        cosine = _worst_cosine(process, wire, corpus)
        _run(process, wire, corpus, Load(8, 64, 8.0))
        samples = []
        for load in loads:
            before = process.cpu_seconds()
            outcome = _run(process, wire, corpus, load)
            process.check_alive()
            base = Sample(
                workload=workload,
                server=server.name,
                concurrency=load.concurrency,
                round=turn,
                items=sum(outcome.answered.values()),
                seconds=outcome.seconds,
                cpu_seconds=process.cpu_seconds() - before,
                cosine=cosine,
                pss_bytes=process.pss_bytes(),
            )
            samples.append(_with_outcome(base, outcome, corpus))
        return samples


def _run(process: ServerProcess, wire: Wire[str], corpus: Corpus, load: Load, keep: bool = False) -> client.Outcome:
    job = client.Job(
        port=process.port,
        path=wire.path,
        headers=wire.headers(""),
        bodies=[wire.encode(text) for text in corpus.texts],
        concurrency=load.concurrency,
        requests=load.requests,
        seconds=load.seconds,
        new_connections=load.new_connections,
        keep_answers=keep,
    )
    return client.send(job)


def _with_outcome(sample: Sample, outcome: client.Outcome, corpus: Corpus) -> Sample:
    p50, p99 = np.percentile(outcome.latencies_s, [50, 99]) if outcome.latencies_s else (0.0, 0.0)
    refused = outcome.statuses.get(429, 0) + outcome.statuses.get(503, 0)
    other = sum(count for status, count in outcome.statuses.items() if status not in (200, 429, 503))
    fields = {
        "tokens": sum(len(corpus.ids[index]) * count for index, count in outcome.answered.items()),
        "p50_s": float(p50),
        "p99_s": float(p99),
        "refused": refused,
        "timed_out": outcome.timed_out,
        "failed": other + outcome.broken,
    }
    return Sample(**{name: fields.get(name, getattr(sample, name)) for name in sample.__struct_fields__})


def _worst_cosine(process: ServerProcess, wire: Wire[str], corpus: Corpus) -> float:
    """The smallest cosine between the server's first answers and the reference's."""
    few = replace(corpus, texts=corpus.texts[:CHECKED_TEXTS])
    outcome = _run(process, wire, few, Load(1, CHECKED_TEXTS, 60.0), keep=True)
    if outcome.statuses != {200: CHECKED_TEXTS}:
        sample = outcome.answers[0][:300] if outcome.answers else b""
        raise WrongAnswerError(f"statuses {outcome.statuses}, {outcome.timed_out} timed out, first answer: {sample!r}")
    cosines = []
    for answer, expected in zip(outcome.answers, corpus.expected, strict=True):
        seen = wire.decode(answer)
        if seen.shape != expected.shape:
            raise WrongAnswerError(f"a vector of {seen.shape}, expected {expected.shape}")
        cosines.append(float(seen @ expected / (np.linalg.norm(seen) * np.linalg.norm(expected))))
    if min(cosines) < WORST_COSINE:
        raise WrongAnswerError(f"cosine {min(cosines):.5f} to the fp32 reference, at least {WORST_COSINE} wanted")
    return min(cosines)


def tensor(
    server: Server, model: TensorModel, wire: Wire[Array], label: str, loads: Sequence[Load], workload: str, turn: int
) -> list[Sample]:
    """Samples of one turn of `server` with a tensor model. `label` is the row's name: the server and its encoding."""
    array = np.random.default_rng(7).standard_normal(model.shape).astype(np.float32)
    with start(server, model) as process:
        _check_tensor(process, wire, model, array)
        headers, body = wire.headers(array), wire.encode(array)

        def ask(load: Load) -> wrk.Summary:
            return wrk.send(process.port, wire.path, headers, body, load.concurrency, load.seconds)

        return _again_and_again(process, ask, partial(Sample, workload=workload, server=label, round=turn), loads)


def tensor_by_grpc(server: Server, model: TensorModel, loads: Sequence[Load], workload: str, turn: int) -> list[Sample]:
    """The same over gRPC."""
    wire = server.grpc
    if wire is None:
        return []
    array = np.random.default_rng(7).standard_normal(model.shape).astype(np.float32)
    with start(server, model) as process:

        def ask(load: Load) -> grpc_client.Outcome:
            port, message = process.grpc_port, wire.encode(array)
            return grpc_client.send(grpc_client.Job(port, wire.path, message, load.concurrency, load.seconds))

        _compare(wire.decode(ask(Load(1, 0, 0.01)).answer), model, array)
        sample = partial(Sample, workload=workload, server=server.name, round=turn)
        return _again_and_again(process, lambda load: ask(load).summary, sample, loads)


def _again_and_again(
    process: ServerProcess, ask: Callable[[Load], wrk.Summary], sample: Callable[..., Sample], loads: Sequence[Load]
) -> list[Sample]:
    """A sample a load, once the server is warm."""
    ask(Load(8, 0, 1.0))
    samples = []
    for load in loads:
        before = process.cpu_seconds()
        summary = ask(load)
        process.check_alive()
        taken = sample(
            concurrency=load.concurrency,
            items=summary.requests - summary.failed,
            seconds=summary.seconds,
            cpu_seconds=process.cpu_seconds() - before,
            p50_s=summary.p50_s,
            p99_s=summary.p99_s,
            failed=summary.failed,
            pss_bytes=process.pss_bytes(),
            largest_pss_bytes=process.largest_pss_bytes(),
        )
        samples.append(taken)
    return samples


def start_up(server: Server, model: Model, workload: str, turn: int) -> list[Sample]:
    """Seconds and CPU time from start to ready, with every cache filled by a start before."""
    if turn == 0:
        with start(server, model):
            pass
    with start(server, model) as process:
        seconds, cpu = process.start_seconds, process.start_cpu_seconds
        fields = {"concurrency": 0, "round": turn, "items": 1, "pss_bytes": process.pss_bytes()}
        return [Sample(workload=workload, server=server.name, seconds=seconds, cpu_seconds=cpu, **fields)]


def raw_packed(corpus: Corpus, workload: str, concurrency: int, requests: int, turn: int) -> list[Sample]:
    """ONNX Runtime alone on the same texts, by Freehold's packed graph."""
    from freehold.adapt import graphs

    graph = graphs.build(corpus.model.folder, WORK / "home" / "cache" / "graphs") / "model.onnx"
    ids = [corpus.ids[index % len(corpus.ids)] for index in range(requests)]
    answer = raw.measure(raw.Task(str(graph), ids))
    sample = Sample(
        workload=workload,
        server=RAW,
        concurrency=concurrency,
        round=turn,
        items=len(ids),
        tokens=sum(map(len, ids)),
        seconds=answer.seconds,
        cpu_seconds=answer.cpu_seconds,
    )
    return [sample]


def _check_tensor(process: ServerProcess, wire: Wire[Array], model: TensorModel, array: Array) -> None:
    job = client.Job(process.port, wire.path, wire.headers(array), [wire.encode(array)], 1, 1, 60.0, keep_answers=True)
    outcome = client.send(job)
    if outcome.statuses != {200: 1}:
        raise WrongAnswerError(f"statuses {outcome.statuses}, answer: {b''.join(outcome.answers)[:300]!r}")
    _compare(wire.decode(outcome.answers[0]), model, array)


def _compare(seen: Array, model: TensorModel, array: Array) -> None:
    """Raises WrongAnswerError where `seen` is not what the graph makes of `array`."""
    session = onnxruntime.InferenceSession(str(model.graph), providers=["CPUExecutionProvider"])
    expected = session.run(["output"], {"input": array})[0].ravel()
    if seen.shape != expected.shape or np.abs(seen - expected).max() > LARGEST_ERROR:
        raise WrongAnswerError(
            f"{seen.size} values, the first {seen[:3]}; expected {expected.size}, the first {expected[:3]}"
        )
