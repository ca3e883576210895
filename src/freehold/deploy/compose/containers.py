"""What Docker says of one container, as the state of a service and the reason behind it. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from freehold.deploy.compose.complaints import complaint
from freehold.deploy.compose.render import HOST_LABEL
from freehold.deploy.services.told import Readiness, Trouble, last_trouble, readiness
from freehold.deploy.target import Running
from freehold.errors import FreeholdError

Container = Mapping[str, Any]
"""An entry of `docker inspect`."""

KILLED = 137  # 128 + SIGKILL
_LEFT = (0, 143)  # what a program that was asked to leave exits with: by itself, or by SIGTERM
_LAST_LINES = 5


def host_of(container: Container) -> str:
    """The Unit.host of a container; "" for one that is not of a deployment."""
    return str((container["Config"].get("Labels") or {}).get(HOST_LABEL, ""))


def state_of(container: Container, written: Callable[[], str]) -> Running:
    """The state of a service. `written` gives the last lines that it wrote, and is asked only where it failed.

    A service that ends and is started again has failed, until it is ready; so has one of whose models one did.
    """
    host, state = host_of(container), container["State"]
    status = state["Status"]
    if status == "running":
        return _while_it_runs(container, written)
    if status == "created" and (error := state.get("Error")):
        return Running(host, "failed", complaint(error, ["docker", "start", host]))
    if status == "created":  # who made it was ended before it was started, and nobody else will start it
        return Running(host, "stopped")
    if status == "removing" or (status == "exited" and state["ExitCode"] in _LEFT) or status == "paused":
        return Running(host, "stopped")
    return Running(host, "failed", _ended(container, written()))


def shown_limit(memory_mb: int) -> str:
    """A bound of memory for people; 0: all that the machine has."""
    return f"{memory_mb} MiB" if memory_mb else "machine's share"


def _while_it_runs(container: Container, written: Callable[[], str]) -> Running:
    host, health = host_of(container), container["State"].get("Health")
    if health is None or health["Status"] == "healthy":
        return Running(host, "ready")
    probed = [probe["Output"] for probe in health.get("Log") or () if probe.get("Output")]
    last = probed[-1] if probed else ""
    failed = _failed_model(host, last)
    if failed is not None:
        return Running(host, "failed", failed)
    if health["Status"] == "unhealthy":
        return Running(host, "failed", _unready(container, last))
    if container.get("RestartCount", 0):
        return Running(host, "failed", _ended(container, written()))
    return Running(host, "starting")


def _failed_model(host: str, probed: str) -> FreeholdError | None:
    """The error of the first model that has failed for good, by the /readyz that the probe printed last."""
    models = (readiness(probed) or Readiness()).models
    failed = [model.error for model in models if model.state == "failed" and model.error is not None]
    return _service_failed(host, failed[0]) if failed else None


def _unready(container: Container, last: str) -> FreeholdError:
    patience_s = (container["Config"].get("Healthcheck") or {}).get("StartPeriod", 0) / 1e9
    said = _shown(last) or "nothing"
    return FreeholdError("compose_unhealthy", service=host_of(container), said=said, patience_s=patience_s)


def _ended(container: Container, said: str) -> FreeholdError:
    """Why a container ended, by its own words where they are ours."""
    host, state = host_of(container), container["State"]
    if state.get("OOMKilled"):
        limit = shown_limit(container["HostConfig"].get("Memory", 0) >> 20)
        return FreeholdError("compose_oom_killed", service=host, limit=limit)
    if (error := state.get("Error")) and state["Status"] != "running":
        return complaint(error, ["docker", "start", host])
    found = last_trouble(said)
    if found is not None:
        return _service_failed(host, found)
    if state["Status"] == "running":
        times = container["RestartCount"]
        return FreeholdError("compose_restarting", service=host, times=times, said=_shown(said) or "nothing")
    return FreeholdError("compose_exited", service=host, exit_code=state["ExitCode"], said=_shown(said) or "nothing")


def _service_failed(host: str, trouble: Trouble) -> FreeholdError:
    told = {"its_code": trouble.code, "cause": trouble.cause, "fix": trouble.fix}
    return FreeholdError("compose_service_failed", service=host, **told)


def _shown(said: str) -> str:
    """The last lines in one."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return " / ".join(lines[-_LAST_LINES:])[-1000:]
