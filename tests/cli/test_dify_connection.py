"""`freehold dify connect` from a configuration to a Dify that calls our real server."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from freehold.adapt import graphs
from tests.cli.conftest import Ran
from tests.dify_console.server import serving
from tests.dify_console.state import PROVIDER, Dify, Knowledge
from tests.server.conftest import running, served, wait_ready

CHAT = Path(__file__).parents[2] / "examples" / "normalizer" / "model"
KEY = "fh_models-key-0001"
EMAIL, PASSWORD = "admin@example.com", "secret123"
TEXT = """\
models:
  - {{id: chat, source: {chat}}}
  - {{id: embeds, source: {embeds}, context_length: {context}}}
{beside}dify:
  {{url: '{dify}', email: admin@example.com, password: '${{env:DIFY_PASSWORD}}', models_url: '{models}'{more}}}
"""

Connect = Callable[..., Ran]


@contextmanager
def node(**models: Path) -> Iterator[str]:
    """Our server with a model that chats and these, as Dify's plugin daemon reaches it."""
    with running([served("chat", CHAT), *(served(name, path) for name, path in models.items())]) as url:
        with httpx.Client(base_url=url, trust_env=False) as client:
            wait_ready(client)
        yield f"http://models.test:{url.rpartition(':')[2]}/v1"


@pytest.fixture(scope="module")
def names() -> Iterator[None]:
    """A network in which our server has a name: Dify is never given a loopback address."""
    known = socket.getaddrinfo

    def resolved(host: Any, *rest: Any, **more: Any) -> Any:
        return known("127.0.0.1" if host in ("models.test", b"models.test") else host, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolved)
        yield


@pytest.fixture(scope="module")
def models(
    names: None, tiny_bert_folder: Path, tiny_reranker_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of our server."""
    embeds = graphs.build(tiny_bert_folder, tmp_path_factory.mktemp("embeds"))
    with node(embeds=embeds, ranks=graphs.build(tiny_reranker_folder, tmp_path_factory.mktemp("ranks"))) as url:
        yield url


@pytest.fixture
def dify() -> Iterator[Dify]:
    """A Dify with its administrator and the plugin, and nothing else."""
    with serving(Dify(indexing_polls=0).with_user().with_plugin()) as dify:
        yield dify


@pytest.fixture
def connect(
    folder: Path,
    freehold: Callable[..., Ran],
    models: str,
    tiny_bert_folder: Path,
    tiny_reranker_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Connect:
    """`connect(dify, *words, **changes)`: the configuration written anew, and the command run upon it."""
    monkeypatch.setenv("DIFY_PASSWORD", PASSWORD)
    monkeypatch.setenv("MODELS_KEY", KEY)
    usual = {"chat": CHAT, "embeds": tiny_bert_folder, "context": 64, "models": models}
    ranks = f"  - {{id: ranks, source: {tiny_reranker_folder}}}\n"

    def run(dify: Dify, *words: str, more: str = ", models_key: '${env:MODELS_KEY}'", **changes: object) -> Ran:
        text = TEXT.format(**{**usual, "dify": dify.url, "more": more, "beside": ranks, **changes})
        (folder / "freehold.yaml").write_text(text, encoding="utf-8")
        return freehold("dify", "connect", "--json", *words)

    return run


def steps(ran: Ran) -> list[tuple[str, str, str]]:
    assert ran.code == 0, ran.err
    return [(step["action"], step["type"], step["name"].partition("@")[0]) for step in ran.data["steps"]]


def test_the_first_run_adds_all_and_the_second_changes_nothing(connect: Connect, dify: Dify) -> None:
    """Each model with what its files and our server know; defaults; a chat, an embedding and a ranking through Dify."""
    first = connect(dify)
    assert steps(first) == [("add", "llm", "chat"), ("add", "text-embedding", "embeds"), ("add", "rerank", "ranks")]
    assert first.data["applied"]
    assert first.data["notes"] == []
    assert [(one["what"], len(one["models"])) for one in first.data["proofs"]] == [("chat", 1), ("retrieval", 2)]
    assert all(one["seconds"] > 0 and one["answer"] for one in first.data["proofs"])
    embeds = next(model for model in dify.models if model.kind == "text-embedding")
    assert embeds.name == first.data["defaults"]["text-embedding"]
    assert embeds.values == {
        "endpoint_url": embeds.values["endpoint_url"],
        "api_key": KEY,
        "endpoint_model_name": "embeds",
        "context_size": "64",
        "max_chunks": "32",
        "encoding_format": "float",
        "query_prefix": "query: ",
    }
    chat = dify.model("chat", "llm")
    assert chat is not None
    assert chat.values["mode"] == "chat"
    assert dify.defaults["llm"] == ("chat", PROVIDER)
    assert KEY not in first.out + first.err
    assert PASSWORD not in first.out + first.err
    asked = len(dify.asked)
    second = connect(dify)
    assert {action for action, _, _ in steps(second)} == {"same"}
    assert second.data["defaults"] == {}
    assert not any("credentials" in request for request in dify.asked[asked:] if not request.startswith("GET"))


def test_a_plan_changes_nothing(connect: Connect, dify: Dify, folder: Path) -> None:
    """Not in Dify, and not here."""
    ran = connect(dify, "--plan")
    assert {action for action, _, _ in steps(ran)} == {"add"}
    assert (ran.data["applied"], dify.models, dify.defaults) == (False, [], {})
    assert not (folder / "home" / "dify").exists()


def test_only_what_differs_is_updated(connect: Connect, dify: Dify) -> None:
    """A context that changed is one field of one model; a key that changed is one of all."""
    connect(dify)
    changed = connect(dify, context=32)
    assert [(step["action"], step["fields"]) for step in changed.data["steps"]] == [
        ("same", []),
        ("update", ["context_size"]),
        ("same", []),
    ]
    rekeyed = connect(dify, more=", models_key: '${env:DIFY_PASSWORD}'", context=32)
    assert {(step["action"], *step["fields"]) for step in rekeyed.data["steps"]} == {("update", "api_key")}
    assert {model.values["api_key"] for model in dify.models} == {PASSWORD}


def test_other_weights_are_another_space_and_the_old_one_stays_while_it_is_used(
    connect: Connect, dify: Dify, encoder_folder: Callable[..., Path], tiny_bert_folder: Path, tmp_path: Path
) -> None:
    """It is told that nothing answers there any more, led to the old version where that is served, and pruned last."""
    (old,) = [step["name"] for step in connect(dify).data["steps"] if step["type"] == "text-embedding"]
    other = encoder_folder(tmp_path / "other", seed=1)
    base = Knowledge("Rules", old)
    dify.knowledge.append(base)
    new_graph, old_graph = (graphs.build(folder, tmp_path / "graphs") for folder in (other, tiny_bert_folder))
    with node(embeds=new_graph, first=old_graph) as url:
        moved = connect(dify, "--prune", embeds=other, models=url, beside="")
        (new,) = [step["name"] for step in moved.data["steps"] if step["action"] == "add"]
        assert [(step["action"], step["uses"]) for step in moved.data["steps"] if step["name"] == old] == [
            ("keep", ["knowledge base Rules"])
        ]
        assert moved.data["defaults"] == {"text-embedding": new}
        assert [note["code"] for note in moved.data["notes"]] == ["note_dify_space_gone"]
        beside = f"  - {{id: first, source: {tiny_bert_folder}}}\n"
        led = connect(dify, embeds=other, models=url, beside=beside)
        assert [(step["action"], step["fields"]) for step in led.data["steps"] if step["name"] == old] == [
            ("update", ["endpoint_url", "endpoint_model_name"])
        ]
        assert (led.data["notes"], _named(dify, old)) == ([], "first")
        dify.knowledge.remove(base)
        pruned = connect(dify, "--prune", embeds=other, models=url, beside="")
    assert [step["action"] for step in pruned.data["steps"] if step["name"] == old] == ["remove"]
    assert dify.model(old, "text-embedding") is None
    assert _named(dify, new) == "embeds"


def _named(dify: Dify, name: str) -> str:
    """The model that Dify asks our server for."""
    model = dify.model(name, "text-embedding")
    assert model is not None
    return str(model.values["endpoint_model_name"])


def test_a_model_that_does_not_answer_dify_stops_all_before_anything_is_changed(connect: Connect, dify: Dify) -> None:
    """Every one that does not is named; `--server` still finds ours."""
    ours = connect(dify, "--plan").data
    assert ours["steps"]
    ran = connect(dify, "--models-url", "http://models.test:9/v1")
    assert (ran.code, ran.error["code"], dify.models) == (1, "dify_models_refused", [])
    assert all(name in ran.error["cause"] for name in ("chat (llm)", "ranks (rerank)"))


def test_what_stopped_in_the_middle_is_finished_by_a_second_run(connect: Connect, dify: Dify) -> None:
    """The error names what was done and what is left."""
    route = next(name for name in _routes() if name.startswith("POST") and name.endswith("/models/credentials"))
    real, dify.broken = dify.broken, _FailsSecond(route)
    stopped = connect(dify)
    assert (stopped.code, stopped.error["code"]) == (1, "dify_connect_interrupted")
    assert stopped.error["details"]["done"] == "add chat (llm)"
    assert "add ranks (rerank)" in stopped.error["details"]["left"]
    assert [model.name for model in dify.models] == ["chat"]
    dify.broken = real
    assert [action for action, _, _ in steps(connect(dify))] == ["same", "add", "add"]


class _FailsSecond(dict[str, Any]):
    """A route that works once and then not."""

    def __init__(self, route: str) -> None:
        super().__init__({route: (500, {"code": "internal_server_error", "message": "boom", "status": 500})})
        self.left = 1

    def __contains__(self, name: object) -> bool:
        if not super().__contains__(name):
            return False
        self.left -= 1
        return self.left < 0


def _routes() -> list[str]:
    from tests.dify_console.routes import ROUTES

    return [route.name for route in ROUTES]


@pytest.mark.parametrize(
    "shape",
    [
        {"passwords": "plain", "tokens": "body", "credential_names": False, "version": "1.4.0"},
        {"version": "1.19.0"},
        {"version": None},
    ],
)
def test_other_versions_are_connected_and_warned_of(connect: Connect, shape: dict[str, Any]) -> None:
    """By what they answer, not by their number."""
    with serving(Dify(indexing_polls=0, **shape).with_user().with_plugin()) as dify:
        first, second = connect(dify), connect(dify)
    assert {action for action, _, _ in steps(first)} == {"add"}
    assert {action for action, _, _ in steps(second)} == {"same"}
    assert [note["code"] for note in first.data["notes"]] == ["note_dify_version"]


def test_a_missing_plugin_is_installed_from_its_file_or_said(connect: Connect, folder: Path) -> None:
    """Without the file nothing is changed."""
    package = folder / "plugin.difypkg"
    package.write_bytes(b"PK-package")
    with serving(Dify(indexing_polls=0, pending=0).with_user()) as dify:
        without = connect(dify)
        assert (without.error["code"], dify.models) == ("dify_plugin_missing", [])
        planned = connect(dify, "--plan", "--plugin", str(package))
        assert (planned.data["installs"], dify.plugins) == (True, [])
        assert {action for action, _, _ in steps(connect(dify, "--plugin", str(package)))} == {"add"}


def test_the_package_mends_a_plugin_that_is_listed_and_does_not_run(connect: Connect, folder: Path) -> None:
    """It is taken out and put in again; another plugin's package is no help, and is told as such."""
    package = folder / "plugin.difypkg"
    package.write_bytes(b"PK-package")
    with serving(Dify(indexing_polls=0, pending=0, plugin_starts=-1).with_user().with_plugin()) as dify:
        dead = connect(dify, "--wait", "0")
        assert (dead.error["code"], dify.models) == ("dify_console_plugin_dead", [])
        dify.plugin_starts = 1
        assert steps(connect(dify, "--wait", "0", "--plugin", str(package)))[0][0] == "add"
        assert any(request.endswith("/uninstall") for request in dify.asked)
    with serving(Dify(pending=0, package="langgenius/openai:0.0.1@ab").with_user()) as dify:
        other = connect(dify, "--plugin", str(package))
        assert (other.error["code"], dify.models) == ("dify_plugin_missing", [])


def test_stages_and_notes_are_in_a_pipelines_log(connect: Connect, dify: Dify, freehold: Callable[..., Ran]) -> None:
    """A line for each stage; what explains a failure is told before it; no key, no password."""
    connect(dify, "--plan")
    dify.version = "1.19.0"
    ran = freehold("dify", "connect", "--models-url", "http://models.test:9/v1")
    assert ran.code == 1
    assert "Dify calls chat (llm)" in ran.err
    assert ran.err.index("note_dify_version") < ran.err.index("dify_models_refused")
    assert ran.err.count("1.19.0") == 1
    assert KEY not in ran.err
    assert PASSWORD not in ran.err


def test_a_key_that_no_header_can_carry_is_told_by_its_place(
    connect: Connect, dify: Dify, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied from a document that made a dash of a hyphen, say."""
    monkeypatch.setenv("TYPED_KEY", "fh\u2013models")
    ran = connect(dify, more=", models_key: '${env:TYPED_KEY}'")
    assert (ran.code, ran.error["code"], dify.asked) == (1, "secret_malformed", [])
    assert "fh\u2013models" not in ran.err


def test_a_wrong_password_changes_nothing(connect: Connect, dify: Dify, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is not told."""
    monkeypatch.setenv("DIFY_PASSWORD", "another-one1")
    ran = connect(dify)
    assert (ran.code, dify.models) == (1, [])
    assert "another-one1" not in ran.err


def test_forms_are_printed_without_any_access(connect: Connect, dify: Dify) -> None:
    """The same names and credentials as are registered, and no key."""
    registered = {step["name"] for step in connect(dify).data["steps"]}
    asked = len(dify.asked)
    printed = connect(dify, "--print")
    assert {one["name"] for one in printed.data["models"]} == registered
    for one in printed.data["models"]:
        model = dify.model(one["name"], one["type"])
        assert model is not None
        assert {**one["credentials"], "api_key": KEY} == model.values
    assert (printed.data["key"], printed.data["notes"]) == ("${env:MODELS_KEY}", [])
    assert len(dify.asked) == asked
    assert KEY not in printed.out


def test_a_key_that_may_do_more_than_dify_needs_is_told(connect: Connect, dify: Dify) -> None:
    """A deployment's own, or that of the configuration; the first one of a server may do as much as Dify needs."""
    for beside in ("deploy: {}\n", "access: {key: '${env:OURS}'}\n"):
        printed = connect(dify, "--print", more="", beside=beside)
        (note,) = printed.data["notes"]
        assert note["code"] == "note_dify_key_wide"
        assert printed.data["key"] in note["cause"]
        assert "keys create --name dify --role client" in note["fix"]
    for beside in ("", "access: {auth: none}\n"):
        assert connect(dify, "--print", more="", beside=beside).data["notes"] == []


def test_people_read_what_was_done(connect: Connect, dify: Dify, freehold: Callable[..., Ran]) -> None:
    """In their language, with the times of the calls."""
    connect(dify)
    shown = freehold("dify", "connect", "--lang", "zh").out
    assert "没有差异。" in shown
    assert "秒" in shown
    assert "Model Type" in freehold("dify", "connect", "--print").out


def test_a_deployed_dify_is_set_up_and_connected(
    connect: Connect, models: str, folder: Path, freehold: Callable[..., Ran], tiny_reranker_folder: Path
) -> None:
    """From nothing: its administrator, the plugin, a model, by what the deployment made; a plan makes none of it."""
    secrets = folder / "home" / "releases" / "freehold" / "compose" / "dify" / "secrets.json"
    secrets.parent.mkdir(parents=True)
    secrets.touch(0o600)
    secrets.write_text('{"console_password": "Secret123abc", "init_password": "Init123abc"}', encoding="utf-8")
    package = folder / "plugin.difypkg"
    package.write_bytes(b"PK-package")
    with serving(Dify(init_password="Init123abc", pending=0)) as dify:
        text = f"models: [{{id: ranks, source: {tiny_reranker_folder}}}]\naccess: {{auth: none}}\n"
        text += f"dify: {{version: 1.15.0, address: '{dify.url}', models_url: '{models}'}}\n"
        (folder / "freehold.yaml").write_text(text, encoding="utf-8")
        without = freehold("dify", "connect", "--json", "--plan")
        planned = freehold("dify", "connect", "--json", "--plan", "--plugin", str(package))
        assert (without.error["code"], steps(planned)) == ("dify_plugin_missing", [("add", "rerank", "ranks")])
        assert (planned.data["installs"], planned.data["applied"], dify.users) == (True, False, [])
        first = freehold("dify", "connect", "--json", "--plugin", str(package))
        second = freehold("dify", "connect", "--json")
    assert (steps(first), steps(second)) == ([("add", "rerank", "ranks")], [("same", "rerank", "ranks")])
    assert [user.password for user in dify.users] == ["Secret123abc"]
    assert "api_key" not in dify.models[0].values
    assert "Secret123abc" not in first.out + first.err + second.out


def test_what_was_assumed_is_said(connect: Connect, dify: Dify, folder: Path, models: str) -> None:
    """A length that nothing tells; a model that is none of Dify's."""
    beside = "  - {id: talks, source: 'http://models.test:9/v1', abilities: [chat]}\n"
    beside += "  - {id: sums, source: 'http://models.test:9/v1', kind: tensor}\n"
    ran = connect(dify, "--plan", beside=beside)
    assert [note["code"] for note in ran.data["notes"]] == ["note_dify_left_out", "note_dify_assumed"]


def test_an_admin_key_acts_without_an_account(
    connect: Connect, models: str, folder: Path, freehold: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the owner of the workspace that the configuration names."""
    monkeypatch.setenv("ADMIN_API_KEY", "admin-key-0001")
    with serving(Dify(admin_key="admin-key-0001", indexing_polls=0).with_user().with_plugin()) as dify:
        text = f"models: [{{id: chat, source: {CHAT}}}]\naccess: {{auth: none}}\ndify:\n"
        text += f"  {{url: '{dify.url}', admin_key: '${{env:ADMIN_API_KEY}}', workspace: {dify.workspace},"
        (folder / "freehold.yaml").write_text(f"{text} models_url: '{models}'}}\n", encoding="utf-8")
        ran = freehold("dify", "connect", "--json")
    assert steps(ran) == [("add", "llm", "chat")]
    assert not any("login" in request for request in dify.asked)
    assert "admin-key-0001" not in ran.out + ran.err
