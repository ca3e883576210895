"""What of a request stands in the books, and what does not."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from freehold.access import Database, Key, Right
from freehold.access.act import Act
from freehold.access.books import Books
from freehold.access.trail import Query
from freehold.config import Access
from freehold.config.auditing import Auditing
from freehold.errors import FreeholdError
from freehold.http.bookkeeping import Bookkeeping
from freehold.http.visit import Asked, Visit
from freehold.telemetry import Telemetry

KEY = Key("dify", "client", 0.0, b"", "us")


class Kept:
    """Books on disk, and what requests left in them."""

    def __init__(self, folder: Path) -> None:
        access = Access(audit=Auditing(inference=True))
        self.telemetry = Telemetry(process=False)
        self.books = Books(Database.open(folder), "n", self.telemetry, access)
        self.ledger = Bookkeeping(self.books.usage, self.books.audit)

    def visit(self, right: Right) -> Visit:
        return Visit(KEY, Asked(right, "POST", "/p", "r-1", "10.0.0.1"), {"theirs": "them"}, None, self.ledger)

    def lines(self) -> list[dict[str, object]]:
        self.books.usage.flush()
        self.books.audit.flush()
        self.books.audit.group_refused()
        self.books.audit.flush()
        pages = self.books.audit.trail.pages(Query(tenant=None))
        return [kept.document() for page in pages for kept in page]

    def counted(self) -> str:
        return self.telemetry.exposition()[0].decode()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    """Books of a new home, with lines of inference."""
    made = Kept(tmp_path)
    yield made
    made.books.close()


def test_an_inference_is_usage_and_a_line(kept: Kept) -> None:
    """Who, which model, tokens, where from, and not a word of what was asked."""
    visit = kept.visit("infer")
    visit.answered("bge-m3", "sha256:1", 3, 4)
    visit.end(200, 0.25)
    (line,) = kept.lines()
    assert {name: line[name] for name in ("what", "who", "tenant", "model", "digest", "outcome")} == {
        "what": "model.infer",
        "who": "dify",
        "tenant": "us",
        "model": "bge-m3",
        "digest": "sha256:1",
        "outcome": "done",
    }
    assert (line["tokens_in"], line["tokens_out"]) == (3, 4)
    assert line["details"] == {"path": "/p", "address": "10.0.0.1", "request": "r-1", "ms": 250}
    assert 'freehold_usage_tokens_total{direction="out",key="dify",tenant="us"} 4.0' in kept.counted()


@pytest.mark.parametrize(("status", "outcome"), [(500, "500"), (0, "cut")])
def test_what_failed_says_so(kept: Kept, status: int, outcome: str) -> None:
    """By its status, or that it was cut short."""
    kept.visit("infer").end(status, 0.0)
    assert [line["outcome"] for line in kept.lines()] == [outcome]
    assert 'outcome="failed",tenant="us"} 1.0' in kept.counted()


def test_looking_is_no_usage_and_no_line_but_a_refusal_is_one(kept: Kept) -> None:
    """Lists and probes would bury what matters; who tried what is not allowed stands there."""
    kept.visit("metadata").end(200, 0.0)
    assert kept.lines() == []
    kept.visit("repository").end(403, 0.0)
    (line,) = kept.lines()
    assert (line["what"], line["who"], line["where"]) == ("repository.denied", "dify", "10.0.0.1")
    assert "freehold_usage_requests_total{" not in kept.counted()


def test_a_flood_of_what_is_refused_is_a_few_lines(kept: Kept) -> None:
    """Whoever has a key could else fill the disk: what its limits or its rights refuse costs it nothing."""
    for _ in range(50):
        kept.visit("repository").end(403, 0.0)
        kept.visit("infer").end(403, 0.0)
        kept.visit("infer").end(429, 0.0)
    assert {(line["what"], line["outcome"]) for line in kept.lines()} == {
        ("repository.denied", "403"),
        ("infer.denied", "403"),
        ("infer.denied", "429"),
    }
    assert [line["details"] for line in kept.lines()] == [{"times": 50}] * 3


def test_what_was_not_let_on_is_no_inference(kept: Kept) -> None:
    """While lines cannot be written, those of whom that keeps out would else be what fills memory."""
    kept.books.audit.note(Act("model.infer", "k"))
    with kept.books.audit.trail.database.reading() as transaction:
        transaction.execute("PRAGMA query_only = ON")
    kept.books.audit.flush()
    for _ in range(3):
        visit = kept.visit("infer")
        with pytest.raises(FreeholdError, match="audit_refused"):
            asyncio.run(visit.begin())
        visit.end(503, 0.0)
    with kept.books.audit.trail.database.reading() as transaction:
        transaction.execute("PRAGMA query_only = OFF")
    assert [(line["what"], line.get("details")) for line in kept.lines()] == [
        ("model.infer", None),
        ("infer.denied", {"times": 3}),
    ]


def test_an_administrative_act_has_a_line_before_it_and_one_behind_it(kept: Kept) -> None:
    """On disk when its block begins."""
    visit = kept.visit("repository")
    with kept.ledger.attempt(visit, "model.load", "theirs", {"from": "there"}):
        assert [line["outcome"] for line in kept.lines()] == ["asked"]
        visit.digest = "sha256:1"
    first, second = kept.lines()
    assert (first["outcome"], second["outcome"], "digest" in first, second["digest"]) == (
        "asked",
        "done",
        False,
        "sha256:1",
    )
    assert second["details"] == {"from": "there", "request": "r-1"}


def test_an_act_on_a_tenants_model_is_found_under_that_tenant(kept: Kept) -> None:
    """Whoever does it; of what is nobody's, under the actor's."""
    for model in ("theirs", "free"):
        with kept.ledger.attempt(kept.visit("repository"), "model.unload", model, {}):
            pass
    assert [line["tenant"] for line in kept.lines()] == ["them", "them", "us", "us"]
