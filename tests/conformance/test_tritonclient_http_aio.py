"""Triton's HTTP client of asyncio: the same calls, many at a time."""

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
import tritonclient.http.aio as triton
from tritonclient.utils import InferenceServerException

from tests.conformance.calls import proves
from tests.conformance.samples import SAMPLES, same

Use = Callable[[triton.InferenceServerClient], Awaitable[None]]


def use(url: str, with_client: Use) -> None:
    """Run the calls with a client that is closed afterwards."""

    async def run() -> None:
        async with triton.InferenceServerClient(url.removeprefix("http://")) as client:
            await with_client(client)

    asyncio.run(run())


def given(datatype: str, *, binary: bool = True) -> triton.InferInput:
    """The sample of a datatype as an input."""
    array = SAMPLES[datatype]
    put = triton.InferInput("x", list(array.shape), datatype)
    put.set_data_from_numpy(array, binary_data=binary)
    return put


@proves("infer", "infer binary", "compression")
def test_every_datatype_infers_at_once(url: str) -> None:
    """All datatypes side by side on one client, half of them packed."""

    async def calls(client: triton.InferenceServerClient) -> None:
        answers = await asyncio.gather(
            *(
                client.infer(
                    f"echo_{datatype.lower()}",
                    [given(datatype)],
                    request_compression_algorithm="gzip" if index % 2 else None,
                )
                for index, datatype in enumerate(SAMPLES)
            )
        )
        for datatype, answer in zip(SAMPLES, answers, strict=True):
            assert same(answer.as_numpy("y"), SAMPLES[datatype]), datatype
        answer = await client.infer(
            "echo_int64",
            [given("INT64", binary=False)],
            outputs=[triton.InferRequestedOutput("y", binary_data=False)],
        )
        assert same(answer.as_numpy("y"), SAMPLES["INT64"])

    use(url, calls)


@proves("live", "ready", "model ready", "server metadata", "model metadata", "versions", "errors")
def test_health_metadata_versions_and_errors(url: str) -> None:
    """As with the other client."""

    async def calls(client: triton.InferenceServerClient) -> None:
        assert await client.is_server_live()
        assert await client.is_server_ready()
        assert await client.is_model_ready("row", "1")
        assert not await client.is_model_ready("none")
        assert (await client.get_server_metadata())["name"] == "freehold"
        assert (await client.get_model_metadata("row", "1"))["name"] == "row"
        put = triton.InferInput("x", [1, 3], "FP32")
        put.set_data_from_numpy(np.ones((1, 3), np.float32))
        assert (await client.infer("row", [put], model_version="1")).get_response()["model_version"] == "1"
        with pytest.raises(InferenceServerException, match="version"):
            await client.infer("row", [put], model_version="2")

    use(url, calls)
