"""Pack doctor.pyz: what `freehold doctor` checks, in one file for any Linux with Python 3.8 and nothing else.

    python tools/doctor.py dist/doctor.pyz

The same sources give the same bytes: entries are sorted, uncompressed, and carry no time. What is packed imports
nothing but Python's library and each other (tests/deploy/doctor/test_pyz.py).
"""

import stat
import sys
import zipfile
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
MODULES = (
    "freehold/__init__.py",
    "freehold/deploy/__init__.py",
    "freehold/machine/cgroup.py",
    "freehold/machine/cpu.py",
    "freehold/machine/memory.py",
)
"""Beside the whole of freehold/deploy/doctor."""
SHEBANG = b"#!/usr/bin/env python3\n"
MAIN = """\
import sys

if sys.version_info < (3, 8):
    sys.exit("doctor.pyz needs Python 3.8 or newer; this is %d.%d: try `python3.8 doctor.pyz`" % sys.version_info[:2])

from freehold.deploy.doctor.command import main

sys.exit(main())
"""
"""In words that Python 2 and 3.6 can read, so that they can say what is wrong."""
NEVER = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file can name


def contents(source: Path = SOURCE) -> dict[str, bytes]:
    """The bytes of every file of the archive, by name. The door of the room `machine` stays shut: it is left empty."""
    doctor = sorted((source / "freehold/deploy/doctor").glob("*.py"))
    files = {name: (source / name).read_bytes() for name in MODULES}
    files |= {path.relative_to(source).as_posix(): path.read_bytes() for path in doctor}
    return {**files, "freehold/machine/__init__.py": b"", "__main__.py": MAIN.encode()}


def pack(target: Path, files: dict[str, bytes]) -> None:
    """Write `files` as an archive that Python runs (zipapp's form), executable by everybody."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(files):
                entry = zipfile.ZipInfo(name, NEVER)
                entry.create_system = 3  # Unix, whatever packs it
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                archive.writestr(entry, files[name])
    target.chmod(0o755)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), contents())
    print(sys.argv[1])
