"""What is said of the protocol is what is proven: the page, and the extensions that the server names."""

import httpx
import tritonclient.grpc as triton

from tests.conformance.calls import proves
from tests.conformance.page import PAGE, extensions, page, unproven


def test_the_page_is_current() -> None:
    """`python -m tests.conformance.page` writes it again."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_call_is_proven() -> None:
    """The table claims nothing that no test has tried, neither over REST nor over gRPC."""
    assert unproven() == []


@proves("server metadata", over="both")
def test_the_server_names_the_extensions_that_are_proven(node: httpx.Client, grpc_address: str) -> None:
    """Neither one more nor one less, over both."""
    assert sorted(node.get("/v2").json()["extensions"]) == extensions()
    with triton.InferenceServerClient(grpc_address) as client:
        assert sorted(client.get_server_metadata().extensions) == extensions()
