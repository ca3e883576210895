"""Wanted minus running, as data."""

from dataclasses import replace
from typing import Literal

from freehold.config.deploying import Deploy, Scale
from freehold.deploy.releases.plan import Change, Plan, differences, plan
from freehold.deploy.releases.staging import hosts
from freehold.deploy.services.units import Mount, SecretFile
from freehold.deploy.target import Running
from tests.deploy.world import deployment, with_dify


def running(*names: str) -> list[Running]:
    """These services, ready."""
    return [Running(name, "ready") for name in names]


def sorts(found: Plan) -> dict[str, str]:
    """By service, what becomes of it."""
    return {unit.host: unit.sort for unit in found.units}


def test_of_a_first_release_everything_is_new() -> None:
    """The gateway, too."""
    new = deployment("fp32", "bf16")
    found = plan(None, None, new, [])
    assert sorts(found) == dict.fromkeys(hosts(new.units), "new")
    assert (found.gateway.sort, found.release, found.is_empty) == ("new", None, False)


def test_each_service_is_new_replaced_unchanged_or_removed() -> None:
    """By what is in force."""
    old, new = deployment("fp32", "fp32", "fp32"), deployment("bf16", "fp32")
    found = plan(4, old, new, running(*hosts(old.units), old.gateway.host))
    a, b, c = old.units
    assert sorts(found) == {new.units[0].host: "replaced", b.host: "unchanged", c.host: "removed"}
    assert found.units[0].replaces == a.host
    assert found.units[0].changes == (Change("files./etc/freehold/freehold.yaml", "", "    precision: bf16"),)
    assert found.gateway.sort == "reread"


def test_a_service_that_stays_in_another_number_is_scaled() -> None:
    """On a cluster; elsewhere there is one of each."""
    cases: list[tuple[Literal["kubernetes", "compose"], str]] = [("kubernetes", "scaled"), ("compose", "unchanged")]
    for target, sort in cases:
        old = replace(deployment("fp32"), settings=Deploy(target=target))
        unit = old.units[0]
        new = replace(old, units=(replace(unit, scale=Scale(least=3)),))
        (found,) = plan(1, old, new, running(unit.host, old.gateway.host)).units
        assert found.sort == sort
        assert found.changes == ((Change("scale.least", "1", "3"),) if sort == "scaled" else ())


def test_nothing_changes_where_everything_is_as_it_is_wanted() -> None:
    """And a service that is in force and does not run is started; what belongs to nobody is stopped."""
    one = deployment("fp32", "fp32")
    everything = running(*hosts(one.units), one.gateway.host)
    assert plan(1, one, one, everything).is_empty
    beside = with_dify(one, "1.15.0")
    assert plan(1, beside, beside, everything).is_empty
    lacking = plan(1, beside, beside, everything, ["api"]).dify
    assert lacking is not None
    assert (lacking.sort, lacking.lacking) == ("started", ("api",))
    assert sorts(plan(1, one, one, everything[1:]))[one.units[0].host] == "started"
    left = plan(1, one, one, [*everything, *running("a-deadbeef")])
    assert sorts(left)["a-deadbeef"] == "removed"


def test_a_gateway_of_another_image_is_replaced_and_says_by_what() -> None:
    """Its file is told apart: reading that again interrupts nothing."""
    old, new = deployment("fp32"), deployment("fp32", image="registry.corp.local/freehold:2")
    gateway = plan(1, old, new, []).gateway
    assert gateway.sort == "replaced"
    assert gateway.changes[0] == Change("image", old.gateway.image, "registry.corp.local/freehold:2")


def test_fields_are_told_one_by_one_and_secrets_by_where_they_lie() -> None:
    """Of lists of things each thing's."""
    (before,) = deployment("fp32").units
    after = replace(
        before,
        memory_mb=512,
        environment={"X": "1"},
        mounts=(*before.mounts, Mount("/srv/models", "/models")),
        secrets=(*before.secrets, SecretFile("corp-key", "${env:CORP_KEY}")),
    )
    place = len(before.mounts) + 1
    told = {change.field: (change.before, change.after) for change in differences(before, after)}
    assert told["memory_mb"] == ("null", "512")
    assert told["environment.X"] == ("", "1")
    assert told[f"mounts.{place}.target"] == ("", "/models")
    assert told["secrets.2.origin"] == ("", "${env:CORP_KEY}")
