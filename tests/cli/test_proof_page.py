"""The page of a proof."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from freehold.artifact import RecordedBy, Tolerance
from freehold.cli.examine import Examined, GoldenFile, Replayed
from freehold.cli.proof_page import proof_page, write_page
from freehold.engine.parity import EDGES, Measured
from freehold.errors import FreeholdError, Language

BARS = (0,) * len(EDGES)
FAILURE = FreeholdError(
    "proof_failed",
    model="m",
    case=1,
    output="<y>",
    index=[3],
    expected="0.5",
    seen="0.75",
    measure="max_abs 0.25",
    allowed="0.0001",
)


def examined() -> list[Examined]:
    """One model with a case that holds and one that does not, one without goldens, one that was not loaded."""
    fine = Measured(0, "batch 1", "<y>", True, 4, 1e-6, 2e-6, (4, *BARS), cosine=1.0)
    off = Measured(1, "long", "<y>", False, 4, 0.25, 0.5, (0, *BARS[1:], 4), cosine=0.9)
    tokens = Measured(2, "", "token_ids", True, 4, 0.0, 0.0, (0, *BARS), top1=4, rows=4)
    replayed = (
        Replayed(0, 0.25, measured=(fine, tokens)),
        Replayed(1, 0.5, FAILURE, measured=(off,)),
    )
    golden = GoldenFile("torch.json", RecordedBy("torch", "2.13", "sha256:0"), raw=True, cases=3, replayed=replayed)
    return [
        Examined("a & b", "/a", goldens=(golden,), tolerance=Tolerance(max_abs=1e-4), precision="fp32"),
        Examined("b", "/b"),
        Examined("c", "/c", error=FreeholdError("models_none")),
    ]


class Tags(HTMLParser):
    """Which tags there are, whether they are closed, and what they refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.references += [
            f"{name}={value}" for name, value in attrs if name in ("src", "href", "xlink:href", "onload")
        ]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_holds_all_it_needs(language: Language) -> None:
    """Well-formed, no script, nothing fetched; plots and a table of each output; light, dark and narrow."""
    page = proof_page(examined(), language)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.references == []
    assert not {"script", "link", "img", "iframe"} & set(tags.seen)
    assert "url(" not in page
    assert tags.seen.count("svg") == 3
    assert tags.seen.count("section") == 3
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page


def test_what_was_found_is_told_in_the_readers_language() -> None:
    """The verdict, the cause and fix of what failed, the tolerance, names of columns; names are escaped."""
    english, chinese = proof_page(examined(), "en"), proof_page(examined(), "zh")
    assert "&lt;y&gt;" in english
    assert "<y>" not in english
    assert "a &amp; b" in english
    assert "expected 0.5, seen 0.75" in english
    assert "recorded by torch 2.13, 2 of 3 cases replayed, 1 of them differ" in english
    assert "max_abs 0.0001 (of fp32)" in english
    assert "应为 0.5，实际为 0.75" in chinese
    assert "形状类别" in chinese
    assert 'lang="zh"' in chinese


def test_the_same_findings_make_the_same_page() -> None:
    """So that a report can be compared with the last one."""
    assert proof_page(examined(), "en") == proof_page(examined(), "en")


def test_a_page_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """With its path; a folder that is missing is made."""
    write_page(tmp_path / "new" / "page.html", "text")
    assert (tmp_path / "new" / "page.html").read_text() == "text"
    with pytest.raises(FreeholdError) as caught:
        write_page(tmp_path / "new" / "page.html" / "more.html", "text")
    assert caught.value.code == "report_unwritable"
