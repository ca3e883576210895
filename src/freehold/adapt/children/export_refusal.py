"""What torch's exporter could not do, in a line, instead of the page of text that it prints."""

import re
import traceback
from collections.abc import Sequence
from pathlib import Path

import torch
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from freehold.adapt.children.report import ChildError

DATA_DEPENDENT = re.compile(r"data[- ]dependent|Could not (guard on|extract specialized integer)|\.item\(\)", re.I)
OPERATOR = re.compile(r"OpOverload\(op='([\w.]+)'|operator '([\w:]+)' to ONNX")


def refusal(error: BaseException) -> ChildError:
    """What the exporter's page of text is about."""
    chain = _chain(error)
    if depends_on_data(error):
        return ChildError("export_data_dependent", where=_where(chain))
    found = [match for one in chain for match in OPERATOR.finditer(str(one))]
    if found:
        names = dict.fromkeys(next(filter(None, match.groups()), match[0]) for match in found)
        return ChildError("export_operator_missing", operators=", ".join(names))
    root = chain[-1]
    lines = [line.strip() for line in str(root).splitlines() if line.strip()]
    return ChildError("export_refused", error=f"{type(root).__name__}: {' '.join(lines[:2])}", where=_where(chain))


def _chain(error: BaseException) -> list[BaseException]:
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.append(at)
        at = at.__cause__ or at.__context__
    return chain


def depends_on_data(error: BaseException) -> bool:
    chain = _chain(error)
    return any(isinstance(one, GuardOnDataDependentSymNode) for one in chain) or any(
        DATA_DEPENDENT.search(str(one)) for one in chain
    )


def _where(chain: Sequence[BaseException]) -> str:
    """File, line and text of the model's own line that was being read, as far as one is known."""
    packages = (str(Path(torch.__file__).parent), str(Path(__file__).parents[3]))
    frames = [frame for one in chain for frame in traceback.extract_tb(one.__traceback__)]
    own = [frame for frame in frames if not frame.filename.startswith(packages) and frame.name == "forward"]
    if own:
        return f"{Path(own[-1].filename).name}:{own[-1].lineno}: {own[-1].line}"
    told = [match for one in chain for match in re.finditer(r'File "([^"]+)", line (\d+), in \w+\n\s+(.+)', str(one))]
    mine = [match for match in told if not match[1].startswith(packages)]
    return f"{Path(mine[-1][1]).name}:{mine[-1][2]}: {mine[-1][3].strip()}" if mine else "-"
