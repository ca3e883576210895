"""Every call of KServe's own clients, REST and gRPC, against one server: a program for its environment, .venv-kserve.

`python -m tests.conformance.kserve_calls URL GRPC_ADDRESS` writes what came of each call as one JSON object, which
test_kserve.py looks at.
"""

import asyncio
import importlib
import importlib.util
import json
import sys
import types
from collections.abc import Awaitable
from typing import Any

import grpc
import httpx
import numpy as np

_spec = importlib.util.find_spec("kserve")
assert _spec is not None
_kserve = types.ModuleType("kserve")  # its own first page imports its server, and Kubernetes' client
_kserve.__path__ = list(_spec.submodule_search_locations or ())
sys.modules["kserve"] = _kserve
errors, clients, tensors = (
    importlib.import_module(f"kserve.{name}") for name in ("errors", "inference_client", "protocol.infer_type")
)

ID = "a 7"
INTEGERS = [np.dtype(f"{sign}{bits}") for sign in ("uint", "int") for bits in (8, 16, 32, 64)]
ARRAYS: dict[str, Any] = {
    "BOOL": np.array([[True, False, True]]),
    **{kind.name.upper(): np.array([[np.iinfo(kind).min, 0, np.iinfo(kind).max]], kind) for kind in INTEGERS},
    "FP16": np.array([[1.5, -0.0, 65504]], np.float16),
    "FP32": np.array([[1.5, -2, 3e38]], np.float32),
    "FP64": np.array([[1.5, 5e-324, 1e300]]),
    "BYTES": np.array([["a", "", "你好 \n"]], object),
}
ROW = ARRAYS["FP32"]


def request(model: str, datatype: str, *, binary: bool = True, wanted: bool | None = None) -> Any:
    """The array of a datatype as `x`; `y` is wanted as bytes or as JSON, None leaves it to the server."""
    array = ARRAYS[datatype]
    put = tensors.InferInput("x", list(array.shape), datatype)
    put.set_data_from_numpy(array, binary_data=binary)
    outputs = None if wanted is None else [tensors.RequestedOutput("y", {"binary_data": wanted})]
    return tensors.InferRequest(model, [put], request_id=ID, request_outputs=outputs)


def same(answer: Any, sent: Any) -> bool:
    """Whether an answer has the request's id, and its array."""
    seen = answer.outputs[0].as_numpy()
    if sent.dtype == object:
        flat = [item.decode() if isinstance(item, bytes) else item for item in seen.ravel()]
        seen = np.array(flat, object).reshape(seen.shape)
    return bool(answer.id == ID and seen.shape == sent.shape and (seen == sent).all())


async def failure(call: Awaitable[Any]) -> str:
    """How a call failed, in the client's own words."""
    try:
        return f"it did not fail: {await call}"
    except (httpx.HTTPStatusError, grpc.RpcError, errors.UnsupportedProtocol) as error:
        return f"{type(error).__name__}: {error}"


async def over_rest(url: str) -> dict[str, Any]:
    """What came of each call of InferenceRESTClient. JSON has no half precision: these are asked for as bytes."""
    client = clients.InferenceRESTClient(clients.RESTConfig(protocol="v2", retries=0))
    headers: dict[str, str] = {}

    async def echoed(datatype: str, **forms: Any) -> bool:
        model = f"echo_{datatype.lower()}"
        answer = await client.infer(url, request(model, datatype, **forms), model, response_headers=headers)
        return same(answer, ARRAYS[datatype])

    body = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}
    as_it_comes = await client.infer(f"{url}/v2/models/row/infer", body, is_graph_endpoint=True)
    wide = tensors.InferRequest("row", [tensors.InferInput("x", [1, 2], "FP32", [1.0, 2.0])])
    told = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model ready": [await client.is_model_ready(url, model) for model in ("row", "none")],
        "as bytes": {name: await echoed(name, wanted=True if name == "FP16" else None) for name in ARRAYS},
        "as JSON": {
            f"{name} {binary} {wanted}": await echoed(name, binary=binary, wanted=wanted)
            for name in ARRAYS
            for binary, wanted in ((False, False), (False, True), (True, False))
            if name != "FP16"
        },
        "headers": sorted(headers),
        "as it comes": as_it_comes["outputs"][0]["data"],
        "unknown": await failure(client.infer(url, request("none", "FP32"), "none")),
        "wrong": await failure(client.infer(url, wide, "row")),
        "explained": await failure(client.explain(url, "row", {})),
    }
    await client.close()
    return told


async def over_grpc(address: str) -> dict[str, Any]:
    """What came of each call of InferenceGRPCClient, which sends tensors raw or typed."""
    async with clients.InferenceGRPCClient(address, retries=0) as client:
        return {
            "live": await client.is_server_live(),
            "ready": await client.is_server_ready(),
            "model ready": await client.is_model_ready("row"),
            "echoed": {
                f"{name} {binary}": same(
                    await client.infer(request(f"echo_{name.lower()}", name, binary=binary)), array
                )
                for name, array in ARRAYS.items()
                for binary in (True, False)
                if binary or name != "FP16"
            },
            "unknown": await failure(client.infer(request("none", "FP32"))),
            "unknown ready": await failure(client.is_model_ready("none")),
        }


async def main(url: str, address: str) -> None:
    """Both clients, one after the other."""
    sys.stdout.write(json.dumps({"rest": await over_rest(url), "grpc": await over_grpc(address)}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
