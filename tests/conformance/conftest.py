"""One server of the command line for the whole suite, with models that give back what they are given."""

import os
import re
import uuid
from collections.abc import Iterator

import grpc
import httpx
import pytest
from tritonclient.grpc import service_pb2_grpc

from tests.conformance.graphs import write_all
from tests.conformance.wire import Address
from tests.crowd import PATIENCE_S
from tests.e2e.conftest import Node, serving

PREFIX = f"conformance_{os.getpid()}_"
"""Of the objects in shared memory that the server may use."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """`freehold serve` with the graphs of the suite and shared memory, on free ports for HTTP and gRPC. What the pages
    call `net` is `row`."""
    folder = tmp_path_factory.mktemp("conformance")
    graphs = write_all(folder)
    graphs["net"] = graphs["row"]
    config = {
        "models": [{"id": name, "source": str(path)} for name, path in graphs.items()],
        "server": {"shared_memory": {"prefixes": [PREFIX]}},
        "limits": {"body_mb": 8},
    }
    with serving(folder / "home", folder, config, "--no-tune", "--grpc-port", 0) as node:
        yield node


@pytest.fixture(scope="session")
def url(server: Node) -> str:
    """Where HTTP is answered."""
    return server.url


@pytest.fixture(scope="session")
def grpc_address(server: Node) -> str:
    """Host and port of gRPC."""
    said = re.search(r"gRPC on (\S+)", server.log_file.with_name("stdout").read_text())
    assert said is not None
    return said[1].removeprefix("grpc://")


@pytest.fixture(scope="session")
def channel(grpc_address: str) -> Iterator[grpc.Channel]:
    """A bare channel to the server."""
    with grpc.insecure_channel(grpc_address) as opened:
        yield opened


@pytest.fixture(scope="session")
def stub(channel: grpc.Channel) -> service_pb2_grpc.GRPCInferenceServiceStub:
    """The methods of the service, as Triton's own descriptors know them."""
    return service_pb2_grpc.GRPCInferenceServiceStub(channel)


@pytest.fixture(scope="session")
def address(server: Node) -> Address:
    """Host and port of HTTP, for raw sockets."""
    return server.address


@pytest.fixture(scope="session")
def node(url: str) -> Iterator[httpx.Client]:
    """A client that sends just what it is told."""
    with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture
def region_key() -> str:
    """The key of a new object of shared memory, as POSIX writes it."""
    return f"/{PREFIX}{uuid.uuid4().hex}"
