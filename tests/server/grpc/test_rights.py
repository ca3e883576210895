"""Every method of gRPC, tried without a key, with a wrong one, of a lesser role, and of another tenant."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from msgspec import structs

from freehold.access import RIGHTS, Keys, Role
from freehold.cli.route_page import every_method
from freehold.config import Config, ModelConfig, owners
from freehold.config.routing import Route, RouteTarget
from freehold.gateway.build import build
from freehold.gateway.routing.selection import Here
from freehold.gateway.running import Gateway
from freehold.http import Entrance, MemoryBudget
from freehold.http.proxies import TrustedProxies
from freehold.protocol.grpc.messages import message
from freehold.server.models import Served
from freehold.telemetry import Telemetry
from tests.server.grpc.conftest import running

THEIRS, NOBODY, OURS = "theirs-fp32", "nobody-fp32", "ours-fp32"
HIDDEN = (THEIRS, "theirs-far", "theirs-route")
"""A model of the tenant `theirs` here, one elsewhere, and a route to the first."""
ROLES: tuple[Role, ...] = ("viewer", "client", "operator", "admin")
METHODS = every_method()
PRIVATE = [(path, right) for path, right in METHODS if right is not None]
_addresses = itertools.count(1)


def body_of(path: str, model: str) -> bytes:
    """What is asked of `model` there."""
    name = path.rpartition("/")[2]
    if name in ("ModelInfer", "ModelStreamInfer"):
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, 3]}
        made = message("ModelInferRequest")(model_name=model, inputs=[tensor], raw_input_contents=[bytes(12)])
    elif name in ("RepositoryModelLoad", "RepositoryModelUnload"):
        made = message(f"{name}Request")(model_name=model)
    elif name in ("ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics"):
        made = message(f"{name}Request")(name=model)
    else:
        return b""
    encoded: bytes = made.SerializeToString()
    return encoded


class Asking:
    """A client of a node with a model of everybody, one of the tenant `ours` and one of the tenant `theirs`."""

    def __init__(self, channel: grpc.Channel, keys: Keys) -> None:
        self.channel = channel
        self.keys = keys
        self.made = 0

    def key(self, role: Role, tenant: str = "default", **scope: Any) -> str:
        """A key, made now."""
        self.made += 1
        key = self.keys.register.create(f"k{self.made}", role, tenant=tenant, **scope)
        self.keys.refresh()
        return key

    def __call__(self, path: str, *metadata: tuple[str, str], model: str = OURS) -> tuple[str, str]:
        """The status and the text of one call, as of a client that nobody has heard of; within a stream its error."""
        number = next(_addresses)
        told = [*metadata, ("x-forwarded-for", f"10.{number >> 8}.{number & 255}.1")]
        body = body_of(path, model)
        try:
            if path.endswith("ModelStreamInfer"):
                (answer,) = self.channel.stream_stream(path)(iter([body]), metadata=told)
                return "OK", str(message("ModelStreamInferResponse").FromString(answer).error_message)
            self.channel.unary_unary(path)(body, metadata=told)
        except grpc.RpcError as failure:
            return failure.code().name, failure.details()
        return "OK", ""


@pytest.fixture(scope="module")
def ask(serve_one: Callable[..., Served], model_paths: dict[str, Path]) -> Iterator[Asking]:
    """A client of that node."""
    keys, here = Keys.in_memory(), {"shared": None, OURS: "ours", THEIRS: "theirs"}
    near = [ModelConfig(id=name, source="/here", tenant=tenant) for name, tenant in here.items()]
    common, far = (ModelConfig(id=name, source="http://127.0.0.1:9/v1") for name in ("common-far", "theirs-far"))
    config = Config(
        models=(common, *near, structs.replace(far, tenant="theirs")),
        routes=(Route(model="theirs-route", to=(RouteTarget(THEIRS),)),),
    )
    entrance = Entrance(keys, lambda: owners(config), proxies=TrustedProxies(["127.0.0.1"]))
    served = [serve_one(name, model_paths["fp32"]) for name in here]

    def lead(telemetry: Telemetry, memory: MemoryBudget) -> Gateway:
        return build(config, telemetry, memory, {}, here=[Here(name, lambda: ("ready", None, ())) for name in here])

    with running(served, entrance=entrance, lead=lead) as node, grpc.insecure_channel(node.place) as channel:
        yield Asking(channel, keys)
    keys.close()


def named(methods: list[Any]) -> Any:
    return pytest.mark.parametrize(("path", "right"), methods, ids=[path.rpartition("/")[2] for path, _ in methods])


@named([(path, right) for path, right in METHODS if right is None and not path.endswith("Watch")])
def test_what_is_public_needs_no_key(ask: Asking, path: str, right: None) -> None:
    """Probes have none, and a wrong one does them no harm."""
    assert ask(path)[0] == ask(path, ("api-key", "fh_wrong"))[0] == "OK"


@named(PRIVATE)
def test_no_method_answers_without_a_key_or_with_a_wrong_one(ask: Asking, path: str, right: str) -> None:
    """Before anything else is looked at; an empty header is none."""
    for metadata, code in (
        ((), "key_missing"),
        ((("authorization", ""), ("api-key", "")), "key_missing"),
        ((("authorization", "Bearer fh_wrong"),), "key_wrong"),
        ((("api-key", "fh_wrong"),), "key_wrong"),
    ):
        status, told = ask(path, *metadata)
        assert (status, f"[{code}]" in told) == ("UNAUTHENTICATED", True)


@named(PRIVATE)
def test_a_role_without_the_right_is_refused_and_one_with_it_is_let_in(ask: Asking, path: str, right: Any) -> None:
    """The error names the right that is missing."""
    for role in ROLES:
        status, told = ask(path, ("api-key", ask.key(role, "ours")), model=NOBODY)
        if right in RIGHTS[role]:
            assert status not in ("PERMISSION_DENIED", "UNAUTHENTICATED")
        else:
            assert (status, f"`{right}`" in told) == ("PERMISSION_DENIED", True)


@named([(path, right) for path, right in PRIVATE if right != "admin"])
def test_a_model_of_another_tenant_answers_as_one_that_does_not_exist(ask: Asking, path: str, right: str) -> None:
    """In the same words; so does one that a key is not bound to."""
    for scope in ({"tenant": "ours"}, {"tenant": "ours", "models": [OURS]}, {"models": [OURS, "shared"]}):
        key = ("api-key", ask.key("operator", **scope))
        missing = ask(path, key, model=NOBODY)
        for name in HIDDEN:
            hidden = ask(path, key, model=name)
            assert (hidden[0], hidden[1].replace(name, NOBODY)) == missing
        assert "theirs" not in missing[1]


def test_lists_show_what_a_key_sees(ask: Asking) -> None:
    """The index and the statistics of all."""
    index = ask.channel.unary_unary("/inference.GRPCInferenceService/RepositoryIndex")
    statistics = ask.channel.unary_unary("/inference.GRPCInferenceService/ModelStatistics")
    for scope, seen in (({"tenant": "ours"}, {"shared", OURS}), ({"models": [THEIRS]}, {THEIRS})):
        metadata = [("api-key", ask.key("operator", **scope))]
        models = message("RepositoryIndexResponse").FromString(index(b"", metadata=metadata)).models
        assert {model.name for model in models} == seen
        stats = message("ModelStatisticsResponse").FromString(statistics(b"", metadata=metadata)).model_stats
        assert {model.name for model in stats} == seen
