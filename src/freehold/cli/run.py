"""`freehold run`: one answer of a model, or a conversation with it, without a server."""

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any, cast

import numpy as np
import typer

from freehold.cli.chat import converse
from freehold.cli.inputs import read_input, read_tensors
from freehold.cli.local import loaded, local_place, model_meant
from freehold.cli.output import Output
from freehold.cli.progress import working
from freehold.cli.samples import zeros
from freehold.cli.sources import Place
from freehold.config import ModelConfig
from freehold.engine.base import Answer, Array, EmbedRequest, Engine, Request, RerankRequest, TensorRequest
from freehold.engine.generation import TextEngine
from freehold.errors import FreeholdError
from freehold.protocol.oip_tensors import DATATYPES, check_finite, to_json
from freehold.protocol.vectors import logits, ranked, short_decimals, sigmoid

SHOWN = 8
"""How many values of a vector or tensor the text output shows."""

USAGES = {
    "embed": "MODEL TEXT...",
    "classify": "MODEL TEXT...",
    "rerank": "MODEL QUERY DOCUMENT...",
    "tensor": "MODEL [FILE.json]",
}


def run(
    ctx: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A model folder, an artifact, NAME:TAG of the store, an .onnx file, or an id of the configuration.",
        ),
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[INPUT]...",
            help="Generate: a question, or nothing for a chat. Embed and classify: texts. Rerank: the query, then"
            " documents. Tensor: a JSON file of inputs by name, or nothing for zeros. `-` reads standard input (of"
            " documents: one a line).",
        ),
    ] = None,
) -> None:
    """Load a model, answer one request, and leave: to see that a model works and what it gives.

    A model that generates text answers the words as one question. Without words it answers line after line, as a chat,
    until the input ends; Ctrl-C stops an answer. With --json there is one object, or a list of them.

    A text file pipes in: `cat letter.txt | freehold run minilm -`. With --json the output is complete. A model that
    fails its goldens is not asked: `freehold verify` says more.
    """
    output: Output = ctx.obj
    model = model_meant(ref, os.environ, Path.cwd())
    with local_place(os.environ, tune=False) as place:
        engine, answered = asyncio.run(_answer(model, place, inputs or [], output))
    if not isinstance(answered, tuple):  # a conversation, shown while it went
        if output.as_json:
            output.show(answered[0] if inputs else answered, "")
        return
    request, answer = answered
    data, lines = _told(engine, request, answer)
    head: dict[str, Any] = {
        "model": model.id,
        "kind": engine.manifest.kind,
        "precision": engine.precision,
        "proof": engine.proof.status,
    }
    first = f"{model.id}: {engine.manifest.kind}, {engine.precision}, proof {engine.proof.status}"
    if answer.tokens:
        head |= {"tokens": answer.tokens, "truncated": answer.truncated}
        first += f", {answer.tokens} tokens" + (f", {answer.truncated} texts cut" if answer.truncated else "")
    output.show(head | data, "\n".join([first, *lines]))


Answered = tuple[Request, Answer] | list[dict[str, Any]]
"""A request and its answer; of a model that generates text, the answers of a conversation as data."""


async def _answer(model: ModelConfig, place: Place, words: list[str], output: Output) -> tuple[Engine, Answered]:
    async with AsyncExitStack() as stack:
        with working(f"{model.id}: loading"):
            engine = await stack.enter_async_context(loaded(model, place))
        if engine.proof.failure is not None:
            raise engine.proof.failure
        if engine.manifest.kind == "generate":
            asked = [_standard_input() if word == "-" else word for word in words]
            return engine, await converse(cast(TextEngine, engine), model, asked, output.as_json)
        request = _request(engine, model, words)
        return engine, (request, await asyncio.to_thread(engine.answer, request))


def _request(engine: Engine, model: ModelConfig, words: list[str]) -> Request:
    """The request that the words stand for, by the model's kind. Raises FreeholdError `input_wanted` and others."""
    kind = engine.manifest.kind
    if kind == "tensor" and len(words) <= 1:
        if not words:
            return TensorRequest(zeros(engine.manifest.inputs, model.input_shape))
        return TensorRequest(read_tensors(read_input(words[0]), words[0], engine.manifest.inputs))
    if kind == "rerank" and len(words) > 1:
        documents = _lines() if words[1:] == ["-"] else words[1:]
        return RerankRequest(words[0], documents)
    if kind in ("embed", "classify") and words:
        return EmbedRequest([_standard_input() if word == "-" else word for word in words])
    raise FreeholdError("input_wanted", model=model.id, kind=kind, usage=USAGES[kind])


def _standard_input() -> str:
    return sys.stdin.read().removesuffix("\n")


def _lines() -> list[str]:
    return [line for line in _standard_input().splitlines() if line.strip()]


def _told(engine: Engine, request: Request, answer: Answer) -> tuple[dict[str, Any], list[str]]:
    """The answer as data and as lines of text, by the model's kind."""
    manifest = engine.manifest
    if isinstance(request, TensorRequest):
        return _tensors(engine, answer)
    rows = answer.outputs[manifest.outputs[0].name]
    if isinstance(request, RerankRequest):
        return _ranking(request, rows)
    if manifest.kind == "classify":
        return _classes(manifest.labels, rows)
    vectors = short_decimals(rows)
    lines = [f"{_values(row)}  ({row.size} dimensions, length {np.linalg.norm(row):.4f})" for row in rows]
    return {"embeddings": vectors.tolist()}, lines


def _ranking(request: RerankRequest, rows: Array) -> tuple[dict[str, Any], list[str]]:
    scores = sigmoid(logits(rows))
    order = ranked(scores)
    results = [
        {"index": index, "relevance_score": float(scores[index]), "document": request.texts[index]} for index in order
    ]
    return {"results": results}, [f"{scores[index]:.4f}  {request.texts[index]}" for index in order]


def _classes(labels: tuple[str, ...], rows: Array) -> tuple[dict[str, Any], list[str]]:
    """Logits, not probabilities: whether labels exclude one another is the model's affair."""
    named = [dict(zip(labels, row.astype(float).tolist(), strict=True)) for row in rows]
    lines = []
    for logit_of in named:
        best = sorted(logit_of.items(), key=lambda pair: -pair[1])
        lines.append(", ".join(f"{label} {logit:.4f}" for label, logit in best[:SHOWN]))
    return {"logits": named}, lines


def _tensors(engine: Engine, answer: Answer) -> tuple[dict[str, Any], list[str]]:
    outputs, lines = [], []
    for spec in engine.manifest.outputs:
        array = answer.outputs[spec.name]
        datatype = DATATYPES[spec.datatype]
        check_finite(spec.name, array)
        outputs.append(
            {
                "name": spec.name,
                "datatype": spec.datatype,
                "shape": list(array.shape),
                "data": to_json(spec.name, datatype, array),
            }
        )
        lines.append(f"{spec.name}  {spec.datatype} {list(array.shape)}  {_values(array)}")
    return {"outputs": outputs}, lines


def _values(array: Array) -> str:
    flat = array.ravel()
    shown = ", ".join(f"{value:.6g}" if array.dtype.kind == "f" else str(value) for value in flat[:SHOWN].tolist())
    return f"[{shown}{', ...' if flat.size > SHOWN else ''}]"
