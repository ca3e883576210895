"""The papers of the house say what is there: README, changelog, the page of the house, decisions, locks."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import freehold

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "freehold"
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
CHINESE = ".zh-CN.md"


def tracked() -> list[Path]:
    """Files under version control, and new ones that are not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def markdown() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".md"]


def headings(path: Path) -> list[int]:
    """Levels of the headings, code blocks aside."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [len(mark) for mark in re.findall(r"^(#+) ", text, flags=re.MULTILINE)]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_version_is_the_changelogs_newest() -> None:
    """The package and the changelog name one version."""
    newest = re.search(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert newest is not None
    assert newest[1] == freehold.__version__


def test_the_readme_gets_a_newcomer_to_an_answer_at_once() -> None:
    """Both commands for a fresh machine stand in the first 40 lines of a README of at most 150."""
    for name in ("README.md", f"README{CHINESE}"):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        start = "\n".join(lines[:40])
        assert "make run" in start, name
        assert "make test" in start, name
        assert len(lines) <= 150, name


def test_the_page_of_the_house_names_the_rooms_that_exist() -> None:
    """docs/house.md has one line a room, for exactly the rooms in the source."""
    page = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `([a-z]+)` \| \S", page, flags=re.MULTILINE)
    assert sorted(named) == sorted(path.parent.name for path in SRC.glob("*/__init__.py"))


def test_every_chinese_page_follows_its_english_one() -> None:
    """README, tutorials and how-tos come in both languages, with the same headings."""
    english = [ROOT / "README.md", *sorted((ROOT / "docs/tutorial").glob("*.md")), *(ROOT / "docs/how-to").glob("*.md")]
    english = [path for path in english if not path.name.endswith(CHINESE)]
    assert len(english) > 2
    for path in english:
        chinese = path.with_name(path.stem + CHINESE)
        assert chinese.exists(), f"{path.relative_to(ROOT)} has no {chinese.name}"
        assert headings(chinese) == headings(path), chinese.relative_to(ROOT)


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link of a page names a file that exists."""
    for path in markdown():
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            if "://" not in target and not target.startswith("mailto:"):
                assert (path.parent / target).exists(), f"{path.relative_to(ROOT)} -> {target}"


def test_every_dependency_has_its_line_of_reason() -> None:
    """What pyproject.toml asks for has a row in docs/decisions/dependencies.md."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    names = {normal(re.split(r"[^A-Za-z0-9_.-]", line)[0]) for line in asked}
    page = (ROOT / "docs" / "decisions" / "dependencies.md").read_text(encoding="utf-8")
    assert names == {normal(name) for name in re.findall(r"^\| ([\w.-]+) \|.+\w", page, flags=re.MULTILINE)} - {
        "package"
    }


def test_what_is_imported_is_what_is_asked_for() -> None:
    """Every outside module of the source is a declared dependency, or in a lock; every one of the base is imported."""
    chosen_by = {"httptools": "uvicorn", "uvloop": "uvicorn"}
    packages = {"yaml": "pyyaml", "pynvml": "nvidia-ml-py", "tensorflow": "tensorflow-cpu", "google": "protobuf"}
    packages["grpc"] = "grpcio"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    base = {normal(re.split(r"[^A-Za-z0-9_.-]", line)[0]) for line in project["dependencies"]}
    extras = [line for extra in project["optional-dependencies"].values() for line in extra]
    locks = [path.read_text() for path in (SRC / "adapt" / "locks").glob("*.lock")]  # environments of their own
    extras += [line for lock in locks for line in lock.splitlines() if "==" in line]
    declared = base | {normal(re.split(r"[^A-Za-z0-9_.-]", line)[0]) for line in extras}
    imported = set()
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            imported |= {name.partition(".")[0] for name in names}
    outside = imported - sys.stdlib_module_names - {"freehold"}
    asked = {normal(packages.get(name, name)) for name in outside}
    assert asked - declared == set()
    assert {chosen_by.get(name, name) for name in base} - asked == set()


def test_the_words_of_the_house_are_there() -> None:
    """The Makefile has the words that README and CI use, and CI runs the checks and the tests."""
    makefile = (ROOT / "Makefile").read_text()
    words = set(re.findall(r"^([a-z]+):.*## ", makefile, flags=re.MULTILINE))
    assert {"run", "test", "soak", "check", "bench", "docs", "dist"} <= words
    contributing = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`make ([a-z]+)", contributing)) <= words
    ci = (ROOT / ".ci" / "run").read_text()
    assert ci.startswith("#!/usr/bin/env bash\nset -euo pipefail\n")
    assert "make check\nmake test\n" in ci


def test_decisions_are_listed() -> None:
    """docs/decisions/README.md links every record."""
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    assert [
        path.name for path in folder.glob("*.md") if path.name != "README.md" and f"({path.name})" not in index
    ] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_pins_and_hashes_every_package(lock: Path) -> None:
    """Each requirement has one exact version and a sha256, and no line names an index."""
    text = lock.read_text()
    entries = re.split(r"\n(?=[A-Za-z0-9])", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).strip())
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+==[^\s;]+( ; [^\\]+)? \\\n", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
    assert "--index-url" not in text
    assert "--find-links" not in text
    assert "://" not in text


def test_the_base_lock_covers_what_the_package_asks_for() -> None:
    """Every dependency of the package is locked for serving, and the tests lock the same versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {normal(re.split(r"[^A-Za-z0-9_.-]", line)[0]) for line in project["dependencies"]}
    locks = {
        lock.stem: dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock.read_text(), flags=re.MULTILINE))
        for lock in LOCKS
    }
    base, dev = locks["base"], locks["dev"]
    assert asked - base.keys() == set()
    assert {name: version for name, version in base.items() if dev.get(name, version) != version} == {}


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    """No path of a build machine and no host of a package registry stands in a file of the project."""
    foreign = re.compile(
        r"/wor[k]/|/opt/whee[l]s|\.librar[y]/|pypi\.or[g]|pythonhoste[d]|download\.pytorc[h]|registry\.npmj[s]|deb\.debia[n]"
    )
    for path in tracked():
        text = path.read_bytes().decode("utf-8", errors="replace")
        found = foreign.search(text)
        assert found is None, f"{path.relative_to(ROOT)}: {found and found[0]}"
