"""Packages and wheels for tests: of the official provider plugin's layout, and tiny ones."""

import fcntl
import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

from packaging.requirements import Requirement

from freehold.deploy.bundle.plugin.requirements import Wanted
from freehold.deploy.bundle.plugin.wheels import fetch

MANIFEST = """\
version: 0.0.63
type: plugin
author: "langgenius"
name: "openai_api_compatible"
label: {en_US: "OpenAI-API-compatible"}
icon: icon.svg
resource: {memory: 1048576}
plugins: {models: ["provider/openai_api_compatible.yaml"]}
meta:
  version: 0.0.1
  arch: ["amd64", "arm64"]
  runner: {language: "python", version: "3.12", entrypoint: "main"}
"""
PROJECT = """\
[project]
name = "openai-api-compatible"
version = "0.1.0"
requires-python = ">=3.12"
dependencies = [{dependencies}]

[dependency-groups]
dev = ["pytest>=8.4.1"]
"""
LOCKED = [line.split() for line in (Path(__file__).parent / "official.lock").read_text().splitlines()]
"""(name==version, file, sha256) of what the official plugin's requirements came to when this was written."""


def fetched_wheels() -> Path:
    """Every wheel of official.lock, from the index, once for each state of it; processes wait for one another."""
    key = hashlib.sha256(repr(LOCKED).encode()).hexdigest()[:12]
    folder = Path(__file__).parents[4] / ".cache" / f"dify-plugin-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            pins = Wanted(tuple(Requirement(pin) for pin, _, _ in LOCKED))
            fetch(pins, ("amd64",), folder, os.environ)
            (folder / "complete").touch()
    return folder / "amd64"


def project(*dependencies: str) -> str:
    """A pyproject.toml with these requirements."""
    return PROJECT.format(dependencies=", ".join(f'"{one}"' for one in dependencies))


def lock_of(rows: list[list[str]]) -> str:
    """A uv.lock of (name==version, file, sha256), and the plugin itself as uv writes it there."""
    own = '[[package]]\nname = "openai-api-compatible"\nversion = "0.1.0"\nsource = { virtual = "." }\n'
    parts = ['version = 1\nrequires-python = ">=3.12"\n', own]
    for pin, file, digest in rows:
        name, version = pin.split("==")
        url = f"https://files.example/{file}"
        parts.append(
            f'[[package]]\nname = "{name}"\nversion = "{version}"\n'
            'source = { registry = "https://index.example/simple" }\n'
            f'wheels = [{{ url = "{url}", hash = "sha256:{digest}", size = 1 }}]\n'
        )
    return "\n".join(parts)


def plugin_files(**more: str | None) -> dict[str, bytes]:
    """The files of a package; `more` by path with __ for the slash and _ kept, None leaves one out."""
    files: dict[str, str | None] = {
        "README.md": "# A plugin\n",
        "_assets/icon.svg": "<svg/>",
        "main.py": "raise SystemExit('nothing of a plugin runs in these tests')\n",
        "manifest.yaml": MANIFEST,
        "provider/openai_api_compatible.yaml": "provider: openai_api_compatible\n",
        "pyproject.toml": project("a-plugin>=1"),
        "uv.lock": None,
    }
    files |= {{"lock": "uv.lock", "project": "pyproject.toml"}.get(key, key): text for key, text in more.items()}
    return {path: text.encode() for path, text in files.items() if text is not None}


def zipped(files: Mapping[str, bytes], comment: bytes = b"") -> bytes:
    """As Dify's packager writes it: compressed, in the order of paths."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            archive.writestr(path, files[path])
        archive.comment = comment
    return buffer.getvalue()


def write_plugin(path: Path, **more: str | None) -> Path:
    """A package in a file."""
    path.write_bytes(zipped(plugin_files(**more)))
    return path


def write_wheel(folder: Path, name: str, version: str, *requires: str, tag: str = "py3-none-any") -> Path:
    """A wheel without code."""
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    told = "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{told}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/RECORD": f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(file), text)
    return path


def digest_of(path: Path) -> str:
    """sha256 in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
