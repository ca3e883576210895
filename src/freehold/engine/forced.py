"""Goldens of decoders: the recorded answer is fed token by token, and every token must be what comes next.

Near ties differ between processors, and one other token would lead elsewhere for the rest of a free-running answer.
"""

import math
from collections.abc import Iterable

import msgspec

from freehold.artifact import Case, Difference, Golden, Tensor
from freehold.engine.base import Answer

MARGIN = 0.01
"""fp32: by how much the logit of a recorded token may fall behind the largest one."""
DRIFT = 0.02
"""Other precisions: by how much the share of tokens that are the most probable ones may fall behind the recorded share,
and a single token in any case."""
LEAST = 0.1
"""The share that is expected where none was recorded. Weights of 4 bits choose other words where two are nearly equal;
a graph that computes another model agrees in a word of fifty by chance."""


def fitting(goldens: Iterable[Golden], context_length: int) -> list[Golden]:
    """Goldens without the cases that are longer than the context, which memory or the configuration may have cut."""

    def fits(case: Case) -> bool:
        return length_of(case) <= context_length

    return [msgspec.structs.replace(golden, cases=tuple(filter(fits, golden.cases))) for golden in goldens]


def length_of(case: Case) -> int:
    """Tokens of prompt and answer together; what else was recorded is about these tokens."""
    sequences = case.inputs.get("prompt_ids"), case.outputs.get("token_ids")
    return sum(math.prod(one.shape) for one in sequences if isinstance(one, Tensor))


def unlikely(case: Case, answer: Answer, precision: str) -> Difference | None:
    """Where the recorded answer is not what the decoder would say; None where it is.

    A case holds the tokens of the answer in `token_ids`. One that was measured with a quantised decoder also holds the
    share of them that was the most probable one then, in `agreement`, FP32 [1]. What else it holds is no concern here.
    """
    expected, seen = case.outputs["token_ids"].array(), answer.outputs["token_ids"]
    if precision == "fp32":
        margins = answer.outputs["margins"]
        place, within = int(margins.argmax()), bool(margins.max() <= MARGIN)
        measure, allowed = f"logit margin {margins.max():.3g}", f"{MARGIN:g}"
    else:
        recorded = case.outputs.get("agreement")
        share = LEAST if recorded is None else float(recorded.array().ravel()[0])
        wrong = expected != seen
        least = share - max(DRIFT, 1 / len(expected))
        place, within = int(wrong.argmax()), bool(1 - wrong.mean() >= least)
        measure, allowed = f"agreement {1 - wrong.mean():.3f}", f">= {least:.3f}"
    if within:
        return None
    return Difference("token_ids", (place,), str(expected[place]), str(seen[place]), measure, allowed)
