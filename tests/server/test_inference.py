"""What becomes of a request between parsing and encoding."""

import numpy as np
import pytest

from freehold.artifact import Manifest, TensorSpec
from freehold.artifact.manifest import Kind, MadeBy
from freehold.engine.base import EmbedRequest, RerankRequest, TensorRequest
from freehold.errors import FreeholdError
from freehold.protocol.oip_request import InferRequest
from freehold.server.inference import engine_request, signature

X = TensorSpec("x", "BYTES", (-1,))
Y = TensorSpec("y", "FP32", (-1, 4))


def manifest(kind: Kind, *, dimensions: int = 0, labels: tuple[str, ...] = ()) -> Manifest:
    made_by = MadeBy("test", "1", "sha256:0")
    return Manifest(1, "m", kind, "packed", "fp32", (X,), (Y,), made_by, {}, dimensions=dimensions, labels=labels)


def request(**texts: list[bytes]) -> InferRequest:
    return InferRequest({name: np.array(items, object) for name, items in texts.items()}, ())


def test_every_kind_says_what_it_takes_and_gives() -> None:
    """A tensor model as its graph does, all others texts; sizes that are not known are free."""
    assert signature(manifest("tensor")) == ((X,), (Y,))
    assert signature(manifest("embed", dimensions=32))[1] == (TensorSpec("embedding", "FP32", (-1, 32)),)
    assert signature(manifest("embed"))[1][0].shape == (-1, -1)
    assert signature(manifest("classify", labels=("a", "b")))[1] == (TensorSpec("logits", "FP32", (-1, 2)),)
    assert [spec.name for spec in signature(manifest("rerank"))[0]] == ["query", "text"]
    assert [spec.name for specs in signature(manifest("generate")) for spec in specs] == ["text_input", "text_output"]


def test_requests_become_what_engines_read() -> None:
    """Texts as texts, tensors by name."""
    assert engine_request(manifest("embed"), request(text=[b"a", "你".encode()])) == EmbedRequest(["a", "你"])
    asked = request(query=[b"q"], text=[b"a"])
    assert engine_request(manifest("rerank"), asked) == RerankRequest("q", ["a"])
    tensors = engine_request(manifest("tensor"), request(x=[b"a", b""]))
    assert isinstance(tensors, TensorRequest)
    assert tensors.inputs["x"].tolist() == ["a", ""]


@pytest.mark.parametrize(
    ("kind", "items", "code"),
    [
        ("embed", [b"a", b"\xff"], "value_invalid"),
        ("embed", [], "list_empty"),
    ],
)
def test_what_no_engine_reads_is_refused(kind: Kind, items: list[bytes], code: str) -> None:
    """What reads text reads UTF-8, and no text is no request."""
    with pytest.raises(FreeholdError, match=code):
        engine_request(manifest(kind), request(**{"x" if kind == "tensor" else "text": items}))
