"""All checks together, and the report of them."""

import json
import math
import re
from typing import Any

import pytest

from freehold.deploy.dify.checking import checks_stream, checks_tools
from freehold.deploy.dify.checking.check import find
from freehold.deploy.dify.checking.discovery import with_models
from freehold.deploy.dify.checking.plugin_calls import Plugin
from freehold.deploy.dify.checking.running import CHECKS, Report, run
from tests.deploy.dify.checking.planted import KEY, MODELS, planted, target


def report_of(*defects: str, kinds: tuple[str, ...] = tuple(MODELS)) -> tuple[Report, list[str]]:
    """A whole run, and what was said while it ran."""
    said: list[str] = []
    with planted(*defects, key=KEY) as server:
        return run(Plugin(target(server.url, *kinds, key=KEY)), said.append), said


def test_there_are_more_than_thirty_checks_with_words_in_both_languages() -> None:
    """Every id once; no text is missing or left in one language."""
    assert len({check.id for check in CHECKS}) == len(CHECKS) >= 30
    for check in CHECKS:
        for text in (check.why, check.fix):
            assert text.en.endswith((".", "?")), check.id
            assert re.search(r"[\u4e00-\u9fff]", text.zh), check.id


def test_a_good_server_passes_and_says_so() -> None:
    """Every check in order is announced; three models work; nothing fails but the loopback address warns."""
    report, said = report_of()
    assert report.ok
    assert said[0] == f"1/{len(CHECKS)} reachable"
    assert report.counts["fail"] == 0
    assert [finding.check.id for finding in report.findings if finding.status == "warn"] == ["address_from_dify"]
    text = report.text("en", colour=False)
    assert "rerank model `judge`: Dify adds it, and it works." in text
    assert "重排模型 `judge`：Dify 可以添加并正常使用。" in report.text("zh", colour=False)
    assert KEY not in text


def test_a_failure_says_what_a_user_of_dify_would_see() -> None:
    """Why, what was sent, what came, the fix; then the model and what goes wrong with it."""
    report, _ = report_of("score_key", kinds=("rerank",))
    assert not report.ok
    text = report.text("en", colour=False)
    assert "\nfail  rerank_score_key" in text
    assert "sent: POST http://127.0.0.1" in text
    assert "fix: Name it relevance_score." in text
    assert "rerank model `judge`: Dify adds it, and then:\n- rerank_score_key: Every score is read as 0.0" in text
    assert re.search(r"\nskip  \d+ checks: no chat model\n", text)
    assert "\nskip  speed_first_byte, speed_embedding: " in text
    assert "\x1b[31mfail" in report.text("zh", colour=True)


def test_a_model_that_is_refused_asks_nothing_more() -> None:
    """Its gate is shut: behind it stands the reason."""
    with planted() as server:
        report = run(Plugin(target(server.url)).instead(chat="other"), lambda _: None)
    assert [finding.check.id for finding in report.findings if finding.failed] == ["chat_validates"]
    behind = {finding.found.en for finding in report.findings if finding.check.area in ("stream", "tools", "forms")}
    assert behind == {"not asked, since chat_validates failed"}
    assert "chat model `other`: Dify refuses to add it." in list(report.seen("en"))


def test_all_checks_together_have_an_end() -> None:
    """A server that is slow at everything: the rest is not asked, and nothing counts as proven by it."""
    moments = iter([0.0, 1.0, 401.0])
    with planted() as server:
        report = run(Plugin(target(server.url, "chat")), lambda _: None, lambda: next(moments))
    assert [finding.status for finding in report.findings] == ["ok", *["skip"] * (len(CHECKS) - 1)]
    assert not report.ok
    assert "s are over" in report.text("en", colour=False)
    assert "未检查：已超过" in report.text("zh", colour=False)


@pytest.mark.parametrize(
    "says",
    [
        "",
        "<html>",
        "data: 5\n\ndata: {}\n\n",
        5,
        [],
        {"choices": 5, "data": 5, "results": 5, "usage": 5, "model": 5, "object": 5},
        {"choices": [5], "data": [5], "results": [5], "usage": [5]},
        {"choices": [{"message": 5}], "data": [{"id": {}, "embedding": [{}]}], "results": [{"index": "a"}]},
        {"choices": [{"message": {"content": 5}}], "data": [{"embedding": [None]}], "results": [{"index": []}]},
        {"results": [{"index": 0, "relevance_score": math.nan}], "data": [{"embedding": [math.inf]}], "error": [5]},
    ],
)
def test_no_answer_is_so_odd_that_a_check_breaks(says: Any) -> None:
    """Whatever a server says to everything: a report, in both languages, in which something fails."""
    with planted(says=says) as server:
        report = run(with_models(Plugin(target(server.url, *MODELS)), (), str), lambda _: None)
    assert not report.ok
    assert report.text("en", colour=False)
    assert report.data("zh")


@pytest.mark.parametrize("delta", [5, {"content": 5}, {"tool_calls": 5}, {"tool_calls": [5]}, {"tool_calls": {"a": 1}}])
def test_no_frame_is_so_odd_that_a_check_breaks(delta: Any) -> None:
    """Streams of frames in other shapes."""
    frame = {"choices": [{"delta": delta, "index": 0, "finish_reason": 5}], "usage": 5, "error": 5}
    with planted(says=f"data: {json.dumps(frame)}\n\ndata: {json.dumps({'choices': 5})}\n\n") as server:
        calls = Plugin(target(server.url, "chat"))
        found = {check.id: find(check, calls).status for check in (*checks_stream.CHECKS, *checks_tools.CHECKS)}
    assert "fail" in found.values()


def test_the_report_as_data() -> None:
    """As the doctor's, with the models and what would be seen."""
    report, _ = report_of("base64", kinds=("embedding",))
    data = report.data("en")
    assert (data["ok"], data["models"]["embedding"], data["summary"]["fail"]) == (False, "vectors", 1)
    row = next(row for row in data["checks"] if row["id"] == "embedding_floats")
    assert set(row) == {"id", "area", "status", "found", "why", "fix", "sent", "received"}
    assert row["status"] == "fail"
    assert KEY not in str(data)
