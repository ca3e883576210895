"""Documents as YAML that people compare: keys in the order they were made, texts of several lines as they are."""

import re
from typing import Any

import yaml

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # libyaml's writes the same, three times as fast

_TAKEN = re.compile(r"[yYnN]|[-+]?(0o[0-7]+|(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?)")
"""What PyYAML leaves without quotes and others take for a truth or a number: `123456e7`, the revision of a service."""


class _Plain(_Dumper):  # type: ignore[misc]  # which of the two is known at run time only
    """Without references between equal parts, which nobody could read."""

    def ignore_aliases(self, data: Any) -> bool:
        """None is referred to."""
        return True


def _text(dumper: Any, text: str) -> Any:
    style = "|" if "\n" in text else "'" if _TAKEN.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Plain.add_representer(str, _text)


def as_yaml(*documents: Any) -> str:
    """`documents` one after another, each but the first below a line of its own with `---`."""
    one_by_one = (
        yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120) for document in documents
    )
    return "---\n".join(one_by_one)
