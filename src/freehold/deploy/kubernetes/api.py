"""The calls to an API server that deployments make: refusals in our words, tries again where that helps."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import httpx2
import msgspec
from lightkube.core.decoders import decode_object, decode_status, decode_watch_event
from lightkube.core.exceptions import ApiError, ConfigError, LoadResourceError
from lightkube.core.resource import NamespacedResource, api_info
from lightkube.core.resource_registry import resource_registry
from lightkube.generic_resource import create_namespaced_resource
from lightkube.resources.core_v1 import Node, Pod
from lightkube.types import CascadeType, PatchType

from freehold.deploy.kubernetes.connection import CONNECT_S, Connection
from freehold.deploy.kubernetes.naming import Tree
from freehold.deploy.kubernetes.refusals import Errand, refusal, refused
from freehold.errors import FreeholdError
from freehold.store.http_client import retry_after_s

TRIES: Final = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 4.0
PASSING = frozenset({429, 502, 503, 504})
GONE = 410
NO_CREDENTIALS = (OSError, ValueError, LookupError, TypeError)
"""What lightkube lets through of a plugin that is not there or prints something else."""
FOREIGN = {
    ("cert-manager.io/v1", "Certificate"): "certificates",
    ("monitoring.coreos.com/v1", "ServiceMonitor"): "servicemonitors",
    ("traefik.io/v1alpha1", "Middleware"): "middlewares",
}
"""Kinds of others that are applied where they are wanted: their plurals."""

T = TypeVar("T")
K = TypeVar("K", bound=NamespacedResource)


class ExpiredError(Exception):
    """A watch began at a version that the API server no longer has: look again."""


class Api:
    """A namespace of a cluster. Every call may block, and raises FreeholdError."""

    def __init__(self, connection: Connection, namespace: str, sleep: Callable[[float], object] = time.sleep) -> None:
        self.namespace = namespace
        self.place = connection.place
        self._client = connection.client
        self._http = connection.http
        self._sleep = sleep

    def rest(self) -> None:
        """A moment between two looks."""
        self._sleep(FIRST_PAUSE_S)

    def apply(self, tree: Tree, *, force: bool = False) -> None:
        """Server-side apply: what `tree` says is so from now on, and what else others say stays.

        As a plain tree, so that a field that nobody knows reaches the API server, and is refused.
        """
        kind, name = resource_of(tree["apiVersion"], tree["kind"]), tree["metadata"]["name"]
        namespace = tree["metadata"].get("namespace")
        self._asked(
            "patch",
            kind,
            name,
            lambda: self._client.patch(kind, name, tree, namespace=namespace, patch_type=PatchType.APPLY, force=force),
        )

    def create(self, tree: Tree) -> bool:
        """Make an object; False where there is one of that name, which stays as it is."""
        kind = resource_of(tree["apiVersion"], tree["kind"])
        made = kind.from_dict(tree)
        name = tree["metadata"]["name"]
        try:
            self._asked(
                "create", kind, name, lambda: self._client.create(made), lambda error: _is(error, "AlreadyExists")
            )
        except _Spared:
            return False
        return True

    def replace(self, changed: Any) -> bool:
        """Write an object that was read; False where somebody wrote it meanwhile."""
        kind, name = type(changed), changed.metadata.name
        try:
            self._asked(
                "update", kind, name, lambda: self._client.replace(changed), lambda error: _is(error, "Conflict")
            )
        except _Spared:
            return False
        return True

    def merge(self, kind: type[K], name: str, patch: Tree) -> None:
        """Change some fields of an object; nothing where it is gone."""
        call = lambda: self._client.patch(kind, name, patch, namespace=self.namespace, patch_type=PatchType.MERGE)  # noqa: E731 - one call
        try:
            self._asked("patch", kind, name, call, lambda error: _is(error, "NotFound"))
        except _Spared:
            return

    def find(self, kind: type[K], name: str) -> K | None:
        """An object, or None."""
        try:
            found: K = self._asked(
                "get",
                kind,
                name,
                lambda: self._client.get(kind, name, namespace=self.namespace),
                lambda error: _is(error, "NotFound"),
            )
        except _Spared:
            return None
        return found

    def all(
        self, kind: type[K], labels: Mapping[str, str] | None = None, fields: Mapping[str, str] | None = None
    ) -> tuple[list[K], str]:
        """The objects of a kind, and the version of the cluster's state in which they were so."""

        def listed() -> tuple[list[K], str]:
            found = self._client.list(
                kind, namespace=self.namespace, labels=dict(labels or {}), fields=dict(fields or {})
            )
            return list(found), found.resourceVersion or ""

        return self._asked("list", kind, "", listed)

    def nodes(self) -> list[Node]:
        """The nodes of the cluster, which few may list."""
        return self._asked("list", Node, "", lambda: list(self._client.list(Node)))

    def delete(self, kind: type[Any], name: str, *, waits: bool = False) -> None:
        """Take an object away, and what belongs to it; with `waits` it stays to be seen until all of that is gone."""
        cascade = CascadeType.FOREGROUND if waits else CascadeType.BACKGROUND
        try:
            self._asked(
                "delete",
                kind,
                name,
                lambda: self._client.delete(kind, name, namespace=self.namespace, cascade=cascade),
                lambda error: _is(error, "NotFound"),
            )
        except _Spared:
            return

    def watch(self, kind: type[K], name: str, version: str, seconds: float) -> Iterator[tuple[str, K]]:
        """ADDED, MODIFIED or DELETED and the object, for each change after `version`; ends after `seconds`, or when
        the connection is lost. Raises ExpiredError for a version that is too old.

        Not by lightkube's own, which waits for ever where a connection dies without a word.
        """
        info = api_info(kind)
        group = f"apis/{info.resource.api_version}" if info.resource.group else f"api/{info.resource.version}"
        path = f"{group}/namespaces/{self.namespace}/{info.plural}"
        parameters = {
            "watch": "true",
            "fieldSelector": f"metadata.name={name}",
            "resourceVersion": version,
            "timeoutSeconds": str(max(1, round(seconds))),
        }
        errand = self._errand("watch", kind, name)
        try:
            timeout = httpx2.Timeout(seconds, connect=CONNECT_S)
            with self._http.stream("GET", path, params=parameters, timeout=timeout) as response:
                if response.is_error:
                    response.read()
                    raise _error_of(response)
                for line in response.iter_lines():
                    event = decode_watch_event(line.encode())
                    if event.type == "ERROR":
                        status = decode_status(event.object)
                        if status.code == GONE:
                            raise ExpiredError
                        raise refused(status, errand)
                    yield event.type, decode_object(event.object, kind)
        except ApiError as error:
            if error.status.code == GONE:
                raise ExpiredError from None
            raise refusal(error, errand) from None
        except httpx2.HTTPStatusError as error:
            raise refusal(error, errand) from None
        except (httpx2.TransportError, msgspec.DecodeError):
            return  # whoever watches looks again, and hears then if the server is gone

    def log(
        self, pod: str, *, container: str | None = None, follow: bool = False, tail: int | None = None
    ) -> Iterator[str]:
        """Lines of a container; none where it has not begun."""
        call = lambda: self._client.log(  # noqa: E731 - one call
            pod, namespace=self.namespace, container=container, follow=follow, tail_lines=tail, newlines=False
        )
        try:
            lines: Iterator[str] = self._asked("get", Pod, pod, call, _has_no_log, about="pods/log")
        except _Spared:
            return
        with self._told("get", Pod, pod, about="pods/log"):
            yield from lines

    def proxied(
        self, target: str, method: str, path: str, body: bytes, headers: Mapping[str, str], wait_s: float
    ) -> tuple[int, bytes]:
        """One request through the API server: `target` is services/NAME:PORT or pods/NAME:PORT, `https:` before NAME
        where it answers by that.

        Raises FreeholdError where it is the API server that refuses: its answers are of kind Status.
        """
        url = f"api/v1/namespaces/{self.namespace}/{target}/proxy/{path.lstrip('/')}"
        with self._told(method.lower(), Pod, target, about="proxy"):
            timeout = httpx2.Timeout(wait_s, connect=CONNECT_S)
            response = self._http.request(method, url, content=body or None, headers=dict(headers), timeout=timeout)
            error = _error_of(response) if response.is_error else None
            if isinstance(error, ApiError):
                if error.status.code == httpx2.codes.SERVICE_UNAVAILABLE:
                    words = error.status.message or ""
                    raise FreeholdError("cluster_gateway_cut_off", target=target, words=words)
                raise error
        return response.status_code, response.content

    def _asked(
        self,
        verb: str,
        kind: type[Any],
        name: str,
        call: Callable[[], T],
        spare: Callable[[ApiError], bool] = lambda error: False,
        about: str = "",
    ) -> T:
        """The answer of `call`, tried again while the server has too much to do. Raises _Spared where `spare` says so:
        an answer that the caller has a use for."""
        pause_s = FIRST_PAUSE_S
        for left in reversed(range(TRIES)):
            with self._told(verb, kind, name, about):
                try:
                    return call()
                except ApiError as error:
                    if spare(error):
                        raise _Spared from None
                    if not left or error.status.code not in PASSING:
                        raise
                    wanted_s = retry_after_s(error.response) if error.response is not None else 0.0
                except httpx2.ConnectError:
                    if not left:
                        raise
                    wanted_s = 0.0
            self._sleep(min(max(pause_s, wanted_s), LONGEST_PAUSE_S))
            pause_s *= 2
        raise AssertionError("the last try returns or raises")

    @contextmanager
    def _told(self, verb: str, kind: type[Any], name: str, about: str = "") -> Iterator[None]:
        """What is refused within is told in our words."""
        try:
            yield
        except httpx2.HTTPError as error:
            raise refusal(error, self._errand(verb, kind, name, about)) from None
        except ConfigError as error:  # a plugin that gives no credentials says so when it is asked for them
            raise FreeholdError("cluster_config_invalid", path=self.place, reason=str(error)) from None
        except msgspec.DecodeError as error:  # the page of a portal or proxy, with status 200
            reason = f"only something that is no API server ({error})"
            raise FreeholdError("cluster_unreachable", place=self.place, reason=reason) from None
        except NO_CREDENTIALS as error:
            reason = f"its plugin gives no credentials ({type(error).__name__}: {error})"
            raise FreeholdError("cluster_config_invalid", path=self.place, reason=reason) from None

    def _errand(self, verb: str, kind: type[Any], name: str, about: str = "") -> Errand:
        return Errand(verb, about or api_info(kind).resource.kind, name, self.namespace, self.place)


class _Spared(Exception):  # noqa: N818 - not an error: an answer that the caller has a use for
    """A refusal that means something to whoever asked."""


def resource_of(api_version: str, kind: str) -> Any:
    """lightkube's type of a kind; of those that are not Kubernetes' own, the ones that we apply."""
    plural = FOREIGN.get((api_version, kind))
    if plural is not None:
        group, _, version = api_version.rpartition("/")
        return create_namespaced_resource(group, version, kind, plural)
    try:
        return resource_registry.load(api_version, kind)
    except LoadResourceError:
        raise FreeholdError("cluster_kind_missing", kind=f"{kind} ({api_version})", place="lightkube") from None


def _is(error: ApiError, reason: str) -> bool:
    return error.status.reason == reason


def _has_no_log(error: ApiError) -> bool:
    """A container that waits, or a pod that is gone."""
    return error.status.code in (400, 404)


def _error_of(response: httpx2.Response) -> httpx2.HTTPStatusError:
    """An answer as lightkube tells it; an ApiError only where it is the API server's."""
    error = httpx2.HTTPStatusError(f"{response.status_code}", request=response.request, response=response)
    if not response.headers.get("content-type", "").startswith("application/json"):
        return error
    try:
        is_status = b'"Status"' in response.content and response.json().get("kind") == "Status"
    except (ValueError, AttributeError):
        return error
    return ApiError(request=response.request, response=response) if is_status else error
