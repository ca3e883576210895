"""How many questions were answered exactly, by form, kind and language."""

from collections import defaultdict
from collections.abc import Sequence

from examples.normalizer.data import Question

SHOWN = 10


def is_right(question: Question, said: str) -> bool:
    """Whether `said` is the expected answer to the letter; `said` goes on where `begun` ends."""
    return question.begun + said.strip() == question.expected


def report(questions: Sequence[Question], said: Sequence[str]) -> str:
    """A table of shares, and the first wrong answers."""
    marks: dict[str, list[bool]] = defaultdict(list)
    wrong = []
    for question, answer in zip(questions, said, strict=True):
        right = is_right(question, answer)
        for name in ("all", question.form, question.kind, question.language):
            marks[name].append(right)
        if not right:
            wrong.append(
                f"  {question.messages[-1]['content']!r}: {question.begun + answer!r}, not {question.expected!r}"
            )
    lines = [
        f"{name:<8} {sum(right):>5} of {len(right):<5} {100 * sum(right) / len(right):6.2f} %"
        for name, right in marks.items()
    ]
    return "\n".join([*lines, *wrong[:SHOWN]])
