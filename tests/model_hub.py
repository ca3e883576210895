"""A hub of models on this machine: the file routes of Hugging Face and of ModelScope, and a storage host behind them.

Hugging Face's: the list of a repository with git ids and sha256, `resolve` with a redirect to storage for large files,
refusals by X-Error-Code. ModelScope's: commits, files and bytes in its envelope. The storage takes ranges and If-Range.
What goes wrong is told by `faults`.
"""

import hashlib
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = 2000  # bytes, from which a file lies in the storage
COMMIT = "c0ffee" * 6 + "c0ff"


@dataclass
class Fault:
    """What happens once to a request for a file: cut after `after` bytes, silent from there, or another status."""

    after: int = 0
    status: int = 0
    silent: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Seen:
    """A request that came."""

    host: str
    path: str
    headers: dict[str, str]


@dataclass
class Repo:
    """A repository: its files, what its branches and tags mean, and who may come in."""

    files: dict[str, bytes]
    commit: str = COMMIT
    refs: tuple[str, ...] = ("main", "master", "v1")
    gated: bool = False
    token: str = ""
    listed: dict[str, dict[str, Any]] = field(default_factory=dict)  # what the list says otherwise than it is


@dataclass
class ModelHub:
    """The hub at `url`, its storage at `storage_url`; `faults` by the name of a file, used up one by one."""

    repos: dict[str, Repo] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    url: str = ""
    storage_url: str = ""
    ranges: bool = True
    leaving: threading.Event = field(default_factory=threading.Event)

    def add(self, name: str, files: Mapping[str, bytes] | Path, **options: Any) -> Repo:
        """Publish files, given or of a folder, as `name`."""
        if isinstance(files, Path):
            files = {str(path.relative_to(files)): path.read_bytes() for path in files.rglob("*") if path.is_file()}
        self.repos[name] = Repo(dict(files), **options)
        return self.repos[name]

    def asked_for(self, name: str) -> list[Seen]:
        """The requests for the bytes of a file."""
        return [seen for seen in self.seen if name in seen.path and "/api/models" not in seen.path]

    def loaded(self) -> list[str]:
        """Paths of every request for bytes, in their order."""
        return [seen.path for seen in self.seen if "/resolve/" in seen.path or "/repo?" in seen.path]


def git_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _Routes(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: ModelHub

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.seen.append(Seen(self.headers["Host"], self.path, headers))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        words = [unquote(word) for word in parts.path.split("/")[1:]]
        if words[:2] == ["api", "models"]:
            self._list(words, query)
        elif words[:3] == ["api", "v1", "models"]:
            self._modelscope(words, query)
        elif words[0] == "storage":
            self._bytes(words[3], self.hub.repos["/".join(words[1:3])].files[words[3]])
        elif len(words) > 4 and words[2] == "resolve":
            self._resolve("/".join(words[:2]), words[3], "/".join(words[4:]))
        else:
            self._answer(404, b"")

    def _repo(self, name: str, revision: str = "") -> Repo | None:
        """The repository, or None once it was refused as Hugging Face refuses."""
        repo = self.hub.repos.get(name)
        token = self.headers.get("Authorization", "")
        if token == "Bearer wrong":
            self._answer(401, b"", **{"X-Error-Message": "Invalid credentials in Authorization header"})
        elif repo is None or (repo.token and token != f"Bearer {repo.token}"):
            self._answer(401 if not token else 404, b"", **{"X-Error-Code": "RepoNotFound"})
        elif revision and revision not in (*repo.refs, repo.commit):
            self._answer(404, b"", **{"X-Error-Code": "RevisionNotFound"})
        else:
            return repo
        return None

    def _list(self, words: list[str], query: dict[str, str]) -> None:
        name = "/".join(words[2:4])
        fault = self._fault("list")
        if fault is not None:
            self._answer(fault.status, fault.body, **fault.headers)
            return
        repo = self._repo(name, words[5] if len(words) > 5 else "")
        if repo is None:
            return
        assert query == {"blobs": "true"}
        siblings = []
        for file, content in repo.files.items():
            row: dict[str, Any] = {"rfilename": file, "size": len(content), "blobId": git_id(content)}
            if len(content) >= LARGE:
                row["lfs"] = {"size": len(content), "sha256": sha256(content), "pointerSize": 134}
            siblings.append({**row, **repo.listed.get(file, {})})
        body = {"id": name, "modelId": name, "sha": repo.commit, "private": False, "siblings": siblings}
        self._answer(200, json.dumps(body).encode())

    def _resolve(self, name: str, revision: str, file: str) -> None:
        repo = self._repo(name, revision)
        if repo is None:
            return
        if repo.gated and self.headers.get("Authorization") != "Bearer granted":
            self._answer(403, b"", **{"X-Error-Code": "GatedRepo"})
        elif len(repo.files[file]) < LARGE:
            self._bytes(file, repo.files[file])
        else:
            where = f"{self.hub.storage_url}/storage/{name}/{file.replace('/', '%2F')}?signature=secret"
            self._answer(302, b"", Location=where)

    def _modelscope(self, words: list[str], query: dict[str, str]) -> None:
        name, route = "/".join(words[3:5]), "/".join(words[5:])
        repo = self.hub.repos.get(name)
        told = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if repo is None or (repo.token and (told != repo.token or repo.token not in self.headers.get("Cookie", ""))):
            refused = {"Code": 10010205001, "Message": "record not found", "Success": False}
            self._answer(404, json.dumps(refused).encode())
        elif route == "commits":
            commits = [{"Id": repo.commit}] if query["Ref"] in repo.refs else None
            self._envelope({"Commit": commits, "TotalCount": len(commits or [])})
        elif route == "repo/files":
            self._envelope({"Files": self._tree(repo, query) if query["Revision"] == repo.commit else []})
        else:
            file = query["FilePath"]
            if len(repo.files[file]) < LARGE:
                self._bytes(file, repo.files[file])
            else:
                where = f"{self.hub.storage_url}/storage/{name}/{file.replace('/', '%2F')}?auth_key=secret"
                self._answer(302, b"", Location=where)

    def _tree(self, repo: Repo, query: dict[str, str]) -> list[dict[str, Any]]:
        """At most 3,000 entries, as the real one."""
        root = f"{query['Root']}/" if "Root" in query else ""
        rows, folders = [], set()
        for file, content in repo.files.items():
            if not file.startswith(root):
                continue
            inner = file.removeprefix(root)
            folders |= {root + inner.split("/")[0]} if "/" in inner else set()
            if "/" not in inner or "Recursive" in query:
                row = {"Name": file.split("/")[-1], "Path": file, "Type": "blob", "Size": len(content)}
                rows.append({**row, "Sha256": sha256(content), **repo.listed.get(file, {})})
        trees = [{"Name": path.split("/")[-1], "Path": path, "Type": "tree", "Size": 0} for path in sorted(folders)]
        return [*trees, *rows][:3000]

    def _envelope(self, data: object) -> None:
        self._answer(200, json.dumps({"Code": 200, "Data": data, "Message": "success", "Success": True}).encode())

    def _fault(self, name: str) -> Fault | None:
        faults = self.hub.faults.get(name)
        return faults.pop(0) if faults else None

    def _bytes(self, name: str, content: bytes) -> None:
        """The content of a file, or the rest of it that was asked for."""
        fault = self._fault(name) or Fault(after=-1)
        if fault.status:
            self._answer(fault.status, fault.body, **fault.headers)
            return
        content = fault.body or content
        etag, begins = f'"{sha256(content)}"', 0
        wanted = self.headers.get("Range", "")
        if wanted and self.hub.ranges and self.headers.get("If-Range", etag) == etag:
            begins = int(wanted.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if begins else 200)
        self.send_header("ETag", etag)
        if begins:
            self.send_header("Content-Range", f"bytes {begins}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begins))
        for header, value in fault.headers.items():
            self.send_header(header, value)
        self.end_headers()
        until = begins + fault.after if fault.after >= 0 else len(content)
        self.wfile.write(content[begins:until])
        if until < len(content):
            self.wfile.flush()
            if fault.silent:
                self.hub.leaving.wait(60)
            self.close_connection = True

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serving(hub: ModelHub, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[ModelHub]:
    """Start the hub and its storage, two servers, on free ports; clients know them as `host`."""
    routes = type("Routes", (_Routes,), {"hub": hub})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), routes) for _ in range(2)]
    for server in servers:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    scheme = "https" if tls is not None else "http"
    hub.url, hub.storage_url = (f"{scheme}://{host}:{server.server_address[1]}" for server in servers)
    try:
        yield hub
    finally:
        hub.leaving.set()
        for server in servers:
            server.shutdown()
            server.server_close()
