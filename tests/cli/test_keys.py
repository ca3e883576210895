"""`freehold keys`."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from freehold.access import Keys, Limits
from tests.crowd import eventually
from tests.postgres import PASSWORD, debian, server

Freehold = Callable[..., Any]

ELSEWHERE = {"models": [{"id": "a", "source": "http://127.0.0.1:9/v1"}]}  # where nobody answers: keys are asked first


@pytest.fixture
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    monkeypatch.setenv("FREEHOLD_HOME", str(folder / "home"))
    return folder / "home"


def test_a_key_is_shown_once_and_opens(freehold: Freehold, home: Path) -> None:
    """With --json as data for scripts."""
    made = freehold("keys", "create", "--name", "ci", "--role", "operator", "--json").data
    assert (made["name"], made["role"], made["state"]) == ("ci", "operator", "valid")
    keys = Keys.open(home)
    assert keys.check(made["key"]).name == "ci"
    keys.close()
    assert made["key"] not in freehold("keys", "list").out
    assert made["key"] not in freehold("keys", "list", "--json").out


def test_scopes_and_limits_are_as_they_were_given(freehold: Freehold, home: Path) -> None:
    """And the key stands alone on its line, to be copied."""
    words = ["--team", "a", "--tenant", "acme", "--model", "m1", "--model", "m2", "--expires", "90d"]
    words += ["--requests-per-minute", "60", "--tokens-per-day", "1000000", "--parallel", "4"]
    text = freehold("keys", "create", "--name", "dify", *words).out
    assert "first key" in text
    assert "first key" not in freehold("keys", "create", "--name", "second").out
    keys = Keys.open(home)
    key = keys.check(text.splitlines()[-1])
    keys.close()
    assert (key.role, key.team, key.tenant, key.models) == ("client", "a", "acme", {"m1", "m2"})
    assert key.limits == Limits(requests_per_minute=60, tokens_per_day=1_000_000, parallel=4)
    assert key.expires_at is not None
    assert round(key.expires_at - key.created_at) == 90 * 86_400
    row = freehold("keys", "list", "--json").data[0]
    assert row["limits"] == {"requests_per_minute": 60, "tokens_per_day": 1_000_000, "parallel": 4}
    assert "m1,m2" in freehold("keys", "list").out


def test_rotate_overlaps_and_revoke_ends(freehold: Freehold, home: Path) -> None:
    """A running server knows both within a second (tests/access)."""
    first = freehold("keys", "create", "--name", "dify", "--json").data["key"]
    second = freehold("keys", "rotate", "dify", "--overlap", "30m", "--json").data
    keys = Keys.open(home)
    assert keys.check(first).name == keys.check(second["key"]).name == "dify"
    assert second["previous_until"] > second["rotated_at"]
    assert freehold("keys", "revoke", "dify").code == 0
    keys.refresh()
    assert keys._keys == {}
    keys.close()
    assert freehold("keys", "list", "--json").data[0]["state"] == "revoked"


def test_limits_are_changed_and_lifted(freehold: Freehold, home: Path) -> None:
    """Those that are named, of the same key; 0 leaves one to the configuration."""
    limits = ("--parallel", "4", "--requests-per-day", "9")
    key = freehold("keys", "create", "--name", "dify", *limits, "--json").data["key"]
    row = freehold("keys", "limit", "dify", "--parallel", "0", "--tokens-per-day", "500", "--json").data
    assert row["limits"] == {"requests_per_day": 9, "tokens_per_day": 500}
    keys = Keys.open(home)
    assert keys.check(key).limits == Limits(requests_per_day=9, tokens_per_day=500)
    keys.close()
    for words in ([], ["--parallel", "-1"], ["--tokens-per-day", str(2**63)]):
        assert freehold("keys", "limit", "dify", *words).code == 2
    assert "requests_per_day=9" in freehold("keys", "limit", "dify", "--tokens-per-day", "0").out
    assert "those of the configuration" in freehold("keys", "limit", "dify", "--requests-per-day", "0").out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["limit", "nobody", "--parallel", "1"], "key_unknown"),
        (["create", "--name", "a b"], "key_name_invalid"),
        (["create", "--name", "a", "--role", "root"], "role_unknown"),
        (["create", "--name", "a", "--expires", "soon"], "key_time_invalid"),
        (["create", "--name", "a", "--expires", "2020-01-01"], "key_expiry_past"),
        (["create", "--name", "a", "--expires", "0d"], "key_expiry_past"),
        (["create", "--name", "a", "--expires", "99999999999d"], "key_time_invalid"),
        (["revoke", "nobody"], "key_unknown"),
        (["rotate", "nobody"], "key_unknown"),
        (["rotate", "nobody", "--overlap", "-1s"], "key_time_invalid"),
    ],
)
@pytest.mark.usefixtures("home")
def test_what_is_wrong_is_told_and_changes_nothing(freehold: Freehold, words: list[str], code: str) -> None:
    """By its code; no key is printed."""
    ran = freehold("keys", *words)
    assert ran.code == 1
    assert code in ran.err
    assert freehold("keys", "list", "--json").data == []


def test_the_configuration_names_the_database(
    freehold: Freehold, home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given, or found in the folder; an address that is none is told before anything is made."""
    config = {"models": [{"id": "a", "source": "https://models.example/v1"}], "access": {"database": "${env:KEYS_AT}"}}
    (folder / "freehold.yaml").write_text(json.dumps(config))
    monkeypatch.setenv("KEYS_AT", "mysql://hush@h/x")
    for words in (["list"], ["create", "--name", "a"], ["list", "--config", "freehold.yaml"]):
        ran = freehold("keys", *words)
        assert "database_url_invalid" in ran.err
        assert "hush" not in ran.err
    assert not home.exists()


def test_a_home_that_cannot_be_used_is_told(freehold: Freehold, home: Path) -> None:
    """With its cause, and no traceback."""
    home.write_text("no folder")
    assert "database_gone" in freehold("keys", "list").err


def test_a_running_server_takes_keys_as_they_change(
    freehold: Freehold, home: Path, folder: Path, serve: Callable[..., Any]
) -> None:
    """Made, rotated without overlap, limited, revoked, and gone altogether, without a restart."""
    (folder / "freehold.yaml").write_text(json.dumps(ELSEWHERE))
    first = freehold("keys", "create", "--name", "first", "--json").data["key"]
    running = serve(verb="gateway")

    def until(key: str, wanted: int, *request: Any) -> None:
        words = request or ("GET", "/v1/models")
        eventually(lambda: running.ask(*words, key=key)[0] == wanted, f"{words[0]} {words[1]} answers {wanted}")

    assert [running.ask("GET", "/v1/models", key=key)[0] for key in ("", "fh_wrong", first)] == [401, 401, 200]
    second = freehold("keys", "create", "--name", "second", "--json").data["key"]
    until(second, 200)
    third = freehold("keys", "rotate", "second", "--overlap", "0s", "--json").data["key"]
    until(third, 200)
    until(second, 401)
    freehold("keys", "limit", "second", "--requests-per-day", "1")
    until(third, 429, "POST", "/v1/embeddings", {"model": "nobody"})
    freehold("keys", "revoke", "first")
    until(first, 401)
    for file in home.glob("access.db*"):
        file.unlink()
    assert "no keys" in freehold("keys", "list").out  # a new file, in which there is none
    until(third, 401)
    assert running.leave() == 0


def counted(freehold: Freehold) -> int:
    """Requests that `freehold usage` knows of."""
    return sum(row["requests"] for row in freehold("usage", "--json").data["usage"])


def test_a_running_server_goes_on_while_its_database_is_locked_or_gone(
    freehold: Freehold, home: Path, folder: Path, serve: Callable[..., Any]
) -> None:
    """Who is known is answered meanwhile; what was counted is written afterwards, and what is wrong is told."""
    (folder / "freehold.yaml").write_text(json.dumps(ELSEWHERE))
    key = freehold("keys", "create", "--name", "dify", "--json").data["key"]
    running = serve(verb="gateway")

    def told() -> list[str]:
        return [trouble["code"] for trouble in running.ask("GET", "/readyz")[1].get("troubles", ())]

    assert told() == []
    with closing(sqlite3.connect(home / "access.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert running.ask("GET", "/v1/models", key=key)[0] == 200
        assert running.ask("POST", "/v1/embeddings", {"model": "nobody"}, key=key)[0] == 404
        other.execute("ROLLBACK")
    eventually(lambda: counted(freehold) == 1, "what was counted is written")
    files, away = list(home.glob("access.db*")), folder / "away"
    away.mkdir()
    for file in files:
        file.rename(away / file.name)
    eventually(lambda: "keys_unfollowed" in told(), "it says that changes are not noticed")
    assert running.ask("GET", "/v1/models", key=key)[0] == 200
    for file in files:
        (away / file.name).rename(file)
    eventually(lambda: "keys_unfollowed" not in told(), "it follows again")
    assert running.leave() == 0


def test_a_running_server_goes_on_while_its_database_is_only_read(
    freehold: Freehold, home: Path, folder: Path, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a PostgreSQL that became a standby: changes to keys wait for it, what was counted meanwhile is written."""
    with server(debian()) as postgres:
        url = f"postgresql://postgres:{quote(PASSWORD)}@127.0.0.1:{postgres.port}/postgres"
        monkeypatch.setenv("KEYS_AT", url)
        config = {**ELSEWHERE, "access": {"database": "${env:KEYS_AT}"}}
        (folder / "freehold.yaml").write_text(json.dumps(config))
        key = freehold("keys", "create", "--name", "dify", "--json").data["key"]
        running = serve(verb="gateway")
        assert running.ask("GET", "/v1/models", key=key)[0] == 200

        def only_read(said: str) -> None:
            postgres.sql(
                "postgres", f"ALTER SYSTEM SET default_transaction_read_only = {said}; SELECT pg_reload_conf()"
            )
            eventually(lambda: postgres.sql("postgres", "SHOW default_transaction_read_only").strip() == said, said)

        only_read("on")
        assert "database_read_only" in freehold("keys", "revoke", "dify").err
        for _ in range(3):
            assert running.ask("POST", "/v1/embeddings", {"model": "nobody"}, key=key)[0] == 404
        assert running.ask("GET", "/v1/models", key=key)[0] == 200
        only_read("off")
        eventually(lambda: counted(freehold) == 3, "what was counted is written")
        assert running.leave() == 0
