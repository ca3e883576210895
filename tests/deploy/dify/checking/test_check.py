"""A check asked: passed, failed, or not applicable."""

from freehold.deploy.dify.checking.check import Check, Failed, Finding, NotApplicable, find, not_asked
from freehold.deploy.dify.checking.plugin_calls import Plugin
from freehold.deploy.doctor.check import Text, Words
from tests.deploy.dify.checking.planted import KEY, planted, target

WHY, FIX, OTHER = Text("why", "为何"), Text("fix", "办法"), Text("other", "其他")


def asked(words: Words | Exception, *, needed: bool = True) -> Finding:
    """A check that ends in this way, after one call."""

    def ask(plugin: Plugin) -> Words:
        plugin.models()
        if isinstance(words, Exception):
            raise words
        return words

    with planted(key=KEY) as server:
        check = Check("one", "chat", ask, WHY, FIX, needed)
        return find(check, Plugin(target(server.url, key=KEY)))


def test_the_outcomes() -> None:
    """Found, missing, wished for and missing, not applicable; a failure may bring its own fix."""
    assert asked("fine").status == "ok"
    assert asked(Failed("bad")).failed
    assert asked(Failed("bad", OTHER)).fix == OTHER
    assert asked(Failed("bad"), needed=False).status == "warn"
    skipped = asked(NotApplicable(Text("no need", "无需")))
    assert (skipped.status, skipped.found.zh) == ("skip", "无需")


def test_a_finding_tells_what_was_sent_and_came_without_the_key() -> None:
    """In both languages; the key is masked wherever it stands."""
    finding = asked(Failed(f"the key {KEY} is wrong"))
    row = finding.told("zh", KEY)
    assert (row["status"], row["why"], row["fix"]) == ("fail", "为何", "办法")
    assert row["sent"].startswith("GET http://127.0.0.1:")
    assert row["received"].startswith("200 {")
    assert row["found"] == "the key *** is wrong"
    assert KEY not in repr(row)


def test_what_stands_behind_a_shut_gate_is_not_asked() -> None:
    """Its reason names the gate."""
    check = Check("one", "chat", lambda _: "", WHY, FIX)
    finding = not_asked(check, Check("gate", "chat", lambda _: "", WHY, FIX, gate=True))
    assert (finding.status, finding.found.en) == ("skip", "not asked, since gate failed")
    assert finding.told("en")["sent"] == ""
