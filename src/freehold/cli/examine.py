"""Is a model what its manifest says, and does it compute what was recorded? For `verify`, `golden check`, `check`."""

import asyncio
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec

from freehold.artifact import Artifact, Golden, RecordedBy, Tolerance
from freehold.artifact.golden import load_golden
from freehold.cli.local import loaded
from freehold.cli.progress import Say
from freehold.cli.references import located
from freehold.cli.signed import pinned, signed_by
from freehold.cli.sources import Place, prepare
from freehold.config import ModelConfig, Require
from freehold.engine.agreement import Agreement, agreement_with, together
from freehold.engine.base import Engine
from freehold.engine.opening import golden_folder
from freehold.engine.parity import Measured, measure
from freehold.engine.verify import judge, order_of, tolerance_of
from freehold.errors import FreeholdError

BUDGET_S = 60.0
"""How long goldens are replayed on the command line, where nobody's readiness waits, unless the caller says."""


@dataclass(frozen=True)
class Replayed:
    """One recorded case after its replay. `difference` is the error `proof_failed` where the outputs differ."""

    case: int
    seconds: float
    difference: FreeholdError | None = None
    agreement: Agreement | None = None  # of a decoder
    measured: tuple[Measured, ...] = ()  # one an output


@dataclass(frozen=True)
class GoldenFile:
    """One golden file and those of its cases that were replayed, in the order of the file."""

    name: str
    recorded_by: RecordedBy
    raw: bool
    cases: int
    replayed: tuple[Replayed, ...]

    @property
    def failures(self) -> tuple[FreeholdError, ...]:
        """Why cases failed, in the order of the file."""
        return tuple(one.difference for one in self.replayed if one.difference is not None)


@dataclass(frozen=True)
class Examined:
    """What was found about one model. `error` says why it could not be loaded; the rest is then what is known.

    `source` is what the configuration names, `path` what the engine opened: of a model folder, its artifact.
    """

    id: str
    source: str
    path: str = ""
    error: FreeholdError | None = None
    kind: str = ""
    digest: str = ""
    precision: str = ""
    files: int | None = None  # how many were hashed; None for a bare .onnx file, which no manifest pins
    goldens: tuple[GoldenFile, ...] = ()
    tolerance: Tolerance | None = None  # what outputs were judged by; None for a decoder's tokens
    measured_tolerance: bool = False  # a quality report measured it; else it is the row of the precision
    signed: str = ""  # whose signature it carries, where the configuration asks for one
    elsewhere: bool = False  # another program computes it: there is nothing here to examine

    @property
    def proof(self) -> str | None:
        """failed | raw | self | none, as a server would show it; None when the model could not be loaded."""
        if self.error is not None:
            return None
        if any(golden.failures for golden in self.goldens):
            return "failed"
        with_cases = [golden for golden in self.goldens if golden.cases]
        return "raw" if any(golden.raw for golden in with_cases) else "self" if with_cases else "none"

    @property
    def agreement(self) -> Agreement | None:
        """How near a decoder comes to what was recorded: by another framework, else by our own."""
        goldens = [golden for golden in self.goldens if golden.raw] or self.goldens
        return together(one.agreement for golden in goldens for one in golden.replayed if one.agreement is not None)

    @property
    def measured(self) -> tuple[Measured, ...]:
        """Every output of every case that was replayed."""
        return tuple(each for golden in self.goldens for one in golden.replayed for each in one.measured)

    def unproven(self) -> FreeholdError:
        """Why there is no proof, as a note."""
        if self.elsewhere:
            return FreeholdError("note_proof_elsewhere", model=self.id)
        return FreeholdError("note_proof_none", model=self.id, path=self.source)

    def trouble(self, required: str = "none") -> FreeholdError | None:
        """What is wrong: it was not loaded, a case differs, or its proof is less than `required` (none, self, raw)."""
        if self.error is not None or self.elsewhere:
            return self.error
        for golden in self.goldens:
            if golden.failures:
                return golden.failures[0]
        rank = ("none", "self", "raw")
        if self.proof is not None and rank.index(self.proof) < rank.index(required):
            return FreeholdError("proof_below", model=self.id, proof=self.proof, required=required)
        return None


async def examine(model: ModelConfig, place: Place, say: Say, budget_s: float = BUDGET_S) -> Examined:
    """Hash the files, load, and replay every golden for about `budget_s` seconds. What goes wrong is in the result."""
    known = Examined(model.id, str(model.parsed_source))
    try:
        say(f"{model.id}: opening")
        model = await asyncio.to_thread(pinned, model, place.store)
        known = replace(known, signed=await asyncio.to_thread(signed_by, model, place.store))
        model = msgspec.structs.replace(model, require=Require())  # just seen: its files need not be read once more
        source = await asyncio.to_thread(located, model.parsed_source, place.store)
        path = await asyncio.to_thread(prepare, source, place.graphs, model.precision, model.kind)
        known = replace(known, path=str(path))
        if path.is_dir():
            artifact = Artifact.open(path)
            if not known.signed:  # whoever looked for a signature has just hashed them
                say(f"{model.id}: hashing its files")
                await asyncio.to_thread(artifact.check_files)
            known = replace(known, files=len(artifact.manifest.files))
        say(f"{model.id}: loading")
        async with loaded(model, replace(place, prove=False)) as engine:  # its cases are replayed here, one by one
            known = replace(known, kind=engine.manifest.kind, digest=engine.digest, precision=engine.precision)
            if engine.manifest.kind != "generate":
                judged_by = tolerance_of(engine.manifest, engine.precision)
                known = replace(known, tolerance=judged_by, measured_tolerance=engine.manifest.tolerance is not None)
            goldens = await asyncio.to_thread(_replay_all, engine, golden_folder(path), budget_s, say)
            return replace(known, goldens=goldens)
    except FreeholdError as error:
        return replace(known, error=error)


def _replay_all(engine: Engine, folder: Path, budget_s: float, say: Say) -> tuple[GoldenFile, ...]:
    """Every golden file of `folder`; at least one case of each, whatever the time."""
    limit = time.monotonic() + budget_s
    files = []
    for path in sorted(folder.glob("*.json")):
        golden = load_golden(path)
        replayed = _replay(engine, golden, limit, partial(_say_in, say, path.name))
        files.append(GoldenFile(path.name, golden.recorded_by, golden.raw, len(golden.cases), replayed))
    return tuple(files)


def _say_in(say: Say, name: str, text: str) -> None:
    say(f"{name}: {text}")


def _replay(engine: Engine, golden: Golden, limit: float, say: Say) -> tuple[Replayed, ...]:
    """Case by case, as a start would judge them, and on after a failure; past `limit` no more."""
    manifest, precision = engine.manifest, engine.precision
    done: list[Replayed] = []
    for place in order_of(golden, manifest):
        if done and time.monotonic() > limit:
            break
        say(f"case {len(done) + 1} of {len(golden.cases)}")
        begun = time.monotonic()
        answer, failure = judge(engine.answer, golden, place, manifest, precision)
        seconds = time.monotonic() - begun
        case = golden.cases[place]
        near = agreement_with(case, answer) if manifest.kind == "generate" else None
        measured = measure(place, case, answer, manifest, tolerance_of(manifest, precision), precision)
        done.append(Replayed(place, seconds, failure, near, measured))
    return tuple(sorted(done, key=lambda one: one.case))
