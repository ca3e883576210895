"""What an upgrade would change, from two releases as data."""

from dataclasses import replace

import pytest

from freehold.deploy.dify.upgrading.plan import Change, plan
from freehold.deploy.topology.service import Installation, Service
from freehold.errors import FreeholdError

OLD = Installation(
    "1.15.0",
    (
        Service("api", "langgenius/dify-api:1.15.0", environment={"A": "1", "GONE": "x"}, secrets={"S": "{key}"}),
        Service("db_postgres", "mirror:5000/postgres:15.8-alpine@sha256:aa"),
        Service("weaviate", "semitechnologies/weaviate:1.27.0"),
    ),
    ("key",),
)
NEW = Installation(
    "1.18.0",
    (
        Service("api", "langgenius/dify-api:1.18.0", environment={"A": "2"}, secrets={"S": "{key}", "P": "{pepper}"}),
        Service("db_postgres", "mirror:5000/postgres:15.9-alpine@sha256:bb"),
        Service("weaviate", "semitechnologies/weaviate:1.28.1"),
        Service("agent_backend", "langgenius/dify-agent:1.18.0"),
    ),
    ("key", "pepper"),
)


def with_image(installation: Installation, name: str, image: str) -> Installation:
    """Another image of one service."""
    services = tuple(replace(one, image=image) if one.name == name else one for one in installation.services)
    return replace(installation, services=services)


def test_a_plan_says_all_that_differs() -> None:
    """Images, variables, secrets to make, services that come, and the step past 1.15."""
    found = plan(OLD, NEW)
    assert [change.what for change in found.images] == ["api", "db_postgres", "weaviate"]
    assert found.environment == (
        Change("api.A", "1", "2"),
        Change("api.GONE", "x", None),
        Change("api.P", None, "{pepper}"),
    )
    assert found.secrets == ("pepper",)
    assert found.services == (Change("agent_backend", None, "langgenius/dify-agent:1.18.0"),)
    assert found.steps == (("flask", "backfill-plugin-auto-upgrade"),)


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (replace(NEW, version="1.15.0"), "dify_upgrade_same"),
        (replace(NEW, version="1.14.2"), "dify_upgrade_back"),
        (with_image(NEW, "weaviate", "semitechnologies/weaviate:1.39.2"), "dify_upgrade_ladder"),
        (with_image(NEW, "db_postgres", "postgres:16-alpine"), "dify_upgrade_postgres"),
    ],
)
def test_what_cannot_be_done_is_refused(new: Installation, code: str) -> None:
    """The same version, an older one, Weaviate over several minor versions, another PostgreSQL."""
    with pytest.raises(FreeholdError) as refused:
        plan(OLD, new)
    assert refused.value.code == code
