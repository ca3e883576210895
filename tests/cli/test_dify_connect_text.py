"""What people and programs read of a connection."""

from freehold.cli.dify_connect_text import WORDS, Outcome, as_data, as_text
from freehold.deploy.dify.connecting.applying import Proof
from freehold.deploy.dify.connecting.planning import Plan, Step

PLAN = Plan(
    (
        Step("update", "llm", "chat", ("context_size", "api_key"), values={"api_key": "secret"}),
        Step("keep", "text-embedding", "bge@0a1b2c3d", uses=("knowledge base Rules",)),
        Step("keep", "text-embedding", "bge@4e5f6a7b"),
    ),
    {"llm": "chat"},
    installs=True,
)
PROOF = Proof("chat", ("chat",), 1.234, "It is\nblue. " + "Very. " * 20)


def test_a_plan_says_what_would_be_done_and_why() -> None:
    """A line each; what is kept says for whom."""
    assert as_text(Outcome("http://d", "1.15.0", PLAN, applied=False), "en").splitlines() == [
        "install the plugin",
        "update              llm             chat          context_size, api_key",
        "keep                text-embedding  bge@0a1b2c3d  used by knowledge base Rules",
        f"keep                text-embedding  bge@4e5f6a7b  {WORDS['en'].unused}",
        "default             llm             chat",
        "Nothing was changed: this is the plan.",
    ]


def test_real_calls_are_told_with_their_times() -> None:
    """The answer's beginning on one line."""
    outcome = Outcome("http://d", "", Plan((Step("same", "llm", "chat"),), {}), applied=True, proofs=(PROOF,))
    same, nothing, proof = as_text(outcome, "en").splitlines()
    assert (same, nothing) == ("same  llm  chat", "Nothing differs.")
    assert proof.startswith("chat through Dify with chat: 1.23 s: It is blue. Very.")
    assert proof.endswith("...")
    assert as_text(outcome, "zh").splitlines()[1] == "没有差异。"
    assert as_text(outcome, "zh").splitlines()[2].startswith("通过 Dify 对话（chat）：1.23 秒：")


def test_programs_get_the_same_without_secrets() -> None:
    """Values of credentials are no part of it."""
    data = as_data(Outcome("http://d", "1.15.0", PLAN, applied=True, proofs=(PROOF,)))
    assert (data["dify"], data["installs"], data["defaults"]) == ("http://d", True, {"llm": "chat"})
    assert data["steps"][0] == {
        "action": "update",
        "type": "llm",
        "name": "chat",
        "fields": ["context_size", "api_key"],
        "uses": [],
    }
    assert data["proofs"][0]["seconds"] == 1.234
    assert "secret" not in str(data)
