"""COUNT processes say something about the manifest SUBJECT of PLACE at the same moment, ROUNDS times over."""

import json
import os
import sys
from multiprocessing import get_context

from freehold.config import Network
from freehold.store import oci
from freehold.store.http_client import open_client
from freehold.store.registry.client import Repository
from freehold.store.registry.referrers import put_referrer


def statement(subject: str, text: str) -> bytes:
    """A referrer without content but its annotation."""
    about = oci.Descriptor(media_type=oci.IMAGE_MANIFEST, digest=subject, size=1)
    return oci.referrer_of(about, "application/vnd.test", (), {"said": text})


def main(place: str, subject: str, count: int, rounds: int) -> None:
    """Print the digests of all that was said."""
    barrier = get_context("fork").Barrier(count)
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with open_client(Network(), {}) as client:
                    repository = Repository(place, client)
                    for turn in range(rounds):
                        barrier.wait()
                        put_referrer(repository, subject, statement(subject, f"{number} {turn}"))
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    said = [oci.digest_of(statement(subject, f"{number} {turn}")) for number in range(count) for turn in range(rounds)]
    sys.stdout.write(json.dumps({"codes": codes, "said": said}))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
