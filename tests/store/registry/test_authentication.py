"""Logins at a real registry: with a password file, and with tokens of a service beside it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from freehold.errors import FreeholdError
from freehold.store import Store
from freehold.store.registry.authentication import RegistryAuth
from freehold.store.registry.client import Repository
from freehold.store.registry.credentials import Credentials
from freehold.store.registry.pull import pull
from freehold.store.registry.push import push
from tests.docker_registry import Relay, docker_registry, password_settings, relay_to, silent
from tests.token_server import IDENTITY_TOKEN, TokenService, token_service

Open = Callable[..., Repository]
ANNA = Credentials("anna", "open sesame")


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with a password file."""
    folder = tmp_path_factory.mktemp("guarded")
    with docker_registry(folder, password_settings(folder)) as host:
        yield host


@pytest.fixture(scope="module")
def tokens() -> Iterator[TokenService]:
    """The token service."""
    with token_service() as service:
        yield service


@pytest.fixture(scope="module")
def tokened(tmp_path_factory: pytest.TempPathFactory, tokens: TokenService) -> Iterator[str]:
    """A registry that wants its tokens."""
    folder = tmp_path_factory.mktemp("tokened")
    with docker_registry(folder, tokens.registry_settings(folder)) as host:
        yield host


@pytest.fixture
def before(guarded: str) -> Iterator[Relay]:
    """A relay before the registry with a password file."""
    with relay_to(guarded) as relay:
        yield relay


def test_a_password_opens_the_registry(
    store: Store, make_artifact: Callable[..., Path], guarded: str, opened: Open, elsewhere: Store
) -> None:
    """Push and pull with the password of a file."""
    stored = store.add(make_artifact(), "m")
    repository = opened(guarded, credentials=ANNA)
    push(store, stored, repository, "1", silent)
    assert pull(elsewhere, repository, "1", "m", "1", silent).stored.digest == stored.digest


@pytest.mark.parametrize("credentials", [None, Credentials("anna", "wrong"), Credentials("", "", "token")])
def test_without_the_right_one_it_stays_shut(guarded: str, opened: Open, credentials: Credentials | None) -> None:
    """The error names the registry and how to log in, and has no password in it."""
    with pytest.raises(FreeholdError) as raised:
        opened(guarded, credentials=credentials).manifest("1")
    assert raised.value.code == "registry_login_needed"
    assert f"docker login {guarded}" in raised.value.fix
    assert "wrong" not in str(raised.value)


def test_the_registry_is_asked_who_we_are_only_once(before: Relay, opened: Open) -> None:
    """After the first challenge each request carries the password at once."""
    seen: list[bytes] = []

    def look(way: str, data: bytes) -> tuple[bytes, bool]:
        if way == "up":
            seen.append(data)
        return data, False

    before.touch = look
    repository = opened(before.host, credentials=ANNA)
    for _ in range(3):
        repository.tags()
    requests = b"".join(seen)
    assert requests.count(b"GET ") == 4
    assert requests.count(b"Authorization: Basic ") == 3


def test_tokens_are_fetched_for_what_is_done(
    store: Store, make_artifact: Callable[..., Path], tokened: str, tokens: TokenService, opened: Open, elsewhere: Store
) -> None:
    """A push asks for the right to pull and for the right to push, a pull only for its own."""
    stored = store.add(make_artifact(), "m")
    tokens.asked.clear()
    repository = opened(tokened, credentials=ANNA)
    push(store, stored, repository, "1", silent)
    assert actions(tokens, repository) == {("pull",), ("pull", "push")}
    tokens.asked.clear()
    pulling = opened(tokened, credentials=ANNA)
    assert pull(elsewhere, pulling, "1", "m", "1", silent).stored.digest == stored.digest
    assert actions(tokens, repository) == {("pull",)}


def actions(tokens: TokenService, repository: Repository) -> set[tuple[str, ...]]:
    """What was asked for, all of it for `repository`."""
    scopes = [scope.split(":") for _, asked in tokens.asked for scope in asked]
    assert {(kind, name) for kind, name, _ in scopes} == {("repository", repository.name)}
    return {tuple(sorted(words.split(","))) for _, _, words in scopes}


def test_a_mount_asks_for_both_repositories(
    store: Store, make_artifact: Callable[..., Path], tokened: str, tokens: TokenService, opened: Open
) -> None:
    """Taking a blob over needs the right to read where it comes from."""
    stored = store.add(make_artifact(), "m")
    push(store, stored, opened(tokened, credentials=ANNA), "1", silent)
    assert push(store, stored, opened(tokened, "other/place", credentials=ANNA), "1", silent).mounted == 4


def test_an_identity_token_is_exchanged(tokened: str, tokens: TokenService, opened: Open) -> None:
    """A login without a password posts its token to the service."""
    tokens.asked.clear()
    assert opened(tokened, credentials=Credentials("", "", IDENTITY_TOKEN)).tags() == []
    assert [way for way, _ in tokens.asked] == ["identity"]


def test_a_token_that_has_ended_is_renewed(tokened: str, tokens: TokenService, opened: Open) -> None:
    """A long push outlives its token: the registry's refusal brings a new one."""
    repository = opened(tokened, credentials=ANNA)
    tokens.lasts_s = -90.0  # beyond what the registry forgives
    with pytest.raises(FreeholdError):
        repository.tags()
    tokens.lasts_s = 60.0
    assert repository.tags() == []


def test_a_wrong_password_is_refused_by_the_service(tokened: str, opened: Open) -> None:
    """The service's refusal is told as a login that is needed."""
    with pytest.raises(FreeholdError) as raised:
        opened(tokened, credentials=Credentials("anna", "wrong")).tags()
    assert raised.value.code == "registry_login_needed"


def flow(auth: RegistryAuth, request: httpx2.Request, challenge: str) -> list[httpx2.Request]:
    """The requests that `auth` makes of one, when the registry answers it with `challenge` and then with 200."""
    running = auth.sync_auth_flow(request)
    sent = [next(running)]
    answers = [httpx2.Response(401, headers={"WWW-Authenticate": challenge}), httpx2.Response(200, json={"token": "t"})]
    for answer in [*answers, httpx2.Response(200)]:
        try:
            sent.append(running.send(answer))
        except StopIteration:
            break
    return sent


def test_a_password_never_leaves_tls() -> None:
    """A registry with TLS that names a token service without it does not get the password sent there."""
    request = httpx2.Request("GET", "https://r.example/v2/m/tags/list")
    with pytest.raises(FreeholdError) as raised:
        flow(RegistryAuth("r.example", ANNA), request, 'Bearer realm="http://tokens.example/t",service="s"')
    assert raised.value.code == "registry_token_unsafe"


def test_only_the_registry_itself_is_answered() -> None:
    """A storage host to which an upload was sent may not ask for the registry's password."""
    request = httpx2.Request("GET", "https://storage.example/v2/m/blobs/x")
    assert len(flow(RegistryAuth("r.example", ANNA), request, 'Basic realm="x"')) == 1


@pytest.mark.parametrize("challenge", ["", "Negotiate", "Bearer", "Bearer realm=", "Basic"])
def test_challenges_that_cannot_be_answered(challenge: str) -> None:
    """Whatever stands in the header, the refusal is passed on; nothing breaks."""
    request = httpx2.Request("GET", "https://r.example/v2/m/tags/list")
    assert len(flow(RegistryAuth("r.example", None), request, challenge)) == 1
