"""KServe's own clients, REST and gRPC (kserve_calls.py), through every call that they have.

Its package takes an older protobuf than Triton's client does, so it runs in an environment of its own.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.calls import proves
from tests.crowd import PATIENCE_S

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def told(url: str, grpc_address: str) -> Any:
    """What came of each call, by client and call."""
    python = ROOT / ".venv-kserve" / "bin" / "python"
    assert python.exists(), "KServe's client has no environment here. Make it: make .venv-kserve/.done"
    command = [python, "-m", "tests.conformance.kserve_calls", url, grpc_address]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=3 * PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@proves("live", "ready", "model ready", over="both")
def test_health_is_told(told: Any) -> None:
    """Over REST from `live` and `ready` in the body, and of a model by the status."""
    assert (told["rest"]["live"], told["rest"]["ready"], told["rest"]["model ready"]) == (True, True, [True, False])
    assert (told["grpc"]["live"], told["grpc"]["ready"], told["grpc"]["model ready"]) == (True, True, True)


@proves("infer", "infer binary")
def test_every_datatype_infers_over_rest(told: Any) -> None:
    """As bytes and as JSON, asked for as either, and as the client sends it where it is told nothing."""
    assert len(told["rest"]["as bytes"]) == 13
    assert len(told["rest"]["as JSON"]) == 36
    assert [name for name, same in (told["rest"]["as bytes"] | told["rest"]["as JSON"]).items() if not same] == []
    assert told["rest"]["as it comes"] == [1, 2, 3]
    assert "x-request-id" in told["rest"]["headers"]


@proves("infer binary", "infer typed", over="gRPC")
def test_every_datatype_infers_over_grpc(told: Any) -> None:
    """Raw and typed; half precision only raw."""
    assert len(told["grpc"]["echoed"]) == 25
    assert [name for name, same in told["grpc"]["echoed"].items() if not same] == []


@proves("errors", over="both")
def test_an_error_reaches_its_user_in_our_words(told: Any) -> None:
    """The string under `error` stands in the client's exception; what is of another protocol it does not even send."""
    assert told["rest"]["unknown"].startswith("HTTPStatusError: There is no model none here")
    assert "[1, 2]" in told["rest"]["wrong"]
    assert "'400 Bad Request'" in told["rest"]["wrong"]
    assert told["rest"]["explained"].startswith("UnsupportedProtocol")
    for call in ("unknown", "unknown ready"):
        assert "StatusCode.NOT_FOUND" in told["grpc"][call]
        assert "none" in told["grpc"][call]
