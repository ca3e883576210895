"""What every command prints, and how: results on standard output, errors on standard error.

`--json` and `--lang` may stand anywhere on the command line; `main` takes them out, and a command finds them in
`ctx.obj`, an Output.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from freehold.errors import FreeholdError, Language

EPILOG = "Every command also takes --json (output for programs) and --lang en|zh (language of errors and their fixes)."

OK, FAILED, USAGE = 0, 1, 2

TERMINATION_LOG = Path("/dev/termination-log")
"""In a pod of Kubernetes, what is written here is shown as the reason why the container ended."""

# What was typed is wrong, rather than what was found.
_USAGE_CODES = frozenset(
    {
        "accept_needs_reason",
        "audit_option_invalid",
        "bundle_key_needed",
        "config_no_model",
        "config_not_found",
        "deployment_ambiguous",
        "down_unsure",
        "dify_check_key_literal",
        "dify_check_url_invalid",
        "dify_check_url_wanted",
        "doctor_snapshot_invalid",
        "doctor_snapshot_unwritable",
        "environment_unknown",
        "error_code_unknown",
        "input_wanted",
        "language_unknown",
        "model_choice_needed",
        "rollout_option_invalid",
        "rollout_route_invalid",
        "rollout_steps_invalid",
        "server_url_invalid",
    }
)


@dataclass(frozen=True, slots=True)
class Output:
    """How this command line wants its output."""

    as_json: bool = False
    language: Language = "en"
    termination_log: Path = TERMINATION_LOG

    def show(self, data: Any, text: str) -> None:
        """Print the result: `data` with --json, else `text`."""
        print(as_json(data) if self.as_json else text)

    def fail(self, error: FreeholdError) -> int:
        """Print `error` on standard error and return the exit code: 2 for wrong usage, else 1."""
        if self.as_json:
            print(as_json({"error": describe(error)}), file=sys.stderr)
        else:
            print(self.told(error, LABELS[self.language].error), file=sys.stderr)
        self._leave_word(error)
        return USAGE if error.code in _USAGE_CODES else FAILED

    def told(self, error: FreeholdError, label: str) -> str:
        """`error` in the reader's words: its cause behind `label`, its fix, its code."""
        cause, fix = error.in_language(self.language)
        return f"{label}: {cause}\n  {LABELS[self.language].fix}: {fix}\n  ({error.code})"

    def _leave_word(self, error: FreeholdError) -> None:
        """For whoever looks why a pod ended; there is no such file anywhere else, and none is made."""
        with suppress(OSError):
            descriptor = os.open(self.termination_log, os.O_WRONLY | os.O_APPEND)
            with os.fdopen(descriptor, "w", encoding="utf-8") as log:
                log.write(self.told(error, LABELS[self.language].error) + "\n")


@dataclass(frozen=True, slots=True)
class Labels:
    """The words around a message."""

    error: str
    problem: str
    note: str
    fix: str


LABELS: dict[Language, Labels] = {
    "en": Labels("error", "problem", "note", "fix"),
    "zh": Labels("错误", "问题", "提示", "解决办法"),
}


def describe(error: FreeholdError, language: Language = "en") -> dict[str, Any]:
    """An error as data: code, cause, fix, and its details as far as JSON has a form for them."""
    cause, fix = error.in_language(language)
    return {"code": error.code, "cause": cause, "fix": fix, "details": {k: _plain(v) for k, v in error.details.items()}}


def as_json(data: Any) -> str:
    """`data` as JSON for people and programs: indented, with every script's characters as they are."""
    return json.dumps(data, indent=2, ensure_ascii=False, default=_plain)


def take_options(arguments: Sequence[str], environ: Mapping[str, str]) -> tuple[list[str], Output]:
    """The command line without `--json` and `--lang X`, and what they ask for.

    Language: --lang, else FREEHOLD_LANG, else LANG. Behind `--` nothing is taken. Raises `language_unknown`.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    rest: list[str] = []
    wants_json, named = False, None
    words = iter(arguments[:end])
    for word in words:
        if word == "--json":
            wants_json = True
        elif word == "--lang":
            named = next(words, "")
        elif word.startswith("--lang="):
            named = word.removeprefix("--lang=")
        else:
            rest.append(word)
    language = _language(environ)
    if named is not None:
        if named not in LABELS:
            raise FreeholdError("language_unknown", language=named, known=", ".join(LABELS))
        language = "zh" if named == "zh" else "en"
    return [*rest, *arguments[end:]], Output(wants_json, language)


def _language(environ: Mapping[str, str]) -> Language:
    wanted = environ.get("FREEHOLD_LANG") or environ.get("LANG") or ""
    return "zh" if wanted.lower().startswith("zh") else "en"


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(entry) for entry in value]
    return str(value)
