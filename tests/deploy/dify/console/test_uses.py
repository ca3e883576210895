"""Which apps and knowledge bases use a model."""

from typing import Any, Literal

import pytest

from freehold.deploy.dify.console import Use
from freehold.deploy.dify.console.uses import named
from freehold.errors import FreeholdError
from tests.deploy.dify.console.conftest import Opened
from tests.dify_console.state import PROVIDER, App, Dify, Knowledge

DRAFT = "GET /console/api/apps/{app}/workflows/draft"


def model(name: str, provider: str = PROVIDER) -> dict[str, Any]:
    """How apps name a model."""
    return {"provider": provider, "name": name, "mode": "chat", "completion_params": {}}


def graph(*nodes: dict[str, Any]) -> dict[str, Any]:
    """A workflow of nodes."""
    return {"nodes": [{"id": str(place), "data": data} for place, data in enumerate(nodes)], "edges": []}


def test_everything_that_names_a_model_is_found(opened: Opened, dify: Dify) -> None:
    """A chat app, both graphs of a workflow, a knowledge base and how it ranks; others' models are not ours."""
    chat = App("Helper", settings={"model": model("qwen"), "dataset_configs": {"reranking_model": reranking("ranker")}})
    flow = App(
        "Flow", "workflow", draft=graph({"type": "llm", "model": model("draft-only")}), published=graph(agent("qwen"))
    )
    other = App("Other", settings={"model": model("gpt", "langgenius/openai/openai")})
    empty = App("Empty", "advanced-chat")
    base = Knowledge("Papers", "bge@1", retrieval={"reranking_model": reranking("ranker")})
    dify.apps += [chat, flow, other, empty]
    dify.knowledge += [base, Knowledge("Words"), Knowledge("Theirs", "ada", provider="langgenius/openai/openai")]
    with opened(dify) as console:
        assert console.uses.all() == (
            Use("qwen", "app", chat.id, "Helper"),
            Use("ranker", "app", chat.id, "Helper"),
            Use("draft-only", "app", flow.id, "Flow"),
            Use("qwen", "app", flow.id, "Flow"),
            Use("bge@1", "knowledge base", base.id, "Papers"),
            Use("ranker", "knowledge base", base.id, "Papers"),
        )


def reranking(name: str) -> dict[str, str]:
    """How knowledge names what ranks it."""
    return {"reranking_provider_name": PROVIDER, "reranking_model_name": name}


def agent(name: str) -> dict[str, Any]:
    """A node that names its model deep inside."""
    return {
        "type": "agent",
        "agent_parameters": {"model": {"type": "constant", "value": {"provider": PROVIDER, "model": name}}},
    }


def test_lists_are_read_to_their_end(opened: Opened, dify: Dify) -> None:
    """Of 230 apps and 130 knowledge bases the last is found too."""
    dify.apps += [App(f"app {number}", settings={"model": model(f"m{number}")}) for number in range(230)]
    dify.knowledge += [Knowledge(f"base {number}", f"e{number}") for number in range(130)]
    with opened(dify) as console:
        uses = console.uses.all()
    assert {use.model for use in uses} == {f"m{n}" for n in range(230)} | {f"e{n}" for n in range(130)}


@pytest.mark.parametrize(("role", "sees"), [("owner", True), ("admin", False)])
def test_only_owners_see_everybodys_knowledge(
    opened: Opened, dify: Dify, role: Literal["owner", "admin"], sees: bool
) -> None:
    """Others cannot say that a model is not used."""
    dify.users[0].role = role
    dify.knowledge.append(Knowledge("Mine", "bge@1", private=True))
    with opened(dify) as console:
        assert console.uses.sees_all() == sees
        assert (len(console.uses.all()) == 1) == sees


@pytest.mark.parametrize(
    ("answer", "code"),
    [((500, {"message": "oops"}), "dify_console_refused"), ((403, {"message": "no"}), "dify_console_forbidden")],
)
def test_what_cannot_be_read_is_never_unused(opened: Opened, dify: Dify, answer: tuple[int, Any], code: str) -> None:
    """A graph that does not come is an error."""
    dify.apps.append(App("Flow", "workflow", draft=graph()))
    dify.broken[DRAFT] = answer
    with opened(dify) as console, pytest.raises(FreeholdError, match=rf"\[{code}\]"):
        console.uses.all()


def test_a_list_of_another_shape_is_told(opened: Opened, dify: Dify) -> None:
    """Rows without their id."""
    dify.apps.append(App("Flow"))
    dify.changed["GET /console/api/apps"] = lambda body: body | {"data": [{"name": "Flow"}]}
    with opened(dify) as console, pytest.raises(FreeholdError, match=r"GET /console/api/apps.*\[dify_console_shape\]"):
        console.uses.all()


def test_the_names_of_before_plugins_are_known() -> None:
    """A provider was one word then."""
    short = {"model": model("qwen", "openai_api_compatible")}
    assert list(named([short, {"provider": PROVIDER, "name": ""}, {"provider": PROVIDER, "name": None}])) == ["qwen"]
