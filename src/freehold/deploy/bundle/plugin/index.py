"""The wheels as a Python index of files (PEP 503), for any web server: `dify.package_index` then names its address."""

import hashlib
import html
import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from freehold.artifact.artifact import write_durably
from freehold.deploy.bundle.plugin.wheels import Wheel

_PAGE = """\
<!DOCTYPE html>
<html><head><meta name="pypi:repository-version" content="1.0"></head><body>
{links}</body></html>
"""


def write_index(wheels: Iterable[Wheel], folder: Path) -> int:
    """Add `wheels` to the index in `folder`; how many files it holds then. What is there stays. Raises OSError."""
    for wheel in wheels:
        place = folder / wheel.name
        place.mkdir(parents=True, exist_ok=True)
        target = place / wheel.path.name
        if not target.exists():
            aside = target.with_suffix(".part")
            shutil.copyfile(wheel.path, aside)
            aside.replace(target)
    count = 0
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    for name in names:
        files = sorted((folder / name).glob("*.whl"))
        count += len(files)
        write_durably(folder / name / "index.html", _page([_link(path) for path in files]))
    write_durably(folder / "index.html", _page([(f"{name}/", name) for name in names]))
    return count


def _link(path: Path) -> tuple[str, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{quote(path.name)}#sha256={digest}", path.name


def _page(links: Iterable[tuple[str, str]]) -> bytes:
    rows = "".join(f'<a href="{html.escape(href)}">{html.escape(text)}</a><br>\n' for href, text in links)
    return _PAGE.format(links=rows).encode()
