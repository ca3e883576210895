"""The texts of a release, and of services: what stands in their places."""

import re
from collections.abc import Mapping
from urllib.parse import quote

_PLACE = re.compile(r"\$\{([A-Za-z0-9_.]+)(:url)?(?::-([^}]*))?\}")
_SECRET = re.compile(r"\{([A-Za-z0-9_]+)(:url)?\}")


def written(text: str, facts: Mapping[str, str], chosen: Mapping[str, str]) -> str:
    """`text` of a release: `${NAME:-DEFAULT}` is what the user chose for NAME, `${name}` a fact; `:url` quotes it.

    Raises KeyError for a fact that there is not: a mistake in the release's file.
    """

    def place(found: re.Match[str]) -> str:
        name, is_quoted, default = found.groups()
        value = facts[name] if default is None else chosen.get(name, default)
        return quote(value, safe="") if is_quoted else value

    return _PLACE.sub(place, text)


def secrets_in(text: str) -> frozenset[str]:
    """The names of the secrets in a text of `Service.secrets`."""
    return frozenset(found[1] for found in _SECRET.finditer(text))


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text of `Service.secrets` with the secrets' values in it. Raises KeyError for one that has none."""

    def value(found: re.Match[str]) -> str:
        secret = values[found[1]]
        return quote(secret, safe="") if found[2] else secret

    return _SECRET.sub(value, text)


def without(text: str, name: str) -> str:
    """A text of `Service.secrets` where the secret `name` is empty."""
    return _SECRET.sub(lambda found: "" if found[1] == name else found[0], text)
