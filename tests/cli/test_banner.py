"""What `serve` says once its models are loaded."""

import asyncio
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from freehold.cli.banner import banner
from freehold.config import Limits
from freehold.engine.base import Engine
from freehold.engine.opening import open_engine
from freehold.engine.settings import EngineSettings
from freehold.errors import FreeholdError
from freehold.http import MemoryBudget
from freehold.http.admission import Admission
from freehold.server.models import Models, Served
from freehold.telemetry import Telemetry

Serve = Callable[..., Any]


@pytest.mark.parametrize("model", ["embed", "rerank", "tensor"])
def test_the_example_answers_as_it_stands(
    serve: Serve, mlp: Path, tiny_bert_folder: Path, tiny_reranker_folder: Path, model: str
) -> None:
    """The curl line of each kind: its path, its header and its body are a request that is answered."""
    running = serve({"embed": tiny_bert_folder, "rerank": tiny_reranker_folder, "tensor": mlp}[model])
    words = shlex.split(running.banner["example"])
    assert words[0] == "curl"
    assert words[1].startswith(running.banner["url"])
    assert "Content-Type: application/json" in words
    body = json.loads(words[words.index("-d") + 1])
    status, answer = running.ask("POST", words[1].removeprefix(running.banner["url"]), body)
    assert status == 200, answer
    assert running.leave() == 0


def test_each_model_has_its_row(serve: Serve, mlp: Path, minilm_artifact: Path, folder: Path) -> None:
    """Ready ones with kind, digest, precision and proof; the others with what is wrong with them."""
    (folder / "bad.onnx").write_bytes(b"no graph")
    (folder / "freehold.yaml").write_text(
        f"models:\n  - {{id: minilm, source: {minilm_artifact}}}\n  - {{id: bad, source: bad.onnx}}\n"
        f"  - {{id: mlp, source: {mlp}}}\n"
    )
    minilm, bad, tensor = serve().banner["models"]
    assert (minilm["id"], minilm["kind"], minilm["proof"], minilm["state"]) == ("minilm", "embed", "raw", "ready")
    assert minilm["digest"].startswith("sha256:")
    assert minilm["by"].startswith(" (transformers ")
    assert (bad["id"], bad["state"]) == ("bad", "failed")
    assert "bad.onnx" in bad["cause"]
    assert (tensor["kind"], tensor["proof"], tensor["by"]) == ("tensor", "none", "")


async def loaded(path: Path, error: FreeholdError | None = None) -> Models:
    """The model at `path` as a server holds it, loaded, or one that could not be opened."""

    def opened() -> Engine:
        if error is not None:
            raise error
        return open_engine(path, "mlp", EngineSettings(tune=False))

    def admission(engine: Engine) -> Admission:
        in_flight = Telemetry("0").model("mlp").in_flight
        return Admission(Limits(), engine.capacity, MemoryBudget(1 << 20), model="mlp", in_flight=in_flight)

    models = Models([Served("mlp", opened, admission)])
    await models.load(lambda served: None)
    return models


def test_the_text_names_address_models_and_a_request_to_try(mlp: Path) -> None:
    """In that order; a key is taken from the environment, which the shell must expand."""
    models = asyncio.run(loaded(mlp))
    facts, text = banner(models, "http://127.0.0.1:8080", needs_key=True)
    lines = text.splitlines()
    assert lines[0] == "Freehold serves on http://127.0.0.1:8080"
    assert lines[2] == "  mlp  tensor  proof: none  fp32"
    assert lines[-2] == "Try it:"
    assert lines[-1].strip() == facts["example"]
    assert '"Authorization: Bearer $FREEHOLD_KEY"' in facts["example"]
    assert "FREEHOLD_KEY" not in banner(models, "http://127.0.0.1:8080", needs_key=False)[1]
    asyncio.run(models.close(0.0))


def test_a_model_that_failed_says_why_and_has_no_example(mlp: Path) -> None:
    """Its cause stands where its kind would."""
    models = asyncio.run(loaded(mlp, FreeholdError("graph_missing", path="/a.onnx")))
    facts, text = banner(models, "http://127.0.0.1:8080", needs_key=False)
    assert "  mlp  failed: There is no ONNX file at /a.onnx." in text
    assert facts["example"] == ""
    assert "Try it" not in text


@dataclass
class Elsewhere:
    """A model behind another server, as a gateway shows it."""

    id: str = "theirs"
    state: str = "loading"
    vital: bool = False
    error: FreeholdError | None = None
    created: int = 0
    abilities: tuple[str, ...] = ()


def test_models_behind_other_servers_have_their_row_too() -> None:
    """With what is known of them so far."""
    facts, text = banner(Models([], [Elsewhere()]), "http://127.0.0.1:8080", needs_key=False)
    assert "  theirs  by another server: loading" in text
    assert [row["id"] for row in facts["models"]] == ["theirs"]
