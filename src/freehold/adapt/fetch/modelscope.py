"""ModelScope, the hub of models in China.

Its routes, as its own client and others use them (github.com/modelscope/modelscope, modelscope/hub/api.py and
file_download.py; measured by github.com/gpustack/gpustack):

    GET /api/v1/models/ORG/NAME/commits?Ref=REVISION&PageSize=1     {"Code": 200, "Data": {"Commit": [{"Id": commit}]}}
    GET /api/v1/models/ORG/NAME/repo/files?Revision=COMMIT&Recursive=true
        {"Code": 200, "Data": {"Files": [{"Path", "Size", "Sha256", "Type": "blob" | "tree"}, ...]}}
    GET /api/v1/models/ORG/NAME/repo?Revision=COMMIT&FilePath=PATH  the bytes, of a large file a redirect to its storage

A list ends silently after 3,000 entries. A revision that is not there has no commits (asked for its files, the hub may
answer an empty list). A repository that is not there and one that the caller may not read are told alike: 404, or 200
with another `Code`. The default branch is `master`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

import httpx2
import msgspec

from freehold.adapt.fetch.failures import TOKENS, host_of, status_failure, unreachable
from freehold.adapt.fetch.repository import Errand, RemoteFile, Repository, safe_name
from freehold.adapt.fetch.transport import Transport
from freehold.errors import FreeholdError
from freehold.store.oci import UNREADABLE

ENDPOINT = "https://www.modelscope.cn"
DEFAULT_BRANCH = "master"
LONGEST_ANSWER = 64 << 20  # bytes
LIST_ENDS_AT = 3000  # entries, without a word
NO_FILE_TREE = 10990101004
NO_ACCESS = frozenset({10010205001, 10010200001, 401, 403, 404})

Data = TypeVar("Data", bound=msgspec.Struct)


class _Commit(msgspec.Struct, frozen=True):
    Id: str


class _Commits(msgspec.Struct, frozen=True):
    Commit: list[_Commit] | None = None


class _File(msgspec.Struct, frozen=True):
    Path: str
    Size: int = 0
    Sha256: str = ""
    Type: str = "blob"


class _Files(msgspec.Struct, frozen=True):
    Files: list[_File] | None = None


class _Envelope(msgspec.Struct, frozen=True):
    Code: int = 200
    Message: str = ""
    Data: msgspec.Raw = msgspec.Raw(b"{}")


@dataclass(frozen=True)
class ModelScope:
    """A hub that speaks ModelScope's routes, at `endpoint` without a slash at its end."""

    transport: Transport
    endpoint: str
    token: str = ""

    @classmethod
    def of(cls, transport: Transport, environ: Mapping[str, str]) -> "ModelScope":
        """The hub at MODELSCOPE_ENDPOINT or MODELSCOPE_DOMAIN (without a scheme: https), with MODELSCOPE_API_TOKEN."""
        named = environ.get("MODELSCOPE_ENDPOINT") or environ.get("MODELSCOPE_DOMAIN") or ENDPOINT
        endpoint = (named if "://" in named else f"https://{named}").rstrip("/")
        return cls(transport, endpoint, environ.get(TOKENS["ms"]) or "")

    @property
    def host(self) -> str:
        """As `Hub.host`."""
        return host_of(self.endpoint)

    @property
    def headers(self) -> Mapping[str, str]:
        """As `Hub.headers`. Some routes know the token as a header, the older ones as their session's cookie."""
        if not self.token:
            return {}
        return {"Authorization": f"Bearer {self.token}", "Cookie": f"m_session_id={self.token}"}

    def repository(self, errand: Errand) -> Repository:
        """As `Hub.repository`."""
        commit = self._commit(errand)
        listed = self._listed(errand, commit)
        if not listed:
            raise self._revision_missing(errand)
        files = tuple(self._file(errand, commit, file) for file in listed if file.Type != "tree")
        return Repository(errand.source, commit, self._page(errand), files)

    def refusal(self, errand: Errand, response: httpx2.Response) -> FreeholdError:
        """As `Hub.refusal`."""
        try:
            code = msgspec.json.decode(response.content, type=_Envelope).Code
        except (*UNREADABLE, httpx2.ResponseNotRead):
            code = response.status_code
        if code == NO_FILE_TREE:
            return self._revision_missing(errand)
        if code in NO_ACCESS or response.status_code in NO_ACCESS:
            page, variable = self._page(errand), TOKENS["ms"]
            return FreeholdError(
                "hub_repository_missing", source=errand.source, host=self.host, page=page, variable=variable
            )
        return status_failure(errand, self.host, response.status_code if response.status_code != 200 else code)

    def _commit(self, errand: Errand) -> str:
        """The commit that a branch or tag means now."""
        revision = errand.source.version
        if re.fullmatch(r"[0-9a-f]{40}", revision):
            return revision
        commits = self._ask(errand, "commits", _Commits, Ref=revision or DEFAULT_BRANCH, PageSize="1").Commit
        if not commits:
            raise self._revision_missing(errand)
        return commits[0].Id

    def _listed(self, errand: Errand, commit: str, folder: str = "") -> list[_File]:
        """Every entry under `folder`; a list that may have ended early is asked for again, folder by folder."""
        root = {"Root": folder} if folder else {}
        whole = self._ask(errand, "repo/files", _Files, Revision=commit, Recursive="true", **root).Files or []
        if len(whole) < LIST_ENDS_AT:
            return whole
        own = self._ask(errand, "repo/files", _Files, Revision=commit, **root).Files or []
        if len(own) >= LIST_ENDS_AT:
            reason = f"its list of {folder or 'the repository'} ends after {LIST_ENDS_AT} files"
            raise FreeholdError("hub_answer_invalid", host=self.host, reason=reason)
        below = [file for each in own if each.Type == "tree" for file in self._listed(errand, commit, each.Path)]
        return [*own, *below]

    def _ask(self, errand: Errand, route: str, kind: type[Data], **query: str) -> Data:
        url = self._url(errand, route, query)
        try:
            response = self.transport.read(url, self.headers, most=LONGEST_ANSWER)
        except httpx2.RequestError as error:
            raise unreachable(errand, self.host, error) from None
        try:
            envelope = msgspec.json.decode(response.content, type=_Envelope)
            if response.status_code == 200 and envelope.Code == 200:
                return msgspec.json.decode(envelope.Data, type=kind)
        except UNREADABLE as error:
            if response.status_code == 200:
                reason = f"its answer to {route} cannot be read: {error}"
                raise FreeholdError("hub_answer_invalid", host=self.host, reason=reason) from None
        raise self.refusal(errand, response)

    def _file(self, errand: Errand, commit: str, file: _File) -> RemoteFile:
        name = safe_name(file.Path, self.host)
        url = self._url(errand, "repo", {"Revision": commit, "FilePath": name})
        return RemoteFile(name, file.Size, url, sha256=file.Sha256)

    def _url(self, errand: Errand, route: str, query: Mapping[str, str]) -> str:
        return f"{self.endpoint}/api/v1/models/{errand.source.name}/{route}?{urlencode(query)}"

    def _page(self, errand: Errand) -> str:
        return f"{self.endpoint}/models/{errand.source.name}"

    def _revision_missing(self, errand: Errand) -> FreeholdError:
        revision = errand.source.version or DEFAULT_BRANCH
        return FreeholdError("hub_revision_missing", source=errand.source, revision=revision, page=self._page(errand))
