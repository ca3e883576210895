"""The JUnit report of replayed goldens, for CI pipelines: one test suite a golden file, one test case a recorded case.

The form is what Jenkins, GitLab and Ant's schema agree on: `testsuites/testsuite/testcase` with `failure`, `error` or
`skipped` inside.
"""

import re
import socket
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from freehold.cli.examine import Examined, GoldenFile
from freehold.errors import FreeholdError

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(path: Path, examined: Iterable[Examined]) -> None:
    """Write the report, creating its folder. Raises FreeholdError `report_unwritable`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(junit(examined))
    except OSError as error:
        raise FreeholdError("report_unwritable", path=path, reason=error.strerror or str(error)) from None


def junit(examined: Iterable[Examined]) -> bytes:
    """The report as XML. A model that could not be loaded is one case `load` with an error, one without goldens is one
    case `goldens` that was skipped.
    """
    root = ElementTree.Element("testsuites", name="freehold")
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    for one in examined:
        if one.error is not None:
            _suite(root, one, "load", stamp, [_case(one, "load", "load", "error", one.error)])
        elif not one.goldens:
            _suite(root, one, "goldens", stamp, [_case(one, "goldens", "goldens", "skipped")])
        for golden in one.goldens:
            _suite(root, one, golden.name, stamp, _cases(one, golden))
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in root):.6f}")
    ElementTree.indent(root)
    report: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return report


def _cases(one: Examined, golden: GoldenFile) -> list[ElementTree.Element]:
    replayed = {done.case: done for done in golden.replayed}
    elements = []
    for case in range(golden.cases):
        name = f"case {case}"
        if case not in replayed:
            elements.append(_case(one, golden.name, name, "skipped"))
        elif (difference := replayed[case].difference) is not None:
            elements.append(_case(one, golden.name, name, "failure", difference, replayed[case].seconds))
        else:
            elements.append(_case(one, golden.name, name, "", None, replayed[case].seconds))
    return elements


def _case(
    one: Examined, suite: str, name: str, outcome: str, error: FreeholdError | None = None, seconds: float = 0.0
) -> ElementTree.Element:
    element = ElementTree.Element(
        "testcase", name=_clean(name), classname=_clean(f"{one.id}.{suite}"), time=f"{seconds:.6f}"
    )
    if error is not None:
        cause = _clean(error.cause)
        ElementTree.SubElement(element, outcome, message=cause, type=error.code).text = f"{cause}\n{_clean(error.fix)}"
    elif outcome:
        ElementTree.SubElement(element, outcome)
    return element


def _suite(
    root: ElementTree.Element, one: Examined, name: str, stamp: str, cases: Sequence[ElementTree.Element]
) -> None:
    def count(outcome: str) -> str:
        return str(sum(case.find(outcome) is not None for case in cases))

    attributes = {
        "name": _clean(f"{one.id} {name}"),
        "package": _clean(one.id),
        "id": str(len(root)),
        "timestamp": stamp,
        "hostname": _clean(socket.gethostname()),
        "tests": str(len(cases)),
        "failures": count("failure"),
        "errors": count("error"),
        "skipped": count("skipped"),
        "time": f"{sum(float(case.get('time', '0')) for case in cases):.6f}",
    }
    suite = ElementTree.SubElement(root, "testsuite", attributes)
    ElementTree.SubElement(suite, "properties")
    suite.extend(cases)


def _clean(text: str) -> str:
    """`text` without the characters that XML 1.0 cannot hold."""
    return _NOT_XML.sub("?", text)
