"""Answers held to JSON, schemas, expressions and grammars: always in form, and hostile constraints do no harm."""

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from freehold.engine.constraint import DEEPEST, LONGEST, ConstraintCompiler, Matcher, mask_words
from freehold.engine.generation import Constraint, GenerateRequest, Sampling
from freehold.engine.sampler import Sampler, SamplingState
from freehold.errors import FreeholdError

PADDING = 37  # logits beyond the tokenizer's last id, as models have them


def compiler_for(tokenizer: Tokenizer, capacity: int = 64) -> ConstraintCompiler:
    ends = {tokenizer.token_to_id("</s>"), tokenizer.token_to_id("<s>")}
    return ConstraintCompiler(tokenizer.to_str(), tokenizer.get_vocab_size() + PADDING, ends, capacity)


@pytest.fixture(scope="module")
def compiler(byte_level: Tokenizer) -> ConstraintCompiler:
    return compiler_for(byte_level)


def schema(**keywords: Any) -> Constraint:
    return Constraint("json_schema", json.dumps(keywords))


def record(**properties: Any) -> dict[str, Any]:
    """An object that has all of these and nothing else."""
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def allowed(matcher: Matcher, size: int) -> set[int]:
    bits = np.zeros(mask_words(size), np.int32)
    matcher.mask(bits)
    return {*np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little")).tolist()}


def fits(compiler: ConstraintCompiler, tokenizer: Tokenizer, constraint: Constraint, text: str) -> bool:
    """True when `text` may be the whole answer, token by token and by its end."""
    matcher = compiler.compile(constraint).matcher()
    size, end = tokenizer.get_vocab_size() + PADDING, tokenizer.token_to_id("</s>")
    for token in tokenizer.encode(text).ids:
        if token not in allowed(matcher, size):
            return False
        matcher.accept(token)
    return end in allowed(matcher, size)


def written(tokenizer: Tokenizer, constraint: Constraint, seed: int) -> str:
    """The greedy answer of a model that has no idea of JSON: its scores are noise, a little in favour of an end."""
    size = tokenizer.get_vocab_size() + PADDING
    state = SamplingState(
        GenerateRequest([1], sampling=Sampling(temperature=0)),
        size,
        compiler_for(tokenizer).compile(constraint).matcher(),
    )
    rng, sampler, ids = np.random.default_rng(seed), Sampler(size), []
    lift = np.zeros(size, np.float32)
    for text, token in tokenizer.get_vocab().items():
        lift[token] = 2.5 * any(mark in text for mark in '"}]')
    assert state.matcher is not None
    for _ in range(2000):
        logits = rng.standard_normal((1, size)).astype(np.float32) + lift
        token = sampler.sample(logits, [state])[0].id
        state.accept(token)
        ids.append(token)
        if state.matcher.finished:
            return str(tokenizer.decode(ids))
    raise AssertionError(f"no end after 2000 tokens: {tokenizer.decode(ids[:100])}")


SCHEMAS = {
    "enum": ({"enum": ["red", "green", 3, None]}, lambda value: value in ("red", "green", 3, None)),
    "text": ({"type": "string", "maxLength": 12}, lambda value: isinstance(value, str) and len(value) <= 12),
    "pattern": (
        {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"},
        lambda value: re.fullmatch("[A-Z]{2}-[0-9]{3}", value),
    ),
    "integer": ({"type": "integer", "minimum": -5, "maximum": 1200}, lambda value: -5 <= value <= 1200),
    "list": (
        {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 4},
        lambda value: 1 <= len(value) <= 4 and all(item in (True, False) for item in value),
    ),
    "record": (
        record(name={"type": "string", "maxLength": 8}, unit={"enum": ["kg", "斤"]}, amount={"type": "number"}),
        lambda value: list(value) == ["name", "unit", "amount"] and value["unit"] in ("kg", "斤"),
    ),
    "any of": (
        {"anyOf": [record(a={"const": 1}), record(b={"type": "null"})]},
        lambda value: value in ({"a": 1}, {"b": None}),
    ),
    "recursive": (
        {
            "$defs": {
                "node": record(kind={"enum": ["x", "y"]}, next={"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]})
            },
            "$ref": "#/$defs/node",
        },
        lambda value: value["kind"] in ("x", "y"),
    ),
}


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("kind", ["byte level", "byte fallback"])
def test_noise_becomes_json_of_its_schema(tokenizer_kinds: dict[str, Tokenizer], kind: str, name: str) -> None:
    """Whatever the scores are, the greedy answer parses and keeps to the schema."""
    document, check = SCHEMAS[name]
    for seed in range(3):
        answer = written(tokenizer_kinds[kind], schema(**document), seed)
        assert check(json.loads(answer)), answer


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_blank_before_a_text_is_no_part_of_the_answer(byte_level: Tokenizer, name: str) -> None:
    """A tokenizer that puts one before every text writes the same JSON."""
    blank = Tokenizer.from_str(byte_level.to_str())
    steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=True)]
    blank.pre_tokenizer = pre_tokenizers.Sequence(steps)
    document, check = SCHEMAS[name]
    assert check(json.loads(written(blank, schema(**document), 1)))


@pytest.mark.parametrize("seed", range(3))
def test_a_json_object_is_an_object(byte_level: Tokenizer, seed: int) -> None:
    """Any object, and nothing but an object."""
    assert isinstance(json.loads(written(byte_level, Constraint("json_object", "{}"), seed)), dict)


@pytest.mark.parametrize(
    ("text", "fit"),
    [
        ('{"a":[1,2],"b":"x"}', True),
        ('{"a": [1, 2], "b": "x"}', True),
        ('{"a":  [1],"b":"x"}', False),
        ('{ "a":[1],"b":"x"}', False),
        ('{"a":[1],\n"b":"x"}', False),
        ('{"a":[1],"b":"x"} ', False),
        (' {"a":[1],"b":"x"}', False),
        ('{"a":[1],"b":"  x\\n"}', True),
    ],
)
def test_json_is_on_one_line(compiler: ConstraintCompiler, byte_level: Tokenizer, text: str, fit: bool) -> None:
    """A blank after a comma or colon, or none; texts inside keep theirs. So no answer can be blanks without end."""
    constraint = schema(**record(a={"type": "array", "items": {"type": "integer"}}, b={"type": "string"}))
    assert fits(compiler, byte_level, constraint, text) is fit


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"title": "T", "description": "d", "type": "object", "default": {}, "examples": [{}]}, "{}"),
        ({"type": "string", "format": "date-time"}, '"2026-11-22T23:00:00Z"'),
        ({"type": ["string", "null"], "maxLength": 3}, "null"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, '{"中": 1}'),
        ({"oneOf": [record(k={"const": "a"}), record(k={"const": "b"})]}, '{"k": "b"}'),
        ({"allOf": [{"$ref": "#/$defs/d"}], "$defs": {"d": {"type": "integer"}}}, "7"),
    ],
)
def test_what_pydantic_writes_is_understood(
    compiler: ConstraintCompiler, byte_level: Tokenizer, document: dict[str, Any], text: str
) -> None:
    """Notes beside a schema are passed over, and the usual keywords work."""
    assert fits(compiler, byte_level, schema(**document), text)


def test_expressions_and_grammars(compiler: ConstraintCompiler, byte_level: Tokenizer) -> None:
    """A whole answer matches; a part of one or more than one does not."""
    date = Constraint("regex", "[0-9]{4}-[0-9]{2}")
    assert [fits(compiler, byte_level, date, text) for text in ("2026-11", "2026", "2026-111")] == [True, False, False]
    sums = Constraint("lark", 'start: NUMBER ("+" NUMBER)*\nNUMBER: /[0-9]+/')
    assert [fits(compiler, byte_level, sums, text) for text in ("1+22", "7", "1+")] == [True, True, False]


def test_an_answer_ends_where_its_grammar_may(compiler: ConstraintCompiler, byte_level: Tokenizer) -> None:
    """Every end token is allowed exactly there, and nothing else once no more can follow."""
    size = byte_level.get_vocab_size() + PADDING
    ends = {byte_level.token_to_id(name) for name in ("</s>", "<s>")}
    a, b = byte_level.token_to_id("a"), byte_level.token_to_id("b")
    matcher = compiler.compile(Constraint("regex", "ab?")).matcher()
    assert allowed(matcher, size) == {a}
    matcher.accept(a)
    assert allowed(matcher, size) == {b, *ends}
    assert not matcher.finished
    matcher.accept(b)
    assert matcher.finished
    assert allowed(matcher, size) == ends
    matcher.accept(min(ends))
    early = compiler.compile(Constraint("regex", "ab?")).matcher()
    early.accept(a)
    early.accept(min(ends))
    assert early.finished


def test_ids_without_a_token_are_barred(compiler: ConstraintCompiler, byte_level: Tokenizer) -> None:
    """Logits wider than the tokenizer: what has no text is never allowed, nor are special tokens as text."""
    size = byte_level.get_vocab_size()
    anything = allowed(compiler.compile(Constraint("regex", "(?s:.*)")).matcher(), size + PADDING)
    assert max(anything) < size
    assert byte_level.token_to_id("<tool_call>") not in anything
    assert len(anything) > 256


@pytest.mark.parametrize(
    ("constraint", "reason"),
    [
        (Constraint("json_schema", "{"), "Expecting property name"),
        (Constraint("json_schema", "[1]"), "object schema"),
        (Constraint("json_schema", '{"a":' * 5000 + "1" + "}" * 5000), "nested too deep"),
        (schema(type="nope"), "Invalid type: nope"),
        (schema(type="integer", minimum=5, maximum=3), r"minimum \(5\) is greater than maximum \(3\)"),
        (schema(allOf=[{"type": "string"}, {"type": "integer"}]), "incompatible types"),
        (schema(enum=[]), "empty"),
        (schema(**{"not": {"type": "string"}}), r"Unimplemented keys: \[\"not\"\]"),
        (schema(**{"not": {"type": "string"}, "x-guidance": {"lenient": True}}), "Unimplemented"),
        (schema(**{"$ref": "#/$defs/none"}), "does not exist"),
        (schema(**{"$ref": "https://example.com/schema"}), "not present"),
        (schema(**{"$ref": "#"}), "no text can satisfy it"),
        (schema(type="string", pattern="(?=a)b"), "look-around"),
        (Constraint("regex", "(a|b"), "unclosed group"),
        (Constraint("regex", "\ud800"), "surrogates not allowed"),
        (Constraint("lark", "start: x"), 'unknown name: "x"'),
        (Constraint("lark", "start: " + "(" * 300 + '"a"' + ")" * 300), "deeply nested"),
    ],
)
def test_an_impossible_constraint_says_why(compiler: ConstraintCompiler, constraint: Constraint, reason: str) -> None:
    """The reason is llguidance's own, on one line of bounded length."""
    with pytest.raises(FreeholdError, match="constraint_invalid") as caught:
        compiler.compile(constraint)
    assert re.search(reason, caught.value.cause)
    assert "\n" not in caught.value.cause
    assert len(caught.value.cause) < 400


def chain(length: int) -> str:
    definitions: dict[str, Any] = {f"d{at}": {"items": {"$ref": f"#/$defs/d{at + 1}"}} for at in range(length)}
    return json.dumps({"$defs": {**definitions, f"d{length}": {}}, "$ref": "#/$defs/d0"})


@pytest.mark.parametrize(
    "constraint",
    [
        Constraint("json_schema", chain(2000)),
        Constraint(
            "lark", "start: x0\n" + "\n".join(f"x{at}: x{at + 1}" for at in range(DEEPEST)) + f'\nx{DEEPEST}: "a"'
        ),
        Constraint("regex", "a" * (LONGEST + 1)),
    ],
    ids=["schema", "grammar", "length"],
)
def test_what_would_overflow_the_stack_is_refused(compiler: ConstraintCompiler, constraint: Constraint) -> None:
    """Definitions that refer to one another thousands deep would end the process inside llguidance."""
    with pytest.raises(FreeholdError, match="constraint_too_complex"):
        compiler.compile(constraint)


def test_just_within_the_limits_the_stack_holds(compiler: ConstraintCompiler) -> None:
    """Also when the compiling thread's own stack is small, as threads have it in some places."""
    longest = (DEEPEST - 10) // 5 - 1  # nested five deep with the definitions around it
    grammar = "start: x0\n" + "\n".join(f"x{at}: x{at + 1}" for at in range(DEEPEST - 3)) + f'\nx{DEEPEST - 3}: "a"'

    def first_step(constraint: Constraint) -> set[int]:
        return allowed(compiler.compile(constraint).matcher(), compiler._vocab_size)

    before = threading.stack_size(1 << 18)
    try:
        with ThreadPoolExecutor(max_workers=1) as small:
            for constraint in (Constraint("json_schema", chain(longest)), Constraint("lark", grammar)):
                assert small.submit(first_step, constraint).result()
        assert threading.stack_size() == 1 << 18
    finally:
        threading.stack_size(before)


def test_too_much_work_in_a_step_is_an_error(compiler: ConstraintCompiler, byte_level: Tokenizer) -> None:
    """A grammar that compiles lazily may prove too large later; the answer ends with that error."""
    matcher = compiler.compile(Constraint("regex", "(a?){5000}a{5000}")).matcher()
    size, a = byte_level.get_vocab_size() + PADDING, byte_level.token_to_id("a")

    def go_on() -> None:
        for _ in range(100):
            allowed(matcher, size)
            matcher.accept(a)

    with pytest.raises(FreeholdError, match="constraint_too_complex") as caught:
        go_on()
    assert "too many expressions" in caught.value.cause


def test_grammars_are_kept_by_value(byte_level: Tokenizer) -> None:
    """The same constraint is compiled once, until others have pushed it out."""
    compiler = compiler_for(byte_level, capacity=2)
    one, two, three = (Constraint("regex", value) for value in ("a", "b", "c"))
    first = compiler.compile(one)
    compiler.compile(two)
    assert compiler.compile(Constraint("regex", "a")) is first
    compiler.compile(three)
    assert compiler.compile(one) is first
    assert len(compiler._grammars) == 2
    compiler.compile(two)
    compiler.compile(three)
    assert compiler.compile(one) is not first


def test_answers_under_one_grammar_are_apart(compiler: ConstraintCompiler, byte_level: Tokenizer) -> None:
    """One going on moves no other, nor the grammar."""
    size, a = byte_level.get_vocab_size() + PADDING, byte_level.token_to_id("a")
    grammar = compiler.compile(Constraint("regex", "ab"))
    one, two = grammar.matcher(), grammar.matcher()
    one.accept(a)
    assert allowed(one, size) == {byte_level.token_to_id("b")}
    assert allowed(two, size) == allowed(grammar.matcher(), size) == {a}


def test_threads_may_compile_at_once(byte_level: Tokenizer) -> None:
    """The tokenizer is opened once, the size of new threads' stacks is left as it was."""
    compiler, before = compiler_for(byte_level), threading.stack_size()
    constraints = [schema(type="integer", maximum=top) for top in range(8)] * 2
    with ThreadPoolExecutor(max_workers=4) as threads:
        grammars = list(threads.map(compiler.compile, constraints))
    assert all(grammar.matcher().finished is False for grammar in grammars)
    assert threading.stack_size() == before


@pytest.mark.parametrize(
    ("missing", "ends", "says"), [(20, {0}, "tokenizer"), (0, {9999}, "9999"), (0, set(), "no end token")]
)
def test_a_tokenizer_that_does_not_fit_is_named(byte_level: Tokenizer, missing: int, ends: set[int], says: str) -> None:
    """A vocabulary smaller than the tokenizer, an end token outside of it, or none."""
    compiler = ConstraintCompiler(byte_level.to_str(), byte_level.get_vocab_size() - missing, ends)
    with pytest.raises(FreeholdError, match=says) as refused:
        compiler.compile(Constraint("json_object", "{}"))
    assert refused.value.code == "constraint_unsupported"


def test_a_tokenizer_that_llguidance_cannot_read_is_named() -> None:
    """Words without a known way back to bytes: unconstrained answers still work, constrained ones are refused."""
    words = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    with pytest.raises(FreeholdError, match="constraint_unsupported"):
        ConstraintCompiler(words.to_str(), 2, {0}).compile(Constraint("regex", "a"))
