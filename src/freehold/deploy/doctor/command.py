"""The command line of doctor.pyz: the options of `freehold doctor`, by argparse."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Mapping, Sequence

from freehold.deploy.doctor.check import Language
from freehold.deploy.doctor.judging import judge
from freehold.deploy.doctor.profile import PROFILES, RECOMMENDED, Profile
from freehold.deploy.doctor.snapshot import Snapshot, SnapshotError
from freehold.deploy.doctor.taking import Asked, take

OK, FAILED, USAGE = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns 0 where nothing that is needed fails, 1 where it does, 2 for wrong usage."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no Chinese
    options = _parser().parse_args(arguments)
    if options.snapshot:
        return _write(options)
    try:
        snapshot = _read(options.source) if options.source else Snapshot.of(take(_asked(options)))
    except SnapshotError as error:
        print(f"doctor: {options.source} is no snapshot: {error}; write one with --snapshot FILE", file=sys.stderr)
        return USAGE
    report = judge(snapshot, profile_of(options.profile, options.gpu))
    language = options.lang or language_of(os.environ)
    if options.json:
        print(json.dumps(report.data(language), indent=2, ensure_ascii=False))
    else:
        print(report.text(language, coloured(sys.stdout.isatty(), os.environ)))
    return OK if report.ok else FAILED


def profile_of(name: str, gpu: bool) -> Profile:
    """A profile by name, with GPUs needed where they are."""
    profile = PROFILES[name]
    return dataclasses.replace(profile, gpu="needed") if gpu else profile


def coloured(terminal: bool, environ: Mapping[str, str]) -> bool:
    """Colours on a terminal, unless NO_COLOR (no-color.org) or a dumb one asks for none."""
    return terminal and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def language_of(environ: Mapping[str, str]) -> Language:
    """FREEHOLD_LANG, else LANG."""
    wanted = environ.get("FREEHOLD_LANG") or environ.get("LANG") or ""
    return "zh" if wanted.lower().startswith("zh") else "en"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="doctor.pyz",
        description="Check whether this machine can run Freehold. Exit 0: it can (warnings aside), 1: not, 2: usage.",
    )
    parser.add_argument("--profile", choices=tuple(PROFILES), default=RECOMMENDED.name, help="what is required")
    parser.add_argument("--gpu", action="store_true", help="NVIDIA GPUs are needed, too")
    parser.add_argument("--json", action="store_true", help="output for programs")
    parser.add_argument("--from", dest="source", metavar="FILE", help="judge the snapshot of another machine")
    parser.add_argument("--snapshot", metavar="FILE", help="only write this machine's facts (- is standard output)")
    parser.add_argument("--folder", metavar="DIR", help="where models will be kept (FREEHOLD_HOME, else ~/.freehold)")
    parser.add_argument("--port", type=_port, action="append", help="a port that has to be free (8080); repeatable")
    parser.add_argument("--registry", metavar="HOST", help="a registry that has to be reached")
    parser.add_argument("--ca", metavar="FILE", help="certificates of a private authority")
    parser.add_argument("--host", action="append", default=[], help="a name that has to resolve; repeatable")
    parser.add_argument("--lang", choices=("en", "zh"), help="language of the words")
    return parser


def _port(word: str) -> int:
    number = int(word)
    if not 1 <= number <= 65535:
        raise ValueError(word)
    return number


def _asked(options: argparse.Namespace) -> Asked:
    folder = Path(options.folder) if options.folder else Asked.by(os.environ).folder
    return Asked(folder, tuple(options.port or (8080,)), options.registry, options.ca, tuple(options.host))


def _read(source: str) -> Snapshot:
    try:
        return Snapshot.parse(sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8"))
    except OSError as error:
        raise SnapshotError(error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise SnapshotError("it is not UTF-8") from None


def _write(options: argparse.Namespace) -> int:
    text = json.dumps(take(_asked(options)), indent=2, ensure_ascii=False)
    if options.snapshot == "-":
        print(text)
        return OK
    try:
        Path(options.snapshot).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        print(f"doctor: {options.snapshot} cannot be written: {error.strerror or error}", file=sys.stderr)
        return USAGE
    print(options.snapshot)
    return OK
