"""Entries of `docker inspect` as states of services, and why one failed."""

import json
from typing import Any

import pytest

from freehold.deploy.compose.containers import host_of, shown_limit, state_of

LOG = "asked\nerror: /models/x is not there.\n  fix: Write another source.\n  (source_not_found)\n"
NOTHING = "error: No model could be loaded: x.\n  fix: See above.\n  (nothing_loaded)\n"


def container(state: dict[str, Any], **more: Any) -> dict[str, Any]:
    """One of a unit of ours."""
    config = {"Labels": {"freehold.host": "minilm-11111111"}, "Healthcheck": {"StartPeriod": 60_000_000_000}}
    return {"Config": config, "HostConfig": {"Memory": 64 << 20}, "State": {"ExitCode": 0, **state}, **more}


def running(health: str, said: str = "", **more: Any) -> dict[str, Any]:
    """One that runs, with what its last probe printed."""
    log = [{"Output": "old"}, {"Output": said}] if said else []
    return container({"Status": "running", "Health": {"Status": health, "Log": log}}, **more)


FAILED = json.dumps(
    {"ready": False, "models": [{"id": "m", "state": "failed", "error": {"code": "c", "cause": "Why.", "fix": "Do."}}]}
)


@pytest.mark.parametrize(
    ("entry", "state", "code"),
    [
        (running("healthy"), "ready", None),
        (container({"Status": "running"}), "ready", None),
        (running("starting"), "starting", None),
        (running("starting", '{"ready": false, "models": [{"id": "m", "state": "loading"}]}'), "starting", None),
        (running("starting", FAILED), "failed", "compose_service_failed"),
        (running("starting", RestartCount=2), "failed", "compose_service_failed"),
        (running("unhealthy", "Connection refused"), "failed", "compose_unhealthy"),
        (container({"Status": "created"}), "stopped", None),
        (container({"Status": "created", "Error": "no space left on device"}), "failed", "compose_disk_full"),
        (container({"Status": "exited", "ExitCode": 0}), "stopped", None),
        (container({"Status": "exited", "ExitCode": 143}), "stopped", None),
        (container({"Status": "paused"}), "stopped", None),
        (container({"Status": "exited", "ExitCode": 137, "OOMKilled": True}), "failed", "compose_oom_killed"),
        (container({"Status": "restarting", "ExitCode": 1}), "failed", "compose_service_failed"),
        (container({"Status": "restarting", "ExitCode": 137, "OOMKilled": True}), "failed", "compose_oom_killed"),
        (container({"Status": "dead", "ExitCode": 1, "Error": "boom"}), "failed", "compose_failed"),
    ],
)
def test_a_state_follows_from_what_docker_says(entry: dict[str, Any], state: str, code: str | None) -> None:
    """Whoever waits learns at once that it is in vain."""
    found = state_of(entry, lambda: LOG)
    assert (found.host, found.state) == ("minilm-11111111", state)
    assert (found.reason and found.reason.code) == code


def test_a_service_that_says_nothing_of_ours_is_quoted() -> None:
    """The last lines, the exit code, how often it was started."""
    ended = state_of(container({"Status": "exited", "ExitCode": 3}), lambda: "a\nb\nTraceback\n").reason
    assert ended is not None
    assert ended.details == {"service": "minilm-11111111", "exit_code": 3, "said": "a / b / Traceback"}
    again = state_of(running("starting", RestartCount=4), lambda: "").reason
    assert again is not None
    assert again.code == "compose_restarting"
    assert "so far: 4" in again.cause


def test_a_bound_is_shown_where_there_is_one() -> None:
    """Docker's 0 is none."""
    assert shown_limit(64) == "64 MiB"
    assert shown_limit(0) == "machine's share"


def test_a_container_without_our_label_has_no_host() -> None:
    """Docker has null where there are no labels."""
    assert host_of({"Config": {"Labels": None}}) == ""
