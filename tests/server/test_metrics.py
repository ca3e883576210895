"""What Prometheus scrapes of a live node."""

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain


@pytest.mark.parametrize(
    ("accept", "content_type", "parse"),
    [
        ("", "text/plain", plain),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text", openmetrics),
    ],
)
def test_the_scraper_gets_the_format_that_it_asks_for(
    node_url: str, accept: str, content_type: str, parse: object
) -> None:
    """Both forms parse, and every model is in them with its proof."""
    answer = httpx.get(f"{node_url}/metrics", headers={"accept": accept}, trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(content_type)
    families = {family.name: family for family in parse(answer.text)}  # type: ignore[operator]  # one of two parsers
    ready = {sample.labels["model"]: sample.value for sample in families["freehold_model_ready"].samples}
    assert ready
    assert set(ready.values()) == {1.0}
    assert families["freehold_model_proof"].samples
