"""`freehold golden`: record what a model answers today, replay it tomorrow."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, cast

import msgspec
import typer

from freehold import __version__
from freehold.artifact import Artifact, Case, FileEntry, Golden, RecordedBy, save_golden
from freehold.artifact.artifact import MANIFEST, file_entry, rewrite_manifest
from freehold.cli.examine import BUDGET_S
from freehold.cli.golden_store import add_with_golden, refuse_stored
from freehold.cli.golden_text import continue_all, prompt_ids
from freehold.cli.inputs import Prompt, held, read_cases, read_prompts
from freehold.cli.local import loaded, local_place, model_meant, models_meant
from freehold.cli.output import EPILOG, Output
from freehold.cli.progress import Say, working
from freehold.cli.references import local_store, located
from freehold.cli.samples import QUESTIONS, text_requests
from freehold.cli.sources import Place, prepare
from freehold.cli.verify import Budget, Html, Junit, Ref, Reports, report
from freehold.config import ModelConfig
from freehold.engine.base import Answer, EmbedRequest, Engine, Request, RerankRequest
from freehold.engine.encoder import Encoder
from freehold.engine.generation import TextEngine
from freehold.engine.opening import golden_folder
from freehold.engine.tensor import sample_row
from freehold.engine.verify import record as record_answers
from freehold.errors import FreeholdError

app = typer.Typer()

FILE = "freehold.json"
"""The golden file that `record` writes unless it is told another."""


@app.command(epilog=EPILOG)
def record(
    ctx: typer.Context,
    ref: Annotated[
        str,
        typer.Argument(
            metavar="REF", help="A model folder, an artifact, NAME:TAG of the store, an .onnx file, or an id."
        ),
    ],
    inputs: Annotated[
        str | None,
        typer.Option(
            "--input",
            metavar="FILE.jsonl",
            help='One case a line: {"text"}, {"query", "text"}, {"prompt"}, {"messages"}, or {"INPUT": values}.'
            " Default: built-in samples.",
        ),
    ] = None,
    path: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Where to write. Default: where the model's goldens lie."),
    ] = None,
    texts: Annotated[int, typer.Option(min=1, max=10_000, help="How many built-in samples to record.")] = 8,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
) -> None:
    """Record what this runtime answers for a model, as a golden that every later start replays.

    Such a golden proves `self`, never `raw`: it shows when a new version, processor or copy of the model answers
    differently from today, and says nothing about whether the conversion was right. Only the framework that the model
    comes from can record that.

    A model that generates text continues each prompt by up to 32 tokens, always the most probable ones. A text is
    continued as it stands, messages are written by the chat template. There are eight built-in questions.

    The file goes where the model's goldens lie: `NAME.goldens/` beside an .onnx file, `goldens/` in a model folder or
    an artifact. An artifact's manifest is written anew, and with it the artifact has a new digest. An artifact of the
    store stays as it is: the golden goes into a new one beside it, which gets the next number and names its parent.
    """
    model = model_meant(ref, os.environ, Path.cwd())
    # Goldens are recorded in full precision and length; a configuration that computes in less is held against them.
    plain = msgspec.structs.replace(model, precision="fp32", context_length=None, max_output_tokens=None)
    store = local_store(os.environ)
    source = located(model.parsed_source, store)
    target = path if path is not None else golden_folder(source) / FILE
    if target.exists() and not force:
        raise FreeholdError("golden_exists", path=target)
    into_store = path is None and model.parsed_source.kind == "store"
    if not into_store:
        refuse_stored(target, store)
    with local_place(os.environ, tune=False) as place, working(model.id) as say:
        done = asyncio.run(_record(plain, place, inputs, texts, force, say))
        before = done.digest
        if into_store:
            made = add_with_golden(store, store.find(model.parsed_source), FILE, done.golden)
            target, after, ref = store.path_of(made) / "goldens" / FILE, made.digest, made.ref
        else:
            after, ref = _write(target, done.golden, source, plain, place) or before, model.source
    _show(ctx.obj, model, target, done.golden, Change(before, after, ref))


@app.command(epilog=EPILOG)
def check(
    ctx: typer.Context, ref: Ref = None, budget_s: Budget = BUDGET_S, junit: Junit = None, html: Html = None
) -> None:
    """Replay a model's goldens and exit 1 when an output differs, or when there are none; for CI pipelines."""
    report(ctx.obj, models_meant(ref, os.environ, Path.cwd()), "self", budget_s, Reports(junit, html))


@dataclass(frozen=True)
class Change:
    """Digests before and after, and what the artifact with the golden is called."""

    before: str
    after: str
    ref: str


@dataclass(frozen=True)
class _Recorded:
    golden: Golden
    digest: str


async def _record(model: ModelConfig, place: Place, inputs: str | None, count: int, force: bool, say: Say) -> _Recorded:
    say(f"{model.id}: loading")
    async with loaded(model, place) as engine:
        if engine.proof.failure is not None and not force:
            raise engine.proof.failure
        if engine.manifest.kind == "generate":
            golden = await _of_text(cast(TextEngine, engine), model, inputs, count, say)
            return _Recorded(golden, engine.digest)
        if inputs is not None:
            cases = read_cases(inputs, engine.manifest)
        else:
            cases = list(islice(_samples(engine, model.input_shape), count))
        done = 0

        def answer(request: Request) -> Answer:
            nonlocal done
            done += 1
            say(f"{model.id}: case {done} of {len(cases)}")
            return _whole(engine, request)

        golden = await asyncio.to_thread(record_answers, answer, engine.manifest, cases, __version__)
        return _Recorded(golden, engine.digest)


async def _of_text(engine: TextEngine, model: ModelConfig, inputs: str | None, count: int, say: Say) -> Golden:
    prompts: Sequence[Prompt]
    if inputs is not None:
        prompts = read_prompts(inputs)
    elif engine.chat_template() is None:
        prompts = QUESTIONS[:count]
    else:
        prompts = [[{"role": "user", "content": question}] for question in QUESTIONS[:count]]
    ids = [prompt_ids(engine, prompt, model.id, model.chat_template_kwargs) for prompt in prompts]
    cases = await continue_all(engine, ids, lambda text: say(f"{model.id}: {text}"))
    return Golden(RecordedBy("freehold", __version__, engine.manifest.made_by.source), tuple(cases))


def _whole(engine: Engine, request: Request) -> Answer:
    """The answer to a text that was not cut, with outputs that a golden can hold. Raises FreeholdError."""
    answer = engine.answer(request)
    if answer.truncated:
        text = request.texts[0] if isinstance(request, EmbedRequest | RerankRequest) else ""
        shown = str(text)[:60] + "..."
        raise FreeholdError("golden_text_cut", tokens=answer.tokens, max_tokens=engine.max_tokens, text=shown)
    for name, array in answer.outputs.items():
        held(name, array)
    return answer


def _samples(engine: Engine, hint: tuple[int, ...] | None) -> Iterator[Case]:
    """Endless seeded cases for a model of this kind."""
    if not isinstance(engine, Encoder):
        for seed in range(1_000_000):
            arrays = sample_row(engine.manifest.inputs, hint, seed)
            yield Case({name: held(name, array) for name, array in arrays.items()}, {})
        return
    for request in text_requests(engine.manifest.kind, engine.tokenizer, engine.max_tokens):
        if isinstance(request, RerankRequest):
            yield Case({"query": request.query, "text": request.texts[0]}, {})
        elif isinstance(request, EmbedRequest):
            yield Case({"text": str(request.texts[0])}, {})


def _write(target: Path, golden: Golden, source: Path, model: ModelConfig, place: Place) -> str | None:
    """Write the file; the new digest where that makes another artifact. Raises FreeholdError `golden_unwritable`."""
    theirs = source.is_dir() and target.absolute().parent == (source / "goldens").absolute()
    try:
        if theirs and (source / MANIFEST).is_file():
            return _into_artifact(source, target.name, golden)
        save_golden(target, golden)
    except OSError as error:
        raise FreeholdError("golden_unwritable", path=target, reason=error.strerror or str(error)) from None
    return Artifact.open(prepare(source, place.graphs, model.precision, model.kind)).digest if theirs else None


def _into_artifact(folder: Path, name: str, golden: Golden) -> str:
    """Add the golden and pin it beside the other files. Readers find a whole artifact at each step."""
    artifact = Artifact.open(folder)
    artifact.check_files()
    entry = f"goldens/{name}"
    others = {known: pinned for known, pinned in artifact.manifest.files.items() if known != entry}
    path = folder / entry
    if entry in artifact.manifest.files:
        _pin(artifact, others)
    save_golden(path, golden)
    return _pin(artifact, dict(sorted({**others, entry: file_entry(path)}.items()))).digest


def _pin(artifact: Artifact, files: dict[str, FileEntry]) -> Artifact:
    return rewrite_manifest(artifact.path, msgspec.structs.replace(artifact.manifest, files=files))


def _show(output: Output, model: ModelConfig, target: Path, golden: Golden, change: Change) -> None:
    data = {
        "id": model.id,
        "path": str(target),
        "cases": len(golden.cases),
        "recorded_by": msgspec.to_builtins(golden.recorded_by),
        "proves": "self",
        "ref": change.ref,
        "digest": change.after,
        "previous_digest": change.before,
    }
    lines = [
        f"{target}: {len(golden.cases)} cases of {model.id}, recorded by freehold {__version__}",
        "They prove `self`: a later change of the answers shows. A wrong conversion does not: only the framework that"
        " the model comes from can record `raw` goldens.",
    ]
    if change.after != change.before and change.ref == model.source:
        lines.append(f"The artifact's digest is now {change.after} (it was {change.before}).")
    if change.ref != model.source:
        lines.append(f"{change.ref} is the new artifact ({change.after}), {model.source} its parent.")
    lines.append(f"Replay them: freehold golden check {change.ref}")
    output.show(data, "\n".join(lines))
