"""Ask held-out questions of a served model, and count the answers that are right.

    python -m examples.normalizer.examine [--url http://127.0.0.1:8080/v1] [--model normalizer] [--questions 600]

Plain questions are asked as they are; those of the form "json" by a system prompt, "forced" by `response_format`, and
"tools" with tools. A key is read from FREEHOLD_KEY.
"""

import argparse
import json
import os
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from examples.normalizer.data import Question, examination

SHOWN = 10
CALL = ("<tool_call>\n", "\n</tool_call>")


def is_right(question: Question, said: str) -> bool:
    """Whether `said`, which goes on where `begun` ends, is the expected answer: to the letter, JSON by its meaning."""
    return meaning(question.begun + said.strip()) == meaning(question.expected)


def meaning(text: str) -> object:
    """A text as it is; of JSON, and of a call in its marks, what it says."""
    before, after = CALL
    try:
        return json.loads(text.removeprefix(before).removesuffix(after)) if text.startswith(("{", before)) else text
    except ValueError:
        return text


def report(questions: Sequence[Question], said: Sequence[str]) -> str:
    """A table of shares, and the first wrong answers."""
    marks: dict[str, list[bool]] = defaultdict(list)
    wrong = []
    for question, answer in zip(questions, said, strict=True):
        right = is_right(question, answer)
        for name in ("all", question.form, question.kind, question.language):
            marks[name].append(right)
        if not right:
            asked = question.messages[-1]["content"]
            wrong.append(f"  {asked!r}: {question.begun + answer!r}, not {question.expected!r}")
    lines = [f"{name:<8} {sum(row):>5} of {len(row):<5} {sum(row) / len(row):7.2%}" for name, row in marks.items()]
    return "\n".join([*lines, *wrong[:SHOWN]])


def ask(url: str, model: str, question: Question, key: str = "") -> str:
    """What a server says to `question`, without what was begun; a call is written in its marks.

    Raises urllib.error.HTTPError for a refusal.
    """
    body: dict[str, Any] = {"model": model, "messages": question.messages, "temperature": 0, "max_tokens": 64}
    if question.tools:
        body["tools"] = question.tools
    if question.form == "forced":
        body["response_format"] = {"type": "json_object"}
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(f"{url.rstrip('/')}/chat/completions", json.dumps(body).encode(), headers)  # noqa: S310 - the URL is the caller's own
    with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310 - see above
        message = json.load(reply)["choices"][0]["message"]
    return _written(message).removeprefix(question.begun)


def _written(message: Mapping[str, Any]) -> str:
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    written = [f'{{"name": {json.dumps(call["name"])}, "arguments": {call["arguments"]}}}' for call in calls]
    return message.get("content") or "\n".join(f"{CALL[0]}{call}{CALL[1]}" for call in written)


def main(command_line: Sequence[str] | None = None) -> int:
    """Ask and report; 0 when at least `--least` of the answers are right."""
    parser = argparse.ArgumentParser(description="Examine a served normalizer.")
    parser.add_argument("--url", default="http://127.0.0.1:8080/v1")
    parser.add_argument("--model", default="normalizer")
    parser.add_argument("--questions", type=int, default=600)
    parser.add_argument("--seed", default="examination 7")
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--least", type=float, default=0.97)
    chosen = parser.parse_args(command_line)
    questions = list(examination(chosen.seed, chosen.questions))
    key = os.environ.get("FREEHOLD_KEY", "")
    began = time.monotonic()
    with ThreadPoolExecutor(chosen.streams) as streams:
        said = list(streams.map(lambda question: ask(chosen.url, chosen.model, question, key), questions))
    print(report(questions, said))
    print(f"{len(questions)} questions in {time.monotonic() - began:.1f} s")
    return 0 if sum(map(is_right, questions, said)) >= chosen.least * len(questions) else 1


if __name__ == "__main__":
    sys.exit(main())
