"""What `verify` found, as one HTML page that holds all it needs; light or dark as the reader's browser wants it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from freehold import __version__
from freehold.artifact.artifact import write_durably
from freehold.cli.charts import Mark, histogram, marks_plot
from freehold.cli.examine import Examined, GoldenFile
from freehold.cli.parity_text import COLUMNS, cells_of, tolerance_text
from freehold.engine.parity import EDGES, Measured, together, total
from freehold.errors import FreeholdError, Language

STYLE = """
:root { color-scheme: light dark; --text: #1d2328; --page: #ffffff; --quiet: #6a747d; --line: #d8dde2;
  --good: #20744a; --bad: #b3261e; --bar: #3d6f9e; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e8eb; --page: #15191c; --quiet: #98a2ab; --line: #343b41;
  --good: #5fc08d; --bad: #ff8a80; --bar: #7fb0dc; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 56rem; padding: 1rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.25rem; margin-top: 2.5rem; } h3 { font-size: 1rem; margin-bottom: .25rem; }
h2, h3, dd, li { overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: .5rem 0; }
dt, figcaption, footer { color: var(--quiet); } dd { margin: 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: right; white-space: nowrap; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
.pass { color: var(--good); } .fail, tr.differs td { color: var(--bad); }
figure { margin: 1.25rem 0; } figcaption { font-size: .9rem; }
svg { width: 100%; max-width: 40rem; height: auto; font: 14px system-ui, sans-serif; fill: var(--quiet); }
svg .grid, svg .axis { stroke: var(--line); } svg .bar { fill: var(--bar); }
svg .good { fill: var(--bar); stroke: var(--bar); } svg .bad { fill: var(--bad); stroke: var(--bad); }
svg .path { fill: none; stroke: var(--bar); stroke-width: 1.5; }
svg line.limit { stroke: var(--bad); stroke-dasharray: 6 4; } svg text.limit { fill: var(--bad); }
"""


@dataclass(frozen=True)
class Words:
    """The words of the page in one language."""

    title: str
    verdicts: dict[str, str]
    facts: tuple[str, str, str, str, str]
    columns: tuple[str, ...]
    parity: str
    by_case: str
    cosine_by_case: str
    differences: str
    case: str
    element: str
    tolerance: str
    recorded: str
    fix: str
    made: str


WORDS: dict[Language, Words] = {
    "en": Words(
        title="Proof of a model",
        verdicts={
            "raw": "proven against the framework that it comes from",
            "self": "the same as our own runtime answered when it was recorded",
            "none": "not proven: it has no goldens",
            "failed": "FAILED: what it computes is not what was recorded",
            "error": "not loaded",
        },
        facts=("Model", "Digest", "Path", "Files", "Tolerance"),
        columns=COLUMNS,
        parity="By output and shape class",
        by_case="Largest absolute difference of each case",
        cosine_by_case="1 - cosine of each case: 0 is the same direction",
        differences="All absolute differences",
        case="case",
        element="absolute difference of an element",
        tolerance="tolerance",
        recorded="{file}: recorded by {by}, {replayed} of {cases} cases replayed, {differ} of them differ",
        fix="fix",
        made="Made by freehold {version}. This page needs no network.",
    ),
    "zh": Words(
        title="模型验证报告",
        verdicts={
            "raw": "已与原框架的输出比对并通过",
            "self": "与本运行时录制时的输出一致",
            "none": "未验证：没有 golden",
            "failed": "未通过：计算结果与录制的不一致",
            "error": "未能加载",
        },
        facts=("模型", "摘要", "路径", "文件", "容差"),
        columns=("输出", "形状类别", "用例", "最大绝对差", "最大相对差", "余弦最小", "平均", "top-1", "不一致"),
        parity="按输出和形状类别",
        by_case="各用例的最大绝对差",
        cosine_by_case="各用例的 1 - 余弦：0 表示方向相同",
        differences="全部绝对差的分布",
        case="用例",
        element="单个元素的绝对差",
        tolerance="容差",
        recorded="{file}：由 {by} 录制，重放 {replayed}/{cases} 个用例，其中 {differ} 个不一致",
        fix="解决办法",
        made="由 freehold {version} 生成。本页无需联网。",
    ),
}


def write_page(path: Path, page: str) -> None:
    """Write a page durably, creating its folder. Raises FreeholdError `report_unwritable`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, page.encode())
    except OSError as error:
        raise FreeholdError("report_unwritable", path=path, reason=error.strerror or str(error)) from None


def proof_page(examined: Sequence[Examined], language: Language, more: Sequence[str] = ()) -> str:
    """The page: a section a model, and `more`, sections that are HTML already."""
    words = WORDS[language]
    sections = [_model(one, words, language) for one in examined]
    return page(words.title, [*sections, *more], language)


def page(title: str, sections: Sequence[str], language: Language) -> str:
    """A whole document around `sections` of HTML."""
    made = WORDS[language].made.format(version=__version__)
    return (
        f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n"
        f"{''.join(sections)}\n<footer>{escape(made)}</footer></body></html>\n"
    )


def plot(caption: str, picture: str) -> str:
    """A picture with its caption."""
    return f"<figure><figcaption>{escape(caption)}</figcaption>{picture}</figure>\n"


def facts(told: Iterable[tuple[str, str]]) -> str:
    """Names and what they stand for; a name without anything is left out."""
    listed = (f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in told if value)
    return f"<dl>{''.join(listed)}</dl>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], differing: Collection[int] = ()) -> str:
    """Rows of text below their head; the rows whose numbers are in `differing` stand out."""
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = []
    for number, row in enumerate(rows):
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
        body.append(f'<tr class="differs">{cells}</tr>' if number in differing else f"<tr>{cells}</tr>")
    return f'<div class="wide"><table><tr>{titles}</tr>{"".join(body)}</table></div>'


def _model(one: Examined, words: Words, language: Language) -> str:
    verdict = one.proof or "error"
    colour = "fail" if verdict in ("failed", "error") else "pass"
    parts = [f"<section><h2>{escape(one.id)}</h2>", f'<p class="{colour}">{escape(words.verdicts[verdict])}</p>']
    model = ", ".join(filter(None, (one.kind, one.precision)))
    files = "" if one.files is None else str(one.files)
    judged_by = tolerance_text(one) if one.measured else ""
    told = (model, one.digest, one.path or one.source, files, judged_by)
    parts.append(facts(zip(words.facts, told, strict=True)))
    if one.error is not None:
        parts.append(_told([one.error], words, language))
    for golden in one.goldens:
        parts += [_golden(golden, words), _told(golden.failures, words, language)]
    if one.measured:
        parts.append(_table(one, words))
        parts += [_plots(one, output, words) for output in dict.fromkeys(each.output for each in one.measured)]
    return "\n".join([*parts, "</section>\n"])


def _golden(golden: GoldenFile, words: Words) -> str:
    text = words.recorded.format(
        file=golden.name,
        by=f"{golden.recorded_by.framework} {golden.recorded_by.version}",
        replayed=len(golden.replayed),
        cases=golden.cases,
        differ=len(golden.failures),
    )
    return f"<p>{escape(text)}</p>"


def _told(errors: Sequence[FreeholdError], words: Words, language: Language) -> str:
    lines = []
    for error in errors:
        cause, fix = error.in_language(language)
        lines.append(f'<li><span class="fail">{escape(cause)}</span><br>{words.fix}: {escape(fix)}</li>')
    return f"<ul>{''.join(lines)}</ul>" if lines else ""


def _table(one: Examined, words: Words) -> str:
    rows = together(one.measured)
    differing = {number for number, row in enumerate(rows) if row.differ}
    return f"<h3>{escape(words.parity)}</h3>{table(words.columns, map(cells_of, rows), differing)}"


def _plots(one: Examined, output: str, words: Words) -> str:
    """The three plots of one output; a decoder's tokens are counted in the table, and have none."""
    measured = [each for each in one.measured if each.output == output]
    if not any(sum(each.histogram) for each in measured):
        return ""
    bound = one.tolerance.max_abs if one.tolerance is not None else None
    gaps = [Mark(each.max_abs, _title(each, each.max_abs, words), each.within) for each in measured]
    parts = [
        f"<h3>{escape(output)}</h3>",
        plot(words.by_case, marks_plot(gaps, words.case, bound, words.tolerance)),
        plot(words.differences, histogram(total(measured), EDGES, words.element)),
    ]
    angles = [(each, max(0.0, 1 - each.cosine)) for each in measured if each.cosine is not None]
    if angles:
        least = one.tolerance.cosine_min if one.tolerance is not None else None
        marks = [Mark(angle, _title(each, angle, words), each.within) for each, angle in angles]
        limit = None if least is None else 1 - least
        parts.append(plot(words.cosine_by_case, marks_plot(marks, words.case, limit, words.tolerance)))
    return "".join(parts)


def _title(one: Measured, value: float, words: Words) -> str:
    return f"{words.case} {one.case}{f' ({one.label})' if one.label else ''}: {value:.2e}"
