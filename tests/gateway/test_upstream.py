"""Whether another server answers, what it knows, and with which key it is asked."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.config import Ability, ModelConfig, Network
from freehold.errors import FreeholdError
from freehold.gateway.upstream import trust

CERTIFICATE = Path(__file__).with_name("localhost.pem")  # of a key that is good for nothing else
KEY = "sk-only-theirs"


def test_a_server_that_goes_and_comes_back_is_noticed(front: Callable[..., Any], unruly: Callable[..., Any]) -> None:
    """Without a request: its state and its gauge follow; requests pass again."""
    server = unruly()
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs")
    server.stop()
    node.look()
    node.wait("theirs", "failed")
    assert node.upstream().error.code == "upstream_unreachable"
    assert 'freehold_model_ready{model="theirs"} 0.0' in node.telemetry.exposition()[0].decode()
    server.start()
    node.wait("theirs")
    assert node.upstream().error is None
    assert node.ask("theirs").status_code == 200
    assert 'freehold_model_ready{model="theirs"} 1.0' in node.telemetry.exposition()[0].decode()


def test_a_server_that_is_down_is_not_waited_for(front: Callable[..., Any], unruly: Callable[..., Any]) -> None:
    """What is known of it is told at once."""
    server = unruly()
    server.stop()
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs", "failed")
    answer = node.ask("theirs")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "upstream_unreachable")


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"status": 500}, "upstream_unhealthy"),
        ({"models": []}, "upstream_empty"),
        ({"raw": "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"}, "upstream_garbage"),
        ({"raw": "SSH-2.0\r\n\r\n"}, "upstream_garbage"),
        ({"raw": "HTTP/1.1 301 Moved\r\nLocation: /v2/models\r\nContent-Length: 0\r\n\r\n"}, "upstream_garbage"),
        ({"key": "another"}, "upstream_key_refused"),
    ],
)
def test_a_server_that_answers_wrongly_is_not_ready(
    front: Callable[..., Any], unruly: Callable[..., Any], settings: dict[str, Any], code: str
) -> None:
    """Each way of it has its code; once it behaves, it is ready."""
    server = unruly(**settings)
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs", "failed")
    assert node.upstream().error.code == code
    if "raw" in settings:
        return  # it cannot be told to behave
    server.change(status=200, key="", models=[{"id": "theirs"}])
    node.wait("theirs")


def test_a_busy_server_is_not_given_up_while_it_answers(
    front: Callable[..., Any], unruly: Callable[..., Any], soon: Callable[..., Any]
) -> None:
    """Three probes must fail in a row, with no answer to a request between them."""
    server = unruly()
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs")
    server.change(status=500)
    for _ in range(3):
        failed = node.upstream().replicas[0].probed.doubts
        node.look()
        soon(lambda failed=failed: node.upstream().replicas[0].probed.doubts > failed)
        assert node.ask("theirs").status_code == 200
    soon(lambda: node.look() or node.upstream().state == "failed")
    assert node.upstream().error.code == "upstream_unhealthy"


def test_a_server_without_a_list_of_models_is_taken_as_it_is(
    front: Callable[..., Any], unruly: Callable[..., Any]
) -> None:
    """It answers; the name is the id, and what it can do is not known."""
    server = unruly(models=None)
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs")
    assert node.ask("theirs").json() == {"model": "theirs"}
    assert node.upstream().abilities == ()


def test_the_key_is_read_when_it_is_needed_and_shown_nowhere(
    front: Callable[..., Any], unruly: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is written later, or with another key, is taken up; log, errors and state never show it."""
    caplog.set_level("DEBUG")
    file = tmp_path / "key"
    server = unruly(key=KEY)
    node = front(ModelConfig(id="theirs", source=server.url, key=f"${{file:{file}}}"))
    node.wait("theirs", "failed")
    assert node.upstream().error.code == "upstream_key_missing"
    file.write_text("sk-wrong\n")
    answer = node.ask("theirs")
    file.write_text(f"{KEY}\n")
    node.wait("theirs")
    assert node.ask("theirs").status_code == 200
    assert server.seen()["seen"][-1]["headers"]["authorization"] == f"Bearer {KEY}"
    told = caplog.text + answer.text + str(vars(node.upstream()).get("error"))
    assert KEY not in told
    assert "sk-wrong" not in told


@pytest.mark.parametrize(
    ("rows", "configured", "abilities"),
    [
        ([{"id": "theirs", "abilities": ["embed", "chat", "unheard"]}], None, ("chat", "embed")),
        ([{"id": "x", "capabilities": ["completion", "multimodal"]}], None, ("chat", "vision")),
        ([{"id": "x", "capabilities": {"function_calling": True, "vision": False}}], None, ("tools",)),
        ([{"id": "x", "abilities": ["chat"]}, {"id": "theirs", "abilities": ["stt"]}], None, ("stt",)),
        ([{"id": "x", "abilities": ["chat"]}, {"id": "y"}], None, ()),
        ([{"id": "theirs", "abilities": ["chat"]}], ("tts",), ("tts",)),
    ],
)
def test_abilities_are_learnt_or_configured(
    front: Callable[..., Any],
    unruly: Callable[..., Any],
    rows: list[dict[str, Any]],
    configured: tuple[Ability, ...] | None,
    abilities: tuple[str, ...],
) -> None:
    """In the words of other servers too, of its own row; the configuration knows better."""
    server = unruly(models=rows)
    node = front(ModelConfig(id="theirs", source=server.url, abilities=configured))
    node.wait("theirs")
    assert node.upstream().abilities == abilities


def test_no_proxy_is_asked(
    front: Callable[..., Any], unruly: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the environment names: a declared upstream is reached directly."""
    server = unruly()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    node = front(ModelConfig(id="theirs", source=server.url))
    node.wait("theirs")
    assert node.ask("theirs").status_code == 200


def test_a_certificate_of_the_company_needs_its_authority(
    front: Callable[..., Any], unruly: Callable[..., Any]
) -> None:
    """Without it the server is told to be not trusted; with it requests pass."""
    server = unruly(tls=str(CERTIFICATE))
    strange = front(ModelConfig(id="theirs", source=server.url))
    strange.wait("theirs", "failed")
    assert strange.upstream().error.code == "upstream_unreachable"
    assert "certificate is not trusted" in strange.upstream().error.cause
    node = front(ModelConfig(id="theirs", source=server.url), network=Network(ca=str(CERTIFICATE)))
    node.wait("theirs")
    assert node.ask("theirs", a=1).json() == {"model": "theirs", "a": 1}


def test_authorities_of_the_company_are_trusted_beside_the_systems(tmp_path: Path) -> None:
    """A file that is missing, or holds none, is told by its path."""
    assert trust(None) is None
    for name, content in (("missing.pem", None), ("empty.pem", "no certificate")):
        if content is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(FreeholdError) as caught:
            trust(str(tmp_path / name))
        assert caught.value.code == "ca_unreadable"
        assert name in caught.value.cause
    bundle = ssl.get_default_verify_paths().cafile
    if bundle is not None and Path(bundle).exists():
        assert isinstance(trust(bundle), ssl.SSLContext)
