"""Every metric's name, labels and meaning, declared once.

Servers export these; dashboards, alert rules and autoscaling are rendered from them. Names follow Prometheus: base
units, `_seconds` and `_bytes`, counters end in `_total`.
"""

from dataclasses import dataclass
from typing import Literal

MetricKind = Literal["counter", "gauge", "histogram"]

# Histogram bounds. Seconds: from a tiny tensor in the loop (0.1 ms) to Dify's 60 s. Sizes: powers of two.
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 60.0)
_LONG_SECONDS = (*_SECONDS, 120.0, 300.0)  # to Dify's time limit for a chat
_ROWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
_TOKENS = (16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of time series, as Prometheus sees it."""

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()  # upper bounds of a histogram's buckets, ascending, without +Inf


REQUESTS = Metric("freehold_requests_total", "counter", "Requests answered, by route and status.", ("route", "status"))
REQUEST_SECONDS = Metric(
    "freehold_request_duration_seconds",
    "histogram",
    "From the arrival of a request's head to the end of its answer.",
    ("route",),
    _SECONDS,
)
FIRST_FRAME_SECONDS = Metric(
    "freehold_first_frame_seconds",
    "histogram",
    "From the arrival of a request's head to the first frame of its streamed answer, keep-alive comments aside.",
    ("route",),
    _LONG_SECONDS,
)
ROUTED = Metric(
    "freehold_routed_requests_total",
    "counter",
    "Requests that the gateway sent to a model, by route, model and status; 0: cut short.",
    ("route", "model", "status"),
)
ROUTED_SECONDS = Metric(
    "freehold_routed_duration_seconds",
    "histogram",
    "From the arrival of such a request's head to the end of its answer.",
    ("route", "model"),
    _LONG_SECONDS,
)
REQUESTS_IN_FLIGHT = Metric("freehold_requests_in_flight", "gauge", "Requests that are being read or answered.")
GRPC_CALLS_IN_FLIGHT = Metric("freehold_grpc_calls_in_flight", "gauge", "Calls over gRPC that are open, streams too.")
ERRORS = Metric("freehold_errors_total", "counter", "Errors told to clients, by code.", ("code",))
REFUSED = Metric("freehold_refused_total", "counter", "Requests refused by admission.", ("model", "reason"))
MEMORY_BUDGET_BYTES = Metric(
    "freehold_request_memory_budget_bytes", "gauge", "Bytes that all requests together may hold."
)
MEMORY_USED_BYTES = Metric("freehold_request_memory_used_bytes", "gauge", "Bytes that requests hold now.")

QUEUE_SECONDS = Metric(
    "freehold_queue_seconds", "histogram", "From a request's entry into the queue to its batch.", ("model",), _SECONDS
)
COMPUTE_SECONDS = Metric(
    "freehold_compute_seconds", "histogram", "One batch's run of the model's graph.", ("model",), _SECONDS
)
BATCH_ROWS = Metric(
    "freehold_batch_rows", "histogram", "Rows (texts, or items of a tensor) a batch.", ("model",), _ROWS
)
BATCH_TOKENS = Metric("freehold_batch_tokens", "histogram", "Tokens a batch.", ("model",), _TOKENS)
TOKENS = Metric("freehold_tokens_total", "counter", "Tokens computed, special ones included.", ("model",))
FIRST_TOKEN_SECONDS = Metric(
    "freehold_first_token_seconds",
    "histogram",
    "From the admission of a request for text to its first token.",
    ("model",),
    _LONG_SECONDS,
)
PROMPT_TOKENS = Metric("freehold_prompt_tokens_total", "counter", "Tokens of prompts that were answered.", ("model",))
CACHED_TOKENS = Metric(
    "freehold_cached_tokens_total", "counter", "Tokens of prompts that were taken from the prefix cache.", ("model",)
)
GENERATED_TOKENS = Metric("freehold_generated_tokens_total", "counter", "Tokens that were generated.", ("model",))
DRAFTED_TOKENS = Metric(
    "freehold_drafted_tokens_total", "counter", "Tokens that were guessed from the prompt and checked.", ("model",)
)
ACCEPTED_TOKENS = Metric("freehold_accepted_tokens_total", "counter", "Guessed tokens that were right.", ("model",))
KV_TOKENS = Metric("freehold_kv_tokens", "gauge", "Tokens whose keys and values running answers may fill.", ("model",))
KV_CAPACITY_TOKENS = Metric("freehold_kv_capacity_tokens", "gauge", "Tokens that there is memory for.", ("model",))
ENGINE_CRASHES = Metric(
    "freehold_engine_crashes_total",
    "counter",
    "Steps of a text engine that failed, with all answers in them.",
    ("model",),
)
TRUNCATED = Metric("freehold_truncated_texts_total", "counter", "Texts cut to the model's length.", ("model",))
MODEL_IN_FLIGHT = Metric(
    "freehold_model_requests_in_flight", "gauge", "Admitted requests that wait or run.", ("model",)
)
LOAD_SECONDS = Metric(
    "freehold_model_load_seconds", "gauge", "How long the last load took, proof included.", ("model",)
)
MODEL_READY = Metric("freehold_model_ready", "gauge", "1 while the model answers.", ("model",))
REPLICA_READY = Metric(
    "freehold_replica_ready", "gauge", "1 while a server of a model answers its probes.", ("model", "replica")
)
REPLICA_EJECTED = Metric(
    "freehold_replica_ejected", "gauge", "1 while a server is cast out for failed requests.", ("model", "replica")
)
REPLICA_EJECTIONS = Metric(
    "freehold_replica_ejections_total", "counter", "Times that a server was cast out.", ("model", "replica")
)
REPLICA_IN_FLIGHT = Metric(
    "freehold_replica_requests_in_flight", "gauge", "Requests at one server of a model.", ("model", "replica")
)
RETRIES = Metric(
    "freehold_retries_total", "counter", "Further attempts to send requests to servers of a model.", ("model",)
)
PROOF = Metric(
    "freehold_model_proof",
    "gauge",
    "1 for the state that the proof is in: raw, self, none or failed.",
    ("model", "state"),
)

SHADOWED = Metric(
    "freehold_shadowed_total", "counter", "Requests whose copy was answered and compared, by route.", ("route",)
)
SHADOW_DROPPED = Metric(
    "freehold_shadow_dropped_total",
    "counter",
    "Requests that were chosen for a copy and not compared: busy, memory, too_large or unanswered.",
    ("route", "reason"),
)
SHADOW_FAILED = Metric(
    "freehold_shadow_failed_total", "counter", "Copies that the shadow did not answer, by error.", ("route", "code")
)
SHADOW_DIFFERED = Metric(
    "freehold_shadow_differed_total",
    "counter",
    "Compared answers that differ beyond the route's bounds, by kind of answer.",
    ("route", "kind"),
)

USED_REQUESTS = Metric(
    "freehold_usage_requests_total",
    "counter",
    "Requests of a tenant's key, answered or failed; beyond 500 keys the others are one, named _other.",
    ("tenant", "key", "outcome"),
)
USED_TOKENS = Metric(
    "freehold_usage_tokens_total",
    "counter",
    "Tokens in and out of such requests.",
    ("tenant", "key", "direction"),
)
USAGE_FAILING = Metric("freehold_usage_failing", "gauge", "1 while usage cannot be written and waits in memory.")
QUOTA_FAILING = Metric(
    "freehold_quota_failing", "gauge", "1 while limits cannot be counted, since their database does not answer."
)
AUDIT_LINES = Metric("freehold_audit_lines_total", "counter", "Lines that were written into the audit.")
AUDIT_LOST = Metric("freehold_audit_lost_total", "counter", "Lines that never were, since the database could not.")
AUDIT_FAILING = Metric("freehold_audit_failing", "gauge", "1 while the audit cannot be written.")

GPU_USED_BYTES = Metric("freehold_gpu_memory_used_bytes", "gauge", "Memory in use on a GPU, by anyone.", ("gpu",))
GPU_TOTAL_BYTES = Metric("freehold_gpu_memory_total_bytes", "gauge", "Memory of a GPU.", ("gpu",))
GPU_BUSY_RATIO = Metric("freehold_gpu_busy_ratio", "gauge", "Share of time in which a GPU had work, 0 to 1.", ("gpu",))
GPU_POWER_WATTS = Metric("freehold_gpu_power_watts", "gauge", "Power that a GPU draws.", ("gpu",))
GPU_TEMPERATURE = Metric("freehold_gpu_temperature_celsius", "gauge", "Temperature of a GPU's core.", ("gpu",))

ROUTE_WEIGHT = Metric(
    "freehold_route_weight_ratio",
    "gauge",
    "Share of a route's requests that one of its models gets, 0 to 1, of routes with several.",
    ("route", "model"),
)
ROLLOUT_STATE = Metric(
    "freehold_rollout_state",
    "gauge",
    "1 for the state that the rollout on a route is in: asked, running, done, aborted or refused.",
    ("route", "state"),
)
CONFIG_LOADED = Metric(
    "freehold_config_loaded_timestamp_seconds",
    "gauge",
    "When the configuration in force was taken up, in seconds since 1970.",
)
CONFIG_BROKEN = Metric(
    "freehold_config_broken",
    "gauge",
    "1 while the configuration's file cannot be taken up and an older one is in force.",
)
CONFIG_FAILURES = Metric(
    "freehold_config_load_failures_total", "counter", "Times that a changed configuration could not be taken up."
)

CERTIFICATE_EXPIRES = Metric(
    "freehold_certificate_expiry_timestamp_seconds",
    "gauge",
    "When the certificate in use ends, in seconds since 1970.",
    ("use",),
)
CERTIFICATE_FAILURES = Metric(
    "freehold_certificate_failures_total",
    "counter",
    "New certificates that could not be loaded or issued; the old one stays in use.",
    ("use",),
)

BUILD_INFO = Metric("freehold_build_info", "gauge", "1, labelled with the version that runs.", ("version",))

ALL: tuple[Metric, ...] = (
    REQUESTS,
    REQUEST_SECONDS,
    FIRST_FRAME_SECONDS,
    ROUTED,
    ROUTED_SECONDS,
    REQUESTS_IN_FLIGHT,
    GRPC_CALLS_IN_FLIGHT,
    ERRORS,
    REFUSED,
    MEMORY_BUDGET_BYTES,
    MEMORY_USED_BYTES,
    QUEUE_SECONDS,
    COMPUTE_SECONDS,
    BATCH_ROWS,
    BATCH_TOKENS,
    TOKENS,
    FIRST_TOKEN_SECONDS,
    PROMPT_TOKENS,
    CACHED_TOKENS,
    GENERATED_TOKENS,
    DRAFTED_TOKENS,
    ACCEPTED_TOKENS,
    KV_TOKENS,
    KV_CAPACITY_TOKENS,
    ENGINE_CRASHES,
    TRUNCATED,
    MODEL_IN_FLIGHT,
    LOAD_SECONDS,
    MODEL_READY,
    REPLICA_READY,
    REPLICA_EJECTED,
    REPLICA_EJECTIONS,
    REPLICA_IN_FLIGHT,
    RETRIES,
    PROOF,
    SHADOWED,
    SHADOW_DROPPED,
    SHADOW_FAILED,
    SHADOW_DIFFERED,
    USED_REQUESTS,
    USED_TOKENS,
    USAGE_FAILING,
    QUOTA_FAILING,
    AUDIT_LINES,
    AUDIT_LOST,
    AUDIT_FAILING,
    GPU_USED_BYTES,
    GPU_TOTAL_BYTES,
    GPU_BUSY_RATIO,
    GPU_POWER_WATTS,
    GPU_TEMPERATURE,
    ROUTE_WEIGHT,
    ROLLOUT_STATE,
    CONFIG_LOADED,
    CONFIG_BROKEN,
    CONFIG_FAILURES,
    CERTIFICATE_EXPIRES,
    CERTIFICATE_FAILURES,
    BUILD_INFO,
)
