"""The calls of the Open Inference Protocol, and `proves`, by which a test says which of them it proves.

From both the table in docs/reference/open-inference-protocol.md is written (page.py), and the list of extensions that
the server may name: one counts when tests prove every call of it, over REST and over gRPC.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeVar

Test = TypeVar("Test", bound=Callable[..., object])


class Call(NamedTuple):
    """One thing that a client does: the paths and the gRPC method for it ("" where there is none), its extension."""

    does: str
    rest: tuple[str, ...]
    grpc: str = ""
    extension: str = ""


MODEL = "/v2/models/{model}"
VERSION = f"{MODEL}/versions/{{version}}"
INFER = (f"POST {MODEL}/infer", f"POST {VERSION}/infer")
SHARED = "/v2/systemsharedmemory"

CALLS: dict[str, Call] = {
    "live": Call("Is the server alive?", ("GET /v2/health/live",), "ServerLive"),
    "grpc health": Call("Health as gRPC's own tools ask for it", (), "grpc.health.v1.Health/Check"),
    "infer typed": Call("Tensors as typed contents", (), "ModelInfer"),
    "ready": Call("Can every model answer?", ("GET /v2/health/ready",), "ServerReady"),
    "model ready": Call("Can this model answer?", (f"GET {MODEL}/ready", f"GET {VERSION}/ready"), "ModelReady"),
    "server metadata": Call("Name, version and extensions", ("GET /v2",), "ServerMetadata"),
    "model metadata": Call("Inputs and outputs of a model", (f"GET {MODEL}", f"GET {VERSION}"), "ModelMetadata"),
    "infer": Call("Tensors as JSON, nested or flat", INFER),
    "infer binary": Call("Tensors as bytes", INFER, "ModelInfer", extension="binary_tensor_data"),
    "infer raw": Call("One tensor as the whole body", INFER, extension="binary_tensor_data"),
    "infer stream": Call("Requests and answers on one stream", (), "ModelStreamInfer"),
    "index": Call("Which models there are", ("POST /v2/repository/index",), "RepositoryIndex", "model_repository"),
    "load": Call(
        "Load a model, or again, with configuration and files",
        ("POST /v2/repository/models/{model}/load",),
        "RepositoryModelLoad",
        "model_repository",
    ),
    "unload": Call(
        "Unload a model",
        ("POST /v2/repository/models/{model}/unload",),
        "RepositoryModelUnload",
        "model_repository(unload_dependents)",
    ),
    "classification": Call("The best classes of an output", INFER, "ModelInfer", extension="classification"),
    "schedule": Call("Priority and timeout of a request", INFER, "ModelInfer", extension="schedule_policy"),
    "infer shared": Call("Tensors in shared memory", INFER, "ModelInfer", extension="system_shared_memory"),
    "shared status": Call(
        "Regions that are registered",
        (f"GET {SHARED}/status", f"GET {SHARED}/region/{{region}}/status"),
        "SystemSharedMemoryStatus",
        "system_shared_memory",
    ),
    "shared register": Call(
        "Make a region known",
        (f"POST {SHARED}/region/{{region}}/register",),
        "SystemSharedMemoryRegister",
        "system_shared_memory",
    ),
    "shared unregister": Call(
        "Forget one region or all",
        (f"POST {SHARED}/region/{{region}}/unregister", f"POST {SHARED}/unregister"),
        "SystemSharedMemoryUnregister",
        "system_shared_memory",
    ),
    "cuda shared": Call(
        "CUDA shared memory: refused as not offered", ("every path below /v2/cudasharedmemory",), "CudaSharedMemory..."
    ),
    "config": Call(
        "A model in Triton's terms",
        (f"GET {MODEL}/config", f"GET {VERSION}/config"),
        "ModelConfig",
        "model_configuration",
    ),
    "statistics": Call(
        "Requests, rows, runs and times",
        ("GET /v2/models/stats", f"GET {MODEL}/stats", f"GET {VERSION}/stats"),
        "ModelStatistics",
        "statistics",
    ),
    "compression": Call("Bodies as gzip or deflate", INFER, "ModelInfer"),
    "versions": Call("A model by its version", (f"POST {VERSION}/infer", f"GET {VERSION}"), "ModelInfer"),
    "errors": Call("One string under `error`, whatever is wrong", ("every path below /v2",), "every method"),
}


def proves(*calls: str, over: Literal["REST", "gRPC", "both"] = "REST") -> Callable[[Test], Test]:
    """Say which of `CALLS` a test proves, and over what. Raises ValueError for one that is not listed, or not there."""
    unknown = [call for call in calls if call not in CALLS or (over != "REST" and not CALLS[call].grpc)]
    if unknown or not calls:
        raise ValueError(f"not among the calls of the protocol: {unknown}")
    return lambda test: test
