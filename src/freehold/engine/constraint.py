"""Answers that must have a form: JSON, a JSON Schema, a regular expression or a grammar, over llguidance.

JSON is written on one line: no white space but at most one space after a comma or a colon. A model under a constraint
cannot lose itself in blanks then, and both ways in which programs write compact JSON stay open to it.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher, LLParserLimits, LLTokenizer
from llguidance.numpy import fill_next_token_bitmask

from freehold.engine.generation import Constraint
from freehold.errors import FreeholdError

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions  # declared for type checkers only

Bits = npt.NDArray[np.int32]

ONE_LINE: "JsonCompileOptions" = {
    "whitespace_flexible": False,
    "item_separator": ", ?",
    "key_separator": ": ?",
    "lenient": False,
}

# llguidance follows references by recursion, and a stack that overflows ends the process. On 8 MiB it did somewhere
# between 2,000 and 8,000 levels; this many levels on this much stack leave a factor of four at least.
DEEPEST = 4000
STACK_BYTES = 64 << 20
STACK_SIZE_LOCK = threading.Lock()  # the size of the next thread's stack is a setting of the whole process
NOTHING_FITS = "NoExtensionBias"  # llguidance's name for it
LONGEST = 1 << 18  # characters; the slowest regular expression of so many takes two seconds


def mask_words(vocab_size: int) -> int:
    """How many int32 hold one bit a token; bit `id % 32` of word `id // 32` stands for token `id`."""
    return (vocab_size + 31) // 32


class Matcher:
    """A grammar beside one answer: which token may come next. Not for two threads at once."""

    def __init__(self, machine: LLMatcher) -> None:
        self._machine = machine

    @property
    def finished(self) -> bool:
        """True when nothing but an end token can follow: the answer is whole, and no further step is needed."""
        return bool(self._machine.is_stopped())

    def mask(self, out: Bits) -> None:
        """Set the bits of the tokens that may come next in `out`, int32 [mask_words(vocab_size)], and clear the others.

        End tokens are among them exactly when the answer may end here. The work of a step is bounded (tens of ms);
        a grammar that needs more raises FreeholdError `constraint_too_complex`.
        """
        fill_next_token_bitmask(self._machine, out[np.newaxis])
        self._check()

    def accept(self, token: int) -> None:
        """Go on past `token`. Raises FreeholdError `constraint_too_complex`, also for a token that the mask bars."""
        self._machine.consume_token(token)
        self._check()

    def _check(self) -> None:
        if self._machine.is_error():
            raise FreeholdError("constraint_too_complex", reason=_brief(self._machine.get_error()))


class Grammar:
    """A compiled constraint; every answer under it takes a matcher of its own."""

    def __init__(self, start: LLMatcher) -> None:
        self._start = start

    def matcher(self) -> Matcher:
        """A matcher before the first token; copying costs microseconds."""
        return Matcher(self._start.deep_copy())


class ConstraintCompiler:
    """Constraints of one model. The `capacity` grammars used last are kept, by the value of their constraint.

    `vocab_size` is the model's: its logits may be wider than its tokenizer, never narrower. `ends` are the tokens that
    end an answer. `tokenizer_json` is the text of `tokenizer.json`.
    """

    def __init__(self, tokenizer_json: str, vocab_size: int, ends: Collection[int], capacity: int = 64) -> None:
        self._tokenizer_json = tokenizer_json
        self._vocab_size = vocab_size
        self._ends = sorted(ends)
        self._capacity = capacity
        self._tokenizer: LLTokenizer | None = None
        self._grammars: OrderedDict[Constraint, Grammar] = OrderedDict()
        self._lock = threading.Lock()  # of the kept grammars
        self._opening = threading.Lock()  # of the tokenizer

    def compile(self, constraint: Constraint) -> Grammar:
        """The grammar of `constraint`. Takes up to a second: call it in a thread, never on an event loop.

        Raises FreeholdError `constraint_invalid` with llguidance's reason where the constraint is malformed or nothing
        can satisfy it, `constraint_too_complex` where its definitions nest too deep, and `constraint_unsupported`
        where llguidance cannot read the model's tokenizer, or the model has no end token.
        """
        with self._lock:
            kept = self._grammars.get(constraint)
            if kept is not None:
                self._grammars.move_to_end(constraint)
                return kept
        grammar = self._compiled(constraint)  # outside the lock: who needs a kept one does not wait
        with self._lock:
            self._grammars[constraint] = grammar
            self._grammars.move_to_end(constraint)
            if len(self._grammars) > self._capacity:
                self._grammars.popitem(last=False)
        return grammar

    def _compiled(self, constraint: Constraint) -> Grammar:
        source = _source(constraint)
        tokenizer = self._open_tokenizer()
        start = _on_a_deep_stack(tokenizer, source)
        reason = self._refusal(start)
        if reason:
            raise FreeholdError("constraint_invalid", kind=constraint.kind, reason=reason)
        return Grammar(start)

    def _refusal(self, start: LLMatcher) -> str:
        """Why no answer can begin, or "": some grammars compile and fit no text, such as one that contains itself."""
        probe = start.deep_copy()
        bits = np.zeros((1, mask_words(self._vocab_size)), np.int32)
        fill_next_token_bitmask(probe, bits)
        dead = not bits.any() or (probe.is_stopped() and not probe.is_accepting())
        if not dead and not probe.is_error():
            return ""
        reason = _brief(probe.get_error())
        return "no text can satisfy it" if reason in ("", NOTHING_FITS) else reason

    def _open_tokenizer(self) -> LLTokenizer:
        """Built when the first constraint comes: it takes a while, and most models never see one."""
        with self._opening:
            if self._tokenizer is None:
                if not self._ends:
                    raise FreeholdError("constraint_unsupported", reason="its files name no end token")
                source = _without_prefix_space(self._tokenizer_json)
                try:
                    self._tokenizer = LLTokenizer(source, n_vocab=self._vocab_size, eos_token=self._ends)
                except ValueError as error:
                    reason = f"its tokenizer cannot be read for it ({_brief(str(error))})"
                    raise FreeholdError("constraint_unsupported", reason=reason) from error
            return self._tokenizer


def _without_prefix_space(tokenizer_json: str) -> str:
    """A `tokenizer.json` that puts no blank before a text: llguidance would take it for a part of the answer."""
    document = json.loads(tokenizer_json)
    for _, node in _nodes(document.get("pre_tokenizer")):
        if isinstance(node, dict) and node.get("type") == "ByteLevel":
            node["add_prefix_space"] = False
    return json.dumps(document)


def _source(constraint: Constraint) -> str:
    """The constraint in llguidance's own form; what is too long, or too deep for its recursion, is refused here."""
    if len(constraint.value) > LONGEST:
        reason = f"it has {len(constraint.value)} characters; at most {LONGEST} are read"
        raise FreeholdError("constraint_too_complex", reason=reason)
    try:
        return _translated(constraint)
    except RecursionError as error:
        raise FreeholdError("constraint_invalid", kind=constraint.kind, reason="it is nested too deep") from error
    except ValueError as error:  # no JSON, no schema, or characters that are none
        raise FreeholdError("constraint_invalid", kind=constraint.kind, reason=_brief(str(error))) from error


def _translated(constraint: Constraint) -> str:
    match constraint.kind:
        case "regex":
            return str(LLMatcher.grammar_from_regex(constraint.value))
        case "lark":
            _check_depth(sum(map(constraint.value.count, ":([")), 1)
            return str(LLMatcher.grammar_from_lark(constraint.value))
        case "json_object":
            return str(LLMatcher.grammar_from_json_schema('{"type": "object"}', overrides=ONE_LINE))
        case "json_schema":
            _check_depth(*_references(json.loads(constraint.value)))
            return str(LLMatcher.grammar_from_json_schema(constraint.value, overrides=ONE_LINE))


def _references(schema: Any) -> tuple[int, int]:
    """How many different references a schema has, and how deep it nests."""
    references, deepest = set(), 0
    for depth, node in _nodes(schema):
        deepest = max(deepest, depth)
        if isinstance(node, dict) and "$ref" in node:
            references.add(str(node["$ref"]))
    return len(references), deepest


def _nodes(document: Any) -> Iterator[tuple[int, Any]]:
    waiting = [(1, document)]
    while waiting:
        depth, node = waiting.pop()
        yield depth, node
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        waiting.extend((depth + 1, child) for child in inner)


def _check_depth(definitions: int, depth: int) -> None:
    if definitions * depth > DEEPEST:
        reason = f"{definitions} definitions, nested {depth} deep; their product may be {DEEPEST}"
        raise FreeholdError("constraint_too_complex", reason=reason)


def _on_a_deep_stack(tokenizer: LLTokenizer, source: str) -> LLMatcher:
    """Compile in a thread whose stack does not depend on the machine's limits."""
    limits = LLParserLimits(verbose_errors=False)
    with ThreadPoolExecutor(max_workers=1) as deep:
        with STACK_SIZE_LOCK:
            usual = threading.stack_size(STACK_BYTES)
            try:
                compiled = deep.submit(LLMatcher, tokenizer, source, log_level=0, limits=limits)
            finally:
                threading.stack_size(usual)
        return compiled.result()


def _brief(reason: str) -> str:
    """llguidance's words in one line of bounded length."""
    line = " ".join(reason.replace("<non-verbose/>", "").split())
    return line if len(line) <= 300 else f"{line[:300]}..."
