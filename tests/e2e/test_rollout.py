"""Rollouts between real servers, under constant load; the gateway killed, its file changed and broken meanwhile."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from msgspec import structs

from freehold.cli.main import main
from freehold.gateway.rollouts.ledger import Ledger
from freehold.gateway.rollouts.rollout import Rollout
from tests.crowd import eventually

UNRULY = Path(__file__).parents[1] / "gateway" / "unruly.py"
QUICK = ("--hold", "100ms", "--min-requests", "10")
GOLDEN = '{"path": "/v1/completions", "body": {"prompt": "Hi"}}\n'
LINE = b'{"model": "%b", "prompt": "Hi"}'
MODELS = ("old", "new", "faulty", "away", "east", "west")
ROUTES = {"canary": "old", "bad": "old", "golden": "old", "waiting": "old", "vectors": "east"}


def says(text: str) -> dict[str, Any]:
    choice = {"index": 0, "text": text, "finish_reason": "stop"}
    return {"kind": "answer", "body": json.dumps({"model": text, "choices": [choice]})}


def points(*vector: float) -> dict[str, Any]:
    """Embeds any four texts so."""
    rows = [{"index": index, "embedding": vector} for index in range(4)]
    return {"kind": "answer", "body": json.dumps({"data": rows})}


class Server:
    """A server of one model that answers everything with one text or one vector."""

    def __init__(self, model: str, behave: dict[str, Any], ability: str = "chat") -> None:
        self._settings = {"models": [{"id": model, "abilities": [ability]}], "behave": behave}
        self.port = 0
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        command = [sys.executable, str(UNRULY), str(self.port), json.dumps(self._settings)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def change(self, **settings: Any) -> None:
        httpx.post(f"http://127.0.0.1:{self.port}/settings", json=settings, trust_env=False).raise_for_status()


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    """One of each of MODELS; `away` is down."""
    with ExitStack() as stack:
        found = {name: Server(name, says(name)) for name in MODELS[:4]}
        found |= {"east": Server("east", points(1.0, 0.0), "embed"), "west": Server("west", points(0.0, 1.0), "embed")}
        for one in found.values():
            stack.callback(one.stop)
        found["faulty"].change(broken=500)
        found["away"].stop()
        yield found


class Stage:
    """A gateway before the servers, and the command line beside it."""

    def __init__(self, launch: Any, soon: Callable[..., Any], folder: Path, servers: dict[str, Server]) -> None:
        self.servers, self.soon, self._launch = servers, soon, launch
        self.home, self.file = folder / "state", folder / "freehold.yaml"
        self.write()
        self.node = self.launch()

    def write(self, *more: dict[str, Any], **changed: Any) -> None:
        """The file, with `more` routes, and with those of its own whose `to` is `changed`."""
        models = [{"id": name, "source": f"http://127.0.0.1:{one.port}/v1"} for name, one in self.servers.items()]
        routes = [{"model": name, "to": changed.get(name, [{"id": model}])} for name, model in ROUTES.items()]
        aside = self.file.with_suffix(".new")
        aside.write_text(yaml.safe_dump({"models": models, "routes": [*routes, *more]}))
        aside.replace(self.file)

    def launch(self, port: int = 0) -> Any:
        node = self._launch(self.file, "--port", port, home=self.home, verb="gateway")
        self.soon(lambda: node.client.get("/readyz").status_code == 200, "the gateway is ready")
        return node

    def rollout(self, *words: object, code: int = 0) -> Any:
        """What `freehold rollout` says, as JSON: of its one rollout, or its error."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            patch.setenv("FREEHOLD_HOME", str(self.home))
            with pytest.raises(SystemExit) as ended:
                main(["rollout", *map(str, words), "--json"])
        assert (ended.value.code or 0) == code, err.getvalue()
        return json.loads(err.getvalue())["error"] if code else json.loads(out.getvalue())["rollouts"][0]

    def until(self, route: str, phase: str) -> Any:
        return self.soon(lambda: (now := self.rollout("status", route))["phase"] == phase and now, f"{route}: {phase}")

    def share(self, route: str, model: str = "new") -> float:
        """In percent, as the gateway exports it."""
        found: float = self.node.metric("freehold_route_weight_ratio", route=route, model=model)
        return round(found * 100, 3)


@pytest.fixture(scope="module")
def stage(shared_launch: Any, servers: dict[str, Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The gateway that these tests share: each has a route of its own."""
    return Stage(shared_launch, eventually, tmp_path_factory.mktemp("rollouts"), servers)


@pytest.fixture
def load(crowd: Any) -> Callable[..., Any]:
    """`with load(stage, route, seen) as clients:` two that ask all the time, and in `seen` who answered them."""

    def asking(stage: Stage, route: str, seen: Counter[str] | None = None) -> Any:
        body = LINE % route.encode()
        counted: Counter[str] = Counter() if seen is None else seen

        def check(content: bytes) -> bool:
            counted[json.loads(content)["model"]] += 1
            return True

        return crowd(stage.node, "/v1/completions", lambda _: body, 2, check=check, pause_s=0.01)

    return asking


def faultless(clients: Any) -> bool:
    return set(clients.tally.statuses) == {200} and not clients.tally.broken


def up_and_back(stage: Stage, load: Any) -> Any:
    """A whole rollout and its way back under load; the clients."""
    seen: Counter[str] = Counter()
    with load(stage, "canary", seen) as clients:
        clients.wait_for(20)
        stage.rollout("start", "canary", "--to", "new", *QUICK)
        done = stage.until("canary", "done")
        assert [line["percent"] for line in done["history"] if line["what"] == "raised"] == [5, 50, 100]
        assert done["write"] == "- {model: canary, to: [{id: new}]}"
        stage.soon(lambda: stage.share("canary") == 100, "all of it is at the new model")
        seen.clear()
        clients.wait_for(20)
        assert seen["new"] >= 15
        assert stage.rollout("abort", "canary")["phase"] == "aborted"
        stage.soon(lambda: stage.share("canary") == 0, "and back")
        seen.clear()
        clients.wait_for(20)
        assert seen["old"] >= 15
    return clients


def test_no_weight_moves_to_a_model_that_is_down(stage: Stage, load: Any) -> None:
    """It waits and says why; when the model comes back it goes on by itself.

    The first of these tests: the longer a server is down, the longer the pauses between its probes are.
    """
    with load(stage, "waiting") as clients:
        stage.rollout("start", "waiting", "--to", "away", "--steps", "100", *QUICK)

        def waits() -> bool:
            found = stage.rollout("status", "waiting")["waits"]
            return found is not None and found["code"] == "rollout_waits_ready"

        stage.soon(waits, "it says what it waits for")
        assert stage.share("waiting", "away") == 0
        stage.servers["away"].start()
        stage.until("waiting", "done")
    assert faultless(clients)


def test_a_canary_goes_up_and_back_and_no_request_fails(stage: Stage, load: Any) -> None:
    """0, 5, 50, 100 % and back to nothing, while clients ask all the time."""
    assert faultless(up_and_back(stage, load))


def test_a_bad_version_is_aborted_by_its_errors(stage: Stage, load: Any) -> None:
    """It had 5 % and failed: few clients felt it, and none after it."""
    with load(stage, "bad") as clients:
        clients.wait_for(20)
        stage.rollout("start", "bad", "--to", "faulty", "--hold", "60s")
        assert stage.until("bad", "aborted")["ended"]["code"] == "rollout_errors"
        stage.soon(lambda: stage.share("bad", "faulty") == 0, "it has nothing any more")
        clients.wait_for(20)  # a refused client pauses before it is counted
        failed = clients.tally.statuses[500]
        clients.wait_for(50)
        assert clients.tally.statuses[500] == failed
    assert 0 < failed < 0.2 * clients.tally.statuses[200]


def test_a_differing_golden_ends_it_before_a_client_meets_it(stage: Stage, load: Any, tmp_path: Path) -> None:
    """With the number of the request and the measure; goldens that agree let it pass."""
    goldens = tmp_path / "goldens.jsonl"
    goldens.write_text(GOLDEN)
    seen: Counter[str] = Counter()
    with load(stage, "golden", seen) as clients:
        stage.rollout("start", "golden", "--to", "new", "--goldens", goldens, *QUICK)
        ended = stage.until("golden", "aborted")["ended"]
        clients.wait_for(20)
    assert ended["code"] == "goldens_differ"
    assert "Golden 1 of 1 (/v1/completions)" in ended["cause"]
    assert set(seen) == {"old"}
    stage.servers["new"].change(behave=says("old"))
    stage.rollout("start", "golden", "--to", "new", "--goldens", goldens, "--steps", "100", "--hold", "60s")
    stage.soon(lambda: stage.share("golden") == 100, "they agree")
    assert stage.rollout("promote", "golden")["phase"] == "done"
    stage.servers["new"].change(behave=says("new"))


def test_vectors_of_two_spaces_are_not_mixed(stage: Stage) -> None:
    """Neither by a rollout nor by weights of the file, where readiness says why the second model gets nothing."""
    assert stage.rollout("start", "vectors", "--to", "west", code=1)["code"] == "spaces_differ"
    stage.write(vectors=[{"id": "east"}, {"id": "west"}])

    def told() -> bool:
        troubles = stage.node.client.get("/readyz").json().get("troubles", [])
        return [one["code"] for one in troubles] == ["spaces_differ"]

    stage.soon(told, "readiness says why")
    assert (stage.share("vectors", "east"), stage.share("vectors", "west")) == (100, 0)
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        main(["ps", "--url", stage.node.url])
    assert "spaces_differ" in out.getvalue()
    stage.write()
    stage.soon(lambda: not told(), "it was mended")


def test_a_thousand_routes_change_and_nothing_is_dropped(stage: Stage, load: Any) -> None:
    """The file is edited, then broken, then mended: clients notice nothing, the error is shown with its line."""

    def asked() -> int:
        return int(stage.node.ask("/v1/completions", model="r999", prompt="Hi").status_code)

    def trouble() -> Any:
        return stage.node.client.get("/readyz").json().get("troubles")

    routes = [{"model": f"r{number}", "to": [{"id": "old"}, {"id": "new"}]} for number in range(1000)]
    with load(stage, "canary") as clients:
        stage.write(*routes)
        stage.soon(lambda: asked() == 200, "a thousand routes")
        stage.file.write_text(stage.file.read_text() + "more: ]\n")
        (told,) = stage.soon(trouble, "readiness tells of the file")
        assert f"freehold.yaml:{len(stage.file.read_text().splitlines())}" in told["cause"]
        assert stage.node.metric("freehold_config_load_failures_total") == 1
        assert asked() == 200
        stage.write()
        stage.node.process.send_signal(signal.SIGHUP)
        stage.soon(lambda: not trouble(), "the mended file is taken up")
        assert asked() == 404
        clients.wait_for(20)
    assert faultless(clients)


def promoted(before: Rollout | None) -> Rollout:
    assert before is not None
    return structs.replace(before, wish="promote")


def killed_and_started(stage: Stage, times: int) -> None:
    """Kill the gateway again and again, at moments of no order, while a rollout goes up: each one goes on."""
    port = stage.node.address[1]
    steps = ",".join(map(str, range(1, 101)))
    stage.rollout("start", "canary", "--to", "new", "--steps", steps, "--hold", "1h")
    reached = 0.0
    for number in range(times):
        Ledger(stage.home).change("canary", promoted)
        time.sleep(0.041 * number % 0.5)  # before the gateway sees it, while it writes, after it
        os.kill(stage.node.process.pid, signal.SIGKILL)
        stage.node.judged = True
        stage.node.process.wait()
        kept = stage.rollout("status", "canary")
        assert (kept["phase"], kept["percent"] >= reached) == ("running", True)
        reached = kept["percent"]
        stage.node = stage.launch(port)
        stage.soon(lambda least=reached: stage.share("canary") >= least, "it goes on where the file says")
    stage.rollout("abort", "canary")
    stage.soon(lambda: stage.share("canary") == 0, "and can be ended")


@pytest.fixture
def mortal(launch: Any, servers: dict[str, Server], tmp_path: Path) -> Stage:
    """A gateway of this test alone."""
    return Stage(launch, eventually, tmp_path, servers)


def test_a_rollout_survives_its_gateway(mortal: Stage) -> None:
    """Killed in its midst, it goes on where it was."""
    killed_and_started(mortal, 1)


@pytest.mark.soak
def test_a_rollout_survives_a_hundred_kills(mortal: Stage) -> None:
    """At whatever moment."""
    killed_and_started(mortal, 100)


@pytest.mark.soak
def test_many_rollouts_under_a_long_load(stage: Stage, load: Any, report: Callable[[str], None]) -> None:
    """Twenty times up and back, and no request failed."""
    requests = 0
    for _ in range(20):
        clients = up_and_back(stage, load)
        assert faultless(clients)
        requests += clients.tally.statuses[200]
    report(f"rollouts: 20 times up and back, {requests} requests, none failed")
