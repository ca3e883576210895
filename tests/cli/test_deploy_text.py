"""How plans, releases and the state of a deployment look in a terminal."""

from msgspec.structs import replace

from freehold.cli.deploy_text import of_log, of_plan, of_release, of_status, of_what_stays
from freehold.cli.output import Output
from freehold.config.deploying import Storage
from freehold.deploy.releases.deploying import Status
from freehold.deploy.releases.log import Line
from freehold.deploy.releases.plan import Transfer, plan
from freehold.deploy.releases.release import Release
from freehold.deploy.releases.staging import hosts
from freehold.deploy.target import Running
from freehold.errors import FreeholdError
from freehold.gateway.rollouts.rollout import Reason
from tests.deploy.world import deployment

OLD, NEW = deployment("fp32", "fp32"), deployment("bf16", "fp32")
FIRST = Release(number=1, state="superseded", freehold="1", by="ops@box", at=1_800_000_000.0)
SECOND = Release(number=3, state="current", freehold="1", by="ops@box", at=1_800_000_060.0, restores=1)


def test_a_plan_tells_service_by_service_what_would_change() -> None:
    """With the fields that differ, and what the gateway does."""
    running = [Running(host, "ready") for host in (*hosts(OLD.units), OLD.gateway.host)]
    text = of_plan(plan(4, OLD, NEW, running))
    a, b = NEW.units
    assert text.splitlines()[0] == "freehold (against release 4)"
    assert f"~ a: {a.host} takes the place of {OLD.units[0].host}" in text
    assert "        +     precision: bf16" in text
    assert f"  b: stays, as {b.host}" in text
    assert "~ gateway: takes up its file again; nothing is interrupted" in text
    assert text.endswith("Nothing was changed: run it without --plan.")
    assert of_plan(plan(4, OLD, OLD, running)).endswith("Nothing would change.")
    assert "nothing is in force" in of_plan(plan(None, None, OLD, []))


def test_a_gateway_that_must_be_replaced_is_said_plainly() -> None:
    """Requests fail meanwhile."""
    text = of_plan(plan(4, OLD, deployment("fp32", "fp32", image="other:2"), []))
    assert "! gateway: is replaced with --gateway, and requests fail for some seconds; without it, it stays" in text
    assert f"      image: {OLD.gateway.image} -> other:2" in text


def test_what_is_in_force_is_told_with_its_address() -> None:
    """Where clients reach it."""
    text = of_release(SECOND, NEW)
    assert text.startswith("Release 3 is in force at http://127.0.0.1:8080.")
    assert NEW.units[0].host in text
    assert "Key" not in text
    assert of_release(SECOND, NEW, "cat k").endswith("Its own key, an operator's: cat k")


def test_what_stays_of_a_cluster_is_told_with_the_reason() -> None:
    """And what would remove it."""
    text = of_what_stays(deployment("fp32", target="kubernetes", namespace="team-a", storage=Storage("models")))
    assert "the namespace team-a with its accounts, which an administrator made" in text
    assert "the claim models with its model files" in text
    assert "`kubectl delete namespace team-a` removes all." in text
    assert "claim" not in of_what_stays(deployment("fp32", target="kubernetes"))


def test_a_plan_tells_what_is_pushed() -> None:
    """In megabytes."""
    transfer = Transfer("bge:3", "oci://harbor.corp.test/models/bge", 90_300_000)
    found = replace(plan(4, OLD, OLD, []), transfers=(transfer,))
    assert "> bge:3: 90.3 MB to oci://harbor.corp.test/models/bge" in of_plan(found)


def test_status_tells_releases_services_and_what_to_do() -> None:
    """Why a service is not ready, what does not run, and that a rollout was interrupted."""
    failed = Running("a-1", "failed", FreeholdError("deploy_aborted", number=7))
    text = of_status(Status(SECOND, FIRST, (failed,), (NEW.units[1].host,)), (FIRST, SECOND), Output())
    assert "3        current, restores 1  2027-01-15 08:01:00 UTC  ops@box" in text
    assert "a-1      failed" in text
    assert "a-1: Somebody ended the rollout of release 7." in text
    assert f"{NEW.units[1].host} does not run: `freehold deploy` starts it." in text
    assert "note: The rollout of release 1 was interrupted." in text
    assert "Nothing is in force." in of_status(Status(None, None, (), ()), (), Output())


def test_a_log_has_a_line_for_everything_that_was_done() -> None:
    """In the reader's language."""
    reason = Reason.of(FreeholdError("deploy_aborted", number=2))
    lines = [Line(1_800_000_000.0, "ops@box", 2, "failed", reason=reason)]
    assert of_log(lines, "en") == (
        "2027-01-15 08:00:00 UTC ops@box release 2: failed Somebody ended the rollout of release 2."
    )
    assert "被人终止" in of_log(lines, "zh")
    assert of_log([], "en") == "Nothing was done yet."
