"""`freehold audit`."""

import json
import stat
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from freehold.access.act import Act
from freehold.access.database import Database
from freehold.access.trail import Trail
from freehold.access.witness import Witness

Freehold = Callable[..., Any]


@pytest.fixture
def trail(folder: Path) -> Iterator[Trail]:
    """Three lines of two tenants under this test's home."""
    database = Database.open(folder / "home")
    trail = Trail(database, "node-1", Witness(folder / "home"))
    trail.append(
        [
            Act("keys.create", "alice@terminal", details={"name": "dify"}),
            Act("inference", "dify", model="bge-m3", digest="sha256:ab", tokens_in=3, where="node-1"),
            Act("model.load", "bob", tenant="acme", model="m"),
        ]
    )
    yield trail
    database.close()


@pytest.mark.usefixtures("trail")
def test_lines_are_shown_oldest_first(freehold: Freehold) -> None:
    """Who, what, how it ended, and all that is known beside."""
    lines = freehold("audit").out.splitlines()
    assert [line.split()[0] for line in lines] == ["LINE", "1", "2", "3"]
    assert "alice@terminal" in lines[1]
    assert lines[2].endswith("digest ab, tokens_in 3, tokens_out 0")
    assert [line["number"] for line in freehold("audit", "--limit", "2", "--json").data["lines"]] == [2, 3]


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (("--who", "dify"), [2]),
        (("--what", "keys"), [1]),
        (("--model", "m"), [3]),
        (("--tenant", "acme"), [3]),
        (("--tenant", "default"), [1, 2]),
        (("--since", "1h"), [1, 2, 3]),
        (("--until", "1h"), []),
    ],
)
@pytest.mark.usefixtures("trail")
def test_a_search_finds_what_is_meant(freehold: Freehold, words: tuple[str, ...], numbers: list[int]) -> None:
    """By each of its options."""
    assert [line["number"] for line in freehold("audit", *words, "--json").data["lines"]] == numbers


def test_an_empty_audit_says_so(freehold: Freehold) -> None:
    """Nothing was done yet."""
    assert freehold("audit").out == "The audit has no such line.\n"
    assert freehold("audit", "--verify").code == 0


def test_a_whole_chain_is_verified(freehold: Freehold, trail: Trail) -> None:
    """With its head, which can be noted elsewhere and given back."""
    ran = freehold("audit", "--verify")
    assert ran.code == 0
    assert "3 lines, from 1 to 3" in ran.out
    head = str(trail.head())
    assert head in ran.out
    assert freehold("audit", "--verify", "--anchor", head, "--json").data["lines"] == 3


def test_a_broken_chain_is_told(freehold: Freehold, trail: Trail) -> None:
    """With exit code 1, what is wrong and where."""
    head = trail.head()
    with trail.database.writing() as transaction:
        transaction.execute("DELETE FROM audit WHERE number = 2")
    ran = freehold("audit", "--verify", "--json")
    assert (ran.code, ran.error["code"]) == (1, "audit_broken")
    assert "gap at line 3" in ran.error["cause"]
    assert freehold("audit", "--verify", "--anchor", f"{head.number}:{'0' * 64}").code == 1


@pytest.mark.parametrize("anchor", ["3", "3:xyz", ":", "x:" + "0" * 64, "3:" + "0" * 63])
def test_an_anchor_is_a_number_and_a_hash(freehold: Freehold, anchor: str) -> None:
    """Anything else is wrong usage."""
    ran = freehold("audit", "--verify", "--anchor", anchor, "--json")
    assert (ran.code, ran.error["code"]) == (2, "audit_option_invalid")


def test_an_export_can_be_verified_by_anybody(freehold: Freehold, trail: Trail, folder: Path) -> None:
    """One JSON object a line: its hash is of the one before and of the rest of the line."""
    assert freehold("audit", "--export", "audit.jsonl", "--json").data == {"path": "audit.jsonl", "lines": 3}
    before = bytes(32)
    for line in (folder / "audit.jsonl").read_text().splitlines():
        said = json.loads(line)
        stated = said.pop("hash")
        text = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        before = sha256(before + text.encode()).digest()
        assert before.hex() == stated
    assert before.hex() == trail.head().hash
    assert stat.S_IMODE((folder / "audit.jsonl").stat().st_mode) == 0o600


@pytest.mark.usefixtures("trail")
def test_an_export_replaces_nothing(freehold: Freehold, folder: Path) -> None:
    """Nor does it go where there is no folder."""
    (folder / "there").write_text("mine")
    assert freehold("audit", "--export", "there", "--json").error["code"] == "audit_file_exists"
    assert (folder / "there").read_text() == "mine"
    assert freehold("audit", "--export", "no/where", "--json").error["code"] == "audit_file_unwritable"


def test_an_export_that_fails_leaves_no_half(freehold: Freehold, trail: Trail, folder: Path) -> None:
    """A row that is no line ends it."""
    with trail.database.writing() as transaction:
        transaction.execute("UPDATE audit SET at_ms = 'x' WHERE number = 3")
    assert freehold("audit", "--export", "audit.jsonl", "--json").error["code"] == "audit_foreign"
    assert not (folder / "audit.jsonl").exists()


def test_of_content_a_terminal_sees_the_beginning(freehold: Freehold, trail: Trail, folder: Path) -> None:
    """On one line and without commands; programs get all of it, and the export too."""
    asked = "say\n\x1b[2J" + "x" * 20_000
    content = {"request": {"bytes": 20_008, "sha256": "0" * 64, "begins": asked}, "answer": {"bytes": 9, "sha256": ""}}
    trail.append([Act("model.infer", "dify", content=content)])
    shown = freehold("audit").out.splitlines()
    assert shown[-1].endswith("asked say \ufffd[2J" + "x" * 32 + ", answered 9 bytes")
    assert freehold("audit", "--json").data["lines"][-1]["content"] == content
    assert freehold("audit", "--export", "all.jsonl").code == 0
    assert json.loads((folder / "all.jsonl").read_text().splitlines()[-1])["content"] == content
    assert freehold("audit", "--verify").code == 0
