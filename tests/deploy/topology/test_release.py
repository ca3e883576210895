"""Releases as data: what is known, and that their names stand for something."""

import msgspec
import pytest

from freehold.deploy.topology.release import Group, Part, checked, known, release_of
from freehold.errors import FreeholdError
from tests.deploy.topology.configured import VERSION


def test_every_release_that_is_known_is_read() -> None:
    """Its file says its own version; what begins with a prefix stands before the prefix itself."""
    assert VERSION in known()
    for version in known():
        release = release_of(version)
        assert release.release == version
        paths = list(release.paths)
        assert paths[-1] == "/"
        assert all(not later.startswith(earlier) for at, earlier in enumerate(paths) for later in paths[at + 1 :])


@pytest.mark.parametrize("version", ["1.14.0", "9.9.9", "../1.15.0", ""])
def test_another_release_is_refused_with_those_that_there_are(version: str) -> None:
    """The error lists them."""
    with pytest.raises(FreeholdError) as refused:
        release_of(version)
    assert refused.value.code == "dify_version_unknown"
    assert VERSION in refused.value.cause


@pytest.mark.parametrize(
    "part",
    [
        Part("a/b:latest"),
        Part("a/b"),
        Part("a/b:1", groups=("nothing",)),
        Part("a/b:1", after=("nothing",)),
        Part("a/b:1", after=("nginx",)),
        Part("a/b:1", reaches=("nothing",)),
    ],
)
def test_a_file_that_does_not_hold_together_is_found_when_it_is_read(part: Part) -> None:
    """Tags that move, names of nothing, a service before what it waits for."""
    release = release_of(VERSION)
    with pytest.raises(ValueError, match="api"):
        checked(msgspec.structs.replace(release, services={**release.services, "api": part}))


def test_what_others_depend_on_is_not_the_users_to_set() -> None:
    """Secrets, hosts, modes; limits are."""
    fixed = release_of(VERSION).fixed()
    assert {"SECRET_KEY", "DB_HOST", "MODE", "CELERY_BROKER_URL", "SERVER_PORT", "SSL_CERT_FILE"} <= fixed
    assert not fixed & {"UPLOAD_FILE_SIZE_LIMIT", "TOP_K_MAX_VALUE", "GUNICORN_TIMEOUT", "CONSOLE_API_URL"}
    assert not fixed & {"MARKETPLACE_API_URL", "PLUGIN_PYTHON_ENV_INIT_TIMEOUT", "POSTGRES_MAX_CONNECTIONS"}


def test_groups_are_empty_unless_they_say_something() -> None:
    """The least that a file may write."""
    assert msgspec.convert({}, Group) == Group()


def test_what_is_published_is_known_inside_an_address_too() -> None:
    """As its password; as the name of a host it is none."""
    release = release_of(VERSION)
    assert all(map(release.publishes, ("difyai123456", "redis://:difyai123456@redis:6379/1")))
    assert not any(map(release.publishes, ("", "http://dify-sandbox:8194", "http://[", "mine")))
