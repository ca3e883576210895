"""Times are told, and never fail."""

from freehold.deploy.dify.checking.plugin_calls import Plugin
from freehold.deploy.dify.checking.running import run
from tests.deploy.dify.checking.planted import MODELS, planted, target


def test_each_kind_has_its_time() -> None:
    """First byte and pace of a stream, one text, three documents."""
    with planted() as server:
        report = run(Plugin(target(server.url, *MODELS)), lambda _: None)
    speeds = {finding.check.id: finding for finding in report.findings if finding.check.area == "speed"}
    assert {finding.status for finding in speeds.values()} == {"ok"}
    assert "tokens/s" in speeds["speed_first_byte"].found.en


def test_what_fails_elsewhere_is_not_told_twice() -> None:
    """Without an answer there is no time."""
    with planted("any_chat_model") as server:
        unknown = Plugin(target(server.url)).instead(embedding="none", rerank="none")
        found = {finding.check.id: finding.status for finding in run(unknown, lambda _: None).findings}
    assert {found[name] for name in ("speed_first_byte", "speed_embedding", "speed_rerank")} == {"skip"}
