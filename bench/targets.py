"""The numbers that were promised, and what a run says of each."""

from bench import adaptation, deploying, door, generation_targets, routing_report
from bench.measure import RAW
from bench.results import Results, Sample
from bench.target import Measure, Target, ratio
from bench.workloads import workers_name


def _cpu(sample: Sample) -> float:
    return sample.cpu_per_item


def _cpu_token(sample: Sample) -> float:
    return sample.cpu_per_token


def _rate(sample: Sample) -> float:
    return sample.rate


def _p99(sample: Sample) -> float:
    return sample.p99_s


def _p99_to_best_peer(results: Results) -> float | None:
    ours = results.median("minilm", "Freehold", 64, _p99)
    peers = [name for name in results.servers("minilm") if not name.startswith("Freehold") and name != RAW]
    values = [value for name in peers if (value := results.median("minilm", name, 64, _p99))]
    return ours / min(values) if ours is not None and values else None


def _worst_cosine(results: Results) -> float | None:
    return results.median("minilm", "Freehold auto", 64, lambda sample: sample.cosine)


def _refused(workload: str) -> Measure:
    def of(results: Results) -> float | None:
        return results.median(workload, "Freehold", 10, lambda one: one.refused + one.timed_out + one.failed)

    return of


def _further_worker(results: Results) -> float | None:
    """What each of workers 2 to 8 adds, by the memory of the first one's process."""
    one, eight = workers_name(1), workers_name(8)
    total_one = results.median("memory", one, 16, lambda sample: sample.pss_bytes)
    total_eight = results.median("memory", eight, 16, lambda sample: sample.pss_bytes)
    first = results.median("memory", one, 16, lambda sample: sample.largest_pss_bytes)
    if total_one is None or total_eight is None or not first:
        return None
    return (total_eight - total_one) / 7 / first


def _start_cpu(results: Results) -> float | None:
    return results.median("start", "Freehold", 0, lambda sample: sample.cpu_seconds)


_MINILM = "MiniLM, concurrency 64: "
_SMALL = "Dify's indexing, bge-small-zh's shape: "
_LARGE = "Dify's indexing, bge-m3's shape: "

TARGETS: tuple[Target, ...] = (
    Target(
        _MINILM + "CPU time a token, to raw packed ONNX Runtime's",
        ratio("minilm", "Freehold", RAW, 64, _cpu_token),
        most=1 / 0.95,
        digits=3,
    ),
    Target(
        _MINILM + "CPU time a text of Triton's python backend, tuned, to ours",
        ratio("minilm", "Triton tuned", "Freehold", 64, _cpu),
        least=1.6,
    ),
    Target(
        _MINILM + "CPU time a text of MLServer's default batching to ours",
        ratio("minilm", "MLServer", "Freehold", 64, _cpu),
        least=8,
    ),
    Target(
        _MINILM + "CPU time a text of FastAPI with two workers to ours",
        ratio("minilm", "FastAPI 2 workers", "Freehold", 64, _cpu),
        least=2,
    ),
    Target(
        _MINILM + "CPU time a text of Triton, tuned, to ours with precision: auto",
        ratio("minilm", "Triton tuned", "Freehold auto", 64, _cpu),
        least=2.5,
    ),
    Target(_MINILM + "worst cosine of precision: auto to fp32", _worst_cosine, least=0.999, digits=5),
    Target(_MINILM + "p99 to the best peer's", _p99_to_best_peer, most=0.6),
    Target(_SMALL + "refusals and time-outs in 10 x 1,000 requests", _refused("dify-small-long"), most=0, digits=0),
    Target(
        _SMALL + "chunks a minute to FastAPI's with two workers",
        ratio("dify-small", "Freehold", "FastAPI 2 workers", 10, _rate),
        least=1.5,
    ),
    Target(_SMALL + "chunks a minute to infinity's", ratio("dify-small", "Freehold", "infinity", 10, _rate), least=3),
    Target(_LARGE + "refusals and time-outs in 10 x 20 requests", _refused("dify-large"), most=0, digits=0),
    Target(
        _LARGE + "chunks a minute to FastAPI's with two workers",
        ratio("dify-large", "Freehold", "FastAPI 2 workers", 10, _rate),
        least=1.5,
    ),
    Target(_LARGE + "chunks a minute to infinity's", ratio("dify-large", "Freehold", "infinity", 10, _rate), least=3),
    Target(
        "16 floats, v2 JSON, concurrency 64: requests a second to Triton's",
        ratio("tensor16", "Freehold", "Triton tuned", 64, _rate),
        least=3.5,
    ),
    Target(
        "16 floats, v2 JSON, concurrency 64: requests a second to MLServer's",
        ratio("tensor16", "Freehold", "MLServer", 64, _rate),
        least=10,
    ),
    Target(
        "16 floats over gRPC, concurrency 64: requests a second to KServe's SDK",
        ratio("tensor16-grpc", "Freehold", "KServe SDK", 64, _rate),
        least=1.5,
    ),
    Target(
        "[1, 32, 1024] float32: binary, to FastAPI's naive JSON, requests a second",
        ratio("tensor131k", "Freehold, binary", "FastAPI 1 worker, JSON", 64, _rate),
        least=60,
        digits=1,
    ),
    Target("8 workers, 256 MiB: memory that each further one adds, to the first one's", _further_worker, most=0.2),
    Target(
        "8 workers, 256 MiB: CPU time a request, to threads in one process",
        ratio("memory", workers_name(8), workers_name(0), 16, _cpu),
        most=1.05,
    ),
    Target("Start to ready, MiniLM, caches filled: CPU seconds", _start_cpu, most=1.5),
    *generation_targets.TARGETS,
    *adaptation.TARGETS,
    *deploying.TARGETS,
    *door.TARGETS,
    *routing_report.TARGETS,
)
