"""What the configuration says of the listener of one node: address, times, TLS."""

from typing import Annotated

from msgspec import Meta

from freehold.config.forms import Seconds, Shape, Text, Url, doc, form

Prefix = Annotated[str, form(r"^/?[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$", "[/][A-Za-z0-9._-], 1 to 128")]


class Acme(Shape, frozen=True):
    """An authority that issues certificates by ACME (RFC 8555), asked by http-01 on `http_port`."""

    domains: Annotated[tuple[Text, ...], doc("The names of the certificate; the first one is its subject.")]
    directory: Annotated[Url, doc("The authority's directory.")] = "https://acme-v02.api.letsencrypt.org/directory"
    email: Annotated[Text | None, doc("Where the authority writes to.")] = None
    ca: Annotated[Text | None, doc("A PEM file with the authority that the directory's own certificate is of.")] = None
    accept_terms: Annotated[bool, doc("You have read and accept the authority's terms of service.")] = False


class Tls(Shape, frozen=True):
    """HTTPS on this machine: a certificate of your own, or one by ACME."""

    certificate: Annotated[Text | None, doc("A PEM file: the certificate, then those between it and its root.")] = None
    key: Annotated[Text | None, doc("A PEM file: its private key.")] = None
    names: Annotated[
        tuple[Text, ...], doc("Names that clients use; a certificate that lacks one is refused, as one that ended is.")
    ] = ()
    acme: Annotated[Acme | None, doc("Get and renew the certificate by ACME instead.")] = None
    client_ca: Annotated[
        Text | None, doc("A PEM file of authorities; clients must then show a certificate of one of them.")
    ] = None
    http_port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None, doc("A port for plain HTTP that sends clients to HTTPS.")
    ] = None
    hsts_s: Annotated[
        Annotated[int, Meta(ge=0)], doc("How long browsers insist on HTTPS; 0: they are told nothing.", "seconds")
    ] = 31_536_000


class SharedMemory(Shape, frozen=True):
    """Tensors in shared memory (/dev/shm), for clients on this machine."""

    prefixes: Annotated[
        tuple[Prefix, ...],
        doc("Beginnings of the names of objects that clients may register; the server reads and writes these."),
    ] = ()


class Server(Shape, frozen=True):
    """The listener of one node."""

    host: Annotated[Text, doc("The address to listen on; 0.0.0.0 is every one.")] = "127.0.0.1"
    port: Annotated[Annotated[int, Meta(ge=1, le=65535)], doc("The port to listen on.")] = 8080
    grpc: Annotated[bool, doc("Whether gRPC is answered, too.")] = True
    grpc_port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        doc("The port of gRPC, which must then be had.", default="8081, where it is free; of a gateway: none"),
    ] = None
    grace_s: Annotated[
        Annotated[float, Meta(ge=0)], doc("After SIGTERM, how long requests in flight may take to finish.", "seconds")
    ] = 25.0
    body_timeout_s: Annotated[Seconds, doc("How long a client may take to send its body.", "seconds")] = 30.0
    tls: Annotated[Tls | None, doc("HTTPS; null: plain HTTP.")] = None
    shared_memory: Annotated[
        SharedMemory, doc("System shared memory of the Open Inference Protocol; without prefixes it is off.")
    ] = SharedMemory()
