"""What is wrong with a file, where, and what is allowed instead."""

import re
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.config.decode import build, check, notation, shown
from freehold.config.document import Node, parse_document
from freehold.errors import FreeholdError


def problems(text: str) -> list[FreeholdError]:
    return check(parse_document(text, "f.yaml")[0])


def test_a_mistyped_key_gets_the_nearest_one() -> None:
    """The line, the path, what was meant, and what is allowed."""
    (problem,) = problems("server:\n  prot: 80\n")
    assert problem.cause == "f.yaml:2: unknown key `server.prot`."
    known = "host, port, grpc, grpc_port, grace_s, body_timeout_s, tls, shared_memory"
    assert problem.fix == f"Did you mean `port`? Allowed here: {known}."


def test_a_key_that_resembles_nothing_lists_what_is_allowed() -> None:
    """No guess is better than a wild one."""
    (problem,) = problems("zzz: 1\n")
    assert problem.code == "config_key_unknown"
    assert "models, routes" in problem.fix


def test_a_key_is_not_guessed_twice() -> None:
    """What stands there already was not meant."""
    (problem,) = problems("server: {port: 80, prot: 81}\n")
    assert problem.code == "config_key_unknown"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("server: {port: http}", '`server.port` is "http". | Set `server.port` to: integer >= 1, <= 65535.'),
        ("server: {port: 0}", "`server.port` is 0."),
        ("server: {port: 8080.5}", "`server.port` is 8080.5."),
        ("server: {port: true}", "`server.port` is true."),
        ("server: {grace_s: .inf}", "`server.grace_s` is inf."),
        ("server: {grace_s: .nan}", "`server.grace_s` is nan."),
        ("server: [8080]", "`server` is [8080]."),
        ("server: null", "`server` is null."),
        ("access: {auth: open}", "Set `access.auth` to: keys | none."),
        ("models: {id: a}", "`models` is {id}."),
        ("models: [a]", '`models[0]` is "a".'),
        ("limits: {queue: 99999999999999999999}", "`limits.queue` is 99999999999999999999."),
        ("access: {limits: {parallel: 0}}", "Set `access.limits.parallel` to: integer >= 1, <= 1000000000000000"),
        ("access: {limits: {tokens_per_day: 9223372036854775807}}", "`access.limits.tokens_per_day` is 9223372"),
        ("limits: {queue: many}", "Set `limits.queue` to: integer >= 0 | null."),
        ("deploy: {pull_secrets: harbor}", "Set `deploy.pull_secrets` to: [text, ...]."),
        ("deploy: {pull_secrets: [{a: b}]}", "`deploy.pull_secrets[0]` is {a}."),
        ("deploy: {registry: 5}", "Put it in quotes. Allowed: text | null."),
        ("dify: {version: 1.15}", 'Set `dify.version` to: "1.15.0" | null.'),
        ("network: {ca: ''}", '`network.ca` is "".'),
        ("routes: [{to: []}]", "`routes[0]` lacks `model`."),
    ],
)
def test_a_wrong_value_says_what_was_found_and_what_is_allowed(text: str, words: str) -> None:
    """One problem, with the value as written and the form that is expected."""
    (problem,) = problems(text)
    assert words in f"{problem.cause} | {problem.fix}"


MODELS = "models: [{id: a, source: b, %s}]"


@pytest.mark.parametrize(
    ("field", "code"),
    [
        ("input_shape: [1, 0]", "config_value_invalid"),
        ("input_shape: [1, -2]", "config_value_invalid"),
        ("input_shape: 5", "config_value_invalid"),
        ("gpus: -1", "config_value_invalid"),
        ("gpus: {resource: x}", "config_value_missing"),
        ("keep_alive: 5 minutes", "config_value_invalid"),
        ('upstream_model: "a\\r\\nX-Own: 1"', "config_value_invalid"),
        ("defaults: {top_p: 1.5}", "config_value_invalid"),
        ("chat_template_kwargs: thinking", "config_value_invalid"),
        ("chat_template_kwargs: {a: [1]}", "config_value_invalid"),
        ("chat_template_kwargs: {a: null}", "config_value_invalid"),
        ("generation: {slots: 0}", "config_value_invalid"),
        ("generation: {slot: 4}", "config_key_misspelled"),
        ("abilities: [chat, hearing]", "config_value_invalid"),
        ("command: llama-server", "config_value_invalid"),
        ("command: [llama-server, --port, 8080]", "config_value_unquoted"),
        ("key: sk-geheim", "config_secret_literal"),
        ("key: 918273645", "config_secret_literal"),
        ("key: '${env:A} geheim'", "config_secret_literal"),
        ("key: '${env:}'", "config_secret_literal"),
        ('key: "${env:A}\\n"', "config_secret_literal"),
        ("key: {value: geheim}", "config_secret_literal"),
    ],
)
def test_fields_of_a_model_are_checked_and_secrets_never_shown(field: str, code: str) -> None:
    """Each wrong field has its code; what may be a secret is in no message."""
    (problem,) = problems(MODELS % field)
    assert problem.code == code
    assert not re.search("geheim|918273645", str(problem) + problem.fix + str(problem.details))


def test_a_proxy_with_a_password_is_refused_unseen() -> None:
    """A literal address may be written, one with a user name may not."""
    assert problems("network: {proxy: 'http://proxy.corp.local:3128'}") == []
    (problem,) = problems("network: {proxy: 'http://me:geheim@proxy:3128'}")
    assert problem.code == "config_proxy_invalid"
    assert "geheim" not in str(problem)


@pytest.mark.parametrize("name", ["a", "bge-m3", "Qwen3.5_32B", "x" * 128])
def test_ids_that_fit_a_url(name: str) -> None:
    """Letters, digits, dots, dashes and underscores."""
    assert problems(f"models: [{{id: {name}, source: b}}]") == []


@pytest.mark.parametrize("name", ["''", "a b", "a/b", "-a", "a.", "模型", "x" * 129, '"a\\n"'])
def test_ids_that_do_not(name: str) -> None:
    """Anything else is refused."""
    assert [problem.code for problem in problems(f"models: [{{id: {name}, source: b}}]")] == ["config_id_invalid"]


def test_a_right_tree_becomes_objects() -> None:
    """Whole numbers stand for numbers, lists for tuples, both forms of gpus for gpus."""
    root, _ = parse_document(
        MODELS % "gpus: {count: 1}, input_shape: [1, -1], limits: {deadline_s: 5}, defaults: {stop: [x]}", "f.yaml"
    )
    assert check(root) == []
    model = build(root).models[0]
    assert (model.input_shape, model.limits.deadline_s, model.defaults.stop) == ((1, -1), 5.0, ("x",))


def test_a_free_mapping_keeps_names_and_types() -> None:
    """What a chat template gets is of its author's making: no name is unknown, and each value stays what it was."""
    text = MODELS % "chat_template_kwargs: {enable_thinking: false, effort: low, budget: 5, share: 0.5}"
    root, _ = parse_document(text, "f.yaml")
    assert check(root) == []
    assert build(root).models[0].chat_template_kwargs == {
        "enable_thinking": False,
        "effort": "low",
        "budget": 5,
        "share": 0.5,
    }


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int, "integer"),
        (float, "number"),
        (bool, "true | false"),
        (Literal["a", "b"], "a | b"),
        (tuple[int, ...], "[integer, ...]"),
        (dict[str, bool | int], "{NAME: true | false | integer, ...}"),
        (str | None, "text | null"),
        (Annotated[int, msgspec.Meta(gt=0, lt=9)], "integer > 0, < 9"),
    ],
)
def test_notation_needs_no_translation(kind: Any, words: str) -> None:
    """Types are written as in the reference page."""
    assert notation(msgspec.inspect.type_info(kind)) == words


def test_long_values_are_shown_short() -> None:
    """A message stays readable whatever was found."""
    assert shown("x" * 100) == '"' + "x" * 57 + '..."'
    assert shown([Node(1, "f")] * 20).endswith(", ...]")
    assert shown(dict.fromkeys("abcdefgh")) == "{...}"


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["models", "id", "source", "limits", "gpus", "count", "routes", "to", "key", "input_shape", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


def as_node(value: Any) -> Node:
    if isinstance(value, dict):
        return Node({key: as_node(entry) for key, entry in value.items()}, "f")
    return Node([as_node(entry) for entry in value] if isinstance(value, list) else value, "f")


@given(
    st.dictionaries(st.sampled_from(["models", "routes", "limits", "server", "dify", "network"]), VALUES, max_size=4)
)
def test_what_check_lets_pass_builds(value: dict[str, Any]) -> None:
    """Any tree is either refused with problems or becomes objects."""
    node = as_node(value)
    if not check(node):
        build(node)
