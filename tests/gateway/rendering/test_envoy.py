"""`envoy.yaml` as a whole: its text, its warnings, and a real Envoy that takes it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from freehold.gateway.rendering.envoy import render
from freehold.gateway.rendering.plan import Plan
from tests.gateway.rendering.conftest import configured, envoy, envoy_command, free_port, write
from tests.pki import Authority

EXPECTED = Path(__file__).parent / "expected" / "envoy.yaml"

MODELS = [
    {"id": "old", "source": "http://127.0.0.1:9001/v1", "key": "${env:OLD_KEY}"},
    {"id": "new", "source": "http://new.example:8000/v1", "replicas": ["http://new2.example:8000/v1"]},
    {"id": "far", "source": "https://far.example/api/v1", "upstream_model": "far-7b", "key": "${file:/run/far.key}"},
]
ROUTES = [
    {"model": "chat", "to": [{"id": "old", "weight": 2}, {"id": "new", "weight": 1}], "fallback": "far"},
    {"model": "steady", "to": [{"id": "new"}], "shadow": {"id": "old", "percent": 25}, "hold": {"requests": 0}},
]


def plan(**settings: Any) -> Plan:
    return Plan.of(configured(8080, **{"models": MODELS, "routes": ROUTES, **settings}))


def codes(rendered: Plan) -> list[str]:
    return [warning.code for warning in render(rendered).warnings]


def validated(folder: Path) -> "subprocess.CompletedProcess[str]":
    command = envoy_command(folder, "--mode", "validate")
    return subprocess.run(command, check=False, capture_output=True, text=True, env={"OLD_KEY": "k", "PATH": ""})


def test_the_text_is_what_it_was() -> None:
    """A change of the rendering shows in this file; EXPECTED is what `render` gives for the configuration above."""
    assert render(plan()).files["envoy.yaml"] == EXPECTED.read_text(encoding="utf-8")


def test_envoy_takes_it(tmp_path: Path) -> None:
    """All that is expected, but for a file with a key, which is read at the start."""
    key = tmp_path / "key"
    key.write_text("k")
    (tmp_path / "envoy.yaml").write_text(EXPECTED.read_text(encoding="utf-8").replace("/run/far.key", str(key)))
    ended = validated(tmp_path)
    assert ended.returncode == 0, ended.stderr


def test_no_secret_is_in_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only where it lies: rendering reads none."""
    monkeypatch.setenv("OLD_KEY", "sesame-of-old")
    (tmp_path / "far.key").write_text("sesame-of-far")
    models = [*MODELS[:2], {**MODELS[2], "key": f"${{file:{tmp_path}/far.key}}"}]
    text = render(plan(models=models)).files["envoy.yaml"]
    assert "sesame" not in text
    assert "environment_variable: OLD_KEY" in text
    assert f"filename: {tmp_path}/far.key" in text


def test_what_envoy_cannot_do_is_told_by_name() -> None:
    """Names in bodies, models of another path or key behind one another, copies to another path."""
    warnings = {warning.code: warning.cause for warning in render(plan()).warnings}
    assert list(warnings) == ["rendering_hold", "rendering_shadow", "rendering_rename", "rendering_fallback"]
    assert "chat to old, chat to new, chat to far-7b, steady to new, far to far-7b" in warnings["rendering_rename"]
    assert warnings["rendering_fallback"].endswith("chat.")
    elsewhere = [{"model": "steady", "to": [{"id": "new"}], "shadow": "far"}]
    assert "rendering_mirror" in codes(plan(routes=elsewhere))


def test_equal_servers_need_no_warning() -> None:
    """Models without routes, asked for by their own names."""
    assert codes(plan(models=MODELS[:2], routes=[])) == []


def test_the_bound_of_bodies_is_the_configurations() -> None:
    """It bounds what is buffered, too."""
    (listener,) = yaml.safe_load(render(plan(gateway={"body_mb": 3})).files["envoy.yaml"])["static_resources"][
        "listeners"
    ]
    assert listener["per_connection_buffer_limit_bytes"] == 3 << 20


def test_hundreds_of_models_are_hundreds_of_routes(tmp_path: Path) -> None:
    """Two for each, and Envoy takes them."""
    models = [{"id": f"m{number}", "source": "http://127.0.0.1:9001/v1"} for number in range(100)]
    text = render(plan(models=models, routes=[])).files["envoy.yaml"]
    assert text.count("weighted_clusters:") == 200
    write({"envoy.yaml": text}, tmp_path)
    ended = validated(tmp_path)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[Authority, int, int]]:
    """An Envoy with a certificate, which asks clients for one, and its plain port."""
    authority = Authority(tmp_path)
    pair = authority.issue()
    port, plain = free_port(), free_port()
    files = {"certificate": str(pair.certificate), "key": str(pair.key), "client_ca": str(authority.file)}
    server = {"port": port, "tls": {**files, "http_port": plain, "hsts_s": 60}}
    rendering = render(plan(models=MODELS[:1], routes=[], server=server))
    with envoy(rendering.files, tmp_path / "envoy", port, OLD_KEY="k"):
        yield authority, port, plain


def test_https_is_for_clients_with_a_certificate(secured: tuple[Authority, int, int]) -> None:
    """With one they are answered, and told to stay with HTTPS; without one they are not. The plain port sends there."""
    authority, port, plain = secured
    known = authority.issue("client").client_context(authority)
    answer = httpx.get(f"https://localhost:{port}/healthz", verify=known, trust_env=False)
    assert (answer.status_code, answer.headers["strict-transport-security"]) == (200, "max-age=60")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"https://localhost:{port}/healthz", verify=authority.context(), trust_env=False)
    moved = httpx.get(f"http://localhost:{plain}/v1/models?a=b", trust_env=False)
    assert (moved.status_code, moved.headers["location"]) == (308, f"https://localhost:{port}/v1/models?a=b")
