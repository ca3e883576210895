"""What tests of checks share: which checks a server with planted defects does not pass."""

from collections.abc import Callable

import pytest

from freehold.deploy.dify.checking.plugin_calls import Plugin
from freehold.deploy.dify.checking.running import run
from tests.deploy.dify.checking.planted import KEY, planted, target

Missed = Callable[..., set[str]]


@pytest.fixture
def missed() -> Missed:
    """`missed(kind, *defects)`: ids of the checks that fail or warn, of those that every loopback address warns of."""

    def ask(kind: str, *defects: str) -> set[str]:
        with planted(*defects, key=KEY) as server:
            report = run(Plugin(target(server.url, kind, key=KEY)), lambda _: None)
        found = {finding.check.id for finding in report.findings if finding.status in ("fail", "warn")}
        return found - {"address_from_dify"}

    return ask
