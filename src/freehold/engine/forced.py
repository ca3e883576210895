"""Goldens of decoders: the recorded answer is fed token by token, and every token must be what comes next.

Near ties differ between processors, and one other token would lead elsewhere for the rest of a free-running answer.
"""

from freehold.artifact import Case, Difference
from freehold.engine.base import Answer

MARGIN = 0.01
"""fp32: by how much the logit of a recorded token may fall behind the largest one."""
DRIFT = 0.02
"""Other precisions: by how much the share of tokens that are the most probable ones may fall behind the recorded."""


def unlikely(case: Case, answer: Answer, precision: str) -> Difference | None:
    """Where the recorded answer is not what the decoder would say; None where it is.

    A case of an fp32 artifact holds its tokens in `token_ids`. A quantised one is measured when it is made, and holds
    in `agreement`, FP32 [1], the share of tokens that it agreed with.
    """
    expected, seen = case.outputs["token_ids"].array(), answer.outputs["token_ids"]
    margins = answer.outputs["margins"]
    if precision == "fp32":
        worst = int(margins.argmax())
        if margins[worst] <= MARGIN:
            return None
        measure = f"logit margin {margins[worst]:.3g}"
        return Difference("token_ids", (worst,), str(expected[worst]), str(seen[worst]), measure, f"{MARGIN:g}")
    if "agreement" not in case.outputs:
        return None
    agreement = float((expected == seen).mean())
    least = float(case.outputs["agreement"].array().ravel()[0]) - DRIFT
    if agreement >= least:
        return None
    place = int((expected != seen).argmax())
    measure = f"agreement {agreement:.3f}"
    return Difference("token_ids", (place,), str(expected[place]), str(seen[place]), measure, f">= {least:.3f}")
