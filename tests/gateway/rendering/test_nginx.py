"""The files for Nginx: their texts, what is refused and warned of, and that Nginx takes them."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from freehold.errors import FreeholdError
from freehold.gateway.rendering.nginx import key_file, render
from freehold.gateway.rendering.plan import Plan, Rendering
from tests.gateway.rendering.conftest import configured, nginx_command, write
from tests.pki import Authority

EXPECTED = Path(__file__).with_name("expected")
SMALL: dict[str, Any] = {"models": [{"id": "one", "source": "http://10.0.0.1:8000/v1"}]}
WHOLE: dict[str, Any] = {
    "models": [
        {
            "id": "Qwen3-32B",
            "source": "http://10.0.0.1:8000/v1",
            "replicas": ["http://10.0.0.2:8000/v1", "http://[fd00::3]:8000/v1"],
            "limits": {"concurrency": 8, "queue": 4, "deadline_s": 90},
        },
        {"id": "qwen3-32b", "source": "http://localhost:8001/openai", "upstream_model": "qwen"},
        {
            "id": "far",
            "source": "https://llm.corp.test/v1",
            "replicas": ["https://llm2.corp.test:8443/v1"],
            "key": "${env:CORP_KEY}",
        },
    ],
    "routes": [
        {
            "model": "chat",
            "to": [{"id": "Qwen3-32B", "weight": 19}, {"id": "qwen3-32b", "weight": 1}],
            "fallback": "far",
            "shadow": {"id": "qwen3-32b", "percent": 5},
            "hold": {"requests": 0},
        }
    ],
    "gateway": {"body_mb": 16, "retries": 1, "eject_failures": 3, "eject_s": 0.5, "pending": 32},
    "server": {
        "host": "0.0.0.0",
        "port": 443,
        "tls": {"certificate": "/pki/own.pem", "key": "/pki/own.key", "client_ca": "/pki/ca.pem", "http_port": 80},
    },
    "network": {"ca": "/pki/ca.pem", "client_certificate": "/pki/own.pem", "client_key": "/pki/own.key"},
}


def rendered(settings: dict[str, Any], *resolvers: str) -> Rendering:
    port = settings.get("server", {}).get("port", 8080)
    return render(Plan.of(configured(port, **settings)), resolvers)


def check(files: dict[str, str], folder: Path) -> None:
    """`nginx -t`, with what a deployer adds."""
    write(files, folder)
    ended = subprocess.run(nginx_command(folder, "-t"), capture_output=True, text=True, check=False, timeout=20)
    assert ended.returncode == 0, ended.stderr
    assert "[warn]" not in ended.stderr


@pytest.mark.parametrize(("name", "settings"), [("small", SMALL), ("whole", WHOLE)])
def test_the_text_is_exactly_this(name: str, settings: dict[str, Any]) -> None:
    """A change of what is rendered is a change of these files, and the same configuration gives the same bytes."""
    files = rendered(settings, "10.0.0.53", "[fd00::53]:5353").files
    assert files["freehold.conf"] == (EXPECTED / f"nginx-{name}.conf").read_text(encoding="utf-8")
    assert files == rendered(settings, "10.0.0.53", "[fd00::53]:5353").files


def test_nginx_takes_the_smallest_and_a_whole_one(tmp_path: Path) -> None:
    """`nginx -t` on both, with certificates and the key where the configuration says."""
    check(dict(rendered(SMALL).files), tmp_path / "small")
    authority = Authority(tmp_path)
    pair = authority.issue("own")
    files = dict(rendered(WHOLE, "10.0.0.53").files)
    files["freehold.conf"] = (
        files["freehold.conf"]
        .replace("/pki/own.pem", str(pair.certificate))
        .replace("/pki/own.key", str(pair.key))
        .replace("/pki/ca.pem", str(authority.file))
    )
    files[key_file("far")] = 'proxy_set_header Authorization "Bearer sesame";\n'
    check(files, tmp_path / "whole")


def test_nginx_takes_a_thousand_routes(tmp_path: Path) -> None:
    """Nothing in them grows beyond what Nginx reads."""
    models = [{"id": f"model-{n}" + "x" * 100, "source": "http://10.0.0.1:1/v1"} for n in range(1000)]
    routes = [{"model": f"route-{n}", "to": [{"id": models[n]["id"]}]} for n in range(1000)]
    check(dict(rendered({"models": models, "routes": routes}).files), tmp_path)


def test_nothing_secret_is_in_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a key is, is told; what it is, is not even read."""
    monkeypatch.setenv("CORP_KEY", "sesame")
    given = rendered(WHOLE, "10.0.0.53")
    assert not [name for name, text in given.files.items() if "sesame" in text]
    key = next(warning for warning in given.warnings if warning.code == "rendering_key")
    assert "keys/far.conf" in key.cause
    assert "${env:CORP_KEY}" in key.cause
    assert "include keys/far.conf;" in given.files["freehold.conf"]


def test_what_only_the_gateway_can_do_is_told_by_name() -> None:
    """Each warning names the routes or models that it is about; the smallest configuration has none of them."""
    told = {warning.code: warning.cause for warning in rendered(WHOLE, "10.0.0.53").warnings}
    assert set(told) == {"rendering_shadow", "rendering_replicas_named", "rendering_readiness", "rendering_key"}
    assert "far" in told["rendering_replicas_named"]
    assert "chat" in told["rendering_readiness"]
    assert rendered(SMALL).warnings == ()


def test_what_nginx_cannot_do_is_refused() -> None:
    """A name that nobody resolves, and HTTPS to an address, whose certificate Nginx cannot check."""
    with pytest.raises(FreeholdError) as unresolved:
        rendered(WHOLE)
    assert unresolved.value.code == "rendering_resolver_missing"
    assert "llm.corp.test" in unresolved.value.cause
    for host in ("10.0.0.1", "localhost", "[fd00::3]"):
        with pytest.raises(FreeholdError) as unchecked:
            rendered({"models": [{"id": "one", "source": f"https://{host}/v1"}]}, "10.0.0.53")
        assert unchecked.value.code == "rendering_https_address"


def test_lines_stay_within_what_they_name(tmp_path: Path) -> None:
    """A path with blanks, quotes and semicolons is one parameter; an odd path of an upstream is in no line of Nginx."""
    odd = tmp_path / 'a; "b" {c}'
    pair = Authority(odd).issue("own")
    settings = {
        "models": [{"id": "one", "source": "http://10.0.0.1/a;b{c}'d\"e\\$f"}],
        "server": {"tls": {"certificate": str(pair.certificate), "key": str(pair.key)}},
    }
    check(dict(rendered(settings).files), tmp_path / "conf")


def test_what_the_pages_say_is_what_the_files_are() -> None:
    """Every file that another one names is rendered, or is a key."""
    files = rendered(WHOLE, "10.0.0.53").files
    text = "\n".join(files.values())
    named = set(re.findall(r"^\s*include ([^;]+);", text, re.MULTILINE)) | set(re.findall(r"from '?([\w.]+)'?;", text))
    assert named - {"keys/far.conf"} <= set(files)
