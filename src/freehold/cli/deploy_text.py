"""How plans, releases and the state of a deployment look in a terminal."""

from collections.abc import Iterator, Sequence

from freehold.cli.columns import columns
from freehold.cli.output import LABELS, Output
from freehold.deploy.compose.dify import volume_name
from freehold.deploy.releases.deploying import Status
from freehold.deploy.releases.lock import when
from freehold.deploy.releases.log import Line
from freehold.deploy.releases.plan import Change, Plan, UnitPlan
from freehold.deploy.releases.release import Release
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.topology.installation import installation
from freehold.errors import FreeholdError, Language

_SORTS = {
    "new": "+ {unit}: new, as {host}",
    "replaced": "~ {unit}: {host} takes the place of {replaces}",
    "unchanged": "  {unit}: stays, as {host}",
    "scaled": "~ {unit}: stays, as {host}, in another number",
    "started": "+ {unit}: is started again, as {host}",
    "removed": "- {unit}: {host} is stopped",
}
_GATEWAY = {
    "new": "+ gateway: new",
    "unchanged": "  gateway: stays",
    "reread": "~ gateway: takes up its file again; nothing is interrupted",
    "replaced": "! gateway: is replaced with --gateway, and requests fail for some seconds; without it, it stays",
}
_DIFY = {
    "new": "+ Dify {version}: new; its databases are made first",
    "unchanged": "  Dify {version}: stays",
    "started": "+ Dify {version}: {lacking} started",
    "changed": "~ Dify {version}: services that differ are made anew, one after the other; their users wait meanwhile",
    "removed": "- Dify {version}: its services are removed, its data stays",
}


def of_plan(plan: Plan) -> str:
    """What would change, service by service."""
    against = "nothing is in force" if plan.release is None else f"against release {plan.release}"
    lines = [f"{plan.name} ({against})"]
    for unit in plan.units:
        lines += [_SORTS[unit.sort].format(unit=unit.unit, host=unit.host, replaces=unit.replaces), *_facts(unit)]
    lines += [_GATEWAY[plan.gateway.sort], *_changes(plan.gateway.changes)]
    if plan.dify is not None:
        lines += [
            _DIFY[plan.dify.sort].format(version=plan.dify.version, lacking=", ".join(plan.dify.lacking)),
            *_changes(plan.dify.changes),
        ]
    lines += [f"> {one.ref}: {one.bytes / 1e6:,.1f} MB to {one.place}" for one in plan.transfers]
    lines.append("Nothing would change." if plan.is_empty else "Nothing was changed: run it without --plan.")
    return "\n".join(lines)


def of_release(release: Release, deployment: Deployment, key: str = "") -> str:
    """What is in force, where it answers, and the command that shows its own `key`."""
    scheme = "https" if deployment.gateway.https else "http"
    settings = deployment.settings
    services = ", ".join(unit.host for unit in deployment.units) or "none of its own"
    where = f" at {scheme}://{settings.host}:{settings.port}" if settings.target == "compose" else ""
    shown = f"\nIts own key, an operator's: {key}" if key else ""
    dify = installation(deployment.config)
    beside = f"\nDify {dify.version} is at {dify.address}: `freehold dify connect` gives it the models." if dify else ""
    return f"Release {release.number} is in force{where}.\nServices: {services}{shown}{beside}"


def of_what_stays(deployment: Deployment) -> str:
    """What `down` does not remove, and why; "" where nothing stays."""
    if deployment.settings.target != "kubernetes":
        volumes = f"its volumes ({volume_name(deployment.name, '*')})"
        return (
            f"Of Dify stay {volumes} and its secrets, without which nobody can read them."
            if deployment.has_dify
            else ""
        )
    namespace = deployment.settings.namespace or deployment.settings.name
    claim = deployment.settings.storage.claim
    files = f", the claim {claim} with its model files, which are nobody's to delete" if claim else ""
    return (
        f"On the cluster stay the namespace {namespace} with its accounts, which an administrator made, and secrets of"
        f" the configuration{files}: `kubectl delete namespace {namespace}` removes all."
    )


def of_status(status: Status, releases: Sequence[Release], output: Output) -> str:
    """The releases, what runs, and what to do where something is not as it should be."""
    lines = columns([("release", "state", "at", "by"), *map(_row, releases)])
    lines += ["", *columns([("service", "state"), *((one.host, one.state) for one in status.running)])]
    lines += [f"{one.host}: {one.reason.in_language(output.language)[0]}" for one in status.running if one.reason]
    lines += [f"{host} does not run: `freehold deploy` starts it." for host in status.lacking]
    if status.interrupted is not None:
        error = FreeholdError("deploy_interrupted", number=status.interrupted.number)
        lines.append(output.told(error, LABELS[output.language].note))
    if status.current is None:
        lines.append("Nothing is in force.")
    return "\n".join(lines)


def of_log(lines: Sequence[Line], language: Language) -> str:
    """One line each, the oldest first."""
    return "\n".join(_logged(line, language) for line in lines) or "Nothing was done yet."


def _logged(line: Line, language: Language) -> str:
    reason = "" if line.reason is None else line.reason.error().in_language(language)[0]
    return " ".join(filter(None, (when(line.at), line.by, f"release {line.release}:", line.what, line.text, reason)))


def _row(release: Release) -> tuple[str, ...]:
    state = release.state if release.restores is None else f"{release.state}, restores {release.restores}"
    return (str(release.number), state, when(release.at), release.by)


def _facts(unit: UnitPlan) -> Iterator[str]:
    if unit.sort in ("new", "replaced"):
        yield f"      image {unit.image}"
        yield from (f"      {model} {digest}" for model, digest in unit.artifacts.items())
    yield from _changes(unit.changes)


def _changes(changes: Sequence[Change]) -> Iterator[str]:
    for change in changes:
        if "\n" in change.before + change.after or change.field.startswith(("files.", "routes")):
            yield f"      {change.field}:"
            yield from (f"        - {line}" for line in change.before.splitlines())
            yield from (f"        + {line}" for line in change.after.splitlines())
        else:
            yield f"      {change.field}: {change.before or 'none'} -> {change.after or 'none'}"
