"""Messages of 60 MB over gRPC, by Triton's own client, again and again."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton

ROWS = 5_000_000
ROUNDS, CLIENTS = 60, 2
MOST_MB = 64  # that the server may keep after them: arenas of threads


@pytest.mark.soak
def test_large_messages_come_back_whole_and_leave_nothing(
    launch: Callable[..., Any], soon: Callable[..., Any], graphs: dict[str, Path]
) -> None:
    """Each is other than the one before; memory is as it was after the first ones, and no place is held."""
    models = [{"id": "fp32", "source": str(graphs["fp32"])}]
    node = launch({"models": models, "limits": {"body_mb": 64, "in_flight_mb": 600}}, "--no-tune", "--grpc-port", 0)
    place = re.search(r"gRPC on (\S+)", (node.log_file.parent / "stdout").read_text())
    assert place is not None

    def ask(rounds: range) -> None:
        with triton.InferenceServerClient(place[1].removeprefix("grpc://")) as client:
            for number in rounds:
                sent = np.full((ROWS, 3), number, np.float32)
                put = triton.InferInput("x", list(sent.shape), "FP32")
                put.set_data_from_numpy(sent)
                assert np.array_equal(client.infer("fp32", [put]).as_numpy("y"), sent)

    def ask_side_by_side(rounds: range) -> None:
        with ThreadPoolExecutor(CLIENTS) as pool:
            assert list(pool.map(ask, [rounds[one::CLIENTS] for one in range(CLIENTS)])) == [None] * CLIENTS

    ask_side_by_side(range(4))
    before = node.rss_mb()
    ask_side_by_side(range(ROUNDS))
    soon(lambda: node.metric("freehold_request_memory_used_bytes") == 0, "nothing is held")
    seen = f"{ROUNDS} messages of {12 * ROWS / 1e6:.0f} MB each way; {before:.0f} -> {node.rss_mb():.0f} MB"
    print(seen)  # noqa: T201 - what `make soak` is run for
    assert node.rss_mb() - before < MOST_MB
