"""The sandbox of chat templates: what it gives, what it keeps away, and where it stops."""

from datetime import datetime
from typing import Any

import pytest
from jinja2 import TemplateSyntaxError
from jinja2.exceptions import SecurityError

from freehold.server.template_sandbox import MAX_BITS, MAX_CHARACTERS, MAX_STEPS, OverrunError, RefusalError, Sandbox


def render(source: str, **variables: Any) -> str:
    return Sandbox(source).render(variables)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("  {% if true %}\nx\n  {% endif %}\n", "x\n"),
        (
            "{% for n in range(9) %}{% if n == 1 %}{% continue %}{% endif %}{% if n > 3 %}{% break %}{% endif %}"
            "{{ n }}{% endfor %}",
            "023",
        ),
        ("{{ {'a': '<é>'} | tojson }}", '{"a": "<é>"}'),
        ("{{ {'b': 1, 'a': 2} | tojson(sort_keys=true, separators=(',', ':')) }}", '{"a":2,"b":1}'),
        ("{{ [1] | tojson(indent=2) }}", "[\n  1\n]"),
        ("{% generation %}\nx{{ 1 }}\n{% endgeneration %}y", "x1\ny"),
        ("{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}", "21"),
        ("{% set ns = namespace(n=1) %}{% set ns.n = ns.n + 1 %}{{ ns.n }}", "2"),
        ("{{ dict(a=1)['a'] }}{{ 'a' ~ 1 ~ nothing ~ 'b' }}", "1a1b"),
        ("{{ 2 * 3 }}{{ 'ab' * 2 }}{{ 2 * [1] }}{{ 2 ** 3 }}{{ 0.5 * 2 }}{{ '%s!' % 1 }}", "6abab[1, 1]81.01!"),
        ("{% macro m(x) %}<{{ x }}{{ caller() }}>{% endmacro %}{% call m(1) %}in{% endcall %}", "<1in>"),
        ("{% for a in [[1, [2]]] recursive %}{{ a if a is number else loop(a) }}{% endfor %}", "12"),
    ],
)
def test_templates_find_what_transformers_gives(source: str, text: str) -> None:
    """Trimmed blocks, loop controls, JSON as it is, namespaces, macros; `{% generation %}` is let through."""
    assert render(source) == text


def test_templates_can_write_the_date() -> None:
    """`strftime_now` takes a pattern."""
    assert render("{{ strftime_now('%Y') }}") in {str(datetime.now().year + n) for n in (-1, 0, 1)}  # noqa: DTZ005 - its own clock


def test_a_refusal_keeps_its_words() -> None:
    """What `raise_exception` is given."""
    with pytest.raises(RefusalError, match="no <such> role"):
        render("{{ raise_exception('no <such> role') }}")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ().__class__.__mro__ }}",
        "{{ ''['__class__'] | list }}{{ ''.__class__.x }}",
        "{{ items.append(1) }}",
        "{{ items.clear() }}",
        "{% set ns = namespace() %}{% set ns['__class__'] = 1 %}",
        "{% set ns = namespace(__class__=1) %}{% set ns._x = 1 %}",
        "{{ ('x' | attr('__class__')).x }}",
        "{{ cycler.__init__.__globals__ }}",
    ],
)
def test_templates_reach_neither_python_nor_what_they_are_given(source: str) -> None:
    """Private names and changing methods are refused."""
    with pytest.raises((SecurityError, TemplateSyntaxError)):
        render(source, items=[1])


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{% set ns = namespace(x='ab') %}{% for n in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x='ab') %}{% for n in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for n in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{{ 'ab' * 99999999999 }}",
        "{{ 99999999999 * [1] }}",
        "{{ 9 ** 99999 }}",
        "{% set ns = namespace(x=9) %}{% for n in range(99) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
        "{% set x %}{% for n in range(99999) %}{{ 'abcdefgh' * 9999 }}{% endfor %}{% endset %}",
        "{% for n in range(99999) %}" + "abcdefgh" * 999 + "{% endfor %}",
    ],
)
def test_a_template_that_grows_or_runs_on_is_stopped(source: str) -> None:
    """By its steps, or by the characters it writes or holds, before they take memory."""
    with pytest.raises(
        OverrunError, match=f"{MAX_STEPS} passes|{MAX_CHARACTERS} characters|{MAX_STEPS} items|{MAX_BITS} bits"
    ):
        render(source)


def test_recursion_ends_in_an_error_of_python() -> None:
    """A macro that calls itself for ever does not end the process."""
    with pytest.raises(RecursionError):
        render("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}")


def test_each_rendering_has_a_budget_of_its_own() -> None:
    """A template that uses most of it can be rendered again."""
    sandbox = Sandbox("{% for a in range(400) %}{% for b in range(400) %}{% endfor %}{% endfor %}")
    assert [sandbox.render({}), sandbox.render({})] == ["", ""]


def test_other_templates_cannot_be_reached() -> None:
    """There is no loader: an include fails."""
    with pytest.raises(TypeError, match="no loader"):
        render("{% include '/etc/passwd' %}")


@pytest.mark.parametrize("source", ["{{ lipsum(n=99999999) }}", "{{ the_budget }}", "{{ step }}"])
def test_what_is_not_given_is_undefined(source: str) -> None:
    """Neither Jinja's random text nor our own counters have a name in a template."""
    sandbox = Sandbox(source)
    if "lipsum" in source:
        with pytest.raises(Exception, match="'lipsum' is undefined"):
            sandbox.render({})
    else:
        assert sandbox.render({}) == ""
