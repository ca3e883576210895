"""A thousand models, and a console that fails at random: nothing stays half done, and the next run goes on."""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freehold.config import Network
from freehold.deploy.dify.connecting.applying import apply, validate
from freehold.deploy.dify.connecting.becoming import become
from freehold.deploy.dify.connecting.keys import Keys
from freehold.deploy.dify.connecting.known import Known
from freehold.deploy.dify.connecting.planning import Intent, Plan, look, plan
from freehold.deploy.dify.console import Account, Door, open_console
from freehold.errors import FreeholdError
from tests.dify_console.model_server import KEY, ModelServer, model_server
from tests.dify_console.server import serving
from tests.dify_console.state import Dify

ODDS = 0.03  # of one request
FAULTS: tuple[tuple[int, Any], ...] = (
    (500, {"code": "internal_server_error", "message": "boom", "status": 500}),
    (502, "<html>502 Bad Gateway</html>"),
    (401, {"code": "unauthorized", "message": "Token has expired.", "status": 401}),
    (403, {"code": "forbidden", "message": "no", "status": 403}),
    (200, {"data": {"of": "another shape"}}),
    (200, []),
)
KINDS = (("generate", ("chat", "tools")), ("embed", ("embed",)), ("rerank", ("rerank",)))


class Failing(dict[str, Any]):
    """`Dify.broken` of a console whose routes fail now and then without doing anything."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng = rng

    def __contains__(self, name: object) -> bool:
        return self.rng.random() < ODDS

    def __getitem__(self, name: str) -> tuple[int, Any]:
        return self.rng.choice(FAULTS)


class Losing(dict[str, Any]):
    """`Dify.changed` of one that does what it is asked, and whose answer is then of another shape."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng = rng

    def get(self, name: str, default: object = None) -> Any:
        return (lambda _body: "lost") if self.rng.random() < ODDS else default


@pytest.fixture
def ours() -> Iterator[ModelServer]:
    """A server of models."""
    with model_server() as server:
        yield server


def intent(ours: ModelServer, count: int, context: int = 512) -> Intent:
    """So many models of three kinds."""
    names = [
        Known(f"model-{number}", kind, abilities, context, digest=f"sha256:{number:08x}")
        for number, (kind, abilities) in zip(range(count), KINDS * count, strict=False)
    ]
    models, _ = become(names, ours.url, lambda known: known.digest[7:])
    return Intent(models, KEY, {})


def connected(dify: Dify, wanted: Intent, home: Path) -> Plan:
    """One run: what it found to do, which is done then."""
    with open_console(
        Door(dify.url, Network(), {}, 5.0, 0.005), Account("admin@example.com", "secret123"), quiet
    ) as console:
        keys = Keys.read(home, dify.url, None)
        planned = plan(wanted, look(console, wanted), keys)
        validate(console, planned, quiet)
        apply(console, planned, keys, quiet)
        return planned


def quiet(_text: str) -> None:
    """Said to nobody."""


def is_as_wanted(dify: Dify, wanted: Intent) -> bool:
    """Each model once, with one credential, the one that it should have."""
    found = {(model.kind, model.name): model for model in dify.models}
    return len(dify.models) == len(wanted.models) and all(
        len(found[one.type, one.name].credentials) == 1
        and found[one.type, one.name].values == {**one.credentials, "api_key": KEY}
        for one in wanted.models
    )


@pytest.mark.parametrize(
    ("count", "rounds"), [(3, 1), pytest.param(12, 150, marks=pytest.mark.soak)], ids=["some", "many"]
)
def test_a_console_that_fails_at_random_gets_all_in_the_end(
    ours: ModelServer, tmp_path: Path, count: int, rounds: int
) -> None:
    """Whatever fails is an error of ours; what was done stays done, and one run without faults does the rest."""
    rng, ended = random.Random(count), Counter[str]()
    with serving(Dify(indexing_polls=0).with_user().with_plugin()) as dify:
        for number in range(rounds):
            wanted = intent(ours, count, 512 + number)  # something differs each time
            dify.broken, dify.changed = Failing(rng), Losing(rng)
            try:
                connected(dify, wanted, tmp_path)
                ended["done"] += 1
            except FreeholdError as error:
                ended[error.code] += 1
            dify.broken, dify.changed = {}, {}
            connected(dify, wanted, tmp_path)
            assert is_as_wanted(dify, wanted)
            assert not connected(dify, wanted, tmp_path).changes
    assert ended.total() == rounds
    assert ended["done"] < rounds, "faults were met"


@pytest.mark.soak
def test_a_thousand_models_are_connected(ours: ModelServer, tmp_path: Path) -> None:
    """All added, then none, then the one that differs; the list is read as it is, whole."""
    with serving(Dify(indexing_polls=0).with_user().with_plugin()) as dify:
        wanted = intent(ours, 1000)
        assert Counter(step.action for step in connected(dify, wanted, tmp_path).steps) == {"add": 1000}
        assert is_as_wanted(dify, wanted)
        assert not connected(dify, wanted, tmp_path).changes
        other = Intent((*wanted.models[:-1], intent(ours, 1000, 1024).models[-1]), KEY, {})
        assert Counter(step.action for step in connected(dify, other, tmp_path).steps) == {"same": 999, "update": 1}
