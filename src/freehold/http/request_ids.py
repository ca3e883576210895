"""The name of each request, in logs and answers."""

import itertools
import re
import secrets

_FIT = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?")


class RequestIds:
    """Names requests: by what their client offered where that is fit to be logged and echoed, else anew."""

    __slots__ = ("_numbers", "_prefix")

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    def name(self, offered: bytes | None) -> str:
        """Up to 128 characters of ASCII, none of them a control character."""
        if offered is not None and _FIT.fullmatch(offered):
            return offered.decode("ascii")
        return f"{self._prefix}-{next(self._numbers):x}"
