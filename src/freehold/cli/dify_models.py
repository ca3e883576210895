"""What this machine knows of the models that go to Dify: by the configuration, their files, and the running server."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import httpx2
import msgspec

from freehold.artifact import Artifact, Golden
from freehold.artifact.artifact import MANIFEST
from freehold.artifact.golden import load_goldens
from freehold.cli.references import local_store, located
from freehold.config import Ability, Config, ModelConfig, home
from freehold.deploy.dify.connecting.known import OF_KIND, Known, Thinking, names, said, told
from freehold.deploy.dify.connecting.spaces import TEXTS
from freehold.deploy.dify.console.answers import UNREADABLE
from freehold.deploy.fitting.model_files import WEIGHTS, ModelFiles, read_model
from freehold.errors import FreeholdError
from freehold.store import Store
from freehold.store.http_client import open_client, unreachable_because

ASK_S = 60.0
"""Seconds that our server may be silent: a model may be loading."""

Vector = tuple[float, ...]
Shape = TypeVar("Shape")


class _Row(msgspec.Struct):
    embedding: list[float]


class _Embedded(msgspec.Struct):
    data: list[_Row]


class _Listed(msgspec.Struct):
    data: list[dict[str, object]]


@dataclass(frozen=True)
class ModelServer:
    """Our server as this machine reaches it; `url` with /v1."""

    url: str
    key: str | None = field(repr=False)
    client: httpx2.Client = field(repr=False)

    def rows(self) -> dict[str, Mapping[str, object]]:
        """What it lists, by the models' names. Raises `dify_server_silent`."""
        listed = self._read("GET", "models", None, _Listed)
        return {str(row.get("id")): row for row in listed.data}

    def embedded(self, model: str, texts: Sequence[str]) -> list[Vector]:
        """The vectors that a model gives to texts. Raises `dify_server_silent`."""
        answer = self._read("POST", "embeddings", {"model": model, "input": list(texts)}, _Embedded)
        return [tuple(row.embedding) for row in answer.data]

    def _read(self, method: str, path: str, body: object, shape: type[Shape]) -> Shape:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        url = f"{self.url}/{path}"
        try:
            answer = self.client.request(method, url, json=body, headers=headers)
        except httpx2.RequestError as error:
            raise FreeholdError("dify_server_silent", url=url, reason=unreachable_because(error)) from None
        if answer.status_code != httpx2.codes.OK:
            reason = f"status {answer.status_code}: {answer.text[:200]}"
            raise FreeholdError("dify_server_silent", url=url, reason=reason)
        try:
            return msgspec.json.decode(answer.content, type=shape)
        except UNREADABLE as error:
            raise FreeholdError("dify_server_silent", url=url, reason=str(error)) from None


@contextmanager
def model_server(url: str, key: str | None, config: Config, environ: Mapping[str, str]) -> Iterator[ModelServer]:
    """Our server at `url`, straight: no proxy stands between a server and its own network. Raises as `open_client`."""
    network = msgspec.structs.replace(config.network, proxy=None)
    with open_client(network, {**environ, "no_proxy": "*"}, silence_s=ASK_S) as client:
        yield ModelServer(url.rstrip("/"), key, client)


def known_of(
    config: Config, environ: Mapping[str, str], server: ModelServer | None
) -> tuple[tuple[Known, ...], FreeholdError | None]:
    """Every name of `config`, and why the server was not asked where it did not answer.

    `server` is None where nothing is to be asked. Raises what is wrong with a model's files.
    """
    store = local_store(environ)
    rows: Mapping[str, Mapping[str, object]] = {}
    silence = None
    if server is not None:
        try:
            rows = server.rows()
        except FreeholdError as error:
            silence = error
    models = {model.id: _known(model, store, environ, rows) for model in config.models}
    every = names(config, models)
    if server is None or silence is not None:
        return every, silence
    asked: list[Known] = []
    for one in every:
        try:
            asked.append(_with_answers(one, server))
        except FreeholdError as error:
            silence = error
            asked.append(one)
    return tuple(asked), silence


def _with_answers(model: Known, server: ModelServer) -> Known:
    """An embedding model with how it embeds the probe's texts, as Dify asks for them: behind its document prefix."""
    if "embed" not in model.abilities:
        return model
    prefix = model.prompts.get("document") or model.prompts.get("passage") or ""
    vectors = server.embedded(model.name, [f"{prefix}{text}" for text in TEXTS])
    return replace(model, answers={**model.answers, **dict(zip(TEXTS, vectors, strict=True))})


def _known(
    model: ModelConfig, store: Store, environ: Mapping[str, str], rows: Mapping[str, Mapping[str, object]]
) -> Known:
    """What the configuration says goes before what the server tells, and that before the files.

    Raises `dify_server_other` for an embedding model that the server still has in another version: its space would be
    told by the goldens of one and the vectors of the other.
    """
    known = said(model)
    if model.id in rows:
        known = known.over(told(model.id, rows[model.id]))
    if model.hosting == "upstream" or (model.command and model.engine != "vllm"):
        return known
    try:
        path = located(model.parsed_source, store)
    except FreeholdError:
        if model.id not in rows:
            raise
        return known  # it lies where the server is
    files = _of_files(model, path, home(environ) / "cache")
    artifact = (path / MANIFEST).is_file()  # a folder is known by its weights here, by the artifact made of it there
    if artifact and "embed" in files.abilities and known.digest and known.digest != files.digest:
        raise FreeholdError("dify_server_other", model=model.id, served=known.digest, named=files.digest)
    return replace(known.over(files), digest=files.digest)


def _of_files(model: ModelConfig, path: Path, cache: Path) -> Known:
    """What the files tell. The digest is that of the artifact, or of the weights of a folder."""
    files = read_model(path, model.kind)
    known = Known(model.id, files.kind, OF_KIND.get(files.kind, ()), files.max_tokens or None, digest=files.digest)
    if files.kind == "generate":
        return _chatting(model, known, files, path)
    if files.kind != "embed":
        return known
    if files.form == "artifact":
        manifest = Artifact.open(path).manifest
        return replace(known, prompts=manifest.prompts, answers=_answers(load_goldens(path / "goldens")))
    from freehold.adapt.folder import prompts_of
    from freehold.adapt.goldens import collect

    digest = _weights_digest(path, cache)
    return replace(known, prompts=prompts_of(path), digest=digest, answers=_answers(collect(path, digest).values()))


def _chatting(model: ModelConfig, known: Known, files: ModelFiles, path: Path) -> Known:
    """Whether it chats, calls tools and thinks, by its chat template; of one in vLLM by its family."""
    from freehold.engine.text_files import TextFiles
    from freehold.gateway.upstreams.families import family_of
    from freehold.server.reasoning import markers_of
    from freehold.server.tools.forms import detect_form

    template = TextFiles(path).chat_template
    if template is None:
        return known
    if model.engine == "vllm":
        family = family_of(files.architecture, path.name)
        tools, thinks = bool(family and family.tools), bool(family and family.reasoning)
    else:
        tools, thinks = detect_form(template) is not None, markers_of(template) is not None
    abilities: tuple[Ability, ...] = ("chat", "tools") if tools else ("chat",)
    thinking: Thinking = "no" if not thinks else "switch" if "enable_thinking" in template else "always"
    return replace(known, abilities=abilities, thinking=thinking)


def _answers(goldens: Iterable[Golden]) -> dict[str, Vector]:
    """What goldens recorded, by text."""
    found: dict[str, Vector] = {}
    for golden in goldens:
        for case in golden.cases:
            text, output = case.inputs.get("text"), next(iter(case.outputs.values()), None)
            if isinstance(text, str) and output is not None:
                found.setdefault(text, tuple(output.array().ravel().tolist()))
    return found


def _weights_digest(folder: Path, cache: Path) -> str:
    """The digest of a folder's weights; gigabytes are read once, as when it is served."""
    from freehold.adapt.digests import DigestMemo
    from freehold.adapt.goldens import weights_digest

    memo = DigestMemo(cache / "graphs" / "digests")
    files = next((found for form in WEIGHTS if (found := sorted(folder.glob(form)))), [])
    return weights_digest({file.name: memo.sha256(file) for file in files})
