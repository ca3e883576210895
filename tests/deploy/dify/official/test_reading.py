"""Files of an installation, as Compose would read them."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.deploy.dify.official.reading import interpolated, read
from freehold.errors import FreeholdError

from .installations import NEWER, OLDER, SECRETS, install


@pytest.mark.parametrize("compose", [NEWER, OLDER], ids=["1.15", "1.14"])
def test_both_shapes_come_to_the_same_environment(compose: str, tmp_path: Path) -> None:
    """`.env` goes before defaults, wherever those stand."""
    official = read(install(tmp_path, compose, DB_PASSWORD="own", PLUGIN_DAEMON_KEY="mine"))
    assert official.value("api", "DB_PASSWORD") == "own"
    assert official.value("worker", "REDIS_PASSWORD") == "difyai123456"
    assert official.value("plugin_daemon", "SERVER_KEY") == "mine"
    assert official.value("sandbox", "API_KEY") == "dify-sandbox"
    assert official.parts["plugin_daemon"].ports == ("5003:5003",)
    assert official.value("api", "NO_SUCH") == official.value("no_such", "MODE") == ""


def test_no_secret_is_in_what_is_shown(tmp_path: Path) -> None:
    """`repr` of all that was read holds none of the values."""
    shown = repr(read(install(tmp_path, **SECRETS)))
    assert not [value for value in SECRETS.values() if value in shown and value != "pgvector"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A-${A}-${B:-x}-${B-x}-${E:-x}-${E-x}", "a-a-x-x-x-"),
        ("${A:+set}${B:+set}", "set"),
        ("${B:-${C:-${A}}}", "a"),
        ("$$A $${A}", "$A ${A}"),
        ("${B?needed}", ""),
        ("no ${ such }", "no ${ such }"),
    ],
)
def test_variables_as_compose_writes_them(text: str, value: str) -> None:
    """Set, unset and empty are three things."""
    assert interpolated(text, {"A": "a", "E": ""}) == value


def test_env_files_in_all_their_forms(tmp_path: Path) -> None:
    """Quotes, escapes, lines, comments, `export`, values of earlier lines; what Windows wrote; a path to nothing."""
    folder = install(
        tmp_path, NEWER.replace("[./envs/shared.env, ./.env]", "[{path: none.env, required: false}, ./.env]")
    )
    lines = [
        "# c",
        "export A=1 # one",
        "B='$A #'",
        'C="${A}2"',
        "D=${A}#3",
        "E=",
        "bad line",
        "F=#",
        'G="a\\"b\\n$A\\$A"',
    ]
    lines += ['H="two', "A=lines"]
    (folder / ".env").write_bytes("\r\n".join([*lines, '"', "I=i"]).encode("utf-8-sig"))
    found = read(folder).parts["api"].environment
    wanted = {"A": "1", "B": "$A #", "C": "12", "D": "1#3", "E": "", "F": ""}
    wanted |= {"G": 'a"b\n1$A', "H": "two\nA=lines\n", "I": "i"}
    assert {name: found[name] for name in wanted} == wanted


def test_an_override_counts_as_compose_merges_it(tmp_path: Path) -> None:
    """Its variables go before, its volumes and ports are added."""
    folder = install(tmp_path)
    (folder / "docker-compose.override.yml").write_text(
        "services: {api: {environment: {MODE: own}, volumes: ['./a:/a'], ports: [{published: 1, target: 2}]}}\n"
    )
    part = read(folder).parts["api"]
    assert (part.environment["MODE"], part.volumes[-1], part.ports) == ("own", "./a:/a", ("1:2",))


def test_an_override_may_replace_or_take_away(tmp_path: Path) -> None:
    """By Compose's own tags: so a port that Dify publishes is closed."""
    folder = install(tmp_path)
    (folder / "docker-compose.override.yaml").write_text(
        "services:\n  plugin_daemon: {ports: !reset [], environment: {SERVER_KEY: !reset null}}\n"
        "  nginx: {ports: !override ['8080:80']}\n  sandbox: {environment: !override {API_KEY: mine}}\n"
    )
    official = read(folder)
    assert (official.parts["plugin_daemon"].ports, official.parts["nginx"].ports) == ((), ("8080:80",))
    assert official.parts["sandbox"].environment == {"API_KEY": "mine"}
    assert official.value("plugin_daemon", "SERVER_KEY") == ""


@pytest.mark.parametrize(
    ("compose", "code"),
    [
        ("services: [", "official_unreadable"),
        ("- a", "official_unreadable"),
        ("services: {web: {}}", "official_missing"),
        ("services: {api: 1, worker: {}, plugin_daemon: {}}", "official_unreadable"),
        ("services: {api: {environment: 1}, worker: {}, plugin_daemon: {}}", "official_unreadable"),
        ("services: {api: {env_file: gone.env}, worker: {}, plugin_daemon: {}}", "official_unreadable"),
    ],
)
def test_what_is_no_installation_is_said(compose: str, code: str, tmp_path: Path) -> None:
    """With what is wrong of which file."""
    with pytest.raises(FreeholdError) as caught:
        read(install(tmp_path, compose))
    assert caught.value.code == code


def test_an_empty_folder(tmp_path: Path) -> None:
    """The name of the file that is missing is told."""
    with pytest.raises(FreeholdError) as caught:
        read(tmp_path)
    assert caught.value.code == "official_missing"


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="${}A:-+?x", max_size=24))
def test_any_text_is_interpolated_in_finite_time(text: str) -> None:
    """Nothing that a file says makes reading it fail or hang."""
    assert isinstance(interpolated(text, {"A": "${A}", "x": "$x"}), str)
