"""Models behind other servers: a second `freehold serve`, started here or elsewhere, behind one API."""

import os
import signal
import sysconfig
from pathlib import Path
from typing import Any

import openai
import pytest

FREEHOLD = Path(sysconfig.get_path("scripts")) / "freehold"
TEXTS = ["a lease ends", "一座自有的房子"]


def alive(pid: int) -> bool:
    """Whether a process of that id runs: neither gone nor only waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(pid: int) -> list[int]:
    """The processes that a process has started, whatever has come of them."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def managed(launch: Any, minilm_folder: Path, home: Path, soon: Any) -> Any:
    """A node that starts another one for its only model."""
    command = ["env", f"FREEHOLD_HOME={home}", str(FREEHOLD), "serve", "{model}", "--port", "{port}", "--no-tune"]
    models = [{"id": "own", "source": str(minilm_folder), "command": command}]
    node = launch({"models": models})
    soon(lambda: node.client.get("/readyz").status_code == 200, "the child answers")
    return node


def test_a_second_node_answers_as_the_first_would(managed: Any, node: Any) -> None:
    """The same vectors, under our id, with the abilities that it tells of itself, and refusals in its words."""
    ours = managed.ask("/v1/embeddings", model="own", input=TEXTS).json()
    theirs = node.ask("/v1/embeddings", model="minilm", input=TEXTS).json()
    assert ours["data"] == theirs["data"]
    (row,) = managed.client.get("/v1/models").json()["data"]
    assert (row["id"], row["abilities"], row["freehold"]["proof"]) == ("own", ["embed"], "none")
    with openai.OpenAI(base_url=f"{managed.url}/v1", api_key="unused") as client:
        assert len(client.embeddings.create(model="own", input=TEXTS).data) == 2
    assert managed.metric("freehold_model_ready", model="own") == 1.0
    answer = managed.ask("/v1/embeddings", model="own", input=[])
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "list_empty")


def test_a_child_that_is_killed_comes_back(managed: Any, soon: Any) -> None:
    """The node is unready meanwhile, says why, and is ready again with another process."""
    (first,) = children(managed.process.pid)
    os.kill(first, signal.SIGKILL)
    soon(lambda: managed.client.get("/readyz").status_code == 503, "it is noticed")
    soon(lambda: managed.client.get("/readyz").status_code == 200, "it is back")
    assert managed.ask("/v1/embeddings", model="own", input="a").status_code == 200
    assert "child_ended" in managed.log
    assert children(managed.process.pid) != [first]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_child_outlives_its_node(managed: Any, soon: Any, how: signal.Signals) -> None:
    """Whether the node leaves or is killed."""
    (child,) = children(managed.process.pid)
    managed.process.send_signal(how)
    managed.judged = True
    assert managed.process.wait(30) == (0 if how is signal.SIGTERM else -signal.SIGKILL)
    soon(lambda: not alive(child), "the child is gone")


def test_nodes_can_stand_before_one_another(launch: Any, node: Any, soon: Any) -> None:
    """An upstream by its URL: embeddings and rerank pass; a model that is down does not take the node out."""
    models = [
        {"id": "minilm", "source": f"{node.url}/v1"},
        {"id": "renamed", "source": f"{node.url}/v1", "upstream_model": "judge"},
        {"id": "gone", "source": "http://127.0.0.1:9/v1"},
    ]
    front = launch({"models": models})
    soon(lambda: len(front.client.get("/v1/models").json()["data"]) == 2, "both are known")
    assert front.client.get("/readyz").status_code == 200
    direct = node.ask("/v1/embeddings", model="minilm", input=TEXTS)
    assert front.ask("/v1/embeddings", model="minilm", input=TEXTS).content == direct.content
    scores = front.ask("/v1/rerank", model="renamed", query="a", documents=["b", "c"]).json()["results"]
    assert scores == node.ask("/v1/rerank", model="judge", query="a", documents=["b", "c"]).json()["results"]
    assert front.ask("/v1/embeddings", model="gone", input="a").status_code == 503
