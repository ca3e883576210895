"""Two ONNX graphs on the same inputs: the first node at which they part, and how the difference grows behind it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from freehold.adapt.alignment import floats, pairs
from freehold.adapt.exposed import ExposedGraph, Node
from freehold.adapt.module_names import module_of
from freehold.adapt.trace_feeds import Sample
from freehold.adapt.trace_steps import Step, Trace, alike, gap_of, widest
from freehold.artifact import Tolerance
from freehold.errors import FreeholdError


def trace_graphs(
    reference: Path,
    candidate: Path,
    samples: Sequence[Sample],
    tolerance: Tolerance,
    device: str = "cpu",
    say: Callable[[str], None] = lambda text: None,
) -> Trace:
    """Run both graphs on every sample, the reference on the processor and the candidate on `device`; the trace of the
    sample whose outputs differ most.

    Tensors are matched as `alignment.pairs` says. Raises FreeholdError `trace_no_cases`, `trace_inputs_unsuited`,
    `graph_invalid`, `inference_failed`.
    """
    if not samples:
        raise FreeholdError("trace_no_cases", path=candidate)
    say("opening both graphs")
    one, other = ExposedGraph(reference), ExposedGraph(candidate, device)
    traces = []
    for number, sample in enumerate(samples, 1):
        say(f"comparing every node: case {number} of {len(samples)}")
        traces.append(_trace(one, other, sample, tolerance))
    return widest(traces)


def _trace(one: ExposedGraph, other: ExposedGraph, sample: Sample, tolerance: Tolerance) -> Trace:
    ours = floats(one, one.run(sample.feeds(one.inputs)))
    theirs = floats(other, other.run(sample.feeds(other.inputs)))
    steps = []
    for pair in pairs(ours, theirs):
        arrays = alike(pair.ours.values, pair.theirs.values)
        if arrays is None:
            continue
        gap = gap_of(*arrays)
        node, within = pair.theirs.node, gap.within(tolerance)
        # The reference calls its weights as they were called before anything was quantized.
        about = _about(pair.ours.node, one) or _about(node, other)
        steps.append(Step(node.name, node.op, pair.theirs.name, pair.theirs.values.shape, gap, within, about=about))
    return Trace(
        str(one.path), str(other.path), "node", sample.label, tolerance, tuple(steps), unmatched=len(ours) - len(steps)
    )


def _about(node: Node, graph: ExposedGraph) -> str:
    return module_of(node) or ", ".join(name for name in node.weights if name in graph.parameters)
