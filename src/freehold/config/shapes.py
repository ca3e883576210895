"""The configuration as frozen objects: every key, its default, its unit and its one line of documentation.

The JSON Schema, the reference page and the checks of a file are all made from these declarations.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from freehold.config.auditing import Auditing, UsageKeeping
from freehold.config.deploying import Deploy, Resources, Scale
from freehold.config.dify import Dify
from freehold.config.forms import (
    Ability,
    Count,
    Dimension,
    Duration,
    Identifier,
    Line,
    ProxyUrl,
    Seconds,
    Secret,
    Shape,
    Subnet,
    Text,
    Url,
    doc,
)
from freehold.config.listening import Server
from freehold.config.quotas import KeyLimits
from freehold.config.routing import Gateway, Route
from freehold.config.source import Source, parse

NVIDIA_GPU = "nvidia.com/gpu"

_DURATION_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DEADLINE_S = 50.0  # Dify gives up on embeddings and reranks after 60 s
_FIRST_TOKEN_DEADLINE_S = 120.0  # Dify waits 300 s for each byte of a chat, and keep-alive comments reset even that


class Limits(Shape, frozen=True):
    """How much a model takes on before it refuses with 429. At top level: the default of every model."""

    concurrency: Annotated[Count | None, doc("Requests admitted at a time; null: all that time and memory allow.")] = (
        None
    )
    queue: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        doc("Requests that may wait beyond `concurrency`; null: as many as can start within `deadline_s`."),
    ] = None
    deadline_s: Annotated[
        Seconds | None,
        doc(
            "Refused at once when the expected start lies beyond this; null: 50 s, for a generate model 120 s.",
            "seconds",
        ),
    ] = None
    body_mb: Annotated[Count, doc("The largest request body; of the whole server, so only at top level.", "MiB")] = 64
    in_flight_mb: Annotated[
        Count, doc("Bodies and tensors of all admitted requests; of the whole server, too.", "MiB")
    ] = 512
    models_mb: Annotated[
        Count | None,
        doc("All loaded models together, of the whole server, too; null: nine tenths of what is free at start.", "MiB"),
    ] = None
    in_flight_tokens: Annotated[
        Count | None, doc("Tokens of all admitted requests together; null: bounded by `in_flight_mb` alone.", "tokens")
    ] = None

    def deadline_for(self, kind: str) -> float:
        """Seconds within which a request to a model of `kind` must have its turn."""
        if self.deadline_s is not None:
            return self.deadline_s
        return _FIRST_TOKEN_DEADLINE_S if kind == "generate" else _DEADLINE_S


class Gpus(Shape, frozen=True):
    """Accelerators under the name that the cluster's device plugin gives them."""

    count: Annotated[Count, doc("How many.")]
    resource: Annotated[Text, doc("The resource's name in Kubernetes.")] = NVIDIA_GPU


class Require(Shape, frozen=True):
    """What a model must show before it is served. At top level: the default of every model."""

    proof: Annotated[
        Literal["always", "optional"] | None,
        doc("`always`: another framework's goldens must pass; `optional`: if there; null: on a cluster `always`."),
    ] = None
    signed: Annotated[
        bool, doc("Only an artifact that the owner of one of `keys` signed is loaded; every file of it is read first.")
    ] = False
    keys: Annotated[tuple[Text, ...], doc("PEM files of the public keys whose signatures count.")] = ()


class Defaults(Shape, frozen=True):
    """What a generate request gets that does not say otherwise; null: what the model's own files say."""

    temperature: Annotated[Annotated[float, Meta(ge=0)] | None, doc("Randomness; 0 is greedy.")] = None
    top_p: Annotated[Annotated[float, Meta(gt=0, le=1)] | None, doc("Probability mass that is sampled from.")] = None
    top_k: Annotated[Annotated[int, Meta(ge=0)] | None, doc("How many tokens are sampled from; 0: all.")] = None
    min_p: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None, doc("Least probability, relative to the most probable token's.")
    ] = None
    repetition_penalty: Annotated[Annotated[float, Meta(gt=0)] | None, doc("Above 1: repeats are less likely.")] = None
    presence_penalty: Annotated[Annotated[float, Meta(ge=-2, le=2)] | None, doc("As in the OpenAI API.")] = None
    frequency_penalty: Annotated[Annotated[float, Meta(ge=-2, le=2)] | None, doc("As in the OpenAI API.")] = None
    stop: Annotated[tuple[Text, ...], doc("Texts that end an answer.")] = ()
    seed: Annotated[int | None, doc("Makes sampling repeatable.")] = None


class Generation(Shape, frozen=True):
    """How a generate model that runs here uses this machine."""

    slots: Annotated[Count, doc("Sequences that are computed together; more of them wait.")] = 8
    prefill_slice_ms: Annotated[
        Annotated[float, Meta(gt=0)],
        doc("How long a prompt that enters may hold the others up at a time, by the measured speed.", "milliseconds"),
    ] = 50.0
    kv_mb: Annotated[
        Count | None, doc("Memory of keys and values of all slots; null: a quarter of what is available.", "MiB")
    ] = None
    prefix_cache_mb: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        doc("Memory for the beginnings that prompts share; 0: none, null: a quarter of `kv_mb`.", "MiB"),
    ] = None
    prompt_lookup: Annotated[
        bool, doc("Guess from the prompt what comes next while few slots are busy; answers stay the same.")
    ] = True


class DeclaredTensor(Shape, frozen=True):
    """An input or output that a tensor model's graph is expected to have."""

    name: Annotated[Text, doc("Its name in the graph.")]
    datatype: Annotated[Text, doc("Its datatype in the Open Inference Protocol: FP32, INT64, BYTES, ...")]
    shape: Annotated[tuple[Dimension, ...], doc("Its shape with the batch in front; -1 is a free dimension.")]


class ModelConfig(Shape, frozen=True):
    """One model: the name that clients ask for, where it comes from and how it runs."""

    id: Annotated[Identifier, doc("The name clients ask for.", default="from `source`")]
    source: Annotated[
        Text,
        doc("A folder or .onnx file, NAME:TAG of the store, oci://, hf://, ms://, or an upstream's https://HOST/v1."),
    ]
    versions: Annotated[
        Mapping[str, Text],
        doc("Versions served side by side, by number, like `source`; the highest is meant where none is named."),
    ] = msgspec.field(default_factory=dict)
    engine: Annotated[
        Literal["auto", "onnx", "vllm", "openai"], doc("What runs it; `auto` is `openai` for an upstream, else `onnx`.")
    ] = "auto"
    kind: Annotated[
        Literal["auto", "tensor", "embed", "rerank", "classify", "generate"],
        doc("What it does; `auto` reads it from the model's files."),
    ] = "auto"
    input_shape: Annotated[
        tuple[Dimension, ...] | None,
        doc("Expected shape of a tensor model's input; checked against the graph, -1 is a free dimension."),
    ] = None
    inputs: Annotated[
        tuple[DeclaredTensor, ...], doc("All that a tensor model takes; checked against the graph, [] asks nothing.")
    ] = ()
    outputs: Annotated[
        tuple[DeclaredTensor, ...], doc("What a tensor model gives at least; checked against the graph.")
    ] = ()
    context_length: Annotated[
        Count | None, doc("Prompt and completion together; for embed, rerank and classify where text is cut.", "tokens")
    ] = None
    max_output_tokens: Annotated[Count | None, doc("The longest completion of a generate model.", "tokens")] = None
    device: Annotated[
        Literal["cpu", "cuda", "openvino", "tensorrt"],
        doc("Where it runs; getting another one is an error.", default="`cuda` with `gpus`, else `cpu`"),
    ] = "cpu"
    precision: Annotated[
        Literal["fp32", "bf16", "auto", "int8", "int4", "w8a8", "fast"],
        doc("`auto`: bf16 where the machine has it and goldens still pass; from int8 on, profiles of generate models."),
    ] = "fp32"
    gpus: Annotated[
        Annotated[int, Meta(ge=0)] | Gpus, doc("GPUs of each replica: a number, or {resource, count}.", "GPUs")
    ] = 0
    workers: Annotated[
        Annotated[int, Meta(ge=0)],
        doc("Engine processes, sharing one copy of the weights; 0: threads of the server."),
    ] = 0
    limits: Annotated[Limits, doc("Overrides the top-level `limits`, key by key.")] = Limits()
    keep_alive: Annotated[Duration, doc("How long an idle model stays loaded; a later request loads it again.")] = (
        "forever"
    )
    pin: Annotated[bool, doc("It is never put to sleep because another model needs its memory.")] = False
    tenant: Annotated[
        Identifier | None,
        doc("Whose it is: for the keys of all other tenants there is no such model; null: it is everybody's."),
    ] = None
    require: Annotated[Require, doc("Overrides the top-level `require`, key by key.")] = Require()
    defaults: Annotated[Defaults, doc("Sampling of generate requests that do not say otherwise.")] = Defaults()
    chat_template_kwargs: Annotated[
        Mapping[str, bool | int | float | str],
        doc("What the chat template gets beside the messages, unless a request says otherwise."),
    ] = msgspec.field(default_factory=dict)
    generation: Annotated[Generation, doc("How a generate model uses this machine.")] = Generation()
    command: Annotated[
        tuple[Text, ...],
        doc("Another server's command line, started and watched by this one; {port}, {model}, {id} are filled in."),
    ] = ()
    abilities: Annotated[
        tuple[Ability, ...] | None, doc("What a model behind another server can do; null: as far as that server tells.")
    ] = None
    key: Annotated[Secret | None, doc("The API key of an upstream.")] = None
    upstream_model: Annotated[
        Line | None, doc("What another server calls the model; null: the same id, or the only one that it lists.")
    ] = None
    replicas: Annotated[
        tuple[Url, ...], doc("More addresses of an upstream that serve the same model; requests are shared among all.")
    ] = ()
    args: Annotated[
        tuple[Text, ...],
        doc("More words for the command line of `vllm serve`, after ours: where both say something, they win."),
    ] = ()
    gpu_memory: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        doc("vLLM's share of each card's memory, to share a card; null: 0.9."),
    ] = None
    image: Annotated[
        Text | None,
        doc("In deployments: the image of the server that `command` starts, or of vLLM; null: ours, pinned."),
    ] = None
    service: Annotated[
        Identifier | None, doc("In deployments: models with the same one share a process; null: each has its own.")
    ] = None
    resources: Annotated[Resources, doc("In deployments: what one copy of it may use.")] = Resources()
    scale: Annotated[Scale, doc("In deployments on a cluster: how many copies of it run.")] = Scale()
    locality: Annotated[
        Text | None, doc("Where it computes: a site, a region, a legal domain. Routes can insist on one.")
    ] = None

    @property
    def hosting(self) -> Literal["here", "child", "upstream"]:
        """What computes its answers: this process, a server that this one starts, or a server elsewhere."""
        if self.parsed_source.kind == "upstream":
            return "upstream"
        return "child" if self.command or self.engine == "vllm" else "here"

    @property
    def parsed_source(self) -> Source:
        """The source by the grammar; its path, where it has one, is absolute."""
        return parse(self.source)

    @property
    def sources(self) -> Mapping[str, Source]:
        """The source of each version; the only one of a model without `versions` is 1."""
        return {number: parse(text) for number, text in self.versions.items()} or {"1": self.parsed_source}

    @property
    def gpu_request(self) -> Gpus | None:
        """The GPUs asked for, in the long form; None for none."""
        if isinstance(self.gpus, int):
            return Gpus(count=self.gpus) if self.gpus else None
        return self.gpus

    @property
    def keep_alive_s(self) -> float | None:
        """Seconds an idle model stays loaded; None: for ever."""
        if self.keep_alive == "forever":
            return None
        return float(int(self.keep_alive[:-1]) * _DURATION_S[self.keep_alive[-1]])


class Access(Shape, frozen=True):
    """Who may call."""

    auth: Annotated[
        Literal["keys", "none"],
        doc("`keys`: beyond loopback every call needs one; `none`: anyone may call. FREEHOLD_AUTH overrides it."),
    ] = "keys"
    key: Annotated[Secret | None, doc("One key that counts besides those that were created, for our own servers.")] = (
        None
    )
    database: Annotated[
        Secret | None,
        doc(
            "A PostgreSQL (postgresql://USER:PASSWORD@HOST/NAME) in which nodes share keys, limits, usage and audit.",
            default="access.db under FREEHOLD_HOME",
        ),
    ] = None
    trusted_proxies: Annotated[
        tuple[Subnet, ...],
        doc("Servers before this one whose `X-Forwarded-For` says who calls. Of others it is not read."),
    ] = ()
    limits: Annotated[
        KeyLimits,
        doc("What each key may use; a key's own limits, `keys create --requests-per-minute 60`, go before it."),
    ] = KeyLimits()
    teams: Annotated[Mapping[str, KeyLimits], doc("What all keys of a team may use together, by the team's name.")] = (
        msgspec.field(default_factory=dict)
    )
    when_unreachable: Annotated[
        Literal["go_on", "refuse"],
        doc("With the database gone and this node's share used up: requests go on, counted later, or get a 503."),
    ] = "go_on"
    audit: Annotated[Auditing, doc("Who did what, in a chain of hashes.")] = Auditing()
    usage: Annotated[UsageKeeping, doc("What each key used.")] = UsageKeeping()


class Network(Shape, frozen=True):
    """How this machine reaches others."""

    ca: Annotated[Text | None, doc("A PEM file of certificate authorities to trust besides the system's.")] = None
    client_certificate: Annotated[
        Text | None, doc("A PEM file: the certificate that this node shows upstreams that ask for one (mutual TLS).")
    ] = None
    client_key: Annotated[Text | None, doc("A PEM file: the private key of `client_certificate`.")] = None
    proxy: Annotated[
        ProxyUrl | None, doc("The proxy for downloads; never used for loopback and for declared upstreams.")
    ] = None


class Observe(Shape, frozen=True):
    """What the server says of itself."""

    log_level: Annotated[Literal["debug", "info", "warning", "error"], doc("The least level that is logged.")] = "info"
    log_format: Annotated[
        Literal["auto", "json", "text"], doc("`auto`: text on a terminal, else one JSON object a line.")
    ] = "auto"


class Config(Shape, frozen=True):
    """A whole configuration."""

    models: Annotated[tuple[ModelConfig, ...], doc("The models.")] = ()
    routes: Annotated[tuple[Route, ...], doc("Names that stand for one or more models.")] = ()
    limits: Annotated[Limits, doc("The limits of every model that does not set its own.")] = Limits()
    require: Annotated[Require, doc("What every model must show that does not say otherwise.")] = Require()
    server: Annotated[Server, doc("The listener.")] = Server()
    gateway: Annotated[Gateway, doc("How requests are passed on to other servers.")] = Gateway()
    access: Annotated[Access, doc("Who may call.")] = Access()
    network: Annotated[Network, doc("How this machine reaches others.")] = Network()
    deploy: Annotated[Deploy | None, doc("Where `freehold deploy` puts it.")] = None
    observe: Annotated[Observe, doc("Logs.")] = Observe()
    dify: Annotated[Dify | None, doc("The Dify that uses these models.")] = None

    def model(self, name: str) -> ModelConfig | None:
        """The model whose id is `name`, or None."""
        return next((model for model in self.models if model.id == name), None)
