"""`freehold ps`: what a running server serves, asked over its port."""

import http.client
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
import typer

from freehold.cli.columns import columns
from freehold.cli.output import LABELS, Output, describe
from freehold.cli.references import local_store
from freehold.config import parse
from freehold.errors import FreeholdError
from freehold.server.health import ModelState, Readiness
from freehold.telemetry import names

KEY = "FREEHOLD_KEY"
TIMEOUT_S = 5.0
HEADINGS = {"id": "MODEL", "origin": "FROM"}
LONGEST = 16 << 20  # bytes of an answer that are read; what is larger is no answer of ours


@dataclass(frozen=True)
class Numbers:
    """What a model has done since its server started."""

    in_flight: int = 0
    queue_ms: float | None = None  # mean wait of a request before its batch; None before the first
    tokens: int = 0
    refused: int = 0


def ps(
    ctx: typer.Context,
    ref: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]", help="Only this model: its id, or NAME:TAG or NAME@sha256:DIGEST of the store."
        ),
    ] = None,
    url: Annotated[str, typer.Option(help="The server's address.")] = "http://127.0.0.1:8080",
) -> None:
    """Show the models of a running server: state, proof, precision, digest, and what they have done since its start.

    from: "file" is a model that the configuration names, "runtime" one that was loaded into the running server.
    in flight: admitted requests that wait or run. queue: mean wait before a batch, in milliseconds. Where the server
    wants a key, FREEHOLD_KEY holds it.
    """
    output: Output = ctx.obj
    server = Server.at(url, os.environ.get(KEY, ""))
    readiness = server.readiness()
    numbers = server.numbers()
    note = FreeholdError("note_key_needed", url=url) if numbers is None else None
    models = readiness.models if ref is None else _meant(ref, readiness)
    rows = [_row(model, numbers) for model in models]
    data = {
        "url": url,
        "ready": readiness.ready,
        "models": rows,
        "troubles": msgspec.to_builtins(readiness.troubles),
        "note": describe(note, output.language) if note is not None else None,
    }
    lines = [*_table(rows), *_troubles(models)]
    lines += [f"{trouble.cause}\n  {trouble.fix}  ({trouble.code})" for trouble in readiness.troubles]
    if note is not None:
        lines.append(output.told(note, LABELS[output.language].note))
    output.show(data, "\n".join(lines))


@dataclass(frozen=True)
class Server:
    """A server by its address; calls go straight to it, whatever proxy the environment names."""

    url: str
    secure: bool
    host: str
    port: int
    prefix: str
    key: str

    @classmethod
    def at(cls, url: str, key: str) -> "Server":
        """Raises FreeholdError `server_url_invalid`."""
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            port = parts.port
        except ValueError:
            raise FreeholdError("server_url_invalid", url=url) from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise FreeholdError("server_url_invalid", url=url)
        secure = parts.scheme == "https"
        return cls(url, secure, parts.hostname, port or (443 if secure else 80), parts.path.rstrip("/"), key)

    def readiness(self) -> Readiness:
        """Every model's state. Raises FreeholdError `server_absent` or `server_foreign`."""
        status, body = self.get("/readyz")
        try:
            return msgspec.json.decode(body, type=Readiness)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            reason = f"/readyz answers {status} and not the states of models"
            raise FreeholdError("server_foreign", url=self.url, reason=reason) from None

    def numbers(self) -> dict[str, Numbers] | None:
        """Every model's numbers by its id; None where the key is missing or wrong."""
        status, body = self.get("/metrics")
        if status in (401, 403):
            return None
        return read_numbers(body.decode("utf-8", "replace"))

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body. Raises as `ask`."""
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: bytes | None = None, timeout_s: float = TIMEOUT_S) -> tuple[int, bytes]:
        """Status and body. Whom https believes and what it shows is the `network` of the configuration in this folder.

        Raises FreeholdError `server_absent` or `server_foreign`, and as `trust`.
        """
        from freehold.cli.network import network_here
        from freehold.gateway.wire.trust import trouble, trust
        from freehold.http.certificate import now

        if self.secure:
            context = trust(network_here(os.environ, Path.cwd()), now()) or ssl.create_default_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self.host, self.port, timeout=timeout_s, context=context
            )
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        headers = {"Accept": "application/json, text/plain", "Connection": "close"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        try:
            connection.request(method, self.prefix + path, body, headers)
            response = connection.getresponse()
            return response.status, response.read(LONGEST)
        except OSError as error:
            told = trouble(error) if isinstance(error, ssl.SSLError) else error.strerror
            reason = told or str(error) or type(error).__name__
            raise FreeholdError("server_absent", url=self.url, host=self.host, port=self.port, reason=reason) from None
        except http.client.HTTPException as error:
            raise FreeholdError("server_foreign", url=self.url, reason=f"{type(error).__name__}: {error}") from None
        finally:
            connection.close()


def read_numbers(exposition: str) -> dict[str, Numbers]:
    """What a scrape of `/metrics` says, by model."""
    from prometheus_client.parser import text_string_to_metric_families

    totals: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            model = sample.labels.get("model")
            if model is not None and "le" not in sample.labels:
                totals[sample.name, model] = totals.get((sample.name, model), 0.0) + sample.value
    return {model: _numbers(totals, model) for model in dict.fromkeys(model for _, model in totals)}


def _numbers(totals: Mapping[tuple[str, str], float], model: str) -> Numbers:
    def total(name: str) -> float:
        return totals.get((name, model), 0.0)

    waited = total(f"{names.QUEUE_SECONDS.name}_count")
    return Numbers(
        in_flight=int(total(names.MODEL_IN_FLIGHT.name)),
        queue_ms=round(1000 * total(f"{names.QUEUE_SECONDS.name}_sum") / waited, 3) if waited else None,
        tokens=int(total(names.TOKENS.name)),
        refused=int(total(names.REFUSED.name)),
    )


def _meant(ref: str, readiness: Readiness) -> list[ModelState]:
    """The models with that id, else those that serve the artifact of that reference. Raises `model_not_found`."""
    found = [model for model in readiness.models if model.id == ref]
    source = parse(ref)
    if not found and source.kind == "store":
        digest = source.digest or local_store(os.environ).find(source).digest
        found = [model for model in readiness.models if model.digest == digest]
    if not found:
        served = ", ".join(model.id for model in readiness.models)
        raise FreeholdError("model_not_found", model=ref, served=served)
    return found


def _row(model: ModelState, numbers: Mapping[str, Numbers] | None) -> dict[str, Any]:
    known = Numbers() if numbers is None else numbers.get(model.id, Numbers())
    counted = numbers is not None
    return {
        "id": model.id,
        "version": model.version,
        "origin": model.origin,
        "kind": model.kind,
        "state": model.state,
        "proof": model.proof,
        "precision": model.precision,
        "digest": model.digest,
        "in_flight": known.in_flight if counted else None,
        "queue_ms": known.queue_ms if counted else None,
        "tokens": known.tokens if counted else None,
        "refused": known.refused if counted else None,
        "error": msgspec.to_builtins(model.error),
    }


def _table(rows: list[dict[str, Any]]) -> list[str]:
    facts = ("id", "version", "origin", "kind", "state", "proof", "precision", "digest")
    keys = (*facts, "in_flight", "queue_ms", "tokens", "refused")
    head = tuple(HEADINGS.get(key, key.upper().replace("_", " ")) for key in keys)
    cells = [head, *(tuple(_cell(key, row[key]) for key in keys) for row in rows)]
    return columns(cells, range(keys.index("in_flight"), len(keys)))


def _cell(key: str, value: object) -> str:
    if value is None:
        return "-"
    return str(value).removeprefix("sha256:")[:12] if key == "digest" else str(value)


def _troubles(models: Sequence[ModelState]) -> list[str]:
    """Why models do not answer, in the server's words."""
    return [
        f"{model.id}: {model.error.cause}\n  {model.error.fix}  ({model.error.code})"
        for model in models
        if model.error is not None
    ]
