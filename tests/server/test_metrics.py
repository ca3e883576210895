"""What Prometheus scrapes, in the format that it asks for."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.mark.parametrize("accept", [None, "*/*", "text/plain", "text/html;q=0.5"])
def test_the_plain_format_is_the_default(node: httpx.Client, accept: str | None) -> None:
    """What curl and old scrapers get."""
    answer = node.get("/metrics", headers={"accept": accept} if accept else {})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert {family.name for family in plain(answer.text)} >= {"freehold_requests", "freehold_model_ready"}


def test_openmetrics_is_sent_to_those_who_ask(node: httpx.Client) -> None:
    """With its end mark, readable by its own parser."""
    answer = node.get("/metrics", headers={"accept": f"{OPEN_METRICS},text/plain;q=0.5"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert "freehold_model_ready" in {family.name for family in open_metrics(answer.text)}


def test_odd_accept_headers_are_no_error(node: httpx.Client) -> None:
    """Whatever bytes they are."""
    for accept in (b"\xff\xfe", b";;;=,", b"application/openmetrics-text; version=99", b"a" * 5000):
        assert node.get("/metrics", headers={"accept": accept}).status_code == 200


def test_readiness_is_what_it_is_now(serve_only: Callable[..., httpx.Client], tmp_path: Path) -> None:
    """A model that could not be loaded is 0, one that answers is 1."""
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    lines = serve_only("fp32", broken=broken).get("/metrics").text.splitlines()
    assert 'freehold_model_ready{model="fp32"} 1.0' in lines
    assert 'freehold_model_ready{model="broken"} 0.0' in lines
