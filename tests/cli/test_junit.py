"""The JUnit report."""

from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from freehold.artifact import RecordedBy
from freehold.cli.examine import Examined, GoldenFile, Replayed
from freehold.cli.junit import junit, write_junit
from freehold.errors import FreeholdError

BY = RecordedBy("torch", "1", "sha256:0")
SUITE = {"name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors", "skipped", "time"}


def difference(output: str = "y") -> FreeholdError:
    return FreeholdError(
        "proof_failed",
        model="m",
        case=1,
        output=output,
        index=[3],
        expected="0.5",
        seen="0.75",
        measure="max_abs 0.25",
        allowed="0.0001",
    )


def examined(output: str = "y") -> list[Examined]:
    """Three models: replayed with one failure and one case left out, without goldens, not loaded."""
    replayed = (Replayed(0, 0.25), Replayed(1, 0.5, difference(output)))
    golden = GoldenFile("torch.json", BY, raw=True, cases=3, replayed=replayed)
    return [
        Examined("a", "/a", goldens=(golden,)),
        Examined("b", "/b"),
        Examined("c", "/c", error=FreeholdError("models_none")),
    ]


def read(text: bytes) -> ElementTree.Element:
    return ElementTree.fromstring(text)


def test_suites_cases_and_counts_agree() -> None:
    """What every reader of JUnit relies on: the tree, the attributes, sums that are right."""
    root = read(junit(examined()))
    assert root.tag == "testsuites"
    assert [suite.tag for suite in root] == ["testsuite"] * 3
    for number, suite in enumerate(root):
        assert set(suite.attrib) == SUITE
        assert suite.get("id") == str(number)
        datetime.fromisoformat(suite.get("timestamp", ""))
        assert suite[0].tag == "properties"
        cases = suite.findall("testcase")
        assert len(cases) == len(suite) - 1 == int(suite.get("tests", ""))
        for name, outcome in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(name, "")) == sum(case.find(outcome) is not None for case in cases)
        for case in cases:
            assert set(case.attrib) == {"name", "classname", "time"}
            assert len(case) <= 1
    totals = {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert totals == {"tests": "5", "failures": "1", "errors": "1", "skipped": "2"}
    assert float(root.get("time", "")) == pytest.approx(0.75)


def test_a_failure_holds_the_difference() -> None:
    """As message and as text: output, index, expected and seen, and what to do."""
    failure = read(junit(examined())).find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.get("type") == "proof_failed"
    for word in ("output y", "[3]", "expected 0.5", "seen 0.75"):
        assert word in failure.get("message", "")
        assert word in (failure.text or "")
    assert "Do not serve it" in (failure.text or "")


def test_a_model_that_was_not_loaded_is_an_error_of_its_own() -> None:
    """One case `load`; one without goldens is skipped."""
    root = read(junit(examined()))
    error = root.find("testsuite[@package='c']/testcase[@name='load']/error")
    assert error is not None
    assert error.get("type") == "models_none"
    assert root.find("testsuite[@package='b']/testcase[@name='goldens']/skipped") is not None


def test_names_that_xml_cannot_hold_are_written_all_the_same() -> None:
    """Control characters become question marks, markup is escaped."""
    failure = read(junit(examined("<y>\x00\x1b&\ud800"))).find("testsuite/testcase/failure")
    assert failure is not None
    assert "output <y>??&?" in failure.get("message", "")


def test_the_report_is_a_file_in_a_folder_of_its_own(tmp_path: Path) -> None:
    """The folder is made; a place that cannot be written is an error."""
    path = tmp_path / "reports" / "junit.xml"
    write_junit(path, examined())
    assert path.read_bytes().startswith(b"<?xml")
    with pytest.raises(FreeholdError, match="report_unwritable"):
        write_junit(path / "below-a-file.xml", examined())
