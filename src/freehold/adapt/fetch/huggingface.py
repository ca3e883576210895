"""The hub of Hugging Face and its mirrors.

One request lists a repository: `GET /api/models/ORG/NAME[/revision/REVISION]?blobs=true` answers the commit as `sha`
and every file in `siblings` with its size, git object id and, of a large one, sha256 (huggingface.co/docs/hub/api). A
file is at `/ORG/NAME/resolve/COMMIT/PATH`, which redirects large ones to a storage host that takes ranges.

The library huggingface_hub reads these answers, and knows what its hub's refusals mean and where a login keeps its
token. It does not move bytes here: its downloads go to a cache of its own form, and its requests also ask its hub for
things that nobody asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2
from huggingface_hub import get_token, hf_hub_url, hf_raise_for_status
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import ModelInfo

from freehold.adapt.fetch.failures import TOKENS, host_of, status_failure, unreachable
from freehold.adapt.fetch.repository import Errand, RemoteFile, Repository, safe_name
from freehold.adapt.fetch.transport import Transport
from freehold.errors import FreeholdError

ENDPOINT = "https://huggingface.co"
LONGEST_LIST = 64 << 20  # bytes; a repository of 100,000 files lists in less


@dataclass(frozen=True)
class HuggingFace:
    """A hub that speaks Hugging Face's routes, at `endpoint` without a slash at its end."""

    transport: Transport
    endpoint: str
    token: str = ""

    @classmethod
    def of(cls, transport: Transport, environ: Mapping[str, str]) -> "HuggingFace":
        """The hub at HF_ENDPOINT, with the token of HF_TOKEN or of the login of `hf auth login`."""
        endpoint = (environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
        return cls(transport, endpoint, environ.get("HF_TOKEN") or get_token() or "")

    @property
    def host(self) -> str:
        """As `Hub.host`."""
        return host_of(self.endpoint)

    @property
    def headers(self) -> Mapping[str, str]:
        """As `Hub.headers`."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def repository(self, errand: Errand) -> Repository:
        """As `Hub.repository`."""
        source = errand.source
        at = f"/revision/{quote(source.version, safe='')}" if source.version else ""
        try:
            url = f"{self.endpoint}/api/models/{source.name}{at}?blobs=true"
            response = self.transport.read(url, self.headers, most=LONGEST_LIST)
        except httpx2.RequestError as error:
            raise unreachable(errand, self.host, error) from None
        if response.status_code != 200:
            raise self.refusal(errand, response)
        try:
            info: Any = ModelInfo(**response.json())  # type: ignore[no-untyped-call] # the library's own lack
            revision = info.sha or source.version or "main"
            files = tuple(self._file(source.name, revision, each) for each in info.siblings)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            reason = f"its list of files cannot be read: {type(error).__name__}: {error}"
            raise FreeholdError("hub_answer_invalid", host=self.host, reason=reason) from None
        return Repository(source, revision, f"{self.endpoint}/{source.name}", files)

    def refusal(self, errand: Errand, response: httpx2.Response) -> FreeholdError:
        """As `Hub.refusal`."""
        source = errand.source
        page, variable = f"{self.endpoint}/{source.name}", TOKENS["hf"]
        try:
            hf_raise_for_status(response)
        except GatedRepoError:
            return FreeholdError("hub_gated", source=source, page=page, variable=variable)
        except RepositoryNotFoundError:
            return FreeholdError("hub_repository_missing", source=source, host=self.host, page=page, variable=variable)
        except RevisionNotFoundError:
            return FreeholdError("hub_revision_missing", source=source, revision=source.version, page=page)
        except HfHubHTTPError:
            if response.status_code in (401, 403):
                return FreeholdError("hub_token_refused", source=source, host=self.host, page=page, variable=variable)
        return status_failure(errand, self.host, response.status_code)

    def _file(self, repository: str, revision: str, sibling: Any) -> RemoteFile:
        name = safe_name(sibling.rfilename, self.host)
        url = hf_hub_url(repository, name, revision=revision, endpoint=self.endpoint)
        if sibling.lfs is not None:
            return RemoteFile(name, int(sibling.lfs.size), url, sha256=sibling.lfs.sha256)
        return RemoteFile(name, int(sibling.size), url, git_sha1=sibling.blob_id or "")
