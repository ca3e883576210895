"""`freehold models push|pull`: artifacts of the store in registries.

What speaks HTTP is imported when it is used: the other verbs of `models` do not wait for it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from freehold.cli.network import network_here
from freehold.cli.output import EPILOG, Output
from freehold.cli.progress import working
from freehold.cli.references import Ref, local_store, reference
from freehold.config import Source, parse
from freehold.errors import FreeholdError
from freehold.store import Store, Stored

if TYPE_CHECKING:
    from freehold.store.registry.client import Repository

PlainHttp = Annotated[
    bool | None,
    typer.Option("--plain-http/--tls", help="Without TLS, or with it. Default: without only on this machine."),
]


def add_to(app: typer.Typer) -> None:
    """Give `freehold models` these verbs."""
    for command in (push, pull):
        app.command(epilog=EPILOG)(command)


def push(
    ctx: typer.Context,
    ref: Ref,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[oci://HOST/REPOSITORY[:TAG]]",
            help="Where to. Default: where this name was pushed to or pulled from last, under REF's tag.",
        ),
    ] = None,
    form: Annotated[
        Literal["artifact", "image"],
        typer.Option("--as", help="`image`: tar layers, for image volumes and `docker pull`; tag: REF's and `-image`."),
    ] = "artifact",
    plain_http: PlainHttp = None,
) -> None:
    """Push an artifact to a registry, with its reports, evaluations and signatures.

    Only what the registry lacks is sent, in parallel and in chunks; a push that was cut goes on. The tag is set last.

    Logins are those of `docker login`, or FREEHOLD_REGISTRY_USERNAME and FREEHOLD_REGISTRY_PASSWORD.
    """
    from freehold.store.registry.image import push_image
    from freehold.store.registry.push import push as send

    output: Output = ctx.obj
    store = local_store(os.environ)
    stored = store.find(reference(ref))
    place = _target(store, stored, target)
    tag = place.version or f"{stored.tag or 'latest'}{'-image' if form == 'image' else ''}"
    with _repository(place, plain_http) as repository, working(f"push {stored.ref}") as say:
        done = (send if form == "artifact" else push_image)(store, stored, repository, tag, say)
    at = f"oci://{repository}:{tag}"
    data = {"ref": stored.ref, "place": at, "as": form, "digest": stored.digest, **asdict(done)}
    lines = [
        f"{stored.ref} is at {at}",
        f"  {done.oci_digest} there",
        f"  {_shown(done.moved)} sent: {done.sent} files",
    ]
    lines[-1] += f", {done.there} were there" + (f", {done.mounted} mounted" if done.mounted else "")
    if done.referrers:
        lines.append(f"  {done.referrers} reports or signatures went along")
    output.show(data, "\n".join(lines))


def pull(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="oci://HOST/REPOSITORY[:TAG]", help="Or @sha256:DIGEST, the OCI digest. No tag: the newest number."
        ),
    ],
    name: Annotated[str, typer.Option(help="The name it gets in the store. Default: the repository's last part.")] = "",
    plain_http: PlainHttp = None,
) -> None:
    """Pull an artifact from a registry into the store, with its reports, evaluations and signatures.

    Only what the store lacks is fetched, in parallel; a pull that was cut, or killed, goes on. Every file is verified
    by its sha256 before it counts, and the name is set last. It gets the registry's tag; by digest, the next number.
    """
    from freehold.store.registry.pull import newest_tag
    from freehold.store.registry.pull import pull as receive

    output: Output = ctx.obj
    place = _place(source)
    store = local_store(os.environ)
    with _repository(place, plain_http) as repository, working(f"pull {place}") as say:
        tag = "" if place.digest else place.version or newest_tag(repository)
        done = receive(store, repository, place.digest or tag, name or place.name.rpartition("/")[2], tag, say)
    stored = done.stored
    data = {
        "name": stored.name,
        "tag": stored.tag,
        "digest": stored.digest,
        "oci_digest": stored.oci_digest,
        "place": f"oci://{repository}" + (f":{tag}" if tag else f"@{place.digest}"),
        "moved": done.moved,
        "received": done.received,
        "there": done.there,
        "referrers": done.referrers,
    }
    lines = [f"{stored.ref}  {stored.digest}", f"  {_shown(done.moved)} fetched: {done.received} files"]
    lines[-1] += f", {done.there} were here"
    if done.referrers:
        lines.append(f"  {done.referrers} reports or signatures came along")
    output.show(data, "\n".join(lines))


def _place(text: str) -> Source:
    source = parse(text)
    if source.kind != "oci":
        raise FreeholdError("registry_place_wanted", source=text)
    return source


def _target(store: Store, stored: Stored, target: str | None) -> Source:
    """Where to push: as said, else where the name was last."""
    if target is not None:
        place = _place(target)
        if place.digest:
            raise FreeholdError("registry_place_wanted", source=target)
        return place
    from freehold.store.registry.places import Places

    last = Places(store.root).last(stored.name)
    if last is None:
        raise FreeholdError("registry_target_wanted", name=stored.name)
    return Source("oci", last)


@contextmanager
def _repository(place: Source, plain_http: bool | None) -> "Iterator[Repository]":
    """The repository of `place`, by this folder's network settings and this user's logins."""
    from freehold.store.http_client import open_client
    from freehold.store.registry.client import Repository
    from freehold.store.registry.credentials import find_credentials

    credentials = find_credentials(place.name.partition("/")[0], os.environ)
    with open_client(network_here(os.environ, Path.cwd()), os.environ) as client:
        yield Repository(place.name, client, credentials, plain_http)


def _shown(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size} bytes"
