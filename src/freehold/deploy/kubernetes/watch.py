"""An object as it is, and as it changes, until a moment: by list and watch, whatever becomes of the connection."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from lightkube.core.resource import NamespacedResource

from freehold.deploy.kubernetes.api import Api, ExpiredError

K = TypeVar("K", bound=NamespacedResource)

LOOK_S = 20.0
"""So long one watch lasts: then the whole is looked at again, whatever may have been missed."""


def states(
    api: Api,
    kind: type[K],
    name: str,
    wait_s: float,
    clock: Callable[[], float] = time.monotonic,
    look_s: float = LOOK_S,
) -> Iterator[K | None]:
    """The object as it is now, then after each change, None while there is none; ends after `wait_s` seconds.

    The same state may come twice: a watch that ends for whatever reason, a version that is too old among them, begins
    again with a look.
    """
    until = clock() + wait_s
    while True:
        found, version = api.all(kind, fields={"metadata.name": name})
        yield found[0] if found else None
        left = until - clock()
        if left <= 0:
            return
        begun = clock()
        try:
            for event, changed in api.watch(kind, name, version, min(left, look_s)):
                yield None if event == "DELETED" else changed
                if clock() >= until:
                    return
        except ExpiredError:
            continue
        if clock() - begun < min(1.0, look_s):  # it was lost at once: do not ask without a pause
            api.rest()
