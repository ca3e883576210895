"""What `serve` prints once its models are loaded: their states, and a request to try for each kind of them."""

import json
import shlex
from typing import Any

from freehold.artifact import Manifest
from freehold.gateway.running import Shown
from freehold.server.generation import text_engine
from freehold.server.models import Models, Remote, Served, State

QUESTION = "What is March 3rd, 2024 in ISO format?"  # whose answer can be checked


def banner(models: Models, url: str, *, needs_key: bool, grpc: str = "") -> tuple[dict[str, Any], str]:
    """The same as data and as text. `grpc`: where that is answered, "" for nowhere."""
    rows = [*map(_row, models.all()), *map(_row_elsewhere, models.remotes)]
    ready = [served for served in models.all() if served.state is State.READY]
    first_of_kind = {served.kind: served for served in reversed(ready)}
    examples = [_example(served, url, needs_key) for served in ready if first_of_kind[served.kind] is served]
    width = max(len(row["id"]) for row in rows)
    lines = [f"Freehold serves on {url}" + (f", and gRPC on {grpc}" if grpc else ""), ""]
    for row in rows:
        if "by_another" in row:
            lines.append(f"  {row['id']:<{width}}  by another server: {row['state']}")
        elif "to" in row:
            lines.append(f"  {row['id']:<{width}}  route to {', '.join(row['to'])}: {row['state']}")
        elif row["state"] == "ready":
            lines.append(f"  {row['id']:<{width}}  {row['kind']}  proof: {row['proof']}{row['by']}  {row['precision']}")
        else:
            lines.append(f"  {row['id']:<{width}}  {row['state']}: {row['cause']}")
    if examples:
        lines += ["", "Try it:", *(f"  {example}" for example in examples)]
    facts = {"url": url, "grpc": grpc, "models": rows, "example": next(iter(examples), ""), "examples": examples}
    return facts, "\n".join(lines)


def _row(served: Served) -> dict[str, Any]:
    if served.state is not State.READY:
        return {"id": served.id, "state": str(served.state), "cause": served.error.cause if served.error else ""}
    engine, proof = served.engine, served.engine.proof
    by = f" ({proof.recorded_by}, {proof.replayed} of {proof.cases} cases)" if proof.cases else ""
    return {
        "id": served.id,
        "state": str(served.state),
        "kind": engine.manifest.kind,
        "digest": engine.digest,
        "precision": engine.precision,
        "proof": proof.status,
        "by": by,
        "load_s": round(served.load_s, 3),
    }


def _row_elsewhere(remote: Remote) -> dict[str, Any]:
    if isinstance(remote, Shown):
        return {"id": remote.id, "state": remote.state, "to": remote.to}
    return {"id": remote.id, "state": remote.state, "by_another": True}


def _example(served: Served, url: str, needs_key: bool) -> str:
    path, body = _chat(served) if served.kind == "generate" else _request(served.id, served.engine.manifest)
    words = ["curl", f"{url}{path}", "-H", "Content-Type: application/json", "-d", json.dumps(body)]
    if needs_key:
        words[2:2] = ["-H", "Authorization: Bearer $FREEHOLD_KEY"]
    return " ".join(f'"{word}"' if "$" in word else shlex.quote(word) for word in words)


def _chat(served: Served) -> tuple[str, dict[str, Any]]:
    """A chat where the model has a template, else a text to continue."""
    if text_engine(served).chat_template() is None:
        return "/v1/completions", {"model": served.id, "prompt": "A freehold is", "max_tokens": 64}
    return "/v1/chat/completions", {"model": served.id, "messages": [{"role": "user", "content": QUESTION}]}


def _request(model: str, manifest: Manifest) -> tuple[str, dict[str, Any]]:
    if manifest.kind == "embed":
        return "/v1/embeddings", {"model": model, "input": "Data stays in its domain."}
    if manifest.kind == "rerank":
        documents = ["A lease ends.", "A freehold is land held outright."]
        return "/v1/rerank", {"model": model, "query": "What is a freehold?", "documents": documents}
    if manifest.kind == "classify":
        return "/v2/models/" + model + "/infer", _tensors({"text": ("BYTES", (1,), ["Data stays in its domain."])})
    inputs = {}
    for spec in manifest.inputs:
        shape = tuple(1 if dim == -1 else dim for dim in spec.shape)
        count = 1
        for dim in shape:
            count *= dim
        value: Any = {"BOOL": False, "BYTES": ""}.get(spec.datatype, 0)
        inputs[spec.name] = (spec.datatype, shape, [value] * count)
    small = all(len(data) <= 64 for _, _, data in inputs.values())
    return (f"/v2/models/{model}/infer", _tensors(inputs)) if small else (f"/v2/models/{model}", {})


def _tensors(inputs: dict[str, tuple[str, tuple[int, ...], list[Any]]]) -> dict[str, Any]:
    return {
        "inputs": [
            {"name": name, "datatype": datatype, "shape": list(shape), "data": data}
            for name, (datatype, shape, data) in inputs.items()
        ]
    }
