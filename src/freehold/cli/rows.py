"""The rows of `freehold check`, and where they come from.

A source of rows is a function of the surroundings; to add one, write it and put it into `SOURCES`.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from freehold.cli.dify_check import declared
from freehold.cli.doctor import examined
from freehold.cli.examine import Examined, examine
from freehold.cli.local import local_place
from freehold.cli.progress import Say
from freehold.cli.references import absent, local_store, require_here
from freehold.config import ModelConfig, Reading, home, locate
from freehold.engine.providers import installed
from freehold.errors import FreeholdError, Language
from freehold.machine import check_onnxruntime, free_bytes, read_cpu, read_memory, runtime_versions
from freehold.store import Store

Status = Literal["ok", "warn", "fail"]

MEGABYTE = 1_000_000
BASE_BYTES = 300 * MEGABYTE
"""The process itself with its runtime, and batches of ordinary size."""
SPARE_BYTES = 50 * MEGABYTE


@dataclass(frozen=True)
class Row:
    """One fact about the surroundings: what was found, what is needed, why it matters, and the fix."""

    id: str
    status: Status
    found: str
    needed: str
    why: str
    fix: str


@dataclass(frozen=True)
class Surroundings:
    """What is checked: a configuration as it was read, on this machine, for a reader of `language`."""

    reading: Reading
    environ: Mapping[str, str]
    language: Language

    @property
    def models(self) -> Sequence[ModelConfig]:
        """The models; none where the configuration is wrong."""
        return self.reading.config.models if self.reading.config is not None else ()

    @property
    def store(self) -> Store:
        """This user's store."""
        return local_store(self.environ)

    def row(self, about: str, status: Status, found: str, needed: str, note: FreeholdError) -> Row:
        """A row with why and fix in the reader's language, from `note`."""
        why, fix = note.in_language(self.language)
        return Row(about, status, found, needed, why, fix)

    def finding(self, about: str, status: Status, finding: FreeholdError, needed: str, note: FreeholdError) -> Row:
        """A row for an error: it is what was found, with its own fix; `note` says why it matters."""
        found, fix = finding.in_language(self.language)
        return Row(about, status, found, needed, note.in_language(self.language)[0], fix)

    def bytes_of_models(self) -> tuple[int, int]:
        """Bytes of all models' files that are here, and those of them that are folders to write a graph of."""
        every = to_write = 0
        for model in self.models:
            try:
                if model.parsed_source.kind == "store":
                    every += self.store.find(model.parsed_source).size
                    continue
                path = locate(model.parsed_source)
            except FreeholdError:
                continue
            size = _size(path)
            every += size
            if path.is_dir() and not (path / "manifest.json").is_file():
                to_write += size
        return every, to_write


Source = Callable[[Surroundings, Say], Iterator[Row]]


def configuration(around: Surroundings, say: Say) -> Iterator[Row]:
    """A row for each problem and note; one that is fine when there is none."""
    problems, notes = absent(around.reading, around.store)
    problems, notes = [*around.reading.problems, *problems], [*around.reading.notes, *notes]
    why = FreeholdError("note_config")
    for problem in problems:
        yield around.finding("config", "fail", problem, "", why)
    for note in notes:
        yield around.finding("config", "warn", note, "", why)
    if not problems and not notes:
        ids = ", ".join(model.id for model in around.models)
        yield around.row("config", "ok", f"{around.reading.origin}: {ids or '-'}", "", why)


def runtimes(around: Surroundings, say: Say) -> Iterator[Row]:
    """One package that brings onnxruntime, not several."""
    versions = runtime_versions()
    note = FreeholdError("note_runtimes")
    needed = "1 onnxruntime"
    try:
        check_onnxruntime(versions)
    except FreeholdError as error:
        yield around.finding("runtimes", "fail", error, needed, note)
    else:
        found = ", ".join(f"{name} {version}" for name, version in versions.items())
        yield around.row("runtimes", "ok", found, needed, note)


def memory(around: Surroundings, say: Say) -> Iterator[Row]:
    """Memory against the models' sizes: fails where they can never fit, warns where they do not fit now."""
    there = read_memory()
    every, _ = around.bytes_of_models()
    needed = every * 5 // 4 + BASE_BYTES
    status: Status = "fail" if needed > there.total else "warn" if needed > there.available else "ok"
    found = f"{_megabytes(there.available)} free of {_megabytes(there.total)}"
    yield around.row("memory", status, found, _megabytes(needed), FreeholdError("note_memory"))


def state(around: Surroundings, say: Say) -> Iterator[Row]:
    """FREEHOLD_HOME: whether it can be written, and whether what is written there has room."""
    folder = home(around.environ)
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    mark: Status = "ok" if writable else "warn"
    yield around.row("state", mark, f"{folder}", "rwx", FreeholdError("note_state", home=folder))
    if writable:
        _, to_write = around.bytes_of_models()
        needed = 2 * to_write + SPARE_BYTES
        free = free_bytes(folder)
        status: Status = "fail" if free < needed else "ok"
        note = FreeholdError("note_disk", home=folder)
        yield around.row("disk", status, f"{_megabytes(free)} free", _megabytes(needed), note)


def bf16(around: Surroundings, say: Say) -> Iterator[Row]:
    """Whether bfloat16 is here, which only matters to models that ask for it."""
    cpu = read_cpu()
    runtime = installed("openvino")
    wanted = [model.id for model in around.models if model.precision in ("bf16", "auto")]
    found = f"{cpu.model}: {'bf16' if cpu.bf16 else 'no bf16'}; openvino: {'yes' if runtime else 'no'}"
    status: Status = "warn" if wanted and not (cpu.bf16 and runtime) else "ok"
    yield around.row("bf16", status, found, "bf16, openvino" if wanted else "", FreeholdError("note_bf16"))


def deployment(around: Surroundings, say: Say) -> Iterator[Row]:
    """The doctor's checks that have something to say, where the configuration deploys what it names."""
    config = around.reading.config
    if config is None or config.deploy is None:
        return
    for check in examined(config).checks:
        if check.status != "skip":
            told = check.told(around.language)
            yield Row(f"doctor:{check.id}", check.status, told["found"], told["needed"], told["why"], told["fix"])


def proofs(around: Surroundings, say: Say) -> Iterator[Row]:
    """Every model loaded and its goldens replayed, as `freehold verify` does; `configuration` names absent ones."""
    with local_place(around.environ, tune=False) as place:
        for model in (one for one in around.models if _may_be_here(one, place.store)):
            required = "raw" if model.require.proof == "always" else "none"
            here = model.hosting == "here"
            one = asyncio.run(examine(model, place, say)) if here else Examined(model.id, model.source, elsewhere=True)
            yield _proof_row(around, one, required)


def dify(around: Surroundings, say: Say) -> Iterator[Row]:
    """What `freehold dify check` says of the address that Dify is given, where the configuration has one.

    That nothing answers there only warns: what is checked may not be served yet.
    """
    config, why = around.reading.config, FreeholdError("note_dify_check")
    try:
        report = declared(config, around.environ, say) if config is not None else None
    except FreeholdError as error:
        yield around.finding("dify", "fail", error, "", why)
        return
    if report is None:
        return
    counts = ", ".join(f"{count} {status}" for status, count in report.counts.items())
    yield around.row("dify", "warn" if report.late else "ok", f"{report.target.url}: {counts}", "", why)
    for finding in report.findings:
        if finding.status in ("warn", "fail"):
            told = finding.told(around.language, report.target.key)
            status: Status = "fail" if finding.failed and finding.check.id != "reachable" else "warn"
            yield Row(f"dify:{told['id']}", status, told["found"], "", told["why"], told["fix"])


SOURCES: tuple[Source, ...] = (configuration, runtimes, memory, state, bf16, deployment, proofs, dify)


def _may_be_here(model: ModelConfig, store: Store) -> bool:
    """False for a path or a reference with no model at it; any other source is refused when it is examined."""
    if model.hosting != "here":
        return True
    try:
        require_here(model.parsed_source, store)
    except FreeholdError:
        return model.parsed_source.kind not in ("path", "store")
    return True


def _proof_row(around: Surroundings, one: Examined, required: str) -> Row:
    about, why = f"verify:{one.id}", FreeholdError("note_verify")
    needed = "raw, self" if required == "none" else required
    trouble = one.trouble(required)
    if trouble is not None:
        return around.finding(about, "fail", trouble, needed, why)
    if one.proof == "none":
        return around.finding(about, "warn", one.unproven(), needed, why)
    cases = sum(len(golden.replayed) for golden in one.goldens)
    found = f"{one.proof}: {cases} cases, {one.kind}, {one.precision}"
    return around.row(about, "ok", found, needed, why)


def _size(path: Path) -> int:
    """Bytes of a model: its folder's files, or an .onnx file with the data beside it."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*") if file.is_file())


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:,.0f} MB"
